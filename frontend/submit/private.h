/* The internals of a submission, for the files of frontend/submit only.
 *
 *   submit.c        its beginning and end
 *   recipients.c    its recipients
 *   room.c          whether their mailboxes have room
 *   body.c          the data on its way into the blob store, and its checks
 *   trace.c         the lines added on top
 *   sender.c        whether a From: address belongs to the account
 *   priority.c      its priority
 *   sign.c          its DKIM signatures
 *   judge.c         whether what proves its sender lets it in
 *   milters.c       what milters say to it
 *   rewrite.c       stored anew, as they have changed it
 *   engines.c       what spam engines and virus scanners say to it, while the client waits
 *   envelope.c      its envelope
 *   accept.c        sync and hand-over
 *   header_watch    what its header says; independent, with its own header file
 *
 * Whatever may call back after the owner has let go holds the op, and the submission
 * outlives its owner until then. */
#ifndef SP_FRONTEND_SUBMIT_PRIVATE_H
#define SP_FRONTEND_SUBMIT_PRIVATE_H

#include "frontend/submit/header_watch.h"
#include "frontend/submit/submit.h"
#include "frontend/verify/check.h"
#include "lib/base/op.h"
#include "lib/mailauth/auth_results_filter.h"
#include "lib/service/metrics.h"
#include "lib/smtp/data.h"
#include "lib/spool/id.h"
#include "proto/stagepost.pb-c.h"

struct submit_entry {
	Stagepost__Recipient record; /* strings: in the submission's arena */
	struct submit_entry *next;
	uint32_t hash;
};

enum { SUBMIT_FEW_RECIPIENTS = 16 }; /* up to this many are compared one by one */

struct submit {
	struct op op;		       /* its arena is the submission's; holds: what the next step waits for */
	struct frontend *frontend;     /* borrowed */
	struct submit_options options; /* strings are in the arena; log: NULL once the owner has let go */
	struct log_context log;	       /* field: id */
	char id[SPOOL_ID_MAX];
	int64_t begun_ms; /* wall clock */
	int priority;	  /* unless the header says otherwise */
	enum submit_result result;
	submit_on_done *on_done;
	void *on_done_arg;

	/* recipients.c */
	struct submit_entry *recipients, **recipients_end;
	struct submit_entry **by_address; /* in the arena; hash, at least half empty. NULL: there are few */
	unsigned by_address_room;	  /* slots: a power of two */
	unsigned recipient_count;
	size_t recipient_bytes; /* approximate size in the envelope */

	/* room.c */
	struct submit_room room;		    /* the largest that any recipient has */
	struct {				    /* of the recipient being asked about */
		struct submit_recipient *recipient; /* borrowed; NULL: none */
		void (*on_room)(void *arg);
		void *arg;
		struct submit_room room; /* as far as known */
		bool is_starting;
	} asked;

	/* body.c */
	struct blob_append *append; /* owner; NULL before the data, and once refused or committed */
	struct smtp_data_reader reader;
	struct header_watch watch;
	bool is_header_checked;
	struct buf held;	 /* first bytes, until it is known what precedes them */
	bool streams;		 /* the lines on top have been written, and what was held */
	bool checks_from;	 /* From: must belong to the account */
	bool adds_missing;	 /* submitted: missing Date and Message-ID are added */
	uint64_t size_bytes;	 /* of the message so far, as it will be stored, without our lines */
	uint64_t max_size_bytes; /* 0: no limit */
	int64_t max_hops;
	uint32_t mbox_bytes; /* of the leading mbox lines: still to be removed from the input */
	uint32_t return_path_length;
	/* Takes out of the message what claims to be said by us. */
	struct auth_results_filter filter;
	struct str authserv_id;	    /* our name in such fields; in the arena */
	struct verify_check *check; /* owner; only if options.verifies. Our lines wait for its results. */
	bool is_checking;	    /* accept.c: its result is due, and the op is held for it */

	/* judge.c; all in the arena, empty if nothing is verified */
	struct str results;	       /* value of Authentication-Results */
	const char *mail_auth;	       /* in short; NULL: not verified */
	struct str objection;	       /* for the client */
	bool spf_failed, dmarc_failed; /* as in the envelope */

	/* accept.c */
	struct blob_id blob;	/* once synced */
	bool is_blob_ours;	/* synced, and certainly not the spool's */
	int64_t handed_over_us; /* monotonic */

	/* milters.c, rewrite.c */
	struct submit_milters *milters; /* owner; NULL: not asked */
	struct submit_rewrite *rewrite; /* owner; NULL: unchanged */
	bool is_milting;		/* accept.c: their result is due, and the op is held for it */
	bool is_milted;			/* accept.c: it has come, or nobody is asked */

	/* engines.c */
	struct submit_engines *engines;	 /* owner; NULL: not asked */
	Stagepost__SpamVerdict *verdict; /* in the arena; NULL: none, the spool asks */
	bool is_asking_engines;		 /* accept.c: their answer is due, and the op is held for it */
	bool is_engines_asked;		 /* accept.c: it has come, or nobody was asked */

	/* sign.c */
	struct dkim_stream *dkim;    /* owner; NULL: no signature */
	struct dkim_signing signing; /* its domains are in the arena */
	void (*on_signing_end)(struct submit *s, const struct err *err);
	struct str signatures; /* whole lines; in the arena */
};

/* ---- submit.c ---- */
/* settings:smtp-in, whichever protocol the message arrives by. */
const struct settings_smtp_in *submit_settings(const struct submit *s);

/* ---- recipients.c ---- */
/* For the envelope; in the arena. */
Stagepost__Recipient **submit_list_recipients(struct submit *s);

/* ---- room.c ---- */
/* No room at all. */
void submit_room_init(struct submit_room *room);
/* The mailbox with the most room decides. */
void submit_room_add(struct submit_room *room, const struct submit_room *other);

/* ---- body.c ---- */
/* The message is complete. False: it is refused. */
bool submit_end_data(struct submit *s);
/* The message is refused, unless it was already: drops what has come of it. */
void submit_refuse(struct submit *s, enum submit_result why);
/* With the results of the check known: what comes on top of the message. False: with that it is
 * refused. */
bool submit_add_front(struct submit *s);
enum submit_result submit_result_of(const struct err *err);

/* ---- trace.c ---- */
/* Return-Path (its length goes to s->return_path_length), Authentication-Results, Received. */
void submit_trace_lines(struct submit *s, struct buf *out);
/* Fields that a submission lacks: Date, Message-ID (RFC 6409, section 8). */
void submit_missing_lines(struct submit *s, struct buf *out);

/* ---- judge.c ---- */
/* Takes over what was found out about its sender. SUBMIT_OK, or why it is refused. */
enum submit_result submit_judge(struct submit *s, const struct verify_outcome *outcome);

/* ---- recipients.c, after the data ---- */
void submit_add_late_recipient(struct submit *s, const struct submit_recipient *r);
void submit_remove_recipient(struct submit *s, struct str address);

/* ---- milters.c ---- */
enum submit_milters_end {
	SUBMIT_MILTERS_DONE,	/* no objection; the message may be changed */
	SUBMIT_MILTERS_DISCARD, /* the client is told that it was accepted */
	SUBMIT_MILTERS_REFUSED	/* s->result */
};
struct milter_message;
bool submit_milters_wanted(const struct submit *s);
/* The message is stored. on_end is called once, never from within, unless submit_milters_free()
 * is called first; the caller frees them afterwards. */
void submit_milters_ask(struct submit *s, void (*on_end)(struct submit *s, enum submit_milters_end end));
const struct milter_message *submit_milters_message(const struct submit_milters *m);
void submit_milters_free(struct submit_milters **m);

/* ---- rewrite.c ---- */
/* Begins a new append, and a new signature if the message is to be signed. on_end is called
 * once, possibly from within, when all is appended, or s->result says why not. */
void submit_rewrite_begin(struct submit *s, const struct milter_message *m, void (*on_end)(struct submit *s));
void submit_rewrite_free(struct submit_rewrite **r);

/* ---- engines.c ---- */
/* The message is stored. on_end is called once, possibly from within, unless submit_engines_free()
 * is called first: s->verdict is set, or s->result says why it is refused, or neither. */
void submit_engines_ask(struct submit *s, void (*on_end)(struct submit *s));
void submit_engines_free(struct submit_engines **e);

/* ---- envelope.c ---- */
/* In the arena. Once it is stored. */
Stagepost__Envelope *submit_envelope(struct submit *s);

/* ---- sender.c ---- */
/* Do all addresses of From: belong to the account? */
bool submit_from_matches(struct submit *s);

/* ---- priority.c: -9 to 9, in three distinct steps (RFC 6710) ---- */
enum { SUBMIT_PRIORITY_LOW = -4, SUBMIT_PRIORITY_NORMAL = 0, SUBMIT_PRIORITY_HIGH = 4 };
/* How much of the requested priority the client gets. */
int submit_priority_allowed(const struct submit *s);
/* Once the header is known. */
int submit_priority_final(const struct submit *s);

/* ---- sign.c ---- */
/* At the start of the data. True: the contents of From: are needed. */
bool submit_sign_begin(struct submit *s);
/* Takes all of the message but the trace lines. */
void submit_sign_feed(struct submit *s, struct str piece);
void submit_sign_header_known(struct submit *s);
/* on_end is called once, possibly from within; err: the store cannot be queried. */
void submit_sign_end(struct submit *s, void (*on_end)(struct submit *s, const struct err *err));

#endif
