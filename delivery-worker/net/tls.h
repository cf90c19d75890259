/* TLS with a remote server: how much of it is wanted, and the outcome. */
#ifndef SP_WORKER_NET_TLS_H
#define SP_WORKER_NET_TLS_H

#include <openssl/ssl.h>

#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/dns/dns.h"
#include "lib/tlspolicy/result.h"

enum tls_level {
	TLS_NONE,    /* not even if it is offered */
	TLS_MAY,     /* with any certificate, or no TLS at all (RFC 7435) */
	TLS_ENCRYPT, /* whatever certificate */
	TLS_VERIFY,  /* from a trusted authority, for the name */
	TLS_DANE,    /* by TLSA records (RFC 7672) */
};

#define TLS_OTHER_NAMES_MAX 3

struct tls_wish {
	enum tls_level level;
	const char *name;			      /* SNI; the certificate must contain it, but not with DANE-EE */
	const char *other_names[TLS_OTHER_NAMES_MAX]; /* TLS_DANE: it may contain one of these instead; NULL: none */
	const struct dns_tlsa *records;		      /* TLS_DANE */
	unsigned record_count;
};

/* With the authorities from ca_file (NULL: those of the system) and the client
 * certificate from a PEM file (chain and key; empty: none). NULL: see err. */
SSL_CTX *tls_context_new(const char *ca_file, const char *client_certificate, struct err *err);

/* Before the handshake. The handshake never fails because of the certificate. */
void tls_prepare(SSL *ssl, const struct tls_wish *wish);
/* After it: the verdict by the wish, or TLS_VERIFY if the wish asks for less. */
enum tls_result tls_judge(SSL *ssl, const struct tls_wish *wish);
/* OpenSSL's text for that; never empty. */
const char *tls_reason(SSL *ssl);
/* Are there records that TLS_DANE can use? Moves those of usage 2 and 3 (RFC
 * 7672, 3.1) with known parameters to the front; returns their number. */
unsigned tls_usable_records(struct dns_tlsa *records, unsigned count);

#endif
