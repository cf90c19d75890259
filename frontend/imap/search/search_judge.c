/* A record judged by all that is known of it. */
#include "frontend/imap/search/search.h"

#include "lib/base/check.h"

enum message_verdict
imap_search_judge(struct search_run *r, const struct imap_record *record, const bool *found)
{
	struct mailbox_hot hot;
	struct message_known m = {.hot = &hot, .scratch = &r->scratch, .now = r->now};
	enum message_verdict v;

	if (!record->known || record->lost || !imap_view_hot(r->session->view, record->seq, &hot))
		return VERDICT_NO; /* it has just gone, or cannot be read */
	m.cold = &record->cold;
	m.digest = record->digest.ready ? &record->digest.digest : NULL;
	m.found = found;
	arena_reset(&r->scratch);
	v = message_match(r->search.key, &m);
	CHECK(v != VERDICT_UNKNOWN || m.found == NULL);
	return v;
}
