/* A SEARCH in progress; shared by search.c (which messages, and how deep each must be
 * examined), search_prepare.c (the meaning of keys in this session), search_body.c
 * (reads bodies) and search_result.c (the answer). What a key means for a message:
 * lib/message/match.h. */
#ifndef SP_FRONTEND_IMAP_SEARCH_SEARCH_H
#define SP_FRONTEND_IMAP_SEARCH_SEARCH_H

#include "frontend/imap/parse/search_keys.h"
#include "frontend/imap/search/progress.h"
#include "frontend/imap/view/records.h"
#include "lib/message/find.h"

struct imap_found {
	uint32_t *seqs; /* sorted; arena */
	uint32_t count;
};

/* The answer in progress: search_result.c. */
struct imap_answer {
	bool is_sort;		 /* "* SORT" instead of "* SEARCH" */
	const struct step *step; /* the next one */
	uint32_t at, end;	 /* numbers of found that this step has yet to write */
	bool is_set;		 /* as a set, otherwise as a list */
	struct buf out;		 /* owner */
};

/* SEARCH, and the first half of SORT and THREAD. */
struct search_run {
	struct imap_session *session;
	struct imap_search search;
	/* Called once, at the end; the result is in `found`. */
	void (*on_found)(struct search_run *r);
	struct imap_found found;
	struct imap_answer answer;

	uint8_t *verdicts;   /* arena; by sequence number - 1 */
	uint32_t at;	     /* messages examined */
	uint32_t open;	     /* those that the index alone does not decide */
	uint32_t judge_work; /* of all keys tested on a message: units of lib/base/slice.h */
	struct message_finder finder;
	struct imap_records records;
	int64_t now;		  /* unix seconds */
	struct arena scratch;	  /* reset for each message */
	struct search_body *body; /* arena; NULL: none read yet */
	struct imap_progress progress;
};
/* search_prepare.c: call it before the run; a search is valid for one session and one
 * moment. Returns an error, or NULL. */
const char *imap_search_prepare(struct search_run *r);
void imap_search_run(struct search_run *r);
/* search_judge.c: judges a record by all that is known of it so far; found: NULL, or by slot. */
enum message_verdict imap_search_judge(struct search_run *r, const struct imap_record *record, const bool *found);

/* search_body.c: reads what the body keys need from the records still open, one after
 * another, and decides them; then calls `then`, at once or later. */
void imap_search_bodies(struct search_run *r, void (*then)(struct search_run *r));
void imap_search_bodies_cancel(struct search_run *r);

/* search_result.c: writes `found`, in its order, and ends the command. */
void imap_search_answer(struct search_run *r);

#endif
