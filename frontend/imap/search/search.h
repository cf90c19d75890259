/* SEARCH under way; shared by search.c (which messages, how far each must be
 * looked into), search_prepare.c (what keys mean in this session),
 * search_body.c (reads bodies) and search_result.c (the answer). What a key says
 * of a message: lib/message/match.h. */
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

/* The answer under way: search_result.c. */
struct imap_answer {
	bool is_sort;		 /* "* SORT" where SEARCH says "* SEARCH" */
	const struct step *step; /* the next one */
	uint32_t at, end;	 /* of found: numbers that are still to be told by it */
	bool is_set;		 /* as a set, else as a list */
	struct buf out;		 /* owner */
};

/* SEARCH, and the first half of SORT and THREAD. */
struct search_run {
	struct imap_session *session;
	struct imap_search search;
	/* Called once, at the end; what was found lies in `found`. */
	void (*on_found)(struct search_run *r);
	struct imap_found found;
	struct imap_answer answer;

	uint8_t *verdicts;   /* arena; by sequence number - 1 */
	uint32_t at;	     /* messages looked at */
	uint32_t open;	     /* that the index alone does not decide */
	uint32_t judge_work; /* of all keys asked of a message: units of lib/base/slice.h */
	struct message_finder finder;
	struct imap_records records;
	int64_t now;		  /* unix seconds */
	struct arena scratch;	  /* reset with each message */
	struct search_body *body; /* arena; NULL: none was read */
	struct imap_progress progress;
};
/* search_prepare.c: before the run; a search is for one session and one moment.
 * An error, or NULL. */
const char *imap_search_prepare(struct search_run *r);
void imap_search_run(struct search_run *r);
/* search_judge.c: judges a record by all that is known of it now; found: NULL, or by slot. */
enum message_verdict imap_search_judge(struct search_run *r, const struct imap_record *record, const bool *found);

/* search_body.c: reads what the body keys want of the records still open, one
 * after another, and decides them; calls then, now or later. */
void imap_search_bodies(struct search_run *r, void (*then)(struct search_run *r));
void imap_search_bodies_cancel(struct search_run *r);

/* search_result.c: tells `found`, in its order, and ends the command. */
void imap_search_answer(struct search_run *r);

#endif
