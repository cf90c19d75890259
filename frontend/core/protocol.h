/* What a protocol gives to the frontend: one vtable, and its listeners. */
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
	uint16_t port;	  /* standard; the port base is added */
	bool implicit_tls;
	unsigned role; /* the protocol's own word, conn_role() */
};

struct protocol {
	const char *name; /* "smtp": for metrics and the log */
	size_t session_size;
	const struct protocol_listener *listeners; /* ended by a NULL name */
	const char *alpn; /* its names in TLS (RFC 7301), by spaces; NULL: what a client offers does not matter */
	enum metric metric_open, metric_accepted;

	/* Limits, read anew at each connection. */
	int64_t (*max_connections)(const struct settings *s);
	/* Of one client; 0: no limit. NULL: never one. */
	int64_t (*max_per_address)(const struct settings *s, const struct ip *client);
	const struct ip_blocks *(*proxy_protocol_from)(const struct settings *s); /* NULL: never */
	/* Written to one connection too many, which is then closed: "421 ...\r\n". */
	void (*refuse)(struct conn *c);

	/* The connection stands (with implicit TLS: after the handshake): greet. */
	void (*on_open)(struct conn *c);
	void (*on_input)(struct conn *c);
	void (*on_tls)(struct conn *c);	    /* after conn_start_tls(); may be NULL */
	void (*on_drained)(struct conn *c); /* may be NULL */
	void (*on_timeout)(struct conn *c); /* say goodbye, conn_close() */
	void (*on_eof)(struct conn *c);	    /* after conn_watch_eof() alone; may be NULL */
	/* The process ends: finish what is open, then say goodbye and close. An
	 * idle session does so at once. */
	void (*on_shutdown)(struct conn *c);
	/* The peer is gone or everything is sent; the session's own memory is to
	 * be given back. The last callback. */
	void (*on_close)(struct conn *c);

	/* Of sessions of commands and answers (session.h), with SESSION_EVENTS; NULL:
	 * the protocol deals with its connections itself. */
	const struct session_protocol *session;

	/* Once a process, before listening; may be NULL. -1: the process stops. */
	int (*init)(struct frontend *f, struct err *err);
};

/* frontend/protocols.c: the one table that names them all. */
extern const struct protocol *const protocols[]; /* ended by NULL */

#endif
