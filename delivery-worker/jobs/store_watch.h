/* Can this worker reach the store? Without it each job fails at once, and the
 * worker is therefore always free; so it must know this before the jobs do. */
#ifndef SP_WORKER_JOBS_STORE_WATCH_H
#define SP_WORKER_JOBS_STORE_WATCH_H

#include <event2/event.h>
#include <stdbool.h>

#include "lib/redis/redis.h"

/* The connection is lost, or the server has not answered for a second (cut_off), or everything works again. */
typedef void store_watch_on_change(void *arg, bool cut_off);

struct store_watch {
	struct redis *redis; /* borrowed; must outlive the loop's last turn with this watch */
	struct event *timer;
	bool cut_off;
	store_watch_on_change *on_change;
	void *arg;
};

/* Not connected yet counts as cut off. on_change is never called from within. */
void store_watch_init(struct store_watch *w, struct event_base *base, struct redis *redis,
		      store_watch_on_change *on_change, void *arg);
void store_watch_fini(struct store_watch *w);

#endif
