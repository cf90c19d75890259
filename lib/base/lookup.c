/* getaddrinfo() on threads.
 *
 * A thread cannot be stopped while the resolver is silent, so nobody owns it: a
 * waiting lookup removes itself from its list, and the thread ends when it can.
 * The lock guards the list of threads and the lookups waiting for each. */
#include "lib/base/lookup.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utlist.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"

struct lookup_thread {
	char *host;		/* owner */
	struct lookup *waiters; /* borrowed */
	struct lookup_thread *prev, *next;
};

struct lookup {
	lookup_on_done *cb;
	void *arg;
	char *host;		      /* owner */
	int fd;			      /* owner: written to by the thread; -1: none */
	struct event *due;	      /* owner */
	struct lookup_thread *thread; /* borrowed; NULL: the answer is there. Under the lock */
	struct ip addresses[LOOKUP_MAX];
	unsigned count;
	struct err err;
	struct lookup *prev, *next;
};

static pthread_mutex_t lookup_lock = PTHREAD_MUTEX_INITIALIZER;
static struct lookup_thread *lookup_threads; /* under the lock */

/* ---- The thread ---- */

static void
lookup_wake(struct lookup *l)
{
	uint64_t one = 1;

	CHECK(write(l->fd, &one, sizeof(one)) == sizeof(one));
}

static void
lookup_take_answer(struct lookup *l, int status, const struct addrinfo *list)
{
	for (const struct addrinfo *a = list; a != NULL && l->count < LOOKUP_MAX; a = a->ai_next)
		if (a->ai_family == AF_INET || a->ai_family == AF_INET6)
			ip_from_sockaddr(a->ai_addr, &l->addresses[l->count++], NULL);
	if (l->count == 0)
		err_set(&l->err, status == EAI_NONAME ? ERR_NOT_FOUND : ERR_UNAVAILABLE, "looking up %s: %s", l->host,
			status != 0 ? gai_strerror(status) : "no address");
}

static void *
lookup_thread_main(void *arg)
{
	struct lookup_thread *t = arg;
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *list = NULL;
	int status = getaddrinfo(t->host, NULL, &hints, &list);
	struct lookup *l, *next;

	pthread_mutex_lock(&lookup_lock);
	DL_DELETE(lookup_threads, t);
	DL_FOREACH_SAFE (t->waiters, l, next) {
		lookup_take_answer(l, status, list);
		l->thread = NULL;
		lookup_wake(l);
	}
	pthread_mutex_unlock(&lookup_lock);
	if (list != NULL)
		freeaddrinfo(list);
	mem_free(t->host);
	mem_free(t);
	return NULL;
}

/* Under the lock. Signals are handled by the loop. */
static struct lookup_thread *
lookup_thread_start(const char *host)
{
	struct lookup_thread *t = mem_new(struct lookup_thread);
	sigset_t all, before;
	pthread_t thread;

	t->host = mem_strdup(host);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (pthread_create(&thread, NULL, lookup_thread_main, t) == 0) {
		pthread_detach(thread);
		DL_APPEND(lookup_threads, t);
	} else {
		mem_free(t->host);
		mem_free(t);
		t = NULL;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return t;
}

static void
lookup_join(struct lookup *l)
{
	struct lookup_thread *t;

	pthread_mutex_lock(&lookup_lock);
	DL_FOREACH (lookup_threads, t)
		if (strcmp(t->host, l->host) == 0)
			break;
	if (t == NULL)
		t = lookup_thread_start(l->host);
	l->thread = t;
	if (t != NULL)
		DL_APPEND(t->waiters, l);
	else
		lookup_wake(l);
	pthread_mutex_unlock(&lookup_lock);
}

/* ---- On the loop ---- */

/* False: the thread is still at work. */
static bool
lookup_leave(struct lookup *l)
{
	bool answered;

	pthread_mutex_lock(&lookup_lock);
	answered = l->thread == NULL;
	if (!answered)
		DL_DELETE(l->thread->waiters, l);
	l->thread = NULL;
	pthread_mutex_unlock(&lookup_lock);
	return answered;
}

static void
lookup_free(struct lookup *l)
{
	event_free(l->due);
	if (l->fd >= 0)
		close(l->fd);
	mem_free(l->host);
	mem_free(l);
}

static void
lookup_on_due(evutil_socket_t fd, short what, void *arg)
{
	struct lookup *l = arg;

	(void)fd, (void)what;
	if (!lookup_leave(l))
		err_set(&l->err, ERR_TIMEOUT, "looking up %s: no answer in time", l->host);
	else if (l->count == 0 && l->err.code == ERR_NONE)
		err_set(&l->err, ERR_UNAVAILABLE, "looking up %s: no thread is available", l->host);
	l->cb(l->arg, l->addresses, l->count, l->count != 0 ? NULL : &l->err);
	lookup_free(l);
}

struct lookup *
lookup_start(struct event_base *base, const char *host, int64_t limit_ms, lookup_on_done *cb, void *arg)
{
	struct lookup *l = mem_new(struct lookup);
	struct timeval limit = clock_timeval(limit_ms);

	l->cb = cb;
	l->arg = arg;
	l->host = mem_strdup(host);
	l->fd = -1;
	if (ip_parse(str_c(host), &l->addresses[0]))
		l->count = 1;
	else
		l->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); /* -1, no descriptors left: no answer */
	l->due = event_new(base, l->fd, l->fd >= 0 ? EV_READ : 0, lookup_on_due, l);
	if (l->fd < 0) {
		event_active(l->due, EV_TIMEOUT, 0);
		return l;
	}
	event_add(l->due, &limit);
	lookup_join(l);
	return l;
}

void
lookup_cancel(struct lookup **l)
{
	if (*l == NULL)
		return;
	lookup_leave(*l);
	lookup_free(*l);
	*l = NULL;
}
