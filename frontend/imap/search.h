/* SEARCH under way; shared by search.c (which messages, how far each must be
 * looked into), search_eval.c (what a key says of a message), search_body.c
 * (what is found in bodies) and search_result.c (the answer). */
#ifndef SP_FRONTEND_IMAP_SEARCH_H
#define SP_FRONTEND_IMAP_SEARCH_H

#include "frontend/imap/digests.h"
#include "frontend/imap/parse/search_keys.h"

#define SEARCH_BATCH	 128
#define SEARCH_BODY_KEYS_MAX 64 /* HEADER, BODY and TEXT of one search */

enum verdict { VERDICT_NO, VERDICT_YES, VERDICT_UNKNOWN };

/* As much of a message as is known so far. */
struct search_subject {
	uint32_t seq, uid;
	const struct mailbox_hot *hot;
	const struct mailbox_cold *cold;     /* NULL: not yet */
	const struct mime_digest *digest;    /* NULL: not yet */
	const bool *found;		     /* by body key; NULL: not yet */
	struct arena *scratch;
	int64_t now; /* unix seconds */
};
enum verdict imap_search_eval(const struct imap_search_key *k, const struct search_subject *m);
/* Puts numbers in for names, resolves sets, collects the body keys. An error,
 * or NULL. */
const char *imap_search_prepare(struct imap_session *s, struct imap_search *search, struct imap_search_key **body_keys,
				unsigned *body_key_count);

struct search_entry {
	struct search_subject m;
	struct mailbox_hot hot;
	struct mailbox_cold cold;
	struct imap_digest digest;
	bool open; /* not decided */
};

struct imap_found {
	uint32_t *seqs; /* sorted; arena */
	uint32_t count;
	uint64_t modseq; /* the highest of them */
};

/* SEARCH, and the first half of SORT and THREAD. */
struct search_run {
	struct imap_session *session;
	struct imap_search search;
	/* Called once, at the end; what was found lies in `found`. */
	void (*on_found)(struct search_run *r);
	struct imap_found found;

	uint8_t *verdicts;  /* arena; by sequence number - 1 */
	uint32_t at;	    /* sequence number looked at last */
	bool hot_done;
	struct imap_search_key *body_keys[SEARCH_BODY_KEYS_MAX];
	unsigned body_key_count;
	struct search_entry *batch; /* arena */
	unsigned batch_count, loading;
	struct arena scratch; /* reset with each message */
	struct search_body *body; /* arena; a body is being read */
};
void imap_search_run(struct search_run *r);

/* search_body.c: reads what the body keys want of the batch's open messages,
 * one after another, and decides them; then goes on by imap_search_body_done(). */
void imap_search_bodies(struct search_run *r);
void imap_search_bodies_cancel(struct search_run *r);
void imap_search_body_done(struct search_run *r);

/* search_result.c */
void imap_search_answer(struct search_run *r);

#endif
