/* Whose turn it is on a connection: the next head, more of a body, or the handler. */
#include "frontend/http/private.h"

void
http_session_await_head(struct http_session *s)
{
	conn_set_timeout(s->conn, http_settings(conn_frontend(s->conn))->keep_alive_timeout);
}

void
http_session_await_body(struct http_session *s)
{
	int64_t ms = s->request->route->body_idle_ms;

	conn_set_timeout(s->conn, ms != 0 ? ms : HTTP_BODY_IDLE_MS);
	conn_acknowledge(s->conn);
}

void
http_session_read(struct http_session *s)
{
	http_session_await_body(s);
	conn_resume(s->conn);
}

void
http_session_next(struct http_session *s, bool keep, uint64_t skip)
{
	s->skip = skip;
	if (!keep) {
		conn_close(s->conn);
		return;
	}
	http_session_await_head(s);
	conn_resume(s->conn);
}
