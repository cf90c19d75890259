#include "lib/dkim/key.h"

#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/base64.h"
#include "lib/base/check.h"

#define RSA_BITS	2048
#define RSA_BITS_LEAST	1024 /* RFC 8301, 3.2: verifiers reject smaller keys */
#define TXT_STRING_MAX	255
#define ED25519_BYTES	32
#define SIGNATURE_BYTES 512 /* RSA of 4096 bits */

static const char *const algorithms[DKIM_ALGORITHMS] = {"rsa", "ed25519"};
static const char *const states[DKIM_STATES] = {"waiting", "active", "retired"};

const char *
dkim_algorithm_name(enum dkim_algorithm algorithm)
{
	CHECK((unsigned)algorithm < DKIM_ALGORITHMS);
	return algorithms[algorithm];
}

const char *
dkim_state_name(enum dkim_state state)
{
	CHECK((unsigned)state < DKIM_STATES);
	return states[state];
}

static int
find_word(const char *const *words, unsigned count, struct str text)
{
	for (unsigned i = 0; i < count; i++)
		if (str_eq_ci(text, str_c(words[i])))
			return (int)i;
	return -1;
}

bool
dkim_algorithm_parse(struct str text, enum dkim_algorithm *algorithm_out)
{
	int i = find_word(algorithms, DKIM_ALGORITHMS, text);

	if (i >= 0)
		*algorithm_out = (enum dkim_algorithm)i;
	return i >= 0;
}

bool
dkim_selector_is_valid(struct str selector)
{
	struct str rest = selector, label;
	bool more = true;

	if (selector.len == 0 || selector.len >= DKIM_SELECTOR_MAX)
		return false;
	while (more) {
		more = str_cut(rest, '.', &label, &rest);
		if (label.len == 0 || label.p[0] == '-' || label.p[label.len - 1] == '-')
			return false;
		for (size_t i = 0; i < label.len; i++) {
			char c = label.p[i];

			if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
			      c == '_'))
				return false;
		}
	}
	return true;
}

static int
key_fail(struct err *err, const char *what)
{
	char text[160];

	ERR_error_string_n(ERR_peek_last_error(), text, sizeof(text));
	ERR_clear_error();
	return err_set(err, ERR_INVALID, "%s: %s", what, text);
}

int
dkim_key_make(enum dkim_algorithm algorithm, struct str selector, int64_t now_ms, struct dkim_key *key_out,
	      struct err *err)
{
	memset(key_out, 0, sizeof(*key_out));
	if (!dkim_selector_is_valid(selector))
		return err_set(err, ERR_INVALID,
			       "a selector may have letters, digits and inner hyphens, at most %d bytes",
			       DKIM_SELECTOR_MAX - 1);
	str_copy(selector, key_out->selector, sizeof(key_out->selector));
	key_out->algorithm = algorithm;
	key_out->state = DKIM_WAITING;
	key_out->created_ms = now_ms;
	key_out->pkey = algorithm == DKIM_RSA ? EVP_RSA_gen(RSA_BITS) : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	return key_out->pkey != NULL ? 0 : key_fail(err, "making a key");
}

void
dkim_key_fini(struct dkim_key *key)
{
	EVP_PKEY_free(key->pkey);
	key->pkey = NULL;
}

void
dkim_key_write(const struct dkim_key *key, struct buf *out)
{
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key->pkey);
	unsigned char *der = NULL;
	int len;

	CHECK(info != NULL);
	len = i2d_PKCS8_PRIV_KEY_INFO(info, &der);
	CHECK(len > 0);
	buf_printf(out, "%s %s %lld ", algorithms[key->algorithm], states[key->state], (long long)key->created_ms);
	base64_encode(str_of((const char *)der, (size_t)len), out);
	OPENSSL_clear_free(der, (size_t)len);
	PKCS8_PRIV_KEY_INFO_free(info);
}

static EVP_PKEY *
read_der(struct str base64)
{
	struct buf der = BUF_EMPTY;
	const unsigned char *p;
	EVP_PKEY *pkey = NULL;

	if (base64_decode(base64, &der) && der.len > 0) {
		p = (const unsigned char *)der.data;
		pkey = d2i_AutoPrivateKey(NULL, &p, (long)der.len);
		OPENSSL_cleanse(der.data, der.len);
	}
	buf_fini(&der);
	ERR_clear_error();
	return pkey;
}

int
dkim_key_read(struct str selector, struct str text, struct dkim_key *key_out, struct err *err)
{
	struct str algorithm, state, created, base64;
	int state_number;

	memset(key_out, 0, sizeof(*key_out));
	str_cut(text, ' ', &algorithm, &text);
	str_cut(text, ' ', &state, &text);
	str_cut(text, ' ', &created, &base64);
	state_number = find_word(states, DKIM_STATES, state);
	if (!dkim_selector_is_valid(selector) || state_number < 0 ||
	    !dkim_algorithm_parse(algorithm, &key_out->algorithm) || !str_to_i64(created, &key_out->created_ms))
		return err_set(err, ERR_CORRUPT, "the DKIM key of selector %.*s is damaged",
			       STR_ARG(str_first(selector, 64)));
	key_out->state = (enum dkim_state)state_number;
	str_copy(selector, key_out->selector, sizeof(key_out->selector));
	key_out->pkey = read_der(base64);
	if (key_out->pkey == NULL ||
	    EVP_PKEY_get_base_id(key_out->pkey) != (key_out->algorithm == DKIM_RSA ? EVP_PKEY_RSA : EVP_PKEY_ED25519) ||
	    (key_out->algorithm == DKIM_RSA && (EVP_PKEY_get_bits(key_out->pkey) < RSA_BITS_LEAST ||
						EVP_PKEY_get_size(key_out->pkey) > SIGNATURE_BYTES))) {
		dkim_key_fini(key_out);
		return err_set(err, ERR_CORRUPT, "the DKIM key of selector %.*s is not a %s key", STR_ARG(selector),
			       algorithms[key_out->algorithm]);
	}
	return 0;
}

void
dkim_key_record(const struct dkim_key *key, struct buf *out)
{
	unsigned char raw[ED25519_BYTES], *der = NULL;
	size_t raw_len = sizeof(raw);
	int len;

	buf_printf(out, "v=DKIM1; k=%s; p=", algorithms[key->algorithm]);
	if (key->algorithm == DKIM_ED25519) {
		/* The bare key (RFC 8463, section 4). */
		CHECK(EVP_PKEY_get_raw_public_key(key->pkey, raw, &raw_len) == 1);
		base64_encode(str_of((const char *)raw, raw_len), out);
		return;
	}
	len = i2d_PUBKEY(key->pkey, &der);
	CHECK(len > 0);
	base64_encode(str_of((const char *)der, (size_t)len), out);
	OPENSSL_free(der);
}

void
dkim_key_zone_line(const struct dkim_key *key, struct str domain, struct buf *out)
{
	struct buf record = BUF_EMPTY;
	struct str rest;

	dkim_key_record(key, &record);
	buf_printf(out, "%s._domainkey.%.*s. IN TXT (", key->selector, STR_ARG(domain));
	for (rest = buf_str(&record); rest.len > 0; rest = str_from(rest, TXT_STRING_MAX))
		buf_printf(out, " \"%.*s\"", STR_ARG(str_first(rest, TXT_STRING_MAX)));
	buf_add_c(out, " )");
	buf_fini(&record);
}

static int
sign_rsa(EVP_PKEY *pkey, const unsigned char *digest, unsigned char *out, size_t *len)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);
	int good = ctx != NULL && EVP_PKEY_sign_init(ctx) == 1 &&
		   EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
		   EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) == 1 &&
		   EVP_PKEY_sign(ctx, out, len, digest, DKIM_DIGEST_BYTES) == 1;

	EVP_PKEY_CTX_free(ctx);
	return good;
}

/* The digest is the message that Ed25519 signs (RFC 8463, section 3). */
static int
sign_ed25519(EVP_PKEY *pkey, const unsigned char *digest, unsigned char *out, size_t *len)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int good = ctx != NULL && EVP_DigestSignInit(ctx, NULL, NULL, NULL, pkey) == 1 &&
		   EVP_DigestSign(ctx, out, len, digest, DKIM_DIGEST_BYTES) == 1;

	EVP_MD_CTX_free(ctx);
	return good;
}

int
dkim_key_sign(const struct dkim_key *key, const unsigned char digest[DKIM_DIGEST_BYTES], struct buf *out,
	      struct err *err)
{
	unsigned char signature[SIGNATURE_BYTES];
	size_t len = sizeof(signature);

	if (!(key->algorithm == DKIM_RSA ? sign_rsa : sign_ed25519)(key->pkey, digest, signature, &len))
		return key_fail(err, "signing");
	base64_encode(str_of((const char *)signature, len), out);
	return 0;
}
