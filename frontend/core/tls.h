/* The frontend's certificates, and the TLS sessions made with them. They come from
 * files, and from the store, where a worker puts those that it orders (lib/acme).
 *
 * One pair of files is the default; more are stored in a folder, as
 * <dir>/<name>/cert.pem and key.pem. A client gets the pair whose folder has the name
 * that it asks for (SNI), else the one that was issued for that name, else a wildcard
 * (by folder "*.example.com", or as issued), else the default, or without a default
 * the first pair of the folder. Files go before certificates of the store, but a
 * default that is self-signed or has expired goes after them: then the store's
 * certificate for the server's own name is the default, too.
 *
 * All files are checked every ten seconds, and at SIGHUP. A pair that does not load
 * (the key arrives later than the certificate) is tried again, and the last good one
 * stays in force until then.
 *
 * Session tickets are sealed with daily keys that all frontends derive from the
 * cluster's secret, so that a client can resume at any of them. */
#ifndef SP_FRONTEND_CORE_TLS_H
#define SP_FRONTEND_CORE_TLS_H

#include <cjson/cJSON.h>
#include <event2/event.h>
#include <openssl/ssl.h>
#include <stdbool.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/redis/redis.h"
#include "lib/redis/tracking.h"
#include "lib/secret/seal.h"
#include "lib/secret/secret.h"

struct tls;

struct tls_options {
	const char *cert_path, *key_path; /* the default; both NULL: none. Borrowed */
	const char *dir;		  /* NULL: none. Borrowed */
	const char *hostname;		  /* the server's. Borrowed */
	const struct secret *secret;	  /* borrowed */
	/* To read those of the store; borrowed, all but the first may be NULL if it is: */
	const struct secret_keys *keys; /* NULL: the store is not read */
	struct redis *redis;
	struct tracking *tracking;
};

/* NULL: the default does not load, or the folder does not exist. A bad pair in the
 * folder is not fatal. */
struct tls *tls_new(struct event_base *base, const struct tls_options *options, struct err *err);
void tls_free(struct tls **t);

/* Is there a certificate at all? */
bool tls_has_certificate(const struct tls *t);
/* For a new connection; requires tls_has_certificate(). alpn: the names of the
 * application's protocol, in order of preference, separated by spaces. One is
 * selected when the client offers names (RFC 7301: if none matches, the handshake
 * fails). NULL: the client's offer is ignored. The string must stay valid. */
SSL *tls_session_new(struct tls *t, const char *alpn);

/* ---- tls_client.c: certificates of clients ---- */
/* authorities: a file (PEM). It is kept in memory, and read again if it has changed, which is checked
 * at most once a second. If it does not load, that is logged, at most once a minute. */
/* Asks for a certificate; the client may have none. If the file does not load, it is not asked. */
void tls_ask_client(struct tls *t, SSL *ssl, const char *authorities);
/* The mail address (rfc822Name) of the client's certificate, as it is written there, if one
 * of the authorities has signed it and it is valid now. -1: ERR_NOT_FOUND (the client has sent
 * none), ERR_DENIED, ERR_INVALID (the file does not load). */
int tls_client_address(struct tls *t, const SSL *ssl, const char *authorities, struct arena *arena,
		       struct str *address_out, struct err *err);

/* Adds "certificates": those with problems, then those that expire first; only a few. */
void tls_add_status(const struct tls *t, cJSON *status);

#endif
