#include "delivery-worker/net/tls.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "lib/base/check.h"
#include "lib/base/ip.h"

static void
tls_set_error(struct err *err, const char *what, const char *file)
{
	char text[160];

	ERR_error_string_n(ERR_peek_last_error(), text, sizeof(text));
	ERR_clear_error();
	err_set(err, ERR_INVALID, "%s %.60s: %s", what, file, text);
}

static int
tls_use_client_certificate(SSL_CTX *ctx, const char *file, struct err *err)
{
	if (SSL_CTX_use_certificate_chain_file(ctx, file) == 1 &&
	    SSL_CTX_use_PrivateKey_file(ctx, file, SSL_FILETYPE_PEM) == 1 && SSL_CTX_check_private_key(ctx) == 1)
		return 0;
	tls_set_error(err, "client certificate", file);
	return -1;
}

SSL_CTX *
tls_context_new(const char *ca_file, const char *client_certificate, struct err *err)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	CHECK(ctx != NULL);
	/* Certificates are judged after the handshake. */
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
	CHECK(SSL_CTX_dane_enable(ctx) == 1);
	if (ca_file == NULL) {
		if (SSL_CTX_set_default_verify_paths(ctx) != 1)
			ERR_clear_error();
	} else if (SSL_CTX_load_verify_file(ctx, ca_file) != 1) {
		tls_set_error(err, "authorities", ca_file);
		SSL_CTX_free(ctx);
		return NULL;
	}
	if (*client_certificate != '\0' && tls_use_client_certificate(ctx, client_certificate, err) != 0) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

static void
tls_expect_name(SSL *ssl, const char *name)
{
	struct ip ip;

	if (ip_literal_parse(str_c(name), &ip)) {
		CHECK(X509_VERIFY_PARAM_set1_ip(SSL_get0_param(ssl), ip.bytes, ip.family == 4 ? 4 : 16) == 1);
		return;
	}
	SSL_set_tlsext_host_name(ssl, name);
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	/* Without this any name would be accepted. */
	CHECK(*name != '\0' && SSL_set1_host(ssl, name) == 1);
}

void
tls_prepare(SSL *ssl, const struct tls_wish *wish)
{
	CHECK(wish->level != TLS_NONE);
	/* Weak TLS is better than none where none would be accepted. */
	if (wish->level <= TLS_ENCRYPT)
		SSL_set_security_level(ssl, 0);
	if (wish->level == TLS_DANE) {
		CHECK(SSL_dane_enable(ssl, wish->name) == 1);
		SSL_dane_set_flags(ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
	}
	/* Servers that have no certificate for the name should carry on anyway. */
	tls_expect_name(ssl, wish->name);
	if (wish->level != TLS_DANE)
		return;
	for (unsigned i = 0; i < TLS_OTHER_NAMES_MAX && wish->other_names[i] != NULL; i++)
		SSL_add1_host(ssl, wish->other_names[i]);
	for (unsigned i = 0; i < wish->record_count; i++) {
		const struct dns_tlsa *r = &wish->records[i];

		/* A record that does not parse as declared counts as absent. */
		if (SSL_dane_tlsa_add(ssl, r->usage, r->selector, r->matching, (const unsigned char *)r->data.p,
				      r->data.len) <= 0)
			ERR_clear_error();
	}
}

enum tls_result
tls_judge(SSL *ssl, const struct tls_wish *wish)
{
	if (SSL_get0_peer_certificate(ssl) == NULL)
		return TLS_RESULT_VALIDATION_FAILURE;
	switch (SSL_get_verify_result(ssl)) {
	case X509_V_OK:
		/* Without a usable record OpenSSL falls back to the authorities. */
		if (wish->level == TLS_DANE && SSL_get0_dane_authority(ssl, NULL, NULL) < 0)
			return TLS_RESULT_VALIDATION_FAILURE;
		return TLS_RESULT_OK;
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH: return TLS_RESULT_CERTIFICATE_HOST_MISMATCH;
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_CERT_NOT_YET_VALID: return TLS_RESULT_CERTIFICATE_EXPIRED;
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_CERT_UNTRUSTED:
	case X509_V_ERR_CERT_REVOKED:
	case X509_V_ERR_INVALID_CA: return TLS_RESULT_CERTIFICATE_NOT_TRUSTED;
	default: return TLS_RESULT_VALIDATION_FAILURE;
	}
}

const char *
tls_reason(SSL *ssl)
{
	return X509_verify_cert_error_string(SSL_get_verify_result(ssl));
}

static bool
tls_is_usable(const struct dns_tlsa *r)
{
	static const size_t lengths[] = {0, 32, 64}; /* of the data, by matching type; 0: any */

	if ((r->usage != 2 && r->usage != 3) || r->selector > 1 || r->matching > 2 || r->data.len == 0)
		return false;
	return lengths[r->matching] == 0 || r->data.len == lengths[r->matching];
}

unsigned
tls_usable_records(struct dns_tlsa *records, unsigned count)
{
	unsigned usable = 0;

	for (unsigned i = 0; i < count; i++) {
		struct dns_tlsa r = records[i];

		if (!tls_is_usable(&r))
			continue;
		records[i] = records[usable];
		records[usable++] = r;
	}
	return usable;
}
