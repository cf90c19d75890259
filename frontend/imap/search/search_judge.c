/* Judges a record by everything that is known of it. */
#include "frontend/imap/search/search.h"

#include "lib/base/check.h"

/* In units of lib/base/slice.h: for a message's texts that a key may search. */
enum { BYTES_A_UNIT = 32 };

static uint32_t
judge_bytes(const struct mime_digest *d)
{
	size_t bytes = 0;

	for (unsigned i = DIGEST_SUBJECT; d != NULL && i < DIGEST_TEXTS; i++)
		bytes += d->texts[i].len;
	return (uint32_t)bytes;
}

enum message_verdict
imap_search_judge(struct search_run *r, const struct imap_record *record, const bool *found)
{
	struct mailbox_hot hot;
	struct message_known m = {.hot = &hot, .scratch = &r->scratch, .now = r->now};
	enum message_verdict v;

	if (!record->known || record->lost || !imap_view_hot(r->session->view, record->seq, &hot))
		return VERDICT_NO; /* it has just been removed, or cannot be read */
	m.cold = &record->cold;
	m.digest = record->digest.ready ? &record->digest.digest : NULL;
	m.found = found;
	arena_reset(&r->scratch);
	session_spend(&r->session->base, r->judge_work * (1 + judge_bytes(m.digest) / BYTES_A_UNIT));
	v = message_match(r->search.key, &m);
	CHECK(v != VERDICT_UNKNOWN || m.found == NULL);
	return v;
}
