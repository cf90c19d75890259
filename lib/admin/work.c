#include "lib/admin/work.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/base/check.h"

enum { WORKS_MAX = 8 };

/* Reading the descriptor that the thread wrote to makes everything it did
 * before visible. */
static void
work_on_finished(evutil_socket_t fd, short what, void *arg)
{
	struct admin_work *w = arg;
	uint64_t count;

	(void)what;
	CHECK(read(fd, &count, sizeof(count)) == (ssize_t)sizeof(count));
	/* It is about to end. A program that ended first would free what the libraries keep for the thread. */
	CHECK(pthread_join(w->thread, NULL) == 0);
	event_free(w->finished);
	close(w->fd);
	w->admin->works--;
	if (op_back(&w->call->op))
		w->done(w->call, w);
	w->free(w);
}

static void *
work_main(void *arg)
{
	struct admin_work *w = arg;
	int fd = w->fd; /* w belongs to the loop as soon as this is written to */
	const uint64_t one = 1;

	w->run(w);
	CHECK(write(fd, &one, sizeof(one)) == (ssize_t)sizeof(one));
	return NULL;
}

/* False: the host has no thread left. Signals are handled by the loop. */
static bool
work_start_thread(struct admin_work *w)
{
	sigset_t all, before;
	int failed;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = pthread_create(&w->thread, NULL, work_main, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return failed == 0;
}

static void
work_refuse(struct admin_call *call, struct admin_work *w, enum err_code code, const char *text)
{
	w->free(w);
	admin_call_refuse(call, code, "%s", text);
}

void
admin_work_start(struct admin_call *call, struct admin_work *w)
{
	if (call->admin->works == WORKS_MAX) {
		work_refuse(call, w, ERR_LIMIT, "too many long operations are in progress");
		return;
	}
	w->call = call;
	w->admin = call->admin;
	w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->fd < 0) {
		work_refuse(call, w, ERR_UNAVAILABLE, "no file descriptor is left for a long operation");
		return;
	}
	if (!work_start_thread(w)) {
		close(w->fd);
		work_refuse(call, w, ERR_UNAVAILABLE, "no thread is left for a long operation");
		return;
	}
	w->admin->works++;
	w->finished = event_new(w->admin->base, w->fd, EV_READ, work_on_finished, w);
	event_add(w->finished, NULL);
	op_hold(&call->op);
}
