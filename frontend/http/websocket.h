/* WebSockets (RFC 6455): messages both ways on a connection that began with a request.
 *
 * A handler of requests that has `websocket` in its struct http_handler may be asked for
 * one. The server has checked the handshake before on_begin: version, key, origin. The
 * handler judges who asks, as ever; then it calls websocket_accept(), or answers as to
 * any request.
 *
 * From then on the request is gone, and a struct websocket takes its place. Messages
 * come whole. Pings, pongs and the closing handshake are the server's affair, and so is
 * a client that breaks the protocol, says nothing for too long (http.websocket_ping) or
 * does not read: the handler sees on_gone. There is no compression (RFC 7692). */
#ifndef SP_FRONTEND_HTTP_WEBSOCKET_H
#define SP_FRONTEND_HTTP_WEBSOCKET_H

#include "frontend/http/http.h"

struct websocket;

/* Why a WebSocket is closed (section 7.4.1). */
enum websocket_code {
	WEBSOCKET_CODE_NORMAL = 1000,
	WEBSOCKET_CODE_GOING_AWAY = 1001, /* the process is ending */
	WEBSOCKET_CODE_PROTOCOL = 1002,
	WEBSOCKET_CODE_UNSUPPORTED = 1003, /* messages of this kind are not taken here */
	WEBSOCKET_CODE_NONE = 1005,	   /* never sent: a close without a code */
	WEBSOCKET_CODE_BAD_DATA = 1007,	   /* text that is not UTF-8 */
	WEBSOCKET_CODE_POLICY = 1008,
	WEBSOCKET_CODE_TOO_BIG = 1009,
	WEBSOCKET_CODE_FAILED = 1011, /* our fault */
};

/* What a handler of requests that takes WebSockets says of them. */
struct websocket_terms {
	const char *protocols; /* the subprotocols that it speaks, separated by spaces; NULL: none */
	size_t message_max;    /* bytes of a client's message; for more: 1009 */
	/* Whether a page of that origin may connect: a browser lets any page try, and adds
	 * the user's cookies. Asked only if the client names an origin. */
	bool (*is_origin_ok)(const struct http_request *r, struct str origin);
};

/* All members but on_gone may be NULL. */
struct websocket_handler {
	/* A whole message, valid within the call. NULL: who sends one is closed with 1003. */
	void (*on_message)(struct websocket *ws, bool is_text, struct str message);
	/* websocket_may_send() was false, and the client has read since. */
	void (*on_room)(struct websocket *ws);
	/* The process is ending: say the last words and close. NULL: closed with 1001. */
	void (*on_shutdown)(struct websocket *ws);
	/* The client has left, or had to be closed; this is the last call. */
	void (*on_gone)(struct websocket *ws);
};

/* Does the client ask for a WebSocket, and does the handler take them? */
bool websocket_is_wanted(const struct http_request *r);
/* Answers 101 and ends the request, which must not be touched any more; nothing may be
 * held. The WebSocket is valid until websocket_close() or on_gone. */
struct websocket *websocket_accept(struct http_request *r, const struct websocket_handler *handler, void *state);

void *websocket_state(const struct websocket *ws);
/* One message in one frame; text must be UTF-8. */
void websocket_send(struct websocket *ws, bool is_text, struct str message);
/* False: enough output is waiting for the client; on_room will be called. */
bool websocket_may_send(struct websocket *ws);
/* No message comes until websocket_resume(); what the client sends waits in the kernel.
 * Its leaving may be seen only then. */
void websocket_pause(struct websocket *ws);
void websocket_resume(struct websocket *ws);
/* Ends it in order: sends what was written, then the code; no callback follows. reason:
 * a few words of UTF-8. */
void websocket_close(struct websocket *ws, enum websocket_code code, const char *reason);

#endif
