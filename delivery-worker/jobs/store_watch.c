#include "delivery-worker/jobs/store_watch.h"

#include "lib/base/clock.h"

enum { LOOK_MS = 250, SILENT_MS = 1000 };

static void
store_watch_look(struct store_watch *w)
{
	bool cut_off = !redis_is_connected(w->redis) || redis_silence_ms(w->redis) > SILENT_MS;

	if (cut_off == w->cut_off)
		return;
	w->cut_off = cut_off;
	w->on_change(w->arg, cut_off);
}

static void
store_watch_on_state(void *arg, bool connected)
{
	struct store_watch *w = arg;

	(void)connected;
	if (w->timer != NULL)
		event_active(w->timer, EV_TIMEOUT, 0);
}

static void
store_watch_on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	store_watch_look(arg);
}

void
store_watch_init(struct store_watch *w, struct event_base *base, struct redis *redis, store_watch_on_change *on_change,
		 void *arg)
{
	struct timeval look = clock_timeval(LOOK_MS);

	*w = (struct store_watch){.redis = redis, .on_change = on_change, .arg = arg};
	w->cut_off = !redis_is_connected(redis);
	w->timer = event_new(base, -1, EV_PERSIST, store_watch_on_timer, w);
	event_add(w->timer, &look);
	redis_watch_state(redis, store_watch_on_state, w);
}

void
store_watch_fini(struct store_watch *w)
{
	event_free(w->timer);
	w->timer = NULL;
}
