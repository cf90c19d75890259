/* The insides of a connection, for the files conn*.c alone. */
#ifndef SP_FRONTEND_CORE_CONN_PRIVATE_H
#define SP_FRONTEND_CORE_CONN_PRIVATE_H

#include <event2/bufferevent.h>

#include "frontend/core/conn.h"
#include "frontend/core/core.h"
#include "frontend/core/deflate.h"

enum {
	CONN_INPUT_MAX = 64 * 1024, /* so much waits; then no more is read */
	LAST_FLUSH_MS = 5000,	    /* the process ends: who does not read goodbye is not waited for */
};

enum conn_state {
	CONN_PROXY,	/* waiting for the balancer's header */
	CONN_HANDSHAKE, /* TLS from the start */
	CONN_OPEN,
	CONN_STARTING_TLS, /* the plain output is on its way, or the handshake is */
	CONN_FLUSHING,	   /* closing: the last output is on its way */
	CONN_LINGERING,	   /* closing: waiting for the peer to have read it */
	CONN_GONE,	   /* no socket any more; references are left */
};

struct conn {
	struct core *core;		      /* borrowed */
	struct protocol_state *state;	      /* borrowed */
	const struct protocol_listener *role; /* borrowed */
	struct bufferevent *bev;	      /* owner; NULL in CONN_PROXY and CONN_GONE */
	struct event *raw;		      /* owner; CONN_PROXY: readiness of fd */
	struct deflate *deflate;	      /* owner; NULL: no compression */
	struct event *read;		      /* owner; NULL: the bufferevent reads (TLS) */
	struct event *kick, *timer;
	struct event *watch; /* owner; with a descriptor of its own. NULL: reading sees the end */
	int fd;
	enum conn_state phase;
	bool paused, eof, want_drained, told_open, tls, handshake_done, drain_asked, input_due, timed_out;
	bool closed_told, in_kick, local_known, reads_much;
	bool address_counted; /* in state->addresses */
	bool watch_eof, eof_told;
	unsigned reads;	      /* times that input has come from the loop */
	unsigned refs;	      /* the open connection counts as one */
	int64_t deadline_ms;  /* monotonic; 0: none */
	int64_t timer_due_ms; /* of the armed timer; 0: not armed */
	struct ip peer, local;
	uint16_t peer_port, local_port;
	char id[24];
	char peer_text[IP_TEXT_MAX];
	struct log_context log;
	struct conn *prev, *next;
	_Alignas(16) char session[];
};

/* Runs what is due for it, from the loop: never inside another callback. */
void conn_kick(struct conn *c);
/* The socket goes at once; the memory stays for those who hold a reference. */
void conn_go_away(struct conn *c);
/* 0: none. */
void conn_set_deadline(struct conn *c, int64_t ms);
void conn_count(struct conn *c, int by);
/* What reading has met: input is there; the peer has said all, or the socket failed. */
void conn_on_read(struct conn *c);
void conn_on_end(struct conn *c, bool failed);

/* ---- conn_read.c ---- */
/* Input comes, until conn_read_stop(), as long as there is room for it. */
void conn_read_start(struct conn *c);
void conn_read_stop(struct conn *c);
/* Room came or went. */
void conn_read_update(struct conn *c);

/* ---- conn_watch.c ---- */
/* Will nothing more come? */
bool conn_peer_ended(int fd);
/* After anything that may have filled or emptied the input, or ended it. */
void conn_watch_update(struct conn *c);

/* Its two events. */
void conn_on_kick(evutil_socket_t fd, short what, void *arg);
void conn_on_timer(evutil_socket_t fd, short what, void *arg);

/* From the address being known to the session. */
void conn_install(struct conn *c, struct bufferevent *bev);
void conn_begin_handshake(struct conn *c);
void conn_open_session(struct conn *c);

#endif
