/* Input without TLS, read by the connection itself. A bufferevent asks the kernel
 * before each read how much there is, which costs as much as the read.
 *
 * Small input goes into a small piece of memory, since a client may leave part of a
 * command there for minutes; large input goes straight into large pieces. */
#include <errno.h>
#include <sys/uio.h>

#include "frontend/core/conn_private.h"
#include "lib/base/check.h"

enum {
	LITTLE_BYTES = 8 * 1024 - 64, /* plus libevent's header: a round number */
	MUCH_BYTES = 32 * 1024,	      /* after a read of this size, the next is expected to be large too */
};

/* For input that does not fit into the small piece, during one read. */
static _Thread_local char read_rest[CONN_INPUT_MAX];

static bool
read_has_room(const struct conn *c)
{
	return evbuffer_get_length(bufferevent_get_input(c->bev)) < CONN_INPUT_MAX;
}

/* Like readv(). */
static ssize_t
read_some(struct conn *c, struct evbuffer *in)
{
	size_t room = CONN_INPUT_MAX - evbuffer_get_length(in);
	size_t most = c->reads_much || room < LITTLE_BYTES ? room : LITTLE_BYTES, direct = 0;
	struct iovec v[3];
	int count;
	ssize_t got;

	evbuffer_unfreeze(in, 0);
	count = evbuffer_reserve_space(in, (ev_ssize_t)most, v, 2);
	CHECK(count > 0);
	for (int i = 0; i < count; i++) {
		v[i].iov_len = v[i].iov_len < most - direct ? v[i].iov_len : most - direct;
		direct += v[i].iov_len;
	}
	v[count] = (struct iovec){read_rest, room - direct};
	got = readv(c->fd, v, count + 1);
	for (int i = 0; got > 0 && i < count; i++) {
		size_t before = i == 0 ? 0 : v[0].iov_len, all = (size_t)got;
		size_t here = all > before ? all - before : 0;
		if (here < v[i].iov_len)
			v[i].iov_len = here;
	}
	if (got > 0) {
		evbuffer_commit_space(in, v, count);
		if ((size_t)got > direct)
			evbuffer_add(in, read_rest, (size_t)got - direct);
	}
	evbuffer_freeze(in, 0);
	c->reads_much = got >= MUCH_BYTES;
	return got;
}

static void
read_on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = conn_ref(arg);
	ssize_t got;

	(void)fd, (void)what;
	if (read_has_room(c)) {
		got = read_some(c, bufferevent_get_input(c->bev));
		if (got > 0) {
			conn_on_read(c);
		} else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
			event_del(c->read);
			conn_on_end(c, got != 0);
		}
	}
	conn_read_update(c);
	conn_unref(&c);
}

static void
read_on_input(struct evbuffer *in, const struct evbuffer_cb_info *info, void *arg)
{
	(void)in;
	if (info->n_deleted != 0)
		conn_read_update(arg);
}

void
conn_read_start(struct conn *c)
{
	c->read = event_new(c->core->frontend.service->base, c->fd, EV_READ | EV_PERSIST, read_on_readable, c);
	CHECK(c->read != NULL);
	evbuffer_add_cb(bufferevent_get_input(c->bev), read_on_input, c);
	event_add(c->read, NULL);
}

void
conn_read_stop(struct conn *c)
{
	if (c->read != NULL)
		event_free(c->read);
	c->read = NULL;
}

void
conn_read_update(struct conn *c)
{
	bool reads;

	if (c->read == NULL || c->eof)
		return;
	reads = event_pending(c->read, EV_READ, NULL) != 0;
	if (reads != read_has_room(c)) {
		if (reads)
			event_del(c->read);
		else
			event_add(c->read, NULL);
	}
}
