/* A connection to the server under test. */
#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "bench/load.h"
#include "lib/base/check.h"
#include "lib/base/mem.h"

static void
destroy(struct client *c)
{
	bufferevent_free(c->bev);
	mem_free(c);
}

/* False: it is not complete yet. */
static bool
skipped(struct client *c, struct evbuffer *in)
{
	size_t here = evbuffer_get_length(in);

	if (c->skip < here)
		here = (size_t)c->skip;
	evbuffer_drain(in, here);
	c->skip -= here;
	c->load->bytes += here;
	return c->skip == 0;
}

static void
on_read(struct bufferevent *bev, void *arg)
{
	struct client *c = arg;
	struct evbuffer *in = bufferevent_get_input(bev);
	char *line;
	size_t len;

	c->busy = true;
	if (c->events->on_input != NULL)
		c->events->on_input(c, in);
	while (c->events->on_input == NULL && !c->freed && skipped(c, in) &&
	       (line = evbuffer_readln(in, &len, EVBUFFER_EOL_CRLF)) != NULL) {
		c->events->on_line(c, line, len);
		free(line);
	}
	c->busy = false;
	if (c->freed)
		destroy(c);
}

static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	struct client *c = arg;
	int on = 1;

	if ((what & BEV_EVENT_CONNECTED) != 0)
		setsockopt(bufferevent_getfd(bev), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if ((what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) != 0)
		c->events->on_gone(c);
}

struct client *
client_new(struct load *l, const struct client_events *events, void *owner)
{
	struct client *c = mem_new(struct client);
	struct sockaddr_in sa = {.sin_family = AF_INET,
				 .sin_port = htons((uint16_t)l->options->port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	c->load = l;
	c->events = events;
	c->owner = owner;
	if (l->tls != NULL)
		c->bev = bufferevent_openssl_socket_new(l->base, -1, SSL_new(l->tls), BUFFEREVENT_SSL_CONNECTING,
							BEV_OPT_CLOSE_ON_FREE);
	else
		c->bev = bufferevent_socket_new(l->base, -1, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(c->bev, on_read, NULL, on_event, c);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
	CHECK(bufferevent_socket_connect(c->bev, (struct sockaddr *)&sa, sizeof(sa)) == 0);
	return c;
}

void
client_free(struct client **cp)
{
	struct client *c = *cp;

	if (c == NULL)
		return;
	*cp = NULL;
	if (c->busy)
		c->freed = true;
	else
		destroy(c);
}

void
client_send(struct client *c, const char *text)
{
	bufferevent_write(c->bev, text, strlen(text));
}

void
client_skip(struct client *c, uint64_t bytes)
{
	c->skip = bytes;
}

void
client_send_reference(struct client *c, const char *data, size_t len)
{
	evbuffer_add_reference(bufferevent_get_output(c->bev), data, len, NULL, NULL);
}
