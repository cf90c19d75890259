/* Serves a request: reads its head, finds its route, passes its body to the handler. */
#include "frontend/http/private.h"
#include "lib/base/check.h"

/* ---- Its beginning ---- */

static void
serve_send_to_https(struct http_request *r)
{
	http_redirect(r, 301, arena_printf(&r->op.arena, "%s%.*s", http_origin(r), STR_ARG(r->head.target)));
}

static bool
serve_may_be_redirected(const struct http_request *r)
{
	return (r->head.method == HTTP_GET || r->head.method == HTTP_HEAD) && r->head.host.len != 0 &&
	       str_starts(r->head.target, STR("/")) && http_settings(r->frontend)->redirect_to_https &&
	       conn_tls_available(r->session->conn);
}

static void
serve_answer_options(struct http_request *r, int status, unsigned allowed)
{
	struct buf names = BUF_EMPTY;
	const char *text = status == 204 ? "" : "405 Method Not Allowed\n";

	for (unsigned i = 0; i < HTTP_METHOD_COUNT; i++)
		if ((allowed & HTTP_BIT(i)) != 0)
			buf_printf(&names, "%s%s", names.len != 0 ? ", " : "", http_method_name(i));
	http_begin(r, status, status == 204 ? NULL : "text/plain; charset=utf-8", strlen(text));
	http_add_header(r, "Allow", buf_str(&names));
	http_write(r, str_c(text));
	http_finish(r);
	buf_fini(&names);
}

/* True: the route serves it. False: it has been answered. */
static bool
serve_find_route(struct http_request *r)
{
	unsigned allowed;

	r->route = http_match(&r->head, &allowed);
	if (r->head.method == HTTP_OPTIONS && (str_eq(r->head.path, STR("*")) || allowed != 0) &&
	    (r->route == NULL || (r->route->methods & HTTP_BIT(HTTP_OPTIONS)) == 0)) {
		serve_answer_options(r, 204, allowed != 0 ? allowed : (1u << HTTP_METHOD_COUNT) - 1);
		return false;
	}
	if (r->route != NULL)
		return true;
	if (allowed != 0)
		serve_answer_options(r, 405, allowed);
	else
		http_refuse(r, 404);
	return false;
}

/* Nothing secret crosses the network in the clear: a GET is redirected to TLS,
 * anything else is refused. */
static bool
serve_is_safe(struct http_request *r)
{
	if (r->secure || (r->route->flags & HTTP_PLAIN_OK) != 0)
		return true;
	if (serve_may_be_redirected(r))
		serve_send_to_https(r);
	else
		http_refuse(r, 403);
	return false;
}

void
http_request_begin(struct http_request *r, struct str head)
{
	int status = http_head_parse(head, &r->op.arena, &r->head);

	if (status != 0) {
		r->head.keep_alive = false;
		http_refuse(r, status);
		return;
	}
	r->body = r->head.chunked || r->head.length != 0 ? HTTP_BODY_UNASKED : HTTP_BODY_WHOLE;
	http_take_client(r);
	if (!serve_find_route(r) || !serve_is_safe(r))
		return;
	if (r->head.length > r->route->body_max)
		http_refuse(r, 413);
	else if ((r->route->flags & HTTP_LOGIN) != 0)
		http_login(r);
	else
		http_request_run(r);
}

void
http_request_run(struct http_request *r)
{
	r->handler = r->route->handler;
	if (!websocket_check(r))
		return;
	r->begun = true;
	r->handler->on_begin(r);
}

/* ---- The body ---- */

static void
serve_refuse_body(struct http_request *r, int status)
{
	http_request_leave(r);
	r->head.keep_alive = false;
	if (r->answer == HTTP_ANSWER_NONE)
		http_refuse(r, status);
	else
		conn_abort(r->session->conn);
}

static void
serve_end_body(struct http_request *r)
{
	r->body = HTTP_BODY_WHOLE;
	if (r->handler->on_end != NULL)
		r->handler->on_end(r);
}

static size_t
serve_take_chunked(struct http_request *r, struct str piece)
{
	struct str data;
	size_t taken = http_chunked_feed(&r->chunked, piece, &data);

	r->body_bytes += data.len;
	if (r->chunked.state == HTTP_CHUNK_BAD)
		serve_refuse_body(r, 400);
	else if (r->body_bytes > r->route->body_max)
		serve_refuse_body(r, 413);
	else if (r->chunked.state == HTTP_CHUNK_DONE)
		serve_end_body(r);
	else if (data.len != 0 && r->handler->on_body != NULL)
		r->handler->on_body(r, data);
	return taken;
}

size_t
http_request_take(struct http_request *r, struct str piece)
{
	struct http_session *s = r->session;

	if (r->head.chunked)
		return serve_take_chunked(r, piece);
	if (piece.len > r->head.length - r->body_bytes)
		piece = str_first(piece, (size_t)(r->head.length - r->body_bytes));
	r->body_bytes += piece.len;
	if (r->handler->on_body != NULL)
		r->handler->on_body(r, piece);
	if (s->request == r && r->body_bytes == r->head.length && r->body == HTTP_BODY_READING)
		serve_end_body(r);
	return piece.len;
}

void
http_want_body(struct http_request *r)
{
	if (r->session == NULL)
		return;
	if (r->body == HTTP_BODY_WHOLE) {
		serve_end_body(r);
		return;
	}
	CHECK(r->body == HTTP_BODY_UNASKED);
	if (r->head.expects_continue && r->answer == HTTP_ANSWER_NONE) {
		conn_write_c(r->session->conn, "HTTP/1.1 100 Continue\r\n\r\n");
		r->continued = true;
	}
	r->body = HTTP_BODY_READING;
	http_session_read(r->session);
}
