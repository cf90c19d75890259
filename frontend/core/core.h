/* The internals of the frontend: listeners and connections. Private to frontend/core
 * and main.c. */
#ifndef SP_FRONTEND_CORE_CORE_H
#define SP_FRONTEND_CORE_CORE_H

#include "frontend/core/frontend.h"
#include "frontend/core/protocol.h"
#include "frontend/core/tls.h"

struct address;
struct listener;

/* One protocol's state in this process. */
struct protocol_state {
	const struct protocol *protocol;
	struct conn *conns; /* list of all open connections */
	unsigned count;
	struct address *addresses; /* owner: those of each client; only if the protocol limits them */
};

struct core {
	struct frontend frontend;
	struct tls *tls;	       /* owner; NULL: no certificate */
	struct protocol_state *states; /* one for each of protocols[] */
	struct listener *listeners;    /* owner */
	struct event *listen_again;    /* owner; NULL: no further listeners yet */
	const char *listener_names;    /* those that may be opened; NULL: all */
	const char *hostnames;	       /* "address=name,..." for banners; may be NULL */
	bool draining;
};

/* The core that a frontend belongs to. */
static inline struct core *
core_of(struct frontend *f)
{
	return (struct core *)f;
}

/* Opens the listeners named in `names` ("smtp,pop3"; NULL: all), using
 * service->listen and port_base. */
int listeners_open(struct core *core, const char *names, struct err *err);
/* Sets the options that a listening socket's connections inherit: keep-alive and the like. */
void listener_prepare(int fd);
/* Accepts no more connections. */
void listeners_close(struct core *core);

/* Takes over a socket. */
void conn_accept(struct core *core, struct protocol_state *state, const struct protocol_listener *listener, int fd,
		 const struct sockaddr *peer);
/* Tells every open connection that the process is ending. When the last one is gone,
 * service_drained() is called. */
void conns_drain(struct core *core);
/* At the very end: cuts whatever is still open. */
void conns_abort(struct core *core);

#endif
