/* The message of a REMOTE job over a connection that is ready. */
#ifndef SP_WORKER_REMOTE_MESSAGE_H
#define SP_WORKER_REMOTE_MESSAGE_H

#include "delivery-worker/remote/client.h"

struct remote_work;

/* What comes after a target. */
enum after_target {
	AFTER_END,	   /* nothing: all recipients have their results */
	AFTER_NEXT_TARGET, /* for those that have none */
	AFTER_NEXT_HOST,   /* the same, but the host's other addresses come last:
			    * they are most likely the same server */
};

typedef void message_on_end(struct remote_work *w, enum after_target after);

struct message {
	message_on_end *on_end;
	struct smtp_message smtp;
	struct str authenticated_field; /* a whole line, or empty */
	struct str fields;		/* all that goes in front: that, and the signatures */
	uint32_t *indexes;		/* of the recipients of smtp, in the job */
	struct blob_read *read;		/* looking into the message before it is sent */
	struct downgrade *downgrade;	/* owner; NULL: never wanted */
	uint64_t scan_at;		/* in the blob */
	bool is_scanned;		/* to its end */
};

/* on_end: nothing more is sent by w->client. It may be of use for others. */
void message_init(struct remote_work *w, message_on_end *on_end);
void message_fini(struct remote_work *w);

void message_begin(struct remote_work *w); /* w->client is ready */
/* The client has the answers. */
void message_sent(struct remote_work *w);
/* The connection broke with the message on its way; on_end is not called. True:
 * all have their results. */
bool message_lost(struct remote_work *w, const struct smtp_failure *f);
/* Looks no further into the message; on_end is not called. */
void message_stop(struct remote_work *w);

#endif
