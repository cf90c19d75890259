/* The frontend's certificates, and the TLS sessions that are made with them.
 *
 * One pair of files is given as the default; further ones lie in a folder,
 * <dir>/<name>/cert.pem and key.pem. A client gets the one whose folder has the
 * name that it asks for (SNI), else the one that was issued for that name, else
 * a wildcard (by folder "*.example.com", or as issued), else the default, or
 * without one the first of the folder.
 *
 * All files are looked at every ten seconds, and at SIGHUP. A pair that does
 * not load (the key comes later than the certificate) is tried again, and the
 * last good one stays in force until then.
 *
 * Session tickets are sealed with keys of the day that all frontends derive
 * from the cluster's secret, so that a client resumes at any of them. */
#ifndef SP_FRONTEND_CORE_TLS_H
#define SP_FRONTEND_CORE_TLS_H

#include <cjson/cJSON.h>
#include <event2/event.h>
#include <openssl/ssl.h>
#include <stdbool.h>

#include "lib/base/err.h"
#include "lib/secret/secret.h"

struct tls;

struct tls_options {
	const char *cert_path, *key_path; /* the default; both NULL: none. Borrowed */
	const char *dir;		  /* NULL: none. Borrowed */
	const struct secret *secret;	  /* borrowed */
};

/* NULL: the default does not load, or there is no such folder. A bad pair in
 * the folder stops nothing. */
struct tls *tls_new(struct event_base *base, const struct tls_options *options, struct err *err);
void tls_free(struct tls **t);

/* Is there a certificate at all? */
bool tls_has_certificate(const struct tls *t);
/* For a new connection; tls_has_certificate(). alpn: the names of the
 * application's protocol, the best first, separated by spaces, of which one is
 * taken when the client offers names (RFC 7301: if none is among them the
 * handshake fails); NULL: what the client offers does not matter. It must stay. */
SSL *tls_session_new(struct tls *t, const char *alpn);

/* Adds "certificates": those with trouble, then those that end first; a few. */
void tls_add_status(const struct tls *t, cJSON *status);

#endif
