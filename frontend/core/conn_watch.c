/* Is the peer still there?
 *
 * As long as the input has room, the bufferevent reads and detects the end by itself.
 * Once it is full, nothing is read. Then a second descriptor of the socket is
 * watched, edge-triggered, for the end only: unread input would wake a
 * level-triggered one forever, and libevent permits only one mode per descriptor. */
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "frontend/core/conn_private.h"
#include "lib/base/check.h"

bool
conn_peer_ended(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLRDHUP};

	return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

static void
conn_watch_stop(struct conn *c)
{
	if (c->watch == NULL)
		return;
	close(event_get_fd(c->watch));
	event_free(c->watch);
	c->watch = NULL;
}

static void
watch_on_something(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)what;
	if (!conn_peer_ended(fd))
		return;
	conn_watch_stop(c);
	c->eof = true;
	conn_kick(c);
}

static void
watch_start(struct conn *c)
{
	int fd = fcntl(c->fd, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return; /* out of descriptors: the end is detected when there is room again */
	c->watch = event_new(c->core->frontend.service->base, fd, EV_READ | EV_CLOSED | EV_ET | EV_PERSIST,
			     watch_on_something, c);
	event_add(c->watch, NULL);
}

void
conn_watch_update(struct conn *c)
{
	bool blind = c->watch_eof && c->phase == CONN_OPEN && !c->eof &&
		     evbuffer_get_length(bufferevent_get_input(c->bev)) >= CONN_INPUT_MAX;

	if (!blind)
		conn_watch_stop(c);
	else if (c->watch == NULL)
		watch_start(c);
}

void
conn_watch_eof(struct conn *c, bool watch)
{
	CHECK(c->state->protocol->on_eof != NULL);
	c->watch_eof = watch;
	conn_watch_update(c);
	if (watch && c->eof)
		conn_kick(c);
}
