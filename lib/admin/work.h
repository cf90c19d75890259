/* Work that takes some 100 ms, such as hashing a password or making a key, done
 * on a thread of its own so that the loop is not blocked. Private to lib/admin. */
#ifndef SP_ADMIN_WORK_H
#define SP_ADMIN_WORK_H

#include <pthread.h>

#include "lib/admin/private.h"

struct admin_work {
	/* On the thread: must not touch anything but the work itself. */
	void (*run)(struct admin_work *w);
	/* On the loop, unless the call has been cancelled. */
	void (*done)(struct admin_call *call, struct admin_work *w);
	/* On the loop, last of all; for work on the heap. */
	void (*free)(struct admin_work *w);
	/* Used by work.c: */
	struct admin_call *call;
	struct admin *admin;
	struct event *finished; /* owner */
	int fd;			/* owner: written to when the work is done */
	pthread_t thread;
};

/* The three functions must be set. Holds the call until the work is done. If 8
 * are already running, the call is refused (ERR_LIMIT) and the work is freed. */
void admin_work_start(struct admin_call *call, struct admin_work *w);

#endif
