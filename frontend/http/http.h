/* The HTTP/1.1 server (RFC 9110, 9112): connections that carry requests to routes.
 *
 * A room that speaks HTTP (autodiscover, the web page, EWS, ...) brings rows of the
 * table of routes (frontend/routes.c) and a handler for each. A request is a struct
 * http_request: its arena lives until nothing that its handler waits for can come back
 * any more, as with any operation (lib/base/op.h).
 *
 * One request of a connection at a time; those that are pipelined wait for their turn
 * in the kernel. A handler answers from within a call or later:
 *
 *	on_begin -> [http_want_body() -> on_body ... -> on_end] -> http_begin(),
 *	http_write() ..., http_finish()
 *
 * After http_finish() the request is not to be touched. on_gone comes instead if the
 * client leaves first. */
#ifndef SP_FRONTEND_HTTP_HTTP_H
#define SP_FRONTEND_HTTP_HTTP_H

#include "frontend/core/frontend.h"
#include "frontend/core/protocol.h"
#include "lib/auth/auth.h"
#include "lib/http/head.h"

extern const struct protocol protocol_http;

struct http_request;

/* All but on_begin may be NULL. */
struct http_handler {
	/* The head is there, and the account is known if the route wants one. */
	void (*on_begin)(struct http_request *r);
	/* A piece of the body, valid within the call; after http_want_body() only. */
	void (*on_body)(struct http_request *r, struct str piece);
	/* The body is whole. */
	void (*on_end)(struct http_request *r);
	/* http_may_write() was false, and the client has read. */
	void (*on_room)(struct http_request *r);
	/* The time of http_park() is over: answer now. */
	void (*on_time)(struct http_request *r);
	/* The process ends, and the request is parked: answer now. NULL: 503. */
	void (*on_shutdown)(struct http_request *r);
	/* The client has left, or takes too long to send or to read; the last call. */
	void (*on_gone)(struct http_request *r);
};

/* What a route is like. */
#define HTTP_CASELESS 1u /* its path is compared without regard to case */
#define HTTP_LOGIN    2u /* Basic login first (RFC 7617); http_account() is set */
#define HTTP_PLAIN_OK 4u /* served without TLS to anybody */

struct http_route {
	const char *host; /* NULL: any; "autoconfig.*": any below, or rather behind, that label */
	const char *path; /* ends in '*': a prefix. NULL ends a table */
	unsigned methods; /* HTTP_BIT()s; HEAD comes with GET, OPTIONS always */
	unsigned flags;
	uint64_t body_max;    /* bytes; more: 413 */
	int64_t body_idle_ms; /* a body that stops coming for so long: 408; 0: 30 s */
	const struct http_handler *handler;
};

/* frontend/routes.c: the one table that names them all; the first that fits serves.
 * Unit tests put one of their own in its place. */
extern const struct http_route *http_routes;

/* ---- What was asked ---- */
const struct http_head *http_head(const struct http_request *r);
struct frontend *http_frontend(const struct http_request *r);
struct arena *http_arena(struct http_request *r);
const struct log_context *http_log(const struct http_request *r);
/* The client: behind a balancer of http.forwarded_from what that says. */
const struct ip *http_client(const struct http_request *r);
/* TLS, or loopback, or TLS up to a balancer of http.forwarded_from. */
bool http_is_secure(const struct http_request *r);
/* TLS, here or up to such a balancer; false on loopback without it. */
bool http_is_tls(const struct http_request *r);
/* What a route without HTTP_LOGIN checks by itself: address and password of Basic
 * login, in the request's arena; false: there is none. */
bool http_basic(struct http_request *r, struct str *address_out, struct str *password_out);
/* Who logged in (HTTP_LOGIN). */
const struct auth_identity *http_account(const struct http_request *r);
/* The value of the first field of the name; empty: there is none. */
struct str http_field(const struct http_request *r, struct str name);
/* The value of a parameter of the query, decoded; false: there is none. */
bool http_parameter(struct http_request *r, struct str name, struct str *value_out);
/* A handler's own, NULL at first. */
void *http_state(const struct http_request *r);
void http_set_state(struct http_request *r, void *state);

/* ---- Work that waits ---- */
/* Holds the request for an answer that is due, and gives that back; false: it is
 * answered or the client gone, r is not to be touched. */
void http_hold(struct http_request *r);
bool http_back(struct http_request *r);

/* ---- The body ---- */
/* on_body and on_end come; on_end perhaps from within. Until it is called nothing of
 * the body is read, and a client that waits for 100 (Continue) is not told to send. */
void http_want_body(struct http_request *r);
void http_pause_body(struct http_request *r);
void http_resume_body(struct http_request *r);

/* ---- The answer ---- */
#define HTTP_CHUNKED UINT64_MAX
/* type: NULL, or of Content-Type. length: of the body that follows; HTTP_CHUNKED: not
 * known yet. */
void http_begin(struct http_request *r, int status, const char *type, uint64_t length);
/* Before the first http_write(). Control characters of the value become '?'. */
void http_add_header(struct http_request *r, const char *name, struct str value);
/* To a HEAD nothing of it is sent. */
void http_write(struct http_request *r, struct str data);
/* Empties data. */
void http_write_buffer(struct http_request *r, struct evbuffer *data);
/* False: enough waits for the client; on_room comes. */
bool http_may_write(struct http_request *r);
void http_finish(struct http_request *r);

/* The whole answer at once. */
void http_reply(struct http_request *r, int status, const char *type, struct str body);
/* A short text that tells the status. */
void http_refuse(struct http_request *r, int status);
/* The store is away: 503 with Retry-After. */
void http_unavailable(struct http_request *r);
void http_redirect(struct http_request *r, int status, const char *location);

/* ---- Parked requests (long polls) ---- */
/* Nothing is due but an event, for at most so long (and http.park_longest): a client
 * that leaves meanwhile is seen at once. http_begin() ends it. */
void http_park(struct http_request *r, int64_t ms);

#endif
