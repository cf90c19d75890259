/* Shared by link.c and link_connect.c. */
#ifndef SP_REDIS_LINK_PRIVATE_H
#define SP_REDIS_LINK_PRIVATE_H

#include <openssl/ssl.h>

#include "lib/base/buf.h"
#include "lib/base/lookup.h"
#include "lib/redis/link.h"

enum { LINK_MAKE_MS = 3000 }; /* for everything until the greeting is answered */

enum link_phase { LINK_LOOKING, LINK_CONNECTING, LINK_SHAKING, LINK_GREETING, LINK_UP, LINK_DOWN };

struct link {
	struct event_base *base;	  /* borrowed */
	const struct redis_url *url;	  /* borrowed */
	const struct link_events *events; /* borrowed */
	void *arg;
	enum link_phase phase;
	struct lookup *lookup; /* owner; LINK_LOOKING */
	struct ip addresses[LOOKUP_MAX];
	unsigned address_count, address_next;
	int fd;
	SSL *ssl;		    /* owner; NULL: plain */
	struct event *read, *write; /* owner; of fd */
	struct event *flush;	    /* owner: active if there is output to send in this turn */
	struct event *limit;	    /* owner: time limit for connecting, or for one address */
	int64_t until_ms;	    /* monotonic: deadline for connecting */
	redisReader *reader;	    /* owner */
	struct buf out;
	size_t sent;		 /* of out */
	unsigned greetings_left; /* replies of the greeting still to come */
	unsigned inside;	 /* callbacks on the stack: the memory must stay */
	bool gone;		 /* freed, except for the memory */
	char why[ERR_TEXT_MAX];
};

/* ---- link.c ---- */
void link_close(struct link *l);
/* Frees the memory of a link that is gone, unless a callback of its is on the stack. */
void link_destroy(struct link *l);
void link_fail(struct link *l, const char *why);
void link_fail_errno(struct link *l, int errno_value);
const char *link_tls_error(const struct link *l);
void link_greet(struct link *l);
void link_on_ready(evutil_socket_t fd, short what, void *arg);

/* ---- link_connect.c ---- */
/* The socket is connected; goes on with TLS or the greeting. */
void link_on_connected(struct link *l);
void link_shake(struct link *l);
/* The next address; why: why the previous one failed. */
void link_connect_next(struct link *l, const char *why);
void link_on_looked_up(void *arg, const struct ip *addresses, unsigned count, const struct err *err);
/* A unix socket: the first turn. Otherwise: the time limit. */
void link_on_limit(evutil_socket_t fd, short what, void *arg);

#endif
