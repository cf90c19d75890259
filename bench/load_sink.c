/* A server that accepts all mail, and the runs that send to it through the server under test. */
#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "bench/load.h"
#include "lib/base/check.h"
#include "lib/base/mem.h"

#define REMOTE_DOMAIN "remote.example"

struct sink {
	void (*on_message)(void *arg);
	void *arg;
};

struct visitor {
	struct sink *sink; /* borrowed */
	struct bufferevent *bev;
	bool in_data;
};

/* ---- The server ---- */

static const char *
answer(struct visitor *v, const char *line)
{
	if (strncasecmp(line, "EHLO", 4) == 0)
		return "250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n";
	if (strncasecmp(line, "DATA", 4) == 0) {
		v->in_data = true;
		return "354 go on\r\n";
	}
	return strncasecmp(line, "QUIT", 4) == 0 ? "221 bye\r\n" : "250 ok\r\n";
}

/* True: the dot has arrived. */
static bool
skip_data(struct evbuffer *in)
{
	struct evbuffer_ptr end = evbuffer_search(in, "\r\n.\r\n", 5, NULL);
	size_t len = evbuffer_get_length(in);

	if (end.pos >= 0) {
		evbuffer_drain(in, (size_t)end.pos + 5);
		return true;
	}
	if (len > 4)
		evbuffer_drain(in, len - 4);
	return false;
}

static void
on_read(struct bufferevent *bev, void *arg)
{
	struct visitor *v = arg;
	struct evbuffer *in = bufferevent_get_input(bev);

	for (;;) {
		if (v->in_data) {
			if (!skip_data(in))
				return;
			v->in_data = false;
			bufferevent_write(bev, "250 taken\r\n", 11);
			v->sink->on_message(v->sink->arg);
			continue;
		}
		char *line = evbuffer_readln(in, NULL, EVBUFFER_EOL_CRLF);
		if (line == NULL)
			return;
		const char *text = answer(v, line);
		bufferevent_write(bev, text, strlen(text));
		free(line);
	}
}

static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	if ((what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) != 0) {
		bufferevent_free(bev);
		mem_free(arg);
	}
}

static void
on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *peer, int peer_len, void *arg)
{
	struct visitor *v = mem_new(struct visitor);
	int on = 1;

	(void)peer, (void)peer_len;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	v->sink = arg;
	v->bev = bufferevent_socket_new(evconnlistener_get_base(listener), fd, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(v->bev, on_read, NULL, on_event, v);
	bufferevent_enable(v->bev, EV_READ | EV_WRITE);
	bufferevent_write(v->bev, "220 sink\r\n", 10);
}

struct sink *
sink_new(struct event_base *base, int port, void (*on_message)(void *arg), void *arg)
{
	struct sink *s = mem_new(struct sink);
	struct sockaddr_in sa = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	s->on_message = on_message;
	s->arg = arg;
	CHECK(evconnlistener_new_bind(base, on_accept, s, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, 1024,
				      (struct sockaddr *)&sa, sizeof(sa)) != NULL);
	return s;
}

/* The loop, and then a moment more: the last 250s must reach the server under
 * test, or it will consider this sink broken and hold back what follows. */
static void
run_with_sink(struct load *l)
{
	const struct timeval moment = {.tv_usec = 500000};

	event_base_dispatch(l->base);
	event_base_loopexit(l->base, &moment);
	event_base_dispatch(l->base);
}

/* ---- Throughput: a message is done when it has arrived at the sink ---- */

static void
on_relayed(void *arg)
{
	struct load *l = arg;

	/* The sender notes what was accepted; the sink decides when the run is over. */
	l->arrived++;
	if (l->arrived == (uint64_t)l->options->count)
		load_end(l);
}

void
run_relay(struct load *l)
{
	sink_new(l->base, l->options->sink_port, on_relayed, l);
	sender_new(l, REMOTE_DOMAIN, NULL);
	run_with_sink(l);
}

void
run_sink(struct load *l)
{
	sink_new(l->base, l->options->sink_port, on_relayed, l);
	run_with_sink(l);
}

/* ---- Latency: one message at a time through an idle system ---- */

struct latency {
	struct load *load;
	struct sender *sender;
	struct event *pause;
	int to_come; /* times of the 250 to us and of the sink's 250 */
};
static struct latency latency;

static void
one_came(void)
{
	struct timeval wait = {.tv_usec = latency.load->options->interval_ms * 1000};

	if (--latency.to_come == 0)
		event_add(latency.pause, &wait);
}

static void
on_latency_message(void *arg)
{
	(void)arg;
	load_note(latency.load, sender_body_sent_us(latency.sender));
	one_came();
}

static void
on_accepted(struct load *l)
{
	(void)l;
	one_came();
}

static void
on_paused(evutil_socket_t fd, short what, void *arg)
{
	struct load *l = arg;

	(void)fd, (void)what;
	if (l->done == (uint64_t)l->options->count) {
		load_end(l);
		return;
	}
	latency.to_come = 2;
	sender_go(latency.sender);
}

void
run_latency(struct load *l)
{
	latency.load = l;
	latency.to_come = 2;
	latency.pause = evtimer_new(l->base, on_paused, l);
	sink_new(l->base, l->options->sink_port, on_latency_message, NULL);
	latency.sender = sender_new(l, REMOTE_DOMAIN, on_accepted);
	sender_pace(latency.sender);
	run_with_sink(l);
}
