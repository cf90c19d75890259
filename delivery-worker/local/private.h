/* The work of one LOCAL job, in its steps:
 *
 *   expand     what each recipient comes to (expand.c)
 *   digest     read the body once, compute what IMAP will want of it
 *   refer      take the references to body and digest that the filings need
 *   file       one script a mailbox, some at once (file.c)
 *   conclude   one result a recipient, from those of its targets (conclude.c)
 *
 * Only this folder includes this header. */
#ifndef SP_WORKER_LOCAL_PRIVATE_H
#define SP_WORKER_LOCAL_PRIVATE_H

#include "delivery-worker/jobs/job.h"
#include "lib/base/op.h"
#include "lib/mime/digest.h"

#define LOCAL_FILINGS_AT_ONCE 32
#define LOCAL_READ_BYTES      (256 * 1024)
/* The ledgers of the mailboxes outlive a message by this. */
#define LOCAL_LEDGER_MARGIN_MS (INT64_C(2) * 86400 * 1000)

enum filing_state {
	FILING_WAITING,
	FILING_DONE,	  /* in the mailbox, by this job or an earlier try */
	FILING_REFUSED,	  /* permanent: code and text say why */
	FILING_POSTPONED, /* our own trouble: err says which */
};

/* One copy for one mailbox; several recipients may lead to the same one. */
struct filing {
	struct local_work *work; /* borrowed */
	struct str address;	 /* of the account; in the job's arena, as all text here */
	struct str detail;	 /* wanted folder, as written after the '+'; empty: INBOX */
	struct str folder;	 /* found for it */
	bool junk;		 /* file it in the folder of special use \Junk, unless another folder is wanted */
	bool tagged;		 /* gets the keyword $Junk */
	bool plain;		 /* retrieved: without its keywords, for which the folder has no room */
	uint64_t quota_bytes;
	enum filing_state state;
	const char *code; /* enhanced status, when done or refused */
	struct str text;  /* the same */
	struct err err;	  /* when postponed */
	struct filing *next;
};

/* What a recipient expanded to. */
struct target {
	struct str address;
	enum directory_kind kind; /* DIR_USER, DIR_NOT_LOCAL, DIR_UNKNOWN, DIR_DISABLED or DIR_UNCLAIMED */
	bool domain_disabled;
	struct filing *filing; /* DIR_USER: shared, in the work's list */
};

struct local_recipient {
	struct local_work *work; /* borrowed */
	uint32_t index;		 /* of the message */
	bool expand_failed;
	struct err err;		/* why it did */
	struct target *targets; /* in the arena */
	unsigned target_count;
};

struct local_work {
	struct job *job; /* borrowed */
	struct op op;	 /* expansions, then filings, in progress */
	/* Called by expand.c when all recipients are expanded, by file.c when all
	 * filings have ended; possibly from within. */
	void (*on_expanded)(struct local_work *w);
	void (*on_filed)(struct local_work *w);

	struct local_recipient *recipients;
	unsigned recipient_count;

	struct filing *filings; /* in order of creation */
	struct filing *last_filing;
	struct filing *next_to_file;
	bool is_starting; /* filings, one after the other */
	unsigned filing_count;

	size_t expanded_bytes; /* of new recipients that the results name */

	int64_t spooled_ms; /* unix: when the message entered the spool */
	struct blob_id body;
	bool body_gone; /* only the mailboxes' ledgers can tell what happened to it */
	uint64_t read_bytes;
	struct mime_digest_builder *digest_builder; /* owner, while reading */
	struct blob_id digest;			    /* none: mailboxes compute it when asked */

	bool passes_reference;	  /* the only filing takes over the spool's own reference */
	bool reference_passed;	  /* the spool's reference, by this job or an earlier one */
	bool in_doubt;		  /* a mailbox did not answer */
	unsigned spare_body_refs; /* added, but not used after all */
	unsigned spare_digest_refs;
};

/* A message that was retrieved from another server, for its owner: it keeps its folder, flags, keywords and
 * date. NULL: it was not. */
static inline const Stagepost__Retrieved *
local_retrieved(const struct local_work *w)
{
	return w->job->msg->envelope->retrieved;
}

/* Then on_expanded. */
void local_expand(struct local_work *w);
/* Then on_filed. */
void local_file(struct local_work *w);
/* Sets the result of one recipient, whose filings have all ended. */
void local_conclude(struct local_work *w, const struct local_recipient *r);

#endif
