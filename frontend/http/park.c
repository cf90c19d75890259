/* Requests that wait for news. The client is watched: it counts as gone as soon as it
 * ends its side. */
#include "frontend/http/private.h"
#include "lib/base/check.h"
#include "lib/service/metrics.h"

void
http_park(struct http_request *r, int64_t ms)
{
	int64_t longest = http_settings(r->frontend)->park_longest;

	if (r->session == NULL || r->parked)
		return;
	CHECK(r->answer == HTTP_ANSWER_NONE && r->body != HTTP_BODY_READING);
	r->parked = true;
	metrics_add(M_HTTP_PARKED, 1);
	http_session_park(r->session, ms < longest ? ms : longest);
}

void
http_session_park(struct http_session *s, int64_t ms)
{
	conn_pause(s->conn);
	conn_set_timeout(s->conn, ms);
	conn_watch_eof(s->conn, true);
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
