/* hiredis's asynchronous context on a libevent loop. */
#include "lib/redis/adapter.h"

#include <stdbool.h>

#include "lib/base/mem.h"

struct adapter {
	redisAsyncContext *ac; /* borrowed; NULL once it is being freed */
	struct event *read;
	struct event *write;
	bool inside;  /* in a call to hiredis: the adapter must not be freed */
	bool deleted; /* hiredis let go of us meanwhile */
};

static void
adapter_free(struct adapter *a)
{
	event_free(a->read);
	event_free(a->write);
	mem_free(a);
}

static void
on_ready(evutil_socket_t fd, short what, void *arg)
{
	struct adapter *a = arg;

	(void)fd;
	a->inside = true;
	if ((what & EV_READ) != 0)
		redisAsyncHandleRead(a->ac);
	if ((what & EV_WRITE) != 0 && !a->deleted)
		redisAsyncHandleWrite(a->ac);
	a->inside = false;
	if (a->deleted)
		adapter_free(a);
}

static void
add_read(void *arg)
{
	struct adapter *a = arg;
	event_add(a->read, NULL);
}

static void
del_read(void *arg)
{
	struct adapter *a = arg;
	event_del(a->read);
}

static void
add_write(void *arg)
{
	struct adapter *a = arg;
	event_add(a->write, NULL);
}

static void
del_write(void *arg)
{
	struct adapter *a = arg;
	event_del(a->write);
}

static void
cleanup(void *arg)
{
	struct adapter *a = arg;

	event_del(a->read);
	event_del(a->write);
	a->deleted = true;
	if (!a->inside)
		adapter_free(a);
}

void
redis_adapter_attach(redisAsyncContext *ac, struct event_base *base)
{
	struct adapter *a = mem_new(struct adapter);

	a->ac = ac;
	a->read = event_new(base, ac->c.fd, EV_READ | EV_PERSIST, on_ready, a);
	a->write = event_new(base, ac->c.fd, EV_WRITE | EV_PERSIST, on_ready, a);
	ac->ev.addRead = add_read;
	ac->ev.delRead = del_read;
	ac->ev.addWrite = add_write;
	ac->ev.delWrite = del_write;
	ac->ev.cleanup = cleanup;
	ac->ev.data = a;
}
