#include "frontend/wellknown/wellknown.h"
#include "lib/tlspolicy/sts_policy.h"

/* The values of the setting. */
enum { MTA_STS_OFF, MTA_STS_NONE, MTA_STS_TESTING, MTA_STS_ENFORCE };

static enum sts_mode
mta_sts_mode(int word)
{
	switch (word) {
	case MTA_STS_TESTING: return STS_MODE_TESTING;
	case MTA_STS_ENFORCE: return STS_MODE_ENFORCE;
	default: return STS_MODE_NONE;
	}
}

static void
mta_sts_answer(struct http_request *r, struct str domain)
{
	const struct settings_smtp_in *settings = settings_smtp_in(frontend_settings(http_frontend(r)), domain);
	struct str hostname = str_c(http_frontend(r)->service->hostname);
	struct sts_policy policy = {
		.mode = mta_sts_mode(settings->mta_sts),
		.max_age_ms = settings->mta_sts_max_age,
		.mx = settings->mta_sts_mx.count != 0 ? settings->mta_sts_mx.items : &hostname,
		.mx_count = settings->mta_sts_mx.count != 0 ? settings->mta_sts_mx.count : 1,
	};
	struct buf text = BUF_EMPTY;

	if (settings->mta_sts == MTA_STS_OFF) {
		http_refuse(r, 404);
		return;
	}
	sts_policy_write(&policy, &text);
	http_reply(r, 200, "text/plain", buf_str(&text));
	buf_fini(&text);
}

static void
mta_sts_on_local(void *arg, bool is, const struct err *err)
{
	struct http_request *r = arg;
	const struct str *domain = http_state(r);

	if (!http_back(r))
		return;
	if (err != NULL)
		http_unavailable(r);
	else if (!is)
		http_refuse(r, 404);
	else
		mta_sts_answer(r, *domain);
}

static void
mta_sts_on_begin(struct http_request *r)
{
	struct str *domain = arena_new(http_arena(r), struct str);
	char name[DIRECTORY_DOMAIN_MAX];
	bool is;

	if (!directory_canonical_domain(str_from(http_head(r)->host, sizeof("mta-sts.") - 1), name)) {
		http_refuse(r, 404);
		return;
	}
	*domain = arena_str(http_arena(r), str_c(name));
	http_set_state(r, domain);
	http_hold(r);
	if (directory_is_local_domain(http_frontend(r)->directory, *domain, &is, mta_sts_on_local, r))
		mta_sts_on_local(r, is, NULL);
}

const struct http_handler wellknown_mta_sts = {.on_begin = mta_sts_on_begin};
