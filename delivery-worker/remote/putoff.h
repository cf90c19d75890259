/* Recipients that a server deferred (4yz), until another one was asked. */
#ifndef SP_WORKER_REMOTE_PUTOFF_H
#define SP_WORKER_REMOTE_PUTOFF_H

#include "delivery-worker/remote/client.h"

struct remote_work;
struct soft_answer;

struct put_off {
	struct soft_answer *answers; /* by place in the job's recipients; in the arena */
	unsigned visits;	     /* servers that deferred recipients */
};

void put_off_init(struct remote_work *w);
/* The current server has deferred a recipient of the job. False: it is one server too many, so this is the result. */
bool put_off_note(struct remote_work *w, uint32_t index, const struct smtp_answer *a);
/* By the current server? Then it is not asked again. */
bool put_off_is_here(const struct remote_work *w, uint32_t index);
/* Leaves the current server, which deferred a recipient. */
void put_off_leave(struct remote_work *w);
/* Has any server deferred a recipient? So many that the job ends? */
bool put_off_by_any(const struct remote_work *w);
bool put_off_by_enough(const struct remote_work *w);
/* Turns deferrals into results where there are none yet. */
void put_off_settle(struct remote_work *w, bool only_here);

#endif
