#include "lib/service/monitor.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <utlist.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/http/head.h"
#include "lib/http/status.h"

enum { MONITOR_BACKLOG = 128, MONITOR_REST_MS = 100 };

struct monitor_conn {
	struct monitor *monitor; /* borrowed */
	struct bufferevent *bev; /* owner */
	struct event *deadline;	 /* owner */
	struct http_scan scan;
	bool answered;
	bool ended; /* the client has closed its half */
	struct monitor_conn *prev, *next;
};

struct monitor {
	struct event_base *base;	  /* borrowed */
	const struct monitor_page *pages; /* borrowed */
	void *arg;
	struct evconnlistener *listener; /* owner */
	struct event *rest;		 /* owner: wakes it after accept() had no descriptors left */
	struct monitor_conn *conns;	 /* owner of each; the oldest first */
	unsigned count;
};

static void
monitor_conn_free(struct monitor_conn *c)
{
	DL_DELETE(c->monitor->conns, c);
	c->monitor->count--;
	bufferevent_free(c->bev);
	event_free(c->deadline);
	mem_free(c);
}

/* ---- The answer ---- */
/* What the client still sends is thrown away: closing before it has read all would
 * take the answer from it. */
static void
monitor_answer(struct monitor_conn *c, int status, const char *type, struct str body, bool bare)
{
	struct evbuffer *out = bufferevent_get_output(c->bev);
	char date[HTTP_DATE_MAX];

	c->answered = true;
	http_date(clock_unix_ms(), date);
	evbuffer_add_printf(out,
			    "HTTP/1.1 %d %s\r\nDate: %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
			    "Connection: close\r\n%s\r\n",
			    status, http_reason(status), date, type, body.len,
			    status == 405 ? "Allow: GET, HEAD\r\n" : "");
	if (!bare)
		evbuffer_add(out, body.p, body.len);
}

static void
monitor_refuse(struct monitor_conn *c, int status, bool bare)
{
	char text[64];

	snprintf(text, sizeof(text), "%s\n", http_reason(status));
	monitor_answer(c, status, "text/plain", str_c(text), bare);
}

static const struct monitor_page *
monitor_find_page(const struct monitor *m, struct str path)
{
	for (const struct monitor_page *p = m->pages; p->path != NULL; p++)
		if (str_eq(path, str_c(p->path)))
			return p;
	return NULL;
}

static void
monitor_serve(struct monitor_conn *c, const struct http_head *head)
{
	const struct monitor_page *page = monitor_find_page(c->monitor, head->path);
	bool bare = head->method == HTTP_HEAD;
	struct buf body = BUF_EMPTY;
	int status;

	if (head->chunked || head->length != 0) {
		monitor_refuse(c, 413, bare);
	} else if (head->method != HTTP_GET && !bare) {
		monitor_refuse(c, 405, false);
	} else if (page == NULL) {
		monitor_refuse(c, 404, bare);
	} else {
		status = page->make(c->monitor->arg, &body);
		monitor_answer(c, status, page->type, buf_str(&body), bare);
		buf_fini(&body);
	}
}

/* ---- The request ---- */
static void
monitor_take_head(struct monitor_conn *c, const char *data)
{
	struct http_head head;
	struct arena arena;
	int status;

	arena_init(&arena);
	status = http_head_parse(str_of(data, c->scan.bytes), &arena, &head);
	if (status != 0)
		monitor_refuse(c, status, false);
	else
		monitor_serve(c, &head);
	arena_fini(&arena);
}

static void
monitor_on_read(struct bufferevent *bev, void *arg)
{
	struct monitor_conn *c = arg;
	struct evbuffer *in = bufferevent_get_input(bev);
	size_t len = evbuffer_get_length(in);
	const char *data;
	int status;

	if (c->answered) {
		evbuffer_drain(in, len);
		return;
	}
	data = (const char *)evbuffer_pullup(in, -1);
	http_scan_feed(&c->scan, str_of(data + c->scan.bytes, len - c->scan.bytes), &status);
	if (status == 0 && c->scan.bytes > MONITOR_HEAD_MAX)
		status = 431;
	if (status != 0)
		monitor_refuse(c, status, false);
	else if (c->scan.done)
		monitor_take_head(c, data);
	if (c->answered)
		evbuffer_drain(in, len);
}

/* All is sent: the client hears that, and is waited for until it closes too. */
static void
monitor_on_written(struct bufferevent *bev, void *arg)
{
	struct monitor_conn *c = arg;

	if (!c->answered)
		return;
	if (c->ended)
		monitor_conn_free(c);
	else
		shutdown(bufferevent_getfd(bev), SHUT_WR);
}

/* The client has closed, or closed its half: what it was not sent yet it may still
 * read. */
static void
monitor_on_event(struct bufferevent *bev, short what, void *arg)
{
	struct monitor_conn *c = arg;
	bool unsent = evbuffer_get_length(bufferevent_get_output(bev)) != 0;

	c->ended = true;
	if ((what & BEV_EVENT_EOF) == 0 || !c->answered || !unsent)
		monitor_conn_free(c);
}

static void
monitor_on_deadline(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	monitor_conn_free(arg);
}

/* ---- Connections ---- */
static void
monitor_on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *peer, int peer_len, void *arg)
{
	struct monitor *m = arg;
	struct timeval limit = clock_timeval(MONITOR_LONGEST_MS);
	struct monitor_conn *c;

	(void)listener, (void)peer, (void)peer_len;
	if (m->count == MONITOR_CONNECTIONS_MAX)
		monitor_conn_free(m->conns);
	c = mem_new(struct monitor_conn);
	c->monitor = m;
	c->bev = bufferevent_socket_new(m->base, fd, BEV_OPT_CLOSE_ON_FREE);
	c->deadline = evtimer_new(m->base, monitor_on_deadline, c);
	DL_APPEND(m->conns, c);
	m->count++;
	event_add(c->deadline, &limit);
	bufferevent_setcb(c->bev, monitor_on_read, monitor_on_written, monitor_on_event, c);
	/* One byte above the limit shows that there are too many. */
	bufferevent_setwatermark(c->bev, EV_READ, 0, MONITOR_HEAD_MAX + 1);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
}

/* Out of descriptors: the listener rests, instead of turning the loop hot. */
static void
monitor_on_accept_error(struct evconnlistener *listener, void *arg)
{
	struct monitor *m = arg;
	struct timeval rest = clock_timeval(MONITOR_REST_MS);

	log_warning(NULL, "accepting failed", F_C("listener", "metrics"), F_C("error", strerror(errno)));
	evconnlistener_disable(listener);
	event_add(m->rest, &rest);
}

static void
monitor_on_rested(evutil_socket_t fd, short what, void *arg)
{
	struct monitor *m = arg;

	(void)fd, (void)what;
	evconnlistener_enable(m->listener);
}

/* -1: errno. */
static int
monitor_listen(struct monitor *m, const char *address, int port)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
	struct addrinfo *found = NULL;
	char text[16];

	snprintf(text, sizeof(text), "%d", port);
	if (getaddrinfo(address, text, &hints, &found) != 0) {
		errno = EADDRNOTAVAIL;
		return -1;
	}
	m->listener = evconnlistener_new_bind(m->base, monitor_on_accept, m,
					      LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
					      MONITOR_BACKLOG, found->ai_addr, (int)found->ai_addrlen);
	freeaddrinfo(found);
	return m->listener != NULL ? 0 : -1;
}

struct monitor *
monitor_new(struct event_base *base, const char *address, int port, const struct monitor_page *pages, void *arg,
	    struct err *err)
{
	struct monitor *m = mem_new(struct monitor);

	*m = (struct monitor){.base = base, .pages = pages, .arg = arg};
	m->rest = evtimer_new(base, monitor_on_rested, m);
	if (monitor_listen(m, address, port) != 0 &&
	    (strcmp(address, "::") != 0 || (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL) ||
	     monitor_listen(m, "0.0.0.0", port) != 0)) {
		err_set_errno(err, errno, "listening on the metrics port %s:%d", address, port);
		monitor_free(&m);
		return NULL;
	}
	evconnlistener_set_error_cb(m->listener, monitor_on_accept_error);
	return m;
}

void
monitor_free(struct monitor **m)
{
	struct monitor_conn *c, *next;

	if (*m == NULL)
		return;
	DL_FOREACH_SAFE ((*m)->conns, c, next)
		monitor_conn_free(c);
	if ((*m)->listener != NULL)
		evconnlistener_free((*m)->listener);
	event_free((*m)->rest);
	mem_free(*m);
	*m = NULL;
}
