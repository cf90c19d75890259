#include "lib/tlspolicy/sts_own.h"

#include "lib/tlspolicy/sts_policy.h"

/* The words of the setting. */
static enum sts_mode
sts_own_mode(int word)
{
	switch (word) {
	case MTA_STS_TESTING: return STS_MODE_TESTING;
	case MTA_STS_ENFORCE: return STS_MODE_ENFORCE;
	default: return STS_MODE_NONE;
	}
}

bool
sts_own_policy(const struct settings_smtp_in *settings, struct str hostname, struct buf *out)
{
	const struct settings_list *mx = &settings->mta_sts_mx;
	struct sts_policy policy = {
		.mode = sts_own_mode(settings->mta_sts),
		.max_age_ms = settings->mta_sts_max_age,
		.mx = mx->count != 0 ? mx->items : &hostname,
		.mx_count = mx->count != 0 ? mx->count : 1,
	};

	if (settings->mta_sts == MTA_STS_OFF)
		return false;
	sts_policy_write(&policy, out);
	return true;
}
