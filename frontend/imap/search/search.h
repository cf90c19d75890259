/* SEARCH under way; shared by search.c (which messages, how far each must be
 * looked into), search_eval.c (what a key says of a message), search_body.c
 * (what is found in bodies) and search_result.c (the answer). */
#ifndef SP_FRONTEND_IMAP_SEARCH_SEARCH_H
#define SP_FRONTEND_IMAP_SEARCH_SEARCH_H

#include "frontend/imap/parse/search_keys.h"
#include "frontend/imap/view/records.h"

#define SEARCH_BODY_KEYS_MAX	  IMAP_SEARCH_KEYS_MAX /* HEADER, BODY and TEXT of one search */
#define SEARCH_EXPENSIVE_KEYS_MAX 64		       /* of those that always look into the message */

enum verdict { VERDICT_NO, VERDICT_YES, VERDICT_UNKNOWN };

/* As much of a message as is known so far. */
struct search_subject {
	uint32_t seq, uid;
	const struct mailbox_hot *hot;
	const struct mailbox_cold *cold;  /* NULL: not yet */
	const struct mime_digest *digest; /* NULL: not yet */
	const bool *found;		  /* by body key; NULL: not yet */
	struct arena *scratch;
	int64_t now; /* unix seconds */
};
enum verdict imap_search_eval(const struct imap_search_key *k, const struct search_subject *m);
/* Puts numbers in for names, resolves sets, collects the body keys. An error,
 * or NULL. */
const char *imap_search_prepare(struct imap_session *s, struct imap_search *search, struct imap_search_key **body_keys,
				unsigned *body_key_count);

struct imap_found {
	uint32_t *seqs; /* sorted; arena */
	uint32_t count;
};

/* The client is told how far a long search is (RFC 9585). */
struct imap_progress {
	int64_t told_ms; /* monotonic; 0: the command has just begun */
};
void imap_tell_progress(struct imap_session *s, struct imap_progress *p, uint32_t done, uint32_t total);

/* SEARCH, and the first half of SORT and THREAD. */
struct search_run {
	struct imap_session *session;
	struct imap_search search;
	/* Called once, at the end; what was found lies in `found`. */
	void (*on_found)(struct search_run *r);
	struct imap_found found;

	uint8_t *verdicts; /* arena; by sequence number - 1 */
	uint32_t at;	   /* messages looked at */
	uint32_t open;	   /* that the index alone does not decide */
	struct imap_search_key *body_keys[SEARCH_BODY_KEYS_MAX];
	unsigned body_key_count;
	struct imap_records records;
	int64_t now;		  /* unix seconds */
	struct arena scratch;	  /* reset with each message */
	struct search_body *body; /* arena; bodies are being read */
	struct imap_progress progress;
};
void imap_search_run(struct search_run *r);
/* Judges a record by all that is known of it now; found: NULL, or by body key. */
enum verdict imap_search_judge(struct search_run *r, const struct imap_record *record, const bool *found);

/* search_body.c: reads what the body keys want of the records still open, one
 * after another, and decides them; then goes on by imap_search_bodies_done(). */
void imap_search_bodies(struct search_run *r);
void imap_search_bodies_cancel(struct search_run *r);
void imap_search_bodies_done(struct search_run *r);

/* search_result.c: the answer of SEARCH, and of SORT with RETURN. */
struct imap_result {
	const uint32_t *seqs; /* in the order of the result */
	uint32_t count;
};
void imap_search_answer(struct search_run *r);
/* "* ESEARCH ..." of a result, and SAVE. */
void imap_print_esearch(struct imap_session *s, const struct imap_search *search, const struct imap_result *result,
			struct buf *out);
/* The highest modseq of a result's messages. */
uint64_t imap_result_modseq(const struct imap_session *s, const struct imap_result *result);

#endif
