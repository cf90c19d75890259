/* The internals of the HTTP server.
 *
 *	session.c    a connection: reads heads and bodies from its input; time limits; its end
 *	serve.c      a request: its head, its route, its body
 *	reply.c      output
 *	bytes.c      answers of known bytes: ranges, entity tags
 *	websocket_open.c   the handshake of a WebSocket
 *	websocket_frame.c  its frames
 *	websocket.c        what comes and goes on it, its end
 *	request.c    the life of a request
 *	turn.c       whose turn it is: the next head, more of a body, or the handler
 *	park.c       requests that wait for news
 *	asked.c      what handlers can query
 *	match.c      choosing the route
 *	login.c      Basic login
 *	forwarded.c  the client behind a balancer */
#ifndef SP_FRONTEND_HTTP_PRIVATE_H
#define SP_FRONTEND_HTTP_PRIVATE_H

#include "frontend/http/http.h"
#include "frontend/http/websocket.h"
#include "lib/base/op.h"
#include "lib/http/chunked.h"

enum {
	HTTP_REQUESTS_MAX = 10000,     /* on one connection */
	HTTP_SKIPPED_MAX = 64 * 1024,  /* of an unread body; a larger one ends the connection */
	HTTP_READ_MS = 120 * 1000,     /* a client that does not read its answer for this long is cut off */
	HTTP_BODY_IDLE_MS = 30 * 1000, /* unless the route says otherwise */
	HTTP_RETRY_AFTER_S = 30,
};

struct http_session {
	struct conn *conn;	      /* borrowed: the session is part of it */
	struct http_request *request; /* owner; NULL: waiting for the next head */
	struct websocket *websocket;  /* owner; no further requests; NULL: none */
	struct http_scan scan;	      /* of that head */
	uint64_t skip;		      /* bytes of the last request's body that were not read */
	uint32_t served;	      /* requests so far */
	bool ending;		      /* no further requests */
};

/* How much of the body has arrived. */
enum http_body {
	HTTP_BODY_WHOLE,   /* or there is none */
	HTTP_BODY_UNASKED, /* the handler has not asked for it yet */
	HTTP_BODY_READING,
};

/* How much of the answer is written. */
enum http_answer {
	HTTP_ANSWER_NONE,
	HTTP_ANSWER_HEAD, /* fields may follow */
	HTTP_ANSWER_BODY,
};

struct http_request {
	struct op op;		      /* its arena; the operations that its handler waits for */
	struct http_session *session; /* NULL: answered, or the client has gone */
	struct frontend *frontend;
	struct http_head head;
	const struct http_route *route;	    /* NULL: no match */
	const struct http_handler *handler; /* the route's, or that of http_stay() */
	bool begun;			    /* the handler has been called */
	bool wants_websocket;		    /* its handshake is right */
	struct ip client;
	bool secure;	/* TLS, or loopback, or TLS up to a balancer listed in http.forwarded_from */
	bool forwarded; /* a balancer says who the client is */
	struct auth_request *login;
	struct auth_identity *account;
	void *state;

	enum http_body body;
	uint64_t body_bytes; /* received so far */
	struct http_chunked chunked;
	bool continued; /* 100 (Continue) was sent */

	enum http_answer answer;
	bool keep; /* keep the connection open */
	bool bare; /* no body is sent: HEAD, 204, 304 */
	bool in_chunks;
	uint64_t left; /* of the declared length */
	int status;

	bool parked, wants_room;
	int64_t parked_until_ms; /* monotonic */
};

static inline struct http_request *
http_request_of(struct op *op)
{
	return OP_OWNER(op, struct http_request, op);
}

/* ---- turn.c ---- */
void http_session_await_head(struct http_session *s);
void http_session_await_body(struct http_session *s);
/* The current request has been answered: continue with the next one. */
void http_session_next(struct http_session *s, bool keep, uint64_t skip);
/* The body is needed now, or again. */
void http_session_read(struct http_session *s);

/* ---- park.c ---- */
/* Sets the time limit again. */
void http_session_wait_parked(struct http_session *s);
void http_session_unpark(struct http_session *s);
/* The time is over, or the process is ending. */
void http_session_end_parked(struct http_session *s, bool shutdown);

/* ---- request.c ---- */
struct http_request *http_request_new(struct http_session *s);
/* Ends the request for its handler: the client has gone, or we have answered it. */
void http_request_leave(struct http_request *r);
/* The request is answered or the client gone: r is freed when nothing can call back
 * to it any more. */
void http_request_end(struct http_request *r);

/* ---- serve.c ---- */
/* head: complete, in the request's arena. */
void http_request_begin(struct http_request *r, struct str head);
/* Call it after the login, if there is one. */
void http_request_run(struct http_request *r);
/* Takes input; returns how many bytes belong to the body. May end the request. */
size_t http_request_take(struct http_request *r, struct str piece);

/* ---- match.c ---- */
/* NULL: no match; *allowed_out: all methods that the path supports. */
const struct http_route *http_match(const struct http_head *head, unsigned *allowed_out);

/* ---- login.c ---- */
/* Leads to http_request_run(), or to an answer. */
void http_login(struct http_request *r);

/* ---- websocket_open.c ---- */
/* Does it ask for a WebSocket, and may it? False: refused. */
bool websocket_check(struct http_request *r);
/* Writes the 101. */
void websocket_answer(struct http_request *r);

/* ---- websocket.c ---- */
/* Takes a frame, or part of one, from the input. False: more input is needed first, or
 * the client has to read. */
bool websocket_take(struct websocket *ws);
void websocket_on_drained(struct websocket *ws);
void websocket_on_timeout(struct websocket *ws);
void websocket_on_shutdown(struct websocket *ws);
/* The connection is gone. NULLs *ws. */
void websocket_on_close(struct websocket **ws);

/* ---- forwarded.c ---- */
/* Sets client and secure. */
void http_take_client(struct http_request *r);

/* The settings in force. */
static inline const struct settings_http *
http_settings(const struct frontend *f)
{
	return settings_http(frontend_settings(f), STR_NONE);
}

#endif
