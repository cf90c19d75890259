/* A connection to another server as bytes, TLS and time: it knows no protocol. */
#ifndef SP_WORKER_NET_CONNECTION_H
#define SP_WORKER_NET_CONNECTION_H

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <openssl/ssl.h>

#include "delivery-worker/net/tls.h"
#include "lib/base/err.h"
#include "lib/base/ip.h"

#define CONNECTION_OUTPUT_HIGH (256 * 1024) /* then write no more until on_writable */

/* Each call is the last thing that the connection does with itself: the callback may free it. */
struct connection_events {
	void (*on_up)(void *arg); /* connected; or the TLS handshake is done */
	void (*on_input)(void *arg);
	void (*on_writable)(void *arg);		     /* most of the output is gone */
	void (*on_lost)(void *arg, int errno_value); /* 0: the other side closed it */
	void (*on_time)(void *arg);		     /* the time limit */
};

struct connection {
	struct event_base *base; /* borrowed */
	const struct connection_events *events;
	void *arg;
	struct bufferevent *bev; /* owner; NULL: not open */
	struct event *timer;	 /* owner */
	struct ip own_ip;	 /* family 0 before it was established */
	size_t output_seen;	 /* output left when the time limit was set */
};

void connection_init(struct connection *c, struct event_base *base, const struct connection_events *events, void *arg);
/* Closes it. */
void connection_fini(struct connection *c);

struct connection_target {
	struct ip ip;
	uint16_t port;
	struct ip source; /* family 0: the system chooses */
};

struct connection_failure {
	bool is_ours;	 /* a shortage on this host, not the server's fault */
	bool bad_source; /* the source address cannot be used */
	char text[ERR_TEXT_MAX];
};

/* -1: it cannot even start; failure_out says why. It must not be open. */
int connection_open(struct connection *c, const struct connection_target *target,
		    struct connection_failure *failure_out);
/* Without a word. It can be opened again. */
void connection_drop(struct connection *c);
bool connection_is_open(const struct connection *c);
/* A shortage on this host, whatever the server: a descriptor, memory, a port. */
bool connection_errno_is_ours(const struct ip *ip, int errno_value);

/* on_up follows. -1: there is input that came in plain text. */
int connection_start_tls(struct connection *c, SSL_CTX *tls, const struct tls_wish *wish);
/* NULL: no TLS. */
SSL *connection_ssl(const struct connection *c);
/* Why the handshake failed. */
void connection_tls_error(struct connection *c, char *out, size_t size);

void connection_write(struct connection *c, const void *data, size_t len);
size_t connection_output(const struct connection *c);
/* The first piece of the input; false: there is none. */
bool connection_peek(const struct connection *c, struct str *piece_out);
void connection_drain(struct connection *c, size_t len);
/* Stops or resumes reading; what has arrived already can still be taken. (Otherwise input left
 * in a full buffer would call on_input again and again.) Does nothing if the connection is not open. */
void connection_pause(struct connection *c, bool paused);
/* Neither reads nor writes any more; the time limit is off too. */
void connection_stop(struct connection *c);
/* Writes a short command ("QUIT" CRLF) straight to the socket; nobody waits for its reply. */
void connection_say_goodbye(struct connection *c, struct str command);

/* When to call on_time; 0: never. */
void connection_set_timer(struct connection *c, int64_t ms);
/* At the loop's next turn. */
void connection_set_timer_now(struct connection *c);
/* Has output been sent since the time limit was set? */
bool connection_has_moved(const struct connection *c);

#endif
