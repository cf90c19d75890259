/* An HTTP connection: reads heads and bodies from its input, one request after the
 * other. */
#include "frontend/http/private.h"
#include "lib/base/check.h"
#include "lib/base/listen_url.h"
#include "lib/service/metrics.h"

enum { PIECES = 8, LAST_READ_MS = 5000 };

/* ---- Heads ---- */

static void
session_refuse_head(struct http_session *s, int status)
{
	struct http_request *r = http_request_new(s);

	r->head.minor = 1;
	http_refuse(r, status);
}

/* The scan has found the end of the head. */
static void
session_begin_request(struct http_session *s)
{
	struct evbuffer *in = conn_input(s->conn);
	struct http_request *r = http_request_new(s);
	size_t len = s->scan.bytes;
	char *head = arena_alloc(&r->op.arena, len + 1);

	evbuffer_remove(in, head, len);
	s->scan = (struct http_scan){0};
	s->served++;
	conn_set_timeout(s->conn, 0);
	http_request_begin(r, str_of(head, len));
}

/* Scans what has arrived since the last time. Returns a status, or 0. */
static int
session_scan(struct http_session *s)
{
	struct evbuffer *in = conn_input(s->conn);
	struct evbuffer_iovec pieces[PIECES];
	struct evbuffer_ptr at;
	int count, status = 0;

	while (s->scan.bytes < evbuffer_get_length(in) && !s->scan.done && status == 0) {
		evbuffer_ptr_set(in, &at, s->scan.bytes, EVBUFFER_PTR_SET);
		count = evbuffer_peek(in, -1, &at, pieces, PIECES);
		for (int i = 0; i < count && i < PIECES && !s->scan.done && status == 0; i++)
			http_scan_feed(&s->scan, str_of(pieces[i].iov_base, pieces[i].iov_len), &status);
	}
	return status;
}

/* False: more input is needed first. */
static bool
session_take_head(struct http_session *s)
{
	bool fresh = s->scan.bytes == 0;
	int status;

	if (evbuffer_get_length(conn_input(s->conn)) == 0)
		return false;
	status = session_scan(s);
	if (status != 0) {
		session_refuse_head(s, status);
	} else if (s->scan.done) {
		session_begin_request(s);
	} else {
		/* From its first byte on: a head that trickles in gets no extra time. */
		if (fresh)
			conn_set_timeout(s->conn, http_settings(conn_frontend(s->conn))->header_timeout);
		return false;
	}
	return true;
}

/* ---- Bodies ---- */

static bool
session_skip(struct http_session *s)
{
	struct evbuffer *in = conn_input(s->conn);
	size_t len = evbuffer_get_length(in);

	if (len > s->skip)
		len = (size_t)s->skip;
	evbuffer_drain(in, len);
	s->skip -= len;
	return s->skip == 0;
}

/* False: more input is needed first. */
static bool
session_take_body(struct http_session *s)
{
	struct evbuffer *in = conn_input(s->conn);
	struct evbuffer_iovec piece;
	size_t taken;

	if (evbuffer_peek(in, -1, NULL, &piece, 1) < 1)
		return false;
	taken = http_request_take(s->request, str_of(piece.iov_base, piece.iov_len));
	if (!conn_is_closing(s->conn))
		evbuffer_drain(conn_input(s->conn), taken);
	return true;
}

/* ---- Input ---- */

/* A client that sends requests without reading the answers has to wait. */
static bool
http_session_must_drain(struct http_session *s)
{
	if (conn_output_pending(s->conn) <= CONN_OUTPUT_HIGH)
		return false;
	conn_pause(s->conn);
	conn_set_timeout(s->conn, HTTP_READ_MS);
	conn_want_drained(s->conn);
	return true;
}

static bool
session_step(struct http_session *s)
{
	if (s->websocket != NULL)
		return websocket_take(s->websocket);
	if (s->request == NULL && s->skip != 0 && !session_skip(s))
		return false;
	if (s->request == NULL)
		return !http_session_must_drain(s) && session_take_head(s);
	if (s->request->body == HTTP_BODY_READING)
		return session_take_body(s);
	conn_pause(s->conn);
	return false;
}

static void
session_on_input(struct conn *c)
{
	struct http_session *s = conn_session(c);

	while (!conn_is_closing(c) && !conn_is_paused(c) && session_step(s))
		;
	if (!conn_is_closing(c) && s->request != NULL && s->request->body == HTTP_BODY_READING)
		http_session_await_body(s);
}

/* ---- Events from the connection ---- */

static void
session_on_eof(struct conn *c)
{
	conn_abort(c);
}

static void
session_on_open(struct conn *c)
{
	struct http_session *s = conn_session(c);

	s->conn = c;
	http_session_await_head(s);
}

static void
session_on_drained(struct conn *c)
{
	struct http_session *s = conn_session(c);
	struct http_request *r = s->request;

	if (s->websocket != NULL) {
		websocket_on_drained(s->websocket);
	} else if (r == NULL) {
		http_session_await_head(s);
		conn_resume(c);
	} else if (r->wants_room) {
		r->wants_room = false;
		conn_set_timeout(c, 0);
		if (r->parked)
			http_session_wait_parked(s);
		if (r->begun && r->handler->on_room != NULL)
			r->handler->on_room(r);
	}
}

static void
session_on_timeout(struct conn *c)
{
	struct http_session *s = conn_session(c);
	struct http_request *r = s->request;

	if (s->websocket != NULL) {
		websocket_on_timeout(s->websocket);
	} else if (r != NULL && r->parked && !r->wants_room) {
		http_session_end_parked(s, false);
	} else if (conn_output_pending(c) != 0) {
		conn_abort(c); /* it does not read, so sending a reply is pointless */
	} else if (r != NULL && r->answer == HTTP_ANSWER_NONE) {
		http_request_leave(r);
		r->head.keep_alive = false;
		http_refuse(r, 408);
	} else if (r == NULL && s->scan.bytes != 0) {
		session_refuse_head(s, 408);
	} else {
		conn_close(c);
	}
}

static void
session_on_shutdown(struct conn *c)
{
	struct http_session *s = conn_session(c);
	struct http_request *r = s->request;

	s->ending = true;
	if (s->websocket != NULL) {
		websocket_on_shutdown(s->websocket);
	} else if (r == NULL && s->scan.bytes == 0) {
		conn_close(c);
	} else if (r == NULL) {
		conn_set_timeout(c, LAST_READ_MS);
	} else if (r->parked) {
		http_session_end_parked(s, true);
	}
}

static void
session_on_close(struct conn *c)
{
	struct http_session *s = conn_session(c);

	if (s->websocket != NULL)
		websocket_on_close(&s->websocket);
	if (s->request == NULL)
		return;
	http_request_leave(s->request);
	http_request_end(s->request);
}

/* ---- The protocol ---- */

/* There is no request to answer, but a client that has sent one understands this. */
static void
session_refuse(struct conn *c)
{
	conn_printf(
		c,
		"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: %d\r\nContent-Length: 0\r\n\r\n",
		HTTP_RETRY_AFTER_S);
}

static int64_t
session_max_connections(const struct settings *settings)
{
	return settings_http(settings, STR_NONE)->max_connections;
}

/* A balancer's connections are those of many clients. */
static int64_t
session_max_per_address(const struct settings *settings, const struct ip *client)
{
	const struct settings_http *http = settings_http(settings, STR_NONE);

	return ip_blocks_have(&http->forwarded_from, client) ? 0 : http->max_per_address;
}

static const struct ip_blocks *
session_proxy_protocol_from(const struct settings *settings)
{
	return &settings_http(settings, STR_NONE)->proxy_protocol_from;
}

static const struct protocol_listener http_listeners[] = {
	{.name = "http", .port = 80, .implicit_tls = false},
	{.name = "https", .port = 443, .implicit_tls = true},
	{.name = NULL},
};

enum { ROLE_HTTP, ROLE_HTTPS }; /* in http_listeners */

static unsigned
session_further(const struct settings *settings, struct protocol_address out[PROTOCOL_ADDRESSES_MAX])
{
	const struct settings_list *list = &settings_http(settings, STR_NONE)->listeners;
	unsigned count = 0;
	struct listen_url url;

	for (unsigned i = 0; i < list->count && count < PROTOCOL_ADDRESSES_MAX; i++)
		if (listen_url_parse(list->items[i], &url))
			out[count++] =
				(struct protocol_address){.role = &http_listeners[url.tls ? ROLE_HTTPS : ROLE_HTTP],
							  .ip = url.ip,
							  .port = url.port};
	return count;
}

const struct protocol protocol_http = {
	.name = "http",
	.session_size = sizeof(struct http_session),
	.listeners = http_listeners,
	.alpn = "http/1.1 http/1.0",
	.metric_open = M_CONNECTIONS_HTTP,
	.metric_accepted = M_ACCEPTED_HTTP,
	.max_connections = session_max_connections,
	.max_per_address = session_max_per_address,
	.proxy_protocol_from = session_proxy_protocol_from,
	.further = session_further,
	.refuse = session_refuse,
	.on_open = session_on_open,
	.on_input = session_on_input,
	.on_drained = session_on_drained,
	.on_timeout = session_on_timeout,
	.on_eof = session_on_eof,
	.on_shutdown = session_on_shutdown,
	.on_close = session_on_close,
};
