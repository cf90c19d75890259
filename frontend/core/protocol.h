/* What a protocol provides to the frontend: one vtable, and its listeners. */
#ifndef SP_FRONTEND_CORE_PROTOCOL_H
#define SP_FRONTEND_CORE_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frontend/core/conn.h"
#include "lib/service/metrics.h"
#include "lib/settings/settings.h"

struct session_protocol; /* frontend/core/session.h */

struct protocol_listener {
	const char *name; /* for --protocols and the log: "smtp", "submission", "submissions" */
	uint16_t port;	  /* the standard port; the port base is added */
	bool implicit_tls;
	unsigned role; /* the protocol's own value, see conn_role() */
};

/* A further address to listen on, from the settings. */
struct protocol_address {
	const struct protocol_listener *role; /* one of the protocol's */
	struct ip ip;			      /* family 0: all */
	uint16_t port;			      /* the port base is added */
};
#define PROTOCOL_ADDRESSES_MAX 50

struct protocol {
	const char *name; /* "smtp": for metrics and the log */
	size_t session_size;
	const struct protocol_listener *listeners; /* terminated by a NULL name */
	const char *alpn; /* its names in TLS (RFC 7301), separated by spaces; NULL: the client's offer is ignored */
	enum metric metric_open, metric_accepted;

	/* Limits; read again for each connection. */
	int64_t (*max_connections)(const struct settings *s);
	/* Of one client; 0: no limit. NULL: never one. */
	int64_t (*max_per_address)(const struct settings *s, const struct ip *client);
	const struct ip_blocks *(*proxy_protocol_from)(const struct settings *s); /* NULL: never */
	/* The file of the authorities whose certificates clients are asked for; empty: clients
	 * are not asked. NULL: never. */
	const char *(*client_authorities)(const struct settings *s);
	/* Further addresses to listen on, by the current settings: listeners are opened and
	 * closed to match; connections stay. Returns the count. NULL: none. */
	unsigned (*further)(const struct settings *s, struct protocol_address out[PROTOCOL_ADDRESSES_MAX]);
	/* Writes the refusal to a connection over the limit, which is then closed: "421
	 * ...\r\n". */
	void (*refuse)(struct conn *c);

	/* The connection is established (with implicit TLS: after the handshake): greet. */
	void (*on_open)(struct conn *c);
	void (*on_input)(struct conn *c);
	void (*on_tls)(struct conn *c);	    /* after conn_start_tls(); may be NULL */
	void (*on_drained)(struct conn *c); /* may be NULL */
	void (*on_timeout)(struct conn *c); /* say goodbye, then conn_close() */
	void (*on_eof)(struct conn *c);	    /* only after conn_watch_eof(); may be NULL */
	/* The process is ending: finish what is in progress, then say goodbye and close. An
	 * idle session does so at once. */
	void (*on_shutdown)(struct conn *c);
	/* The peer is gone or everything is sent; free the session's own memory. This is the
	 * last callback. */
	void (*on_close)(struct conn *c);

	/* For sessions of commands and answers (session.h), with SESSION_EVENTS; NULL: the
	 * protocol handles its connections itself. */
	const struct session_protocol *session;

	/* Called once per process, before listening; may be NULL. -1: the process stops. */
	int (*init)(struct frontend *f, struct err *err);
};

/* frontend/protocols.c: the one table that lists them all. */
extern const struct protocol *const protocols[]; /* terminated by NULL */

#endif
