/* Output: status line, fields, and a body of known length or in chunks. */
#include "frontend/http/private.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/http/status.h"
#include "lib/service/metrics.h"

/* May the client send another request on this connection? The unread rest of this
 * request's body must be of known size, and small. */
static bool
reply_may_keep(const struct http_request *r)
{
	const struct http_session *s = r->session;

	if (!r->head.keep_alive || s->ending || s->served >= HTTP_REQUESTS_MAX)
		return false;
	if (r->body == HTTP_BODY_WHOLE)
		return true;
	return !r->head.chunked && (!r->head.expects_continue || r->continued) &&
	       r->head.length - r->body_bytes <= HTTP_SKIPPED_MAX;
}

static void
reply_count(int status)
{
	switch (status / 100) {
	case 1: metrics_add(M_HTTP_1XX, 1); break;
	case 2: metrics_add(M_HTTP_2XX, 1); break;
	case 3: metrics_add(M_HTTP_3XX, 1); break;
	case 4: metrics_add(M_HTTP_4XX, 1); break;
	default: metrics_add(M_HTTP_5XX, 1); break;
	}
}

void
http_begin(struct http_request *r, int status, const char *type, uint64_t length)
{
	struct conn *c;
	char date[HTTP_DATE_MAX];
	bool empty = status == 101 || status == 204 || status == 304;

	if (r->session == NULL)
		return;
	CHECK(r->answer == HTTP_ANSWER_NONE);
	http_session_unpark(r->session);
	c = r->session->conn;
	r->answer = HTTP_ANSWER_HEAD;
	r->status = status;
	r->bare = empty || r->head.method == HTTP_HEAD;
	r->in_chunks = length == HTTP_CHUNKED && r->head.minor != 0 && !empty;
	r->left = length;
	r->keep = reply_may_keep(r) && (length != HTTP_CHUNKED || r->head.minor != 0);
	http_date(clock_unix_ms(), date);
	conn_printf(c, "HTTP/1.1 %d %s\r\nDate: %s\r\n", status, http_reason(status), date);
	if (type != NULL)
		conn_printf(c, "Content-Type: %s\r\n", type);
	if (r->in_chunks)
		conn_write_c(c, "Transfer-Encoding: chunked\r\n");
	else if (length != HTTP_CHUNKED && !empty)
		conn_printf(c, "Content-Length: %llu\r\n", (unsigned long long)length);
	if (status == 503)
		conn_printf(c, "Retry-After: %d\r\n", HTTP_RETRY_AFTER_S);
	if (!r->keep && status != 101)
		conn_write_c(c, "Connection: close\r\n");
	else if (r->head.minor == 0)
		conn_write_c(c, "Connection: keep-alive\r\n");
	reply_count(status);
	log_debug(http_log(r), "request answered", F_C("method", http_method_name(r->head.method)),
		  F_STR("path", r->head.path), F_I64("status", status));
}

void
http_add_header(struct http_request *r, const char *name, struct str value)
{
	char *copy;

	if (r->session == NULL)
		return;
	CHECK(r->answer == HTTP_ANSWER_HEAD);
	copy = arena_dup(&r->op.arena, value.p, value.len);
	for (size_t i = 0; i < value.len; i++)
		if ((unsigned char)copy[i] < 0x20 || copy[i] == 0x7f)
			copy[i] = '?';
	conn_printf(r->session->conn, "%s: %s\r\n", name, copy);
}

static void
reply_end_head(struct http_request *r)
{
	if (r->answer == HTTP_ANSWER_HEAD)
		conn_write_c(r->session->conn, "\r\n");
	r->answer = HTTP_ANSWER_BODY;
}

/* False: write nothing. */
static bool
reply_begin_piece(struct http_request *r, size_t len)
{
	if (r->session == NULL)
		return false;
	CHECK(r->answer != HTTP_ANSWER_NONE);
	reply_end_head(r);
	if (r->left != HTTP_CHUNKED) {
		CHECKF(len <= r->left || r->bare, "%zu bytes, but %llu are left", len, (unsigned long long)r->left);
		r->left -= len <= r->left ? len : r->left;
	}
	if (len == 0 || r->bare || conn_is_closing(r->session->conn))
		return false;
	if (r->in_chunks)
		conn_printf(r->session->conn, "%zx\r\n", len);
	return true;
}

static void
reply_end_piece(struct http_request *r)
{
	if (r->in_chunks)
		conn_write_c(r->session->conn, "\r\n");
}

void
http_write(struct http_request *r, struct str data)
{
	if (!reply_begin_piece(r, data.len))
		return;
	conn_write(r->session->conn, data.p, data.len);
	reply_end_piece(r);
}

bool
http_may_write(struct http_request *r)
{
	if (r->session == NULL || conn_output_pending(r->session->conn) <= CONN_OUTPUT_HIGH)
		return true;
	/* Counted from the first time: asking again gives the client no more of it. */
	if (!r->wants_room)
		conn_set_timeout(r->session->conn, HTTP_READ_MS);
	r->wants_room = true;
	conn_want_drained(r->session->conn);
	return false;
}

void
http_finish(struct http_request *r)
{
	struct http_session *s = r->session;
	uint64_t skip = 0;
	bool keep = r->keep;

	if (s == NULL)
		return;
	http_session_unpark(s);
	keep = keep && !s->ending;
	CHECK(r->answer != HTTP_ANSWER_NONE);
	reply_end_head(r);
	if (r->in_chunks && !r->bare)
		conn_write_c(s->conn, "0\r\n\r\n");
	CHECKF(r->left == HTTP_CHUNKED || r->left == 0 || r->bare, "%llu bytes are missing",
	       (unsigned long long)r->left);
	if (r->body != HTTP_BODY_WHOLE && keep)
		skip = r->head.length - r->body_bytes;
	http_request_end(r);
	http_session_next(s, keep, skip);
}

/* ---- Complete answers ---- */

void
http_reply(struct http_request *r, int status, const char *type, struct str body)
{
	http_begin(r, status, type, body.len);
	http_write(r, body);
	http_finish(r);
}

void
http_refuse(struct http_request *r, int status)
{
	const char *text = arena_printf(&r->op.arena, "%d %s\n", status, http_reason(status));

	http_reply(r, status, "text/plain; charset=utf-8", str_c(text));
}

void
http_unavailable(struct http_request *r)
{
	http_refuse(r, 503);
}

void
http_redirect(struct http_request *r, int status, const char *location)
{
	http_begin(r, status, NULL, 0);
	http_add_header(r, "Location", str_c(location));
	http_finish(r);
}
