/* A self-signed certificate, made with OpenSSL. */
#include "ctl/certificate.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { VALID_SECONDS = 2 * 365 * 86400 };

static int
add_extension(X509 *cert, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;
	int ok;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	ok = ext != NULL && X509_add_ext(cert, ext, -1);
	X509_EXTENSION_free(ext);
	return ok;
}

/* Fills in and signs; false: see OpenSSL's error queue. */
static int
certificate_fill_in(X509 *cert, EVP_PKEY *key, const char *hostname)
{
	X509_NAME *name = X509_get_subject_name(cert);
	char alt[400];
	uint64_t serial;

	if (RAND_bytes((unsigned char *)&serial, sizeof(serial)) != 1)
		return 0;
	snprintf(alt, sizeof(alt), "DNS:%.255s,DNS:localhost,IP:127.0.0.1,IP:::1", hostname);
	/* A common name has at most 64 characters; the alternative name counts. */
	return X509_set_version(cert, 2) && ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), serial >> 1) &&
	       X509_gmtime_adj(X509_getm_notBefore(cert), -3600) &&
	       X509_gmtime_adj(X509_getm_notAfter(cert), VALID_SECONDS) &&
	       X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
					  (const unsigned char *)(strlen(hostname) <= 64 ? hostname : "stagepost"), -1,
					  -1, 0) &&
	       X509_set_issuer_name(cert, name) && X509_set_pubkey(cert, key) &&
	       add_extension(cert, NID_basic_constraints, "critical,CA:TRUE") &&
	       add_extension(cert, NID_subject_alt_name, alt) && X509_sign(cert, key, EVP_sha256());
}

static int
write_files(const char *cert_path, const char *key_path, X509 *cert, EVP_PKEY *key, struct err *err)
{
	int key_fd = open(key_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	FILE *key_file = key_fd >= 0 ? fdopen(key_fd, "w") : NULL;
	FILE *cert_file = fopen(cert_path, "w");
	int ok = key_file != NULL && cert_file != NULL &&
		 PEM_write_PrivateKey(key_file, key, NULL, NULL, 0, NULL, NULL) && PEM_write_X509(cert_file, cert);

	if (key_file != NULL && fclose(key_file) != 0)
		ok = 0;
	if (cert_file != NULL && fclose(cert_file) != 0)
		ok = 0;
	return ok ? 0 : err_set_errno(err, errno, "writing %s and %s", cert_path, key_path);
}

int
certificate_ensure(const char *cert_path, const char *key_path, const char *hostname, struct err *err)
{
	EVP_PKEY *key;
	X509 *cert;
	int result;

	if (access(cert_path, R_OK) == 0 && access(key_path, R_OK) == 0)
		return 0;
	key = EVP_EC_gen("P-256");
	cert = X509_new();
	if (key == NULL || cert == NULL || !certificate_fill_in(cert, key, hostname))
		result = err_set(err, ERR_IO, "making a certificate: %s", ERR_reason_error_string(ERR_get_error()));
	else
		result = write_files(cert_path, key_path, cert, key, err);
	X509_free(cert);
	EVP_PKEY_free(key);
	return result;
}
