/* A viewer of what happens, shared by the files live_*.c.
 *
 *	live_begin.c   what it asks for, and its beginning
 *	live_viewer.c  what it is told; its limits; whether it may still look
 *	live_output.c  how it is told: server-sent events, or messages of a WebSocket */
#ifndef SP_FRONTEND_WEB_LIVE_VIEWER_H
#define SP_FRONTEND_WEB_LIVE_VIEWER_H

#include "frontend/http/websocket.h"
#include "frontend/web/live.h"
#include "lib/base/op.h"

enum { VIEWER_FILTER_MAX = 200 }; /* bytes */

/* Small, as there may be many. What it began with, a request, is no more: its arena is
 * freed (http_stay()), or it has become a WebSocket. */
struct live_viewer {
	struct op op; /* answers due; it is freed with the last one */
	struct live_viewer *prev, *next;
	struct http_request *r; /* the stream; NULL: see ws */
	struct websocket *ws;
	struct live *live;
	bool topics[LIVE_TOPIC_COUNT];
	char *kind, *text; /* owner: of events; NULL: any */
	unsigned budget;   /* events in this second */
	unsigned resumed;  /* events that it has got while it was behind */
	uint64_t left_out;
	bool gap_is_told, waits_for_room, checking;
	char *address;		       /* owner: of the account */
	char *session;		       /* owner: its key; NULL: it did not come with a cookie */
	char *token;		       /* owner: the id of the token that it came with; NULL: none */
	char mark[WEB_TOKEN_MAX];      /* of the account's record; empty: not yet known */
	struct spool_follower *behind; /* owner: until it has caught up with the others */
	struct spool_place told;       /* not behind: all events up to there */
};

/* Why a viewer is ended by us. */
enum viewer_end {
	VIEWER_SESSION, /* it may not look any more */
	VIEWER_TIME,	/* of a stream: http.park_longest */
	VIEWER_SHUTDOWN,
};

/* ---- live_viewer.c ---- */
/* It has been opened. from: where its events begin; NULL: now. May end it. */
void viewer_start(struct live_viewer *v, const struct spool_place *from);
/* The client has read. */
void viewer_go_on(struct live_viewer *v);
/* The client has left. */
void viewer_leave(struct live_viewer *v);
/* Tells it why, and ends it. */
void viewer_end(struct live_viewer *v, enum viewer_end why);

/* ---- live_output.c ---- */
/* The head of the answer of a stream. */
void viewer_begin_stream(struct http_request *r);
/* Takes the request over: its arena is freed. */
void viewer_open(struct live_viewer *v, struct http_request *r);
bool viewer_may_write(struct live_viewer *v);
/* id: NULL: none. */
void viewer_send(struct live_viewer *v, const char *name, const struct spool_place *id, struct str data);
/* No message, but where it goes on if it has to come back. */
void viewer_send_place(struct live_viewer *v, const struct spool_place *place);
/* Balancers close what is silent. */
void viewer_stay_alive(struct live_viewer *v);
void viewer_close(struct live_viewer *v, enum viewer_end why);

#endif
