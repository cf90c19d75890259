/* The HTTP/1.1 server (RFC 9110, 9112): connections that carry requests to routes.
 *
 * A module that speaks HTTP (autodiscover, the web page, EWS, ...) adds rows to the
 * table of routes (frontend/routes.c) and a handler for each. A request is a struct
 * http_request: its arena lives until nothing that its handler waits for can call
 * back any more, as with any operation (lib/base/op.h).
 *
 * A connection handles one request at a time; pipelined requests wait for their turn
 * in the kernel. A handler answers from within a call or later:
 *
 *	on_begin -> [http_want_body() -> on_body ... -> on_end] -> http_begin(),
 *	http_write() ..., http_finish()
 *
 * Do not touch the request after http_finish(). If the client leaves first, on_gone
 * is called instead. */
#ifndef SP_FRONTEND_HTTP_HTTP_H
#define SP_FRONTEND_HTTP_HTTP_H

#include "frontend/core/frontend.h"
#include "frontend/core/protocol.h"
#include "lib/auth/auth.h"
#include "lib/http/head.h"

extern const struct protocol protocol_http;

struct http_request;
struct websocket_terms; /* frontend/http/websocket.h */

/* All members but on_begin may be NULL. */
struct http_handler {
	/* The head is complete, and the account is known if the route requires login. */
	void (*on_begin)(struct http_request *r);
	/* A piece of the body, valid within the call; only after http_want_body(). */
	void (*on_body)(struct http_request *r, struct str piece);
	/* The body is complete. */
	void (*on_end)(struct http_request *r);
	/* http_may_write() was false, and the client has read since. */
	void (*on_room)(struct http_request *r);
	/* The time given to http_park() is over: answer now, or end the stream. NULL: 204,
	 * or the stream's end. */
	void (*on_time)(struct http_request *r);
	/* The process is ending, and the request is parked: answer now, or end the stream.
	 * NULL: 503, or the stream's end. */
	void (*on_shutdown)(struct http_request *r);
	/* The client has left, or takes too long to send or to read; this is the last call. */
	void (*on_gone)(struct http_request *r);
	/* It takes WebSockets too, on these terms; NULL: a request for one is an ordinary one. */
	const struct websocket_terms *websocket;
};

/* Properties of a route. */
#define HTTP_CASELESS 1u /* its path is compared case-insensitively */
#define HTTP_LOGIN    2u /* requires Basic login first (RFC 7617); http_account() is set */
#define HTTP_PLAIN_OK 4u /* served without TLS to anyone */

struct http_route {
	const char *host; /* NULL: any; "autoconfig.*": any host whose first label is that one */
	const char *path; /* a final '*': a prefix. NULL terminates a table */
	unsigned methods; /* HTTP_BIT()s; GET includes HEAD, OPTIONS is always allowed */
	unsigned flags;
	uint64_t body_max;    /* bytes; for more: 413 */
	int64_t body_idle_ms; /* a body that stalls for this long: 408; 0: 30 s */
	const struct http_handler *handler;
};

/* frontend/routes.c: the one table that lists them all; the first match serves. Unit
 * tests replace it with their own. */
extern const struct http_route *http_routes;

/* ---- The request ---- */
const struct http_head *http_head(const struct http_request *r);
struct frontend *http_frontend(const struct http_request *r);
struct arena *http_arena(struct http_request *r);
const struct log_context *http_log(const struct http_request *r);
/* The client; behind a balancer listed in http.forwarded_from, as that balancer reports it. */
const struct ip *http_client(const struct http_request *r);
/* "https://mail.example.com[:port]": where the client reaches this host by TLS. */
const char *http_origin(struct http_request *r);
/* TLS, here or up to such a balancer; false on loopback without it. */
bool http_is_tls(const struct http_request *r);
/* What a route without HTTP_LOGIN checks by itself: address and password of Basic
 * login, in the request's arena; false: there is none. */
bool http_basic(struct http_request *r, struct str *address_out, struct str *password_out);
/* The account that logged in (HTTP_LOGIN). */
const struct auth_identity *http_account(const struct http_request *r);
/* The value of the first field of that name; empty: there is none. */
struct str http_field(const struct http_request *r, struct str name);
/* The decoded value of a query parameter; false: there is none. */
bool http_parameter(struct http_request *r, struct str name, struct str *value_out);
/* The handler's own data, NULL at first. */
void *http_state(const struct http_request *r);
void http_set_state(struct http_request *r, void *state);

/* ---- Work that waits ---- */
/* Holds the request for an answer that is due, and releases that hold. False: the
 * request is answered or the client is gone; do not touch r. */
void http_hold(struct http_request *r);
bool http_back(struct http_request *r);

/* ---- The body ---- */
/* on_body and on_end will be called; on_end perhaps from within. Before this call
 * nothing of the body is read, and a client that waits for 100 (Continue) is not told
 * to send. */
void http_want_body(struct http_request *r);

/* ---- The answer ---- */
#define HTTP_CHUNKED UINT64_MAX
/* type: NULL, or the Content-Type. length: of the body that follows; HTTP_CHUNKED:
 * not known yet. Every 503 says after how many seconds to try again. */
void http_begin(struct http_request *r, int status, const char *type, uint64_t length);
/* Call it before the first http_write(). Control characters in the value become '?'. */
void http_add_header(struct http_request *r, const char *name, struct str value);
/* Sends nothing if the request is HEAD. */
void http_write(struct http_request *r, struct str data);
/* False: enough output is waiting for the client; on_room will be called. */
bool http_may_write(struct http_request *r);
void http_finish(struct http_request *r);

/* The complete answer at once. */
void http_reply(struct http_request *r, int status, const char *type, struct str body);
/* Begins the answer for a client that may have these bytes already, or wants a part of
 * them: 200, 206, 304 or 416. etag: "\"...\"", other for other bytes; STR_NONE: none.
 * Returns what of them is to be written; http_finish() as ever. */
struct str http_begin_bytes(struct http_request *r, const char *type, struct str etag, struct str bytes);
/* A short text that states the status. */
void http_refuse(struct http_request *r, int status);
/* The store is unavailable: 503. */
void http_unavailable(struct http_request *r);
void http_redirect(struct http_request *r, int status, const char *location);

/* ---- Parked requests: long polls and streams of events ---- */
/* Waits for events only, for at most this long (and http.park_longest). A client
 * that leaves in the meantime is noticed at once. Before http_begin() it is a long
 * poll, which http_begin() ends. After http_begin() with HTTP_CHUNKED it is a stream:
 * http_write() sends a piece at once, http_finish() ends it. */
void http_park(struct http_request *r, int64_t ms);
/* For requests of which very many may be parked: from now on they cost little. The arena
 * and the head are freed, so http_field() and the like find nothing more; another
 * handler and state of its own take over. Nothing may be held, and the body must have
 * been read. Do not touch what was in the arena after the call. */
void http_stay(struct http_request *r, const struct http_handler *handler, void *state);

#endif
