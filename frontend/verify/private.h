/* The state of one check. Private to frontend/verify.
 *
 *   check.c     its course: what is asked when, and the time limit
 *   outcome.c   what is said about it in the end */
#ifndef SP_FRONTEND_VERIFY_PRIVATE_H
#define SP_FRONTEND_VERIFY_PRIVATE_H

#include "frontend/verify/check.h"
#include "lib/base/arena.h"
#include "lib/dkim/verify.h"
#include "lib/mailauth/arc.h"
#include "lib/mailauth/author.h"
#include "lib/mailauth/spf.h"

/* One identity of SPF. */
struct verify_spf {
	struct verify_check *check; /* borrowed */
	struct spf_check *running;  /* owner; NULL: it has ended, or there is none */
	bool is_wanted;
	struct spf_answer answer; /* texts in the arena */
};

struct verify_check {
	struct frontend *frontend; /* borrowed */
	struct arena arena;
	struct ip client;
	struct str helo, reverse_path, authserv_id;
	int64_t limit_ms;
	struct event *timer; /* owner: the time limit, then the end */

	struct verify_spf sender, hello; /* the reverse-path; the HELO name */
	struct dkim_verifier *dkim;	 /* owner; NULL before the data */
	const struct dkim_verdict *signatures;
	unsigned signature_count;
	struct arc_verifier *arc; /* owner, the same */
	const struct arc_verdict *chain;

	bool is_ended;		   /* all of the message is here */
	bool are_parts_late;	   /* the time of SPF, DKIM and ARC is over */
	bool is_late;		   /* all of it is */
	bool has_dkim, has_arc;	   /* the verdicts */
	bool is_judged;		   /* DMARC's too: only the callback is due */
	struct dmarc_check *dmarc; /* owner; NULL: not running */
	enum author_kind author_kind;
	struct dmarc_answer policy; /* texts in the arena */
	enum dmarc_policy wanted;
	bool is_unproved;
	bool is_vouched_for; /* by trusted ARC sealers: then the two above do not count */
	verify_on_end *cb;
	void *arg;
};

/* Says what was found: in the outcome, and in the metrics. */
void verify_outcome_make(struct verify_check *c, struct verify_outcome *outcome_out);

#endif
