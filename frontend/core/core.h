/* The frontend's inside: listeners and connections. Private to frontend/core
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
	struct conn *conns; /* list of all that are open */
	unsigned count;
	struct address *addresses; /* owner: those of each client; only if the protocol limits them */
};

struct core {
	struct frontend frontend;
	struct tls *tls;	       /* owner; NULL: no certificate */
	struct protocol_state *states; /* one for each of protocols[] */
	struct listener *listeners;    /* owner */
	const char *hostnames;	       /* "address=name,..." for banners; may be NULL */
	bool draining;
};

/* The core that a frontend belongs to. */
static inline struct core *
core_of(struct frontend *f)
{
	return (struct core *)f;
}

/* Opens the listeners named in `names` ("smtp,pop3"; NULL: all), with
 * service->listen and port_base. */
int listeners_open(struct core *core, const char *names, struct err *err);
/* Sets on a listening socket what its connections are to have: keep-alive and the like. */
void listener_prepare(int fd);
/* No new connections. */
void listeners_close(struct core *core);

/* Takes a socket over. */
void conn_accept(struct core *core, struct protocol_state *state, const struct protocol_listener *listener, int fd,
		 const struct sockaddr *peer);
/* Every open connection is told that the process ends; when the last is gone
 * service_drained() is called. */
void conns_drain(struct core *core);
/* At the very end: whatever is open still is cut. */
void conns_abort(struct core *core);

#endif
