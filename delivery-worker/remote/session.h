/* A connection to the current target, and what is done when it fails. */
#ifndef SP_WORKER_REMOTE_SESSION_H
#define SP_WORKER_REMOTE_SESSION_H

#include "delivery-worker/remote/message.h"
#include "delivery-worker/remote/pool.h"

typedef void session_on_end(struct remote_work *w, enum after_target after);

struct session {
	session_on_end *on_end;
	struct tls_wish wish;
	struct pool_key key;
	bool reused;	 /* an idle connection */
	bool fresh_only; /* an idle one had been closed */
	bool plain_only; /* TLS failed: once more without */
	bool no_source;	 /* the source address failed: once more without */
};

/* Also sends the message. on_end: the target is finished, there is no w->client. */
void session_init(struct remote_work *w, session_on_end *on_end);
void session_begin(struct remote_work *w); /* w->target */
/* on_end is not called. */
void session_drop(struct remote_work *w);

#endif
