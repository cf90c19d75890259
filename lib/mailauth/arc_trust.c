#include "lib/mailauth/arc_trust.h"

#include "lib/dkim/tags.h"
#include "lib/mailauth/auth_results_read.h"

static bool
trust_has(const struct str *trusted, unsigned count, struct str domain)
{
	for (unsigned i = 0; i < count; i++)
		if (str_eq_ci(trusted[i], domain))
			return true;
	return false;
}

bool
arc_vouches(const struct arc_verdict *verdict, const struct str *trusted, unsigned count, struct str author)
{
	if ((verdict->result != ARC_PASS && verdict->result != ARC_TEMPERROR) || author.len == 0)
		return false;
	/* RFC 8617 lets it sign no field at all: then From is not what the sealer saw. */
	if (verdict->count == 0 || !dkim_tag_has_item(verdict->sets[verdict->count - 1].message.names, STR("from")))
		return false;
	for (unsigned i = verdict->count; i > 0; i--) {
		const struct arc_set *set = &verdict->sets[i - 1];

		if (!trust_has(trusted, count, set->seal.domain))
			return false;
		if (auth_results_say_dmarc_pass(set->payload, author))
			return true;
	}
	return false;
}
