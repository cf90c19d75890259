/* REMOTE jobs: messages to other servers by SMTP. Everything runs on the loop;
 * a message in progress costs a socket and a few buffers, no thread. */
#ifndef SP_WORKER_REMOTE_REMOTE_H
#define SP_WORKER_REMOTE_REMOTE_H

#include "delivery-worker/jobs/job.h"

/* What the jobs share: TLS, idle connections, this host's own addresses. */
struct remote *remote_new(struct worker *w, struct err *err);
/* No job may be in progress. */
void remote_free(struct remote **r);
unsigned remote_idle_connections(const struct remote *r);

void remote_start(struct job *job);
void remote_stop(struct job *job);

#endif
