/* A WebSocket on its connection: frames in and out, its time, its end. */
#include "frontend/http/websocket.h"

#include "frontend/http/private.h"
#include "frontend/http/websocket_frame.h"
#include "lib/base/check.h"
#include "lib/base/mem.h"
#include "lib/service/metrics.h"

enum {
	PONGS_MS = 2,	 /* a ping's answer is due within so many times http.websocket_ping */
	CLOSE_MS = 5000, /* and that of a close within this time */
	REASON_MAX = WEBSOCKET_CONTROL_MAX - 2,
};

enum websocket_phase {
	WEBSOCKET_QUIET,  /* at the end of its time a ping is sent */
	WEBSOCKET_PINGED, /* at the end of its time the client is given up */
	WEBSOCKET_CLOSED, /* we have sent a close; the client's is due */
};

struct websocket {
	struct http_session *session;		 /* borrowed */
	const struct websocket_handler *handler; /* NULL: nobody is to be called any more */
	void *state;				 /* the handler's */
	struct websocket_reader reader;
	enum websocket_phase phase;
	bool paused;	 /* by the handler */
	bool full;	 /* the client does not read, so it is not read from either */
	bool wants_room; /* on_room is due */
};

static struct conn *
websocket_conn(const struct websocket *ws)
{
	return ws->session->conn;
}

static int64_t
websocket_ping_ms(const struct websocket *ws)
{
	return http_settings(conn_frontend(websocket_conn(ws)))->websocket_ping;
}

void *
websocket_state(const struct websocket *ws)
{
	return ws->state;
}

/* ---- Output ---- */

static void
websocket_write(struct websocket *ws, unsigned opcode, struct str payload)
{
	unsigned char head[WEBSOCKET_HEAD_MAX];

	conn_write(websocket_conn(ws), head, websocket_write_head(head, opcode, payload.len));
	if (payload.len != 0)
		conn_write(websocket_conn(ws), payload.p, payload.len);
}

static void
websocket_write_close(struct websocket *ws, unsigned code, const char *reason)
{
	struct buf payload = BUF_EMPTY;

	if (code != WEBSOCKET_CODE_NONE) {
		buf_add_byte(&payload, (char)(code >> 8));
		buf_add_byte(&payload, (char)(code & 0xff));
		buf_add_str(&payload, str_first_utf8(str_c(reason), REASON_MAX));
	}
	websocket_write(ws, WEBSOCKET_OP_CLOSE, buf_str(&payload));
	buf_fini(&payload);
}

void
websocket_send(struct websocket *ws, bool is_text, struct str message)
{
	CHECK(ws->handler != NULL);
	websocket_write(ws, is_text ? WEBSOCKET_OP_TEXT : WEBSOCKET_OP_BINARY, message);
}

bool
websocket_may_send(struct websocket *ws)
{
	if (conn_output_pending(websocket_conn(ws)) <= CONN_OUTPUT_HIGH)
		return true;
	ws->wants_room = true;
	conn_want_drained(websocket_conn(ws));
	return false;
}

/* ---- Input: whether it is read ---- */

void
websocket_pause(struct websocket *ws)
{
	ws->paused = true;
	conn_pause(websocket_conn(ws));
}

static void
websocket_go_on(struct websocket *ws)
{
	if (!ws->paused && !ws->full)
		conn_resume(websocket_conn(ws));
}

void
websocket_resume(struct websocket *ws)
{
	ws->paused = false;
	websocket_go_on(ws);
}

/* A client that sends pings, or messages that are answered, without reading has to wait. */
static bool
websocket_must_drain(struct websocket *ws)
{
	if (conn_output_pending(websocket_conn(ws)) <= CONN_OUTPUT_HIGH)
		return false;
	ws->full = true;
	conn_pause(websocket_conn(ws));
	conn_want_drained(websocket_conn(ws));
	return true;
}

/* ---- The end ---- */

/* The last call of the handler. */
static void
websocket_leave(struct websocket *ws)
{
	const struct websocket_handler *handler = ws->handler;

	ws->handler = NULL;
	if (handler != NULL)
		handler->on_gone(ws);
}

void
websocket_close(struct websocket *ws, enum websocket_code code, const char *reason)
{
	CHECK(ws->handler != NULL);
	ws->handler = NULL;
	ws->phase = WEBSOCKET_CLOSED;
	websocket_write_close(ws, code, reason);
	conn_set_timeout(websocket_conn(ws), CLOSE_MS);
	ws->wants_room = false;
	websocket_resume(ws); /* its own close is to be read */
}

/* Section 7.1.7: the client is told why, but not waited for. */
static void
websocket_fail(struct websocket *ws, unsigned code, const char *reason)
{
	if (ws->phase != WEBSOCKET_CLOSED) {
		log_info(conn_log(websocket_conn(ws)), "a WebSocket is closed: the client breaks the protocol",
			 F_I64("code", code));
		websocket_write_close(ws, code, reason);
	}
	websocket_leave(ws);
	conn_close(websocket_conn(ws));
}

static void
websocket_take_close(struct websocket *ws, unsigned code)
{
	if (ws->phase != WEBSOCKET_CLOSED)
		websocket_write_close(ws, code, "");
	websocket_leave(ws);
	conn_close(websocket_conn(ws));
}

/* ---- Input: what it means ---- */

static void
websocket_take_message(struct websocket *ws, const struct websocket_got *got)
{
	if (ws->handler == NULL)
		return; /* we are closing */
	if (ws->handler->on_message != NULL)
		ws->handler->on_message(ws, got->is_text, got->payload);
	else
		websocket_fail(ws, WEBSOCKET_CODE_UNSUPPORTED, "nothing is expected here");
}

static void
websocket_handle(struct websocket *ws, const struct websocket_got *got)
{
	/* Only what is whole shows that the client is well. */
	if (got->event != WEBSOCKET_NOTHING && ws->phase != WEBSOCKET_CLOSED) {
		ws->phase = WEBSOCKET_QUIET;
		conn_set_timeout(websocket_conn(ws), websocket_ping_ms(ws));
	}
	switch (got->event) {
	case WEBSOCKET_NOTHING:
	case WEBSOCKET_FRAGMENT:
	case WEBSOCKET_PONG: break;
	case WEBSOCKET_MESSAGE: websocket_take_message(ws, got); break;
	case WEBSOCKET_PING:
		if (ws->phase != WEBSOCKET_CLOSED)
			websocket_write(ws, WEBSOCKET_OP_PONG, got->payload);
		break;
	case WEBSOCKET_CLOSE: websocket_take_close(ws, got->code); break;
	case WEBSOCKET_FAULT: websocket_fail(ws, got->code, ""); break;
	}
}

bool
websocket_take(struct websocket *ws)
{
	struct evbuffer *in = conn_input(websocket_conn(ws));
	struct evbuffer_iovec piece;
	struct websocket_got got;

	if (websocket_must_drain(ws) || evbuffer_peek(in, -1, NULL, &piece, 1) < 1 || piece.iov_len == 0)
		return false;
	evbuffer_drain(in, websocket_feed(&ws->reader, str_of(piece.iov_base, piece.iov_len), &got));
	websocket_handle(ws, &got);
	websocket_reader_release(&ws->reader);
	return true;
}

/* ---- Events of the connection ---- */

void
websocket_on_drained(struct websocket *ws)
{
	if (ws->full) {
		ws->full = false;
		websocket_go_on(ws);
	}
	if (!ws->wants_room)
		return;
	ws->wants_room = false;
	if (ws->handler != NULL && ws->handler->on_room != NULL)
		ws->handler->on_room(ws);
}

void
websocket_on_shutdown(struct websocket *ws)
{
	if (ws->handler == NULL)
		return;
	if (ws->handler->on_shutdown != NULL) {
		ws->handler->on_shutdown(ws);
		return;
	}
	websocket_leave(ws);
	ws->phase = WEBSOCKET_CLOSED;
	websocket_write_close(ws, WEBSOCKET_CODE_GOING_AWAY, "");
	conn_set_timeout(websocket_conn(ws), CLOSE_MS);
	websocket_resume(ws);
}

void
websocket_on_timeout(struct websocket *ws)
{
	struct conn *c = websocket_conn(ws);

	if (ws->phase == WEBSOCKET_CLOSED) {
		conn_close(c);
	} else if (ws->session->ending) {
		websocket_on_shutdown(ws);
	} else if (ws->phase == WEBSOCKET_PINGED && !ws->paused) {
		conn_abort(c); /* it is not there, or does not read */
	} else {
		if (ws->phase == WEBSOCKET_QUIET)
			websocket_write(ws, WEBSOCKET_OP_PING, STR_NONE);
		ws->phase = WEBSOCKET_PINGED;
		conn_set_timeout(c, PONGS_MS * websocket_ping_ms(ws));
	}
}

void
websocket_on_close(struct websocket **ws)
{
	websocket_leave(*ws);
	websocket_reader_fini(&(*ws)->reader);
	metrics_add(M_HTTP_WEBSOCKETS, -1);
	mem_free(*ws);
	*ws = NULL;
}

/* ---- The beginning ---- */

struct websocket *
websocket_accept(struct http_request *r, const struct websocket_handler *handler, void *state)
{
	struct http_session *s = r->session;
	struct websocket *ws = mem_new(struct websocket);

	CHECK(s != NULL && s->websocket == NULL && !op_waits(&r->op));
	ws->session = s;
	ws->handler = handler;
	ws->state = state;
	ws->reader.message_max = r->handler->websocket->message_max;
	websocket_answer(r);
	http_request_end(r);
	s->websocket = ws;
	metrics_add(M_HTTP_WEBSOCKETS, 1);
	/* If the process began to end meanwhile, at the loop's next turn. */
	conn_set_timeout(s->conn, s->ending ? 1 : websocket_ping_ms(ws));
	conn_resume(s->conn);
	return ws;
}
