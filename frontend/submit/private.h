/* The insides of a submission, for the files of frontend/submit alone.
 *
 *   submit.c        its beginning and end
 *   recipients.c    for whom it is
 *   room.c          whether their mailboxes have room
 *   body.c          the data on its way into the blob store, and its checks
 *   trace.c         the lines put on top of it
 *   sender.c        whether a From: is the account's
 *   priority.c      how urgent it is
 *   sign.c          its DKIM signatures
 *   accept.c        synced, handed over
 *   header_watch    what its header says; on its own, with a header of its own
 *
 * Whatever may come back after its owner has let go holds the op, and the
 * submission outlives its owner until then. */
#ifndef SP_FRONTEND_SUBMIT_PRIVATE_H
#define SP_FRONTEND_SUBMIT_PRIVATE_H

#include "frontend/submit/header_watch.h"
#include "frontend/submit/submit.h"
#include "lib/base/op.h"
#include "lib/service/metrics.h"
#include "lib/smtp/data.h"
#include "lib/spool/id.h"
#include "proto/stagepost.pb-c.h"

struct submit_entry {
	Stagepost__Recipient record; /* strings: in the submission's arena */
	struct submit_entry *next;
	uint32_t hash;
};

enum { SUBMIT_FEW_RECIPIENTS = 16 }; /* so many are compared one by one */

struct submit {
	struct op op;		       /* its arena is the submission's; holds: what must end before the next step */
	struct frontend *frontend;     /* borrowed */
	struct submit_options options; /* strings in the arena; log: NULL once the owner has let go */
	struct log_context log;	       /* field: id */
	char id[SPOOL_ID_MAX];
	int64_t begun_ms; /* wall clock */
	int priority;	  /* as far as the header does not say other */
	enum submit_result result;
	submit_on_done *on_done;
	void *on_done_arg;

	/* recipients.c */
	struct submit_entry *recipients, **recipients_end;
	struct submit_entry **by_address; /* in the arena; hash, half empty at least. NULL: they are few */
	unsigned by_address_room;	  /* slots: a power of two */
	unsigned recipient_count;
	size_t recipient_bytes; /* about what they take in the envelope */

	/* room.c */
	struct submit_room room;		    /* the most that any recipient has */
	struct {				    /* of the one that is asked about */
		struct submit_recipient *recipient; /* borrowed; NULL: none is */
		void (*on_room)(void *arg);
		void *arg;
		struct submit_room room; /* as far as it is known */
		bool is_starting;
	} asked;

	/* body.c */
	struct blob_append *append; /* owner; NULL before the data, and once refused or committed */
	struct smtp_data_reader reader;
	struct header_watch watch;
	bool is_header_checked;
	struct buf held;	 /* first bytes, while it is not known what goes before them */
	bool streams;		 /* the lines on top are written, and what was held */
	bool checks_from;	 /* From: must be the account's own */
	bool adds_missing;	 /* submitted: Date and Message-ID are added */
	uint64_t size_bytes;	 /* of the message so far, as it will be stored, without our lines */
	uint64_t max_size_bytes; /* 0: no limit */
	int64_t max_hops;
	uint32_t mbox_bytes; /* of the mbox lines in front: still to be left out of what comes */
	uint32_t return_path_length;

	/* accept.c */
	struct blob_id blob; /* once its place is known */
	bool is_synced;
	bool is_signed;
	bool is_spools;		     /* the body is, or may be, the spool's */
	struct hand_over *hand_over; /* borrowed; NULL: none waits for the body's sync */
	int64_t handed_over_us;	     /* monotonic */

	/* sign.c */
	struct dkim_stream *dkim;    /* owner; NULL: not to be signed */
	struct dkim_signing signing; /* its domains lie in the arena */
	void (*on_signing_end)(struct submit *s, const struct err *err);
	struct str signatures; /* whole lines; in the arena */
};

/* ---- submit.c ---- */
/* settings:smtp-in, whichever protocol the message comes by. */
const struct settings_smtp_in *submit_settings(const struct submit *s);

/* ---- recipients.c ---- */
/* For the envelope; in the arena. */
Stagepost__Recipient **submit_list_recipients(struct submit *s);

/* ---- room.c ---- */
/* None at all. */
void submit_room_init(struct submit_room *room);
/* The mailbox with the most room decides. */
void submit_room_add(struct submit_room *room, const struct submit_room *other);

/* ---- body.c ---- */
/* The message is whole. False: it is refused. */
bool submit_end_data(struct submit *s);
enum submit_result submit_result_of(const struct err *err);

/* ---- trace.c ---- */
/* Return-Path (its length goes to s->return_path_length) and Received. */
void submit_trace_lines(struct submit *s, struct buf *out);
/* What a submission lacks: Date, Message-ID (RFC 6409, section 8). */
void submit_missing_lines(struct submit *s, struct buf *out);

/* ---- sender.c ---- */
/* Are all addresses of From: the account's? */
bool submit_from_matches(struct submit *s);

/* ---- priority.c: -9 to 9, of which three steps are told apart (RFC 6710) ---- */
enum { SUBMIT_PRIORITY_LOW = -4, SUBMIT_PRIORITY_NORMAL = 0, SUBMIT_PRIORITY_HIGH = 4 };
/* What the client gets of what it asks for. */
int submit_priority_allowed(const struct submit *s);
/* Once the header is known. */
int submit_priority_final(const struct submit *s);

/* ---- sign.c ---- */
/* At the start of the data. True: what the header says of From: is wanted. */
bool submit_sign_begin(struct submit *s);
/* All of the message but the trace lines. */
void submit_sign_feed(struct submit *s, struct str piece);
void submit_sign_header_known(struct submit *s);
/* on_end comes once, maybe from within; err: the store cannot be asked. */
void submit_sign_end(struct submit *s, void (*on_end)(struct submit *s, const struct err *err));

#endif
