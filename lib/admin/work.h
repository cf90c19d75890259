/* Work of some 100 ms, such as a hash of a password or a key: on a thread of its
 * own, so that the loop goes on. Private to lib/admin. */
#ifndef SP_ADMIN_WORK_H
#define SP_ADMIN_WORK_H

#include "lib/admin/private.h"

struct admin_work {
	/* On the thread: must touch nothing but the work itself. */
	void (*run)(struct admin_work *w);
	/* On the loop, unless the call was cancelled meanwhile. */
	void (*done)(struct admin_call *call, struct admin_work *w);
	/* On the loop, at last: of a work on the heap. */
	void (*free)(struct admin_work *w);
	/* Of work.c: */
	struct admin_call *call;
	struct admin *admin;
	struct event *finished; /* owner */
	int fd;			/* owner: written to when it is done */
};

/* The three functions are set. Holds the call until it is done. Where 8 are
 * at work already the call is refused (ERR_LIMIT), and the work freed. */
void admin_work_start(struct admin_call *call, struct admin_work *w);

#endif
