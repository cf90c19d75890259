/* Sends the message of a REMOTE job over a ready connection. */
#ifndef SP_WORKER_REMOTE_MESSAGE_H
#define SP_WORKER_REMOTE_MESSAGE_H

#include "delivery-worker/remote/client.h"

struct remote_work;

/* What to do after a target. */
enum after_target {
	AFTER_END,	   /* nothing: all recipients have their results */
	AFTER_NEXT_TARGET, /* for those that have no result */
	AFTER_NEXT_HOST,   /* the same, but the host's other addresses come last:
			    * they are most likely the same server */
};

typedef void message_on_end(struct remote_work *w, enum after_target after);

struct message {
	message_on_end *on_end;
	struct smtp_message smtp;
	struct str authenticated_field; /* a complete line, or empty */
	struct str fields;		/* everything that goes in front: that line and the signatures */
	struct seal *seal;		/* owner; being made, also while there is no connection; NULL: not now */
	struct str sealed_fields;	/* the ARC set, and the fields; empty: it goes unsealed */
	bool seal_is_known;		/* was made, or is not to be */
	bool waits_for_seal;		/* w->client is ready */
	uint32_t *indexes;		/* of the recipients of smtp, in the job */
	struct blob_read *read;		/* scanning the message before it is sent */
	struct downgrade *downgrade;	/* owner; NULL: never needed */
	uint64_t scan_at;		/* in the blob */
	bool is_scanned;		/* to its end */
};

/* on_end: w->client sends nothing more. It may be usable for other messages. */
void message_init(struct remote_work *w, message_on_end *on_end);
void message_fini(struct remote_work *w);

void message_begin(struct remote_work *w); /* w->client is ready */
/* The client has all answers. */
void message_sent(struct remote_work *w);
/* The connection broke while the message was on its way; on_end is not called.
 * True: all recipients have their results. */
bool message_lost(struct remote_work *w, const struct smtp_failure *f);
/* Stops scanning the message, and waiting for its seal; on_end is not called. */
void message_stop(struct remote_work *w);

#endif
