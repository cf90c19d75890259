/* The frontend's certificate. TLS 1.2 and 1.3 with forward secrecy only. */
#include "frontend/core/tls.h"

#include <openssl/err.h>
#include <signal.h>
#include <sys/stat.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"

enum { LOOK_MS = 30000 };

struct tls {
	const char *cert_path; /* borrowed */
	const char *key_path;
	SSL_CTX *ctx;		 /* owner */
	struct timespec changed; /* of the certificate's file */
	struct event *look, *hangup;
};

static SSL_CTX *
load(const char *cert_path, const char *key_path, struct err *err)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	CHECK(ctx != NULL);
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20");
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_COMPRESSION |
					 SSL_OP_IGNORE_UNEXPECTED_EOF);
	/* An idle session holds no record buffers. */
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	if (SSL_CTX_use_certificate_chain_file(ctx, cert_path) == 1 &&
	    SSL_CTX_use_PrivateKey_file(ctx, key_path, SSL_FILETYPE_PEM) == 1 && SSL_CTX_check_private_key(ctx) == 1)
		return ctx;
	err_set(err, ERR_INVALID, "loading %s and %s: %s", cert_path, key_path,
		ERR_reason_error_string(ERR_peek_last_error()));
	ERR_clear_error();
	SSL_CTX_free(ctx);
	return NULL;
}

static struct timespec
change_time(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_mtim : (struct timespec){0};
}

static void
look_again(struct tls *t, bool anyway)
{
	struct timespec changed = change_time(t->cert_path);
	struct err err;
	SSL_CTX *ctx;

	if (!anyway && changed.tv_sec == t->changed.tv_sec && changed.tv_nsec == t->changed.tv_nsec)
		return;
	t->changed = changed;
	ctx = load(t->cert_path, t->key_path, &err);
	if (ctx == NULL) {
		log_error(NULL, "the new certificate is not used", F_ERR(&err));
		return;
	}
	SSL_CTX_free(t->ctx);
	t->ctx = ctx;
	log_info(NULL, "certificate loaded", F_C("path", t->cert_path));
}

static void
on_look(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	look_again(arg, (what & EV_SIGNAL) != 0);
}

struct tls *
tls_new(struct event_base *base, const char *cert_path, const char *key_path, struct err *err)
{
	struct timeval every = clock_timeval(LOOK_MS);
	SSL_CTX *ctx = load(cert_path, key_path, err);
	struct tls *t;

	if (ctx == NULL)
		return NULL;
	t = mem_new(struct tls);
	t->cert_path = cert_path;
	t->key_path = key_path;
	t->ctx = ctx;
	t->changed = change_time(cert_path);
	t->look = event_new(base, -1, EV_PERSIST, on_look, t);
	t->hangup = evsignal_new(base, SIGHUP, on_look, t);
	event_add(t->look, &every);
	event_add(t->hangup, NULL);
	return t;
}

void
tls_free(struct tls **tp)
{
	if (*tp == NULL)
		return;
	event_free((*tp)->look);
	event_free((*tp)->hangup);
	SSL_CTX_free((*tp)->ctx);
	mem_free(*tp);
	*tp = NULL;
}

SSL *
tls_session_new(struct tls *t)
{
	SSL *ssl = SSL_new(t->ctx);

	CHECK(ssl != NULL);
	return ssl;
}
