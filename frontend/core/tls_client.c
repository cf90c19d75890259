/* Certificates of clients: who a client is, by one that an authority of ours has signed.
 *
 * A handshake takes any certificate, and proves that the client has its key; it is
 * judged when it is used, at that moment and by the authorities as they are then. So
 * a certificate for other purposes does not keep its owner from a login by password. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "frontend/core/tls_private.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"

enum { CLIENT_DEPTH_MAX = 8, CLIENT_LOOK_MS = 1000 };

/* ---- The authorities ---- */

static void
client_authorities_drop(struct client_authorities *a)
{
	sk_X509_NAME_pop_free(a->names, X509_NAME_free);
	X509_STORE_free(a->store);
	a->names = NULL;
	a->store = NULL;
}

void
client_authorities_fini(struct client_authorities *a)
{
	client_authorities_drop(a);
	mem_free(a->path);
	*a = (struct client_authorities){.path = NULL};
}

static void
client_authorities_load(struct client_authorities *a)
{
	client_authorities_drop(a);
	a->names = SSL_load_client_CA_file(a->path);
	a->store = X509_STORE_new();
	CHECK(a->store != NULL);
	if (a->names == NULL || X509_STORE_load_file(a->store, a->path) != 1) {
		client_authorities_drop(a);
		if (log_is_due(&a->warn_ms))
			log_warning(NULL, "the authorities of clients' certificates do not load", F_C("file", a->path));
	}
	ERR_clear_error();
}

static const struct client_authorities *
client_authorities_get(struct tls *t, const char *path)
{
	struct client_authorities *a = &t->clients;
	int64_t now_ms = clock_monotonic_ms();
	struct stat is;

	if (a->path == NULL || strcmp(a->path, path) != 0) {
		client_authorities_fini(a);
		a->path = mem_strdup(path);
	} else if (now_ms < a->look_ms) {
		return a;
	}
	a->look_ms = now_ms + CLIENT_LOOK_MS;
	is = certificate_stat(path);
	if (a->store == NULL || !certificate_is_same_file(&is, &a->was)) {
		a->was = is;
		client_authorities_load(a);
	}
	return a;
}

/* ---- In the handshake ---- */

static int
client_on_certificate(int is_good, X509_STORE_CTX *ctx)
{
	(void)is_good, (void)ctx;
	return 1;
}

void
tls_ask_client(struct tls *t, SSL *ssl, const char *authorities)
{
	const struct client_authorities *a = client_authorities_get(t, authorities);
	STACK_OF(X509_NAME) * names;

	if (a->names == NULL)
		return;
	/* Clients choose their certificate by these. */
	names = SSL_dup_CA_list(a->names);
	CHECK(names != NULL);
	SSL_set_client_CA_list(ssl, names);
	SSL_set_verify(ssl, SSL_VERIFY_PEER, client_on_certificate);
	SSL_set_verify_depth(ssl, CLIENT_DEPTH_MAX);
	/* Each session proves the key anew: a ticket would have a certificate of earlier. */
	SSL_set_options(ssl, SSL_OP_NO_TICKET);
	CHECK(SSL_set_num_tickets(ssl, 0) == 1);
}

/* ---- At the login ---- */

/* Is it signed by one of the authorities, valid now, and for clients? */
static bool
client_verify(X509 *certificate, STACK_OF(X509) * chain, X509_STORE *authorities, struct err *err)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	bool is_good;

	CHECK(ctx != NULL && X509_STORE_CTX_init(ctx, authorities, certificate, chain) == 1);
	CHECK(X509_STORE_CTX_set_default(ctx, "ssl_client") == 1);
	X509_STORE_CTX_set_depth(ctx, CLIENT_DEPTH_MAX);
	is_good = X509_verify_cert(ctx) == 1;
	if (!is_good)
		err_set(err, ERR_DENIED, "%s", X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
	X509_STORE_CTX_free(ctx);
	ERR_clear_error();
	return is_good;
}

/* The only mail address that it names, in the arena; p NULL: there is none, or several. */
static struct str
client_mail_address(X509 *certificate, struct arena *arena)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	struct str found = STR_NONE;
	int count = 0;

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		const ASN1_IA5STRING *text = name->d.rfc822Name;

		if (name->type != GEN_EMAIL || count++ != 0)
			continue;
		found = str_of((const char *)ASN1_STRING_get0_data(text), (size_t)ASN1_STRING_length(text));
		found = arena_str(arena, found);
	}
	GENERAL_NAMES_free(names);
	ERR_clear_error();
	return count == 1 ? found : STR_NONE;
}

int
tls_client_address(struct tls *t, const SSL *ssl, const char *authorities, struct arena *arena, struct str *address_out,
		   struct err *err)
{
	X509 *certificate = SSL_get0_peer_certificate(ssl);
	X509_STORE *store;

	if (certificate == NULL)
		return err_set(err, ERR_NOT_FOUND, "there is no certificate");
	store = client_authorities_get(t, authorities)->store;
	if (store == NULL)
		return err_set(err, ERR_INVALID, "the authorities in %s do not load", authorities);
	if (!client_verify(certificate, SSL_get_peer_cert_chain(ssl), store, err))
		return -1;
	*address_out = client_mail_address(certificate, arena);
	if (address_out->p == NULL || memchr(address_out->p, '\0', address_out->len) != NULL)
		return err_set(err, ERR_DENIED, "it does not name one mail address");
	return 0;
}
