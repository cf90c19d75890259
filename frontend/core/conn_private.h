/* The internals of a connection, for the files conn*.c only. */
#ifndef SP_FRONTEND_CORE_CONN_PRIVATE_H
#define SP_FRONTEND_CORE_CONN_PRIVATE_H

#include <event2/bufferevent.h>

#include "frontend/core/conn.h"
#include "frontend/core/core.h"
#include "frontend/core/deflate.h"

enum {
	CONN_INPUT_MAX = 64 * 1024, /* once this much is waiting, no more is read */
	LAST_FLUSH_MS = 5000,	    /* at the process's end: how long to wait for a client to read the goodbye */
};

enum conn_state {
	CONN_PROXY,	/* waiting for the balancer's header */
	CONN_HANDSHAKE, /* TLS from the start */
	CONN_OPEN,
	CONN_STARTING_TLS, /* the plain output is being sent, or the handshake is in progress */
	CONN_FLUSHING,	   /* closing: the last output is being sent */
	CONN_LINGERING,	   /* closing: waiting until the peer has read it */
	CONN_GONE,	   /* the socket is closed; references remain */
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
	struct event *watch; /* owner; with a descriptor of its own. NULL: reading detects the end */
	int fd;
	enum conn_state phase;
	bool paused, eof, want_drained, told_open, tls, handshake_done, drain_asked, input_due, timed_out;
	bool closed_told, in_kick, local_known, reads_much;
	bool address_counted; /* in state->addresses */
	bool watch_eof, eof_told;
	unsigned reads;	      /* how often the loop has delivered input */
	unsigned refs;	      /* the open connection counts as one */
	int64_t deadline_ms;  /* monotonic; 0: none */
	int64_t timer_due_ms; /* of the armed timer; 0: not armed */
	struct ip peer, local;
	uint16_t peer_port;
	char id[24];
	char peer_text[IP_TEXT_MAX];
	struct log_context log;
	struct conn *prev, *next;
	_Alignas(16) char session[];
};

/* Runs whatever is due for the connection, from the loop: never inside another callback. */
void conn_kick(struct conn *c);
/* 0: no deadline */
void conn_set_deadline(struct conn *c, int64_t ms);
/* Called by reading: input has arrived; the peer has ended its side, or the socket failed. */
void conn_on_read(struct conn *c);
void conn_on_end(struct conn *c, bool failed);

/* ---- conn_end.c ---- */
/* Closes the socket at once; the memory stays for those who hold a reference. */
void conn_go_away(struct conn *c);
/* CONN_FLUSHING: goes on when everything is sent. */
void conn_finish_closing(struct conn *c);
void conn_count(struct conn *c, int by);

/* ---- conn_tls.c ---- */
void conn_begin_handshake(struct conn *c);
void conn_handshake_over(struct conn *c);
void conn_handshake_failed(struct conn *c);

/* ---- conn_read.c ---- */
/* Reads input as long as there is room for it, until conn_read_stop(). */
void conn_read_start(struct conn *c);
void conn_read_stop(struct conn *c);
/* Call it when room in the input has been gained or lost. */
void conn_read_update(struct conn *c);

/* ---- conn_watch.c ---- */
/* Will no more input come? */
bool conn_peer_ended(int fd);
/* Call it after anything that may have filled, emptied or ended the input. */
void conn_watch_update(struct conn *c);

/* The callbacks of its two events. */
void conn_on_kick(evutil_socket_t fd, short what, void *arg);
void conn_on_timer(evutil_socket_t fd, short what, void *arg);

/* Called once the client's address is known; creates the session. */
void conn_install(struct conn *c, struct bufferevent *bev);
void conn_open_session(struct conn *c);

#endif
