/* Can the store accept bodies? Checked periodically on a separate thread: a
 * file system that does not answer delays nothing but the answer. */
#include <errno.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/blob/store.h"

enum { SILENT_MS = 30000 };

struct health_look {
	struct task task; /* first */
	struct blob_store *store;
	struct err err; /* code ERR_NONE: a body was stored */
	uint64_t free_bytes;
};

struct blob_watch {
	struct task_thread thread;
	struct event *timer; /* owner */
	int64_t every_ms;
	int64_t asked_ms; /* monotonic: when the current check began; 0: none is running */
	uint64_t reserve_bytes;
	struct blob_health health;
	void (*on_look)(void *arg, const struct blob_health *health);
	void *arg;
};

int
blob_store_check(struct blob_store *s, struct err *err)
{
	struct pack p;
	char byte = 0;
	struct iovec iov = {&byte, 1};
	int result;

	if (pack_create(&p, s->folder, err) != 0)
		return -1;
	result = pack_write(&p, &iov, 1, p.end, err) == 0 ? pack_sync(&p, err) : -1;
	pack_close(&p); /* and removes it: it has no record */
	return result;
}

/* ---- On the thread ---- */

static void
health_run_look(struct task *t)
{
	struct health_look *look = (struct health_look *)t;
	struct statvfs fs;

	if (blob_store_check(look->store, &look->err) == 0)
		look->err.code = ERR_NONE;
	if (statvfs(look->store->folder, &fs) == 0)
		look->free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	else if (look->err.code == ERR_NONE)
		err_set_errno(&look->err, errno, "looking at %s", look->store->folder);
	store_tell_done(look->store, t);
}

/* ---- On the loop ---- */

/* A store that was full stays full until an eighth more than the reserve is
 * free; otherwise each message would change the answer for the next. */
static bool
health_is_low(const struct blob_watch *w, uint64_t free_bytes)
{
	uint64_t most = w->reserve_bytes;

	return free_bytes < (w->health.state == BLOB_FULL ? most + most / 8 : most);
}

static void
health_judge(struct blob_watch *w, const struct err *err, uint64_t free_bytes)
{
	struct blob_health *h = &w->health;
	struct err why = *err;
	enum blob_state state = BLOB_TAKES;

	if (err->code != ERR_NONE) {
		state = err->code == ERR_NO_SPACE ? BLOB_FULL : BLOB_FAILS;
	} else if (health_is_low(w, free_bytes)) {
		state = BLOB_FULL;
		err_set(&why, ERR_NO_SPACE, "the free space is below the reserve of %llu bytes",
			(unsigned long long)w->reserve_bytes);
	}
	*h = (struct blob_health){.state = state, .free_bytes = free_bytes, .why = why};
	w->on_look(w->arg, h);
}

static void
health_look_done(struct task *t)
{
	struct health_look *look = (struct health_look *)t;
	struct blob_watch *w = look->store->watch;

	w->asked_ms = 0;
	health_judge(w, &look->err, look->free_bytes);
	mem_free(look);
}

static void
health_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct blob_store *s = arg;
	struct blob_watch *w = s->watch;
	struct timeval again = clock_timeval(w->every_ms);
	struct health_look *look;
	struct err err;

	(void)fd, (void)what;
	event_add(w->timer, &again);
	if (w->asked_ms != 0) {
		if (clock_monotonic_ms() - w->asked_ms > SILENT_MS && w->health.state != BLOB_FAILS) {
			err_set(&err, ERR_TIMEOUT, "%s does not answer", s->folder);
			health_judge(w, &err, w->health.free_bytes);
		}
		return;
	}
	w->asked_ms = clock_monotonic_ms();
	look = mem_new(struct health_look);
	look->task.run = health_run_look;
	look->task.done = health_look_done;
	look->store = s;
	task_thread_give(s, &w->thread, &look->task);
}

void
blob_store_watch(struct blob_store *s, int64_t every_ms, void (*on_look)(void *arg, const struct blob_health *health),
		 void *arg)
{
	struct blob_watch *w = mem_new(struct blob_watch);

	CHECK(s->base != NULL && s->watch == NULL);
	task_thread_init(&w->thread);
	w->timer = evtimer_new(s->base, health_on_timer, s);
	w->every_ms = every_ms;
	w->on_look = on_look;
	w->arg = arg;
	s->watch = w;
	health_on_timer(-1, 0, s);
}

void
blob_store_keep_free(struct blob_store *s, uint64_t reserve_bytes)
{
	CHECK(s->watch != NULL);
	s->watch->reserve_bytes = reserve_bytes;
}

bool
blob_store_is_full(const struct blob_store *s, uint64_t size_bytes)
{
	const struct blob_watch *w = s->watch;

	if (w == NULL || w->health.state == BLOB_UNKNOWN)
		return false;
	/* Not added up: a client may announce any size. */
	return w->health.state == BLOB_FULL || (w->reserve_bytes != 0 && w->health.free_bytes >= w->reserve_bytes &&
						w->health.free_bytes - w->reserve_bytes < size_bytes);
}

/* The thread ends; then its finished tasks are removed on the loop's side. */
void
watch_stop(struct blob_store *s)
{
	if (s->watch != NULL)
		task_thread_stop(&s->watch->thread);
}

void
watch_free(struct blob_store *s)
{
	if (s->watch == NULL)
		return;
	event_free(s->watch->timer);
	mem_free(s->watch);
	s->watch = NULL;
}
