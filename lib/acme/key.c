#include "lib/acme/key.h"

#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/base/check.h"

enum { CHAIN_EARLY_MS = 24 * 60 * 60 * 1000 };

EVP_PKEY *
acme_key_make(enum acme_key_type type)
{
	EVP_PKEY *key = EVP_EC_gen(type == ACME_P384 ? "P-384" : "P-256");

	CHECK(key != NULL);
	return key;
}

void
acme_key_write(EVP_PKEY *key, struct buf *pem_out)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	char *text;
	long len;

	CHECK(bio != NULL && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1);
	len = BIO_get_mem_data(bio, &text);
	CHECK(len > 0);
	buf_add(pem_out, text, (size_t)len);
	BIO_free(bio);
}

/* There is nobody to ask for a password. */
static int
key_on_password(char *out, int size, int writes, void *arg)
{
	(void)out, (void)size, (void)writes, (void)arg;
	return -1;
}

EVP_PKEY *
acme_key_read(struct str pem)
{
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.len);
	EVP_PKEY *key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, key_on_password, NULL) : NULL;

	BIO_free(bio);
	ERR_clear_error();
	return key;
}

void
acme_key_wipe(struct buf *secret)
{
	if (secret->data != NULL)
		OPENSSL_cleanse(secret->data, secret->capacity);
	buf_fini(secret);
}

/* ---- Requests ---- */

static bool
csr_add_name(X509_REQ *request, const char *name)
{
	STACK_OF(X509_EXTENSION) *list = sk_X509_EXTENSION_new_null();
	char text[300];
	X509_EXTENSION *extension;
	bool ok;

	snprintf(text, sizeof(text), "DNS:%s", name);
	extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, text);
	ok = extension != NULL && sk_X509_EXTENSION_push(list, extension) > 0 &&
	     X509_REQ_add_extensions(request, list) == 1;
	sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
	return ok;
}

int
acme_csr(EVP_PKEY *key, const char *name, struct buf *der_out, struct err *err)
{
	X509_REQ *request = X509_REQ_new();
	unsigned char *der = NULL;
	int len = -1;

	/* A comma would begin another entry of the extension's text. */
	if (strlen(name) <= 253 && strpbrk(name, ",: ") == NULL && X509_REQ_set_version(request, 0) == 1 &&
	    X509_REQ_set_pubkey(request, key) == 1 && csr_add_name(request, name) &&
	    X509_REQ_sign(request, key, EVP_sha256()) > 0)
		len = i2d_X509_REQ(request, &der);
	X509_REQ_free(request);
	ERR_clear_error();
	if (len <= 0)
		return err_set(err, ERR_INVALID, "no certificate can be requested for '%.100s'", name);
	buf_add(der_out, der, (size_t)len);
	OPENSSL_free(der);
	return 0;
}

/* ---- Certificates ---- */

static int64_t
chain_time_ms(const ASN1_TIME *time)
{
	struct tm tm;

	return time != NULL && ASN1_TIME_to_tm(time, &tm) == 1 ? (int64_t)timegm(&tm) * 1000 : 0;
}

static int
chain_judge(X509 *certificate, EVP_PKEY *key, const char *name, int64_t now_ms, struct acme_validity *out,
	    struct err *err)
{
	out->from_ms = chain_time_ms(X509_get0_notBefore(certificate));
	out->until_ms = chain_time_ms(X509_get0_notAfter(certificate));
	if (X509_check_private_key(certificate, key) != 1)
		return err_set(err, ERR_INVALID, "the certificate is for another key");
	if (X509_check_host(certificate, name, strlen(name), 0, NULL) != 1)
		return err_set(err, ERR_INVALID, "the certificate is not for %.200s", name);
	if (out->until_ms <= now_ms)
		return err_set(err, ERR_INVALID, "the certificate has expired");
	/* The CA's clock may be ahead of ours, or ours wrong, by some hours. */
	if (out->from_ms > now_ms + CHAIN_EARLY_MS || out->from_ms >= out->until_ms)
		return err_set(err, ERR_INVALID, "the certificate is not valid yet");
	return 0;
}

/* The rest of the chain: certificates, and nothing that looks like one and is none. */
static bool
chain_rest_is_good(BIO *bio)
{
	X509 *next;

	while ((next = PEM_read_bio_X509(bio, NULL, key_on_password, NULL)) != NULL)
		X509_free(next);
	return ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
}

int
acme_chain_check(struct str chain, EVP_PKEY *key, const char *name, int64_t now_ms, struct acme_validity *out,
		 struct err *err)
{
	BIO *bio = BIO_new_mem_buf(chain.p, (int)chain.len);
	X509 *certificate = bio != NULL ? PEM_read_bio_X509(bio, NULL, key_on_password, NULL) : NULL;
	int result;

	if (certificate == NULL)
		result = err_set(err, ERR_INVALID, "the answer is not a certificate in PEM");
	else if (!chain_rest_is_good(bio))
		result = err_set(err, ERR_INVALID, "the certificate's chain is damaged");
	else
		result = chain_judge(certificate, key, name, now_ms, out, err);

	X509_free(certificate);
	BIO_free(bio);
	ERR_clear_error();
	return result;
}
