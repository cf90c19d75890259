/* Requests that wait for events. The client is watched: it counts as gone as soon as
 * it ends its side. */
#include "frontend/http/private.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/service/metrics.h"

void
http_park(struct http_request *r, int64_t ms)
{
	int64_t longest = http_settings(r->frontend)->park_longest;

	if (r->session == NULL || r->parked)
		return;
	CHECK(r->answer == HTTP_ANSWER_NONE || r->left == HTTP_CHUNKED);
	CHECK(r->body != HTTP_BODY_READING);
	r->parked = true;
	r->parked_until_ms = clock_monotonic_ms() + (ms < longest ? ms : longest);
	metrics_add(M_HTTP_PARKED, 1);
	conn_pause(r->session->conn);
	http_session_wait_parked(r->session);
	conn_watch_eof(r->session->conn, true);
}

void
http_stay(struct http_request *r, const struct http_handler *handler, void *state)
{
	if (r->session == NULL)
		return;
	CHECK(!op_waits(&r->op) && r->body == HTTP_BODY_WHOLE);
	arena_fini(&r->op.arena);
	r->head =
		(struct http_head){.method = r->head.method, .minor = r->head.minor, .keep_alive = r->head.keep_alive};
	r->account = NULL;
	r->handler = handler;
	r->state = state;
}

void
http_session_wait_parked(struct http_session *s)
{
	int64_t left_ms = s->request->parked_until_ms - clock_monotonic_ms();

	conn_set_timeout(s->conn, left_ms > 0 ? left_ms : 1);
}

void
http_session_unpark(struct http_session *s)
{
	if (s->request == NULL || !s->request->parked)
		return;
	s->request->parked = false;
	metrics_add(M_HTTP_PARKED, -1);
	conn_set_timeout(s->conn, 0);
	if (!conn_is_closing(s->conn))
		conn_watch_eof(s->conn, false);
}

/* For a handler that does not do it itself. */
static void
park_end(struct http_request *r, int status)
{
	http_request_leave(r);
	if (r->answer != HTTP_ANSWER_NONE)
		http_finish(r);
	else if (status == 204)
		http_reply(r, 204, NULL, STR_NONE);
	else
		http_refuse(r, status);
}

void
http_session_end_parked(struct http_session *s, bool shutdown)
{
	struct http_request *r = s->request;
	const struct http_handler *handler = r->handler;
	void (*end)(struct http_request * request) = shutdown ? handler->on_shutdown : handler->on_time;

	http_session_unpark(s);
	if (end != NULL)
		end(r);
	else
		park_end(r, shutdown ? 503 : 204);
}
