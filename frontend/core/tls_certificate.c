/* One pair of certificate and key.
 *
 * The two files are not replaced at the same moment: a renewal writes one, and the
 * other some time later. So both are watched, a pair that does not match is tried
 * again until it does, and the last matching pair is used. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>

#include "frontend/core/tls_private.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"

enum { PATH_SIZE = 4096 };

static char *
certificate_path(const char *dir, const char *name, const char *file)
{
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "%s/%s/%s", dir, name, file);
	return mem_strdup(path);
}

struct certificate *
certificate_new(const char *name, const char *dir, const char *cert_path, const char *key_path)
{
	struct certificate *c = mem_new(struct certificate);

	c->name = mem_strdup(name);
	c->cert_path = dir != NULL ? certificate_path(dir, name, "cert.pem") : mem_strdup(cert_path);
	c->key_path = dir != NULL ? certificate_path(dir, name, "key.pem") : mem_strdup(key_path);
	return c;
}

struct certificate *
certificate_new_stored(struct str name)
{
	struct certificate *c = mem_new(struct certificate);

	c->name = str_dup(name);
	return c;
}

void
certificate_free(struct certificate **cp)
{
	struct certificate *c = *cp;

	if (c == NULL)
		return;
	*cp = NULL;
	SSL_CTX_free(c->ctx);
	mem_free(c->name);
	mem_free(c->entry);
	mem_free(c->cert_path);
	mem_free(c->key_path);
	mem_free(c);
}

static int
certificate_complain(const char *path, struct err *err)
{
	unsigned long code = ERR_peek_error();
	const char *reason = ERR_reason_error_string(code);

	/* A missing file is reported by errno. */
	if (ERR_SYSTEM_ERROR(code))
		err_set_errno(err, ERR_GET_REASON(code), "%s", path);
	else
		err_set(err, ERR_INVALID, "%s: %s", path, reason != NULL ? reason : "does not load");
	ERR_clear_error();
	return -1;
}

static int
certificate_fill(const struct certificate *c, SSL_CTX *ctx, struct err *err)
{
	ERR_clear_error();
	if (SSL_CTX_use_certificate_chain_file(ctx, c->cert_path) != 1)
		return certificate_complain(c->cert_path, err);
	/* Also checks that the two match. */
	if (SSL_CTX_use_PrivateKey_file(ctx, c->key_path, SSL_FILETYPE_PEM) != 1 || SSL_CTX_check_private_key(ctx) != 1)
		return certificate_complain(c->key_path, err);
	return 0;
}

static int64_t
certificate_end(SSL_CTX *ctx)
{
	const ASN1_TIME *end = X509_get0_notAfter(SSL_CTX_get0_certificate(ctx));
	struct tm tm;

	return end != NULL && ASN1_TIME_to_tm(end, &tm) == 1 ? (int64_t)timegm(&tm) * 1000 : 0;
}

struct stat
certificate_stat(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st : (struct stat){0};
}

bool
certificate_is_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

bool
certificate_failed(struct certificate *c, const struct err *err)
{
	if (strcmp(c->problem, err->text) == 0)
		return false; /* already logged */
	str_copy(str_c(err->text), c->problem, sizeof(c->problem));
	log_error(NULL, c->ctx != NULL ? "the new certificate is not used" : "the certificate is not used",
		  F_C("name", c->name), F_ERR(err));
	return true;
}

static void
certificate_use(struct certificate *c, SSL_CTX *ctx)
{
	SSL_CTX_free(c->ctx);
	c->ctx = ctx;
	c->ends_ms = certificate_end(ctx);
	c->problem[0] = '\0';
}

/* The first certificate is the host's, the others lead to the authority. */
static int
certificate_fill_chain(SSL_CTX *ctx, BIO *bio, EVP_PKEY *key)
{
	/* Without it, one that is encrypted would ask the terminal for a password. */
	pem_password_cb *on_password = SSL_CTX_get_default_passwd_cb(ctx);
	X509 *leaf = PEM_read_bio_X509(bio, NULL, on_password, NULL), *next;
	int ok = leaf != NULL && SSL_CTX_use_certificate(ctx, leaf) == 1 && SSL_CTX_use_PrivateKey(ctx, key) == 1 &&
		 SSL_CTX_check_private_key(ctx) == 1;

	X509_free(leaf);
	while (ok && (next = PEM_read_bio_X509(bio, NULL, on_password, NULL)) != NULL) {
		ok = SSL_CTX_add1_chain_cert(ctx, next) == 1;
		X509_free(next);
	}
	return ok;
}

int
certificate_take(struct certificate *c, struct tls *t, struct str chain, EVP_PKEY *key, struct err *err)
{
	SSL_CTX *ctx = tls_context_new(t);
	BIO *bio = BIO_new_mem_buf(chain.p, (int)chain.len);
	int ok = bio != NULL && certificate_fill_chain(ctx, bio, key);

	BIO_free(bio);
	ERR_clear_error();
	if (!ok) {
		SSL_CTX_free(ctx);
		return err_set(err, ERR_INVALID, "the stored certificate does not load");
	}
	certificate_use(c, ctx);
	log_info(NULL, "certificate loaded", F_C("name", c->name), F_C("path", "the store"));
	return 0;
}

bool
certificate_look(struct certificate *c, struct tls *t)
{
	struct stat cert = certificate_stat(c->cert_path), key = certificate_stat(c->key_path);
	SSL_CTX *ctx;
	struct err err;

	if (c->ctx != NULL && c->problem[0] == '\0' && certificate_is_same_file(&cert, &c->cert_was) &&
	    certificate_is_same_file(&key, &c->key_was))
		return false;
	c->cert_was = cert;
	c->key_was = key;
	ctx = tls_context_new(t);
	if (certificate_fill(c, ctx, &err) != 0) {
		SSL_CTX_free(ctx);
		return certificate_failed(c, &err);
	}
	certificate_use(c, ctx);
	log_info(NULL, "certificate loaded", F_C("name", c->name), F_C("path", c->cert_path));
	return true;
}
