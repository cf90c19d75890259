/* TLS sessions: TLS 1.2 and 1.3 with forward secrecy only; the certificate is chosen
 * by the name that the client asks for. */
#include "frontend/core/tls.h"

#include <openssl/err.h>

#include "frontend/core/tls_private.h"
#include "lib/base/check.h"
#include "lib/base/mem.h"

enum { SESSION_S = 86400 }; /* a ticket's key is kept for at least this long */

/* Called for each ClientHello, including one that names no server. */
static int
tls_on_server_name(SSL *ssl, int *alert, void *arg)
{
	struct certificate *c = tls_store_choose(arg, SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));

	(void)alert;
	if (c != NULL && c->ctx != SSL_get_SSL_CTX(ssl))
		CHECK(SSL_set_SSL_CTX(ssl, c->ctx) != NULL);
	return SSL_TLSEXT_ERR_OK;
}

/* A client that wants another protocol has come to the wrong port, or was sent there
 * by an attacker: RFC 7301, section 3.2. */
static int
tls_on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *offered,
	    unsigned offered_len, void *arg)
{
	struct str wanted = str_c(SSL_get_app_data(ssl)), name;

	(void)arg;
	if (wanted.len == 0)
		return SSL_TLSEXT_ERR_NOACK;
	while (str_next_word(&wanted, " ", &name))
		for (unsigned at = 0; at < offered_len && at + 1U + offered[at] <= offered_len; at += 1U + offered[at])
			if (str_eq(name, str_of((const char *)offered + at + 1, offered[at]))) {
				*out = offered + at + 1;
				*out_len = offered[at];
				return SSL_TLSEXT_ERR_OK;
			}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* There is nobody to ask for a key's password. */
static int
tls_on_password(char *out, int size, int writes, void *arg)
{
	(void)out, (void)size, (void)writes, (void)arg;
	return -1;
}

SSL_CTX *
tls_context_new(struct tls *t)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	CHECK(ctx != NULL);
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20");
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_COMPRESSION |
					 SSL_OP_IGNORE_UNEXPECTED_EOF);
	/* An idle session keeps no record buffers. */
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_default_passwd_cb(ctx, tls_on_password);
	SSL_CTX_set_timeout(ctx, SESSION_S);
	SSL_CTX_set_tlsext_servername_callback(ctx, tls_on_server_name);
	SSL_CTX_set_tlsext_servername_arg(ctx, t);
	SSL_CTX_set_alpn_select_cb(ctx, tls_on_alpn, NULL);
	tickets_arm(&t->tickets, ctx);
	return ctx;
}

struct tls *
tls_new(struct event_base *base, const struct tls_options *options, struct err *err)
{
	struct tls *t = mem_new(struct tls);

	t->options = *options;
	tickets_init(&t->tickets, options->secret);
	if (tls_store_open(t, base, err) != 0)
		tls_free(&t);
	return t;
}

void
tls_free(struct tls **tp)
{
	if (*tp == NULL)
		return;
	tls_store_close(*tp);
	tickets_fini(&(*tp)->tickets);
	client_authorities_fini(&(*tp)->clients);
	mem_free(*tp);
	*tp = NULL;
}

bool
tls_has_certificate(const struct tls *t)
{
	return t->any != NULL;
}

SSL *
tls_session_new(struct tls *t, const char *alpn)
{
	SSL *ssl = SSL_new(t->any->ctx);

	CHECK(ssl != NULL);
	SSL_set_app_data(ssl, (char *)(uintptr_t)alpn);
	return ssl;
}
