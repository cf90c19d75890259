/* TLS towards a remote server: how much of it is wanted, and what came. */
#ifndef SP_WORKER_REMOTE_TLS_H
#define SP_WORKER_REMOTE_TLS_H

#include <openssl/ssl.h>

#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/dns/dns.h"
#include "lib/tlspolicy/result.h"

enum tls_level {
	TLS_NONE,    /* not even where it is offered */
	TLS_MAY,     /* whatever certificate, or none at all (RFC 7435) */
	TLS_ENCRYPT, /* whatever certificate */
	TLS_VERIFY,  /* of an authority that is trusted, for the name */
	TLS_DANE,    /* by TLSA records (RFC 7672) */
};

#define TLS_OTHER_NAMES_MAX 3

struct tls_wish {
	enum tls_level level;
	const char *name;			      /* SNI; the certificate must bear it, but not with DANE-EE */
	const char *other_names[TLS_OTHER_NAMES_MAX]; /* TLS_DANE: it may bear one of these instead; NULL: none */
	const struct dns_tlsa *records;		      /* TLS_DANE */
	unsigned record_count;
};

/* With the authorities of ca_file (NULL: those of the system) and the client
 * certificate of a PEM file (chain and key; empty: none). NULL: err. */
SSL_CTX *tls_context_new(const char *ca_file, const char *client_certificate, struct err *err);

/* Before the handshake. It is never ended for what the certificate says. */
void tls_prepare(SSL *ssl, const struct tls_wish *wish);
/* After it: what the wish, TLS_VERIFY at least, finds. */
enum tls_result tls_judge(SSL *ssl, const struct tls_wish *wish);
/* OpenSSL's words for that; never empty. */
const char *tls_reason(SSL *ssl);
/* Are there records that TLS_DANE can use? Those of usage 2 and 3 (RFC 7672,
 * 3.1) with known parameters are moved to the front; their count. */
unsigned tls_usable_records(struct dns_tlsa *records, unsigned count);

#endif
