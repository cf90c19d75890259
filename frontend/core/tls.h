/* The frontend's certificate, and TLS contexts made from it. */
#ifndef SP_FRONTEND_CORE_TLS_H
#define SP_FRONTEND_CORE_TLS_H

#include <event2/event.h>
#include <openssl/ssl.h>

#include "lib/base/err.h"

struct tls;

/* Loads the files, and loads them anew when they change (looked at every 30 s,
 * and on SIGHUP); a pair that does not load leaves the last good one in force. */
struct tls *tls_new(struct event_base *base, const char *cert_path, const char *key_path, struct err *err);
void tls_free(struct tls **t);
/* For a new connection; never NULL. */
SSL *tls_session_new(struct tls *t);

#endif
