/* TLS to the store.
 *
 * The context is kept as long as its files do not change: reading all of the
 * system's authorities takes some ten milliseconds. Loops on several threads
 * may connect, so a lock guards it. */
#include "lib/redis/tls.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/base/check.h"
#include "lib/base/ip.h"

enum { CA, CERT, KEY, FILES };

static const char *const redis_tls_variables[FILES] = {"STAGEPOST_REDIS_CA", "STAGEPOST_REDIS_CERT",
						       "STAGEPOST_REDIS_KEY"};

static pthread_mutex_t redis_tls_lock = PTHREAD_MUTEX_INITIALIZER;
static SSL_CTX *redis_tls_context; /* owner */
static struct timespec redis_tls_changed[FILES];

/* NULL: not given. */
static const char *
redis_tls_file(unsigned which)
{
	const char *path = getenv(redis_tls_variables[which]);

	return path != NULL && path[0] != '\0' ? path : NULL;
}

static bool
redis_tls_files_changed(void)
{
	bool changed = false;

	for (unsigned i = 0; i < FILES; i++) {
		struct stat st = {0};
		if (redis_tls_file(i) != NULL && stat(redis_tls_file(i), &st) != 0)
			st = (struct stat){0};
		changed |= memcmp(&st.st_mtim, &redis_tls_changed[i], sizeof(st.st_mtim)) != 0;
		redis_tls_changed[i] = st.st_mtim;
	}
	return changed;
}

static bool
redis_tls_fill(SSL_CTX *ctx)
{
	const char *ca = redis_tls_file(CA), *cert = redis_tls_file(CERT), *key = redis_tls_file(KEY);

	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
	if ((ca != NULL ? SSL_CTX_load_verify_file(ctx, ca) : SSL_CTX_set_default_verify_paths(ctx)) != 1)
		return false;
	return cert == NULL ||
	       (SSL_CTX_use_certificate_chain_file(ctx, cert) == 1 && key != NULL &&
		SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) == 1 && SSL_CTX_check_private_key(ctx) == 1);
}

/* Under the lock. */
static SSL_CTX *
redis_tls_get_context(struct err *err)
{
	SSL_CTX *ctx;

	if (!redis_tls_files_changed() && redis_tls_context != NULL)
		return redis_tls_context;
	ctx = SSL_CTX_new(TLS_client_method());
	CHECK(ctx != NULL);
	ERR_clear_error();
	if (!redis_tls_fill(ctx)) {
		const char *reason = ERR_reason_error_string(ERR_peek_error());
		err_set(err, ERR_INVALID, "the files of STAGEPOST_REDIS_CA, _CERT and _KEY: %s",
			reason != NULL ? reason : "one cannot be read");
		ERR_clear_error();
		SSL_CTX_free(ctx);
		ctx = NULL;
	}
	SSL_CTX_free(redis_tls_context);
	redis_tls_context = ctx;
	return ctx;
}

SSL *
redis_tls_new(const struct redis_url *url, int fd, struct err *err)
{
	struct ip ip;
	SSL_CTX *ctx;
	SSL *ssl = NULL;

	pthread_mutex_lock(&redis_tls_lock);
	ctx = redis_tls_get_context(err);
	if (ctx != NULL)
		ssl = SSL_new(ctx);
	pthread_mutex_unlock(&redis_tls_lock);
	if (ssl == NULL)
		return NULL;
	CHECK(SSL_set_fd(ssl, fd) == 1);
	if (ip_parse(str_c(url->host), &ip)) {
		CHECK(X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), url->host) == 1);
	} else {
		CHECK(SSL_set1_host(ssl, url->host) == 1 && SSL_set_tlsext_host_name(ssl, url->host) == 1);
	}
	SSL_set_connect_state(ssl);
	return ssl;
}
