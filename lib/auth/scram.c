/* SCRAM-SHA-256 verifiers (RFC 5802, 7677). */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdio.h>

#include "lib/auth/private.h"
#include "lib/base/base64.h"
#include "lib/base/check.h"

enum { ITERATIONS = 10000, SALT_BYTES = 16, ITERATIONS_MAX = 10000000 };

void
scram_verifier_make(struct str password, const unsigned char *salt, size_t salt_len, unsigned iterations,
		    struct scram_verifier *out)
{
	unsigned char salted[SCRAM_KEY_BYTES], client_key[SCRAM_KEY_BYTES];
	unsigned len = SCRAM_KEY_BYTES;

	CHECK(salt_len <= SCRAM_SALT_MAX);
	out->iterations = iterations;
	out->salt_len = salt_len;
	memcpy(out->salt, salt, salt_len);
	CHECK(PKCS5_PBKDF2_HMAC(password.p != NULL ? password.p : "", (int)password.len, salt, (int)salt_len,
				(int)iterations, EVP_sha256(), SCRAM_KEY_BYTES, salted) == 1);
	HMAC(EVP_sha256(), salted, SCRAM_KEY_BYTES, (const unsigned char *)"Client Key", 10, client_key, &len);
	SHA256(client_key, SCRAM_KEY_BYTES, out->stored_key);
	HMAC(EVP_sha256(), salted, SCRAM_KEY_BYTES, (const unsigned char *)"Server Key", 10, out->server_key, &len);
	OPENSSL_cleanse(salted, sizeof(salted));
	OPENSSL_cleanse(client_key, sizeof(client_key));
}

static struct str
scram_bytes(const unsigned char *p, size_t len)
{
	return str_of((const char *)p, len);
}

void
scram_verifier_text(const struct scram_verifier *v, char out[AUTH_VERIFIER_MAX])
{
	struct buf text = BUF_EMPTY;

	buf_printf(&text, "SCRAM-SHA-256$%u:", v->iterations);
	base64_encode(scram_bytes(v->salt, v->salt_len), &text);
	buf_add_byte(&text, '$');
	base64_encode(scram_bytes(v->stored_key, SCRAM_KEY_BYTES), &text);
	buf_add_byte(&text, ':');
	base64_encode(scram_bytes(v->server_key, SCRAM_KEY_BYTES), &text);
	CHECK(str_copy(buf_str(&text), out, AUTH_VERIFIER_MAX));
	buf_fini(&text);
}

static bool
scram_decode(struct str text, unsigned char *out, size_t least, size_t most, size_t *len_out)
{
	struct buf data = BUF_EMPTY;
	bool good = base64_decode(text, &data) && data.len >= least && data.len <= most;

	if (good)
		memcpy(out, data.data, data.len);
	*len_out = good ? data.len : 0;
	buf_fini(&data);
	return good;
}

bool
scram_verifier_parse(struct str text, struct scram_verifier *v)
{
	struct str head, rest, iterations, salt, keys, stored, server;
	uint64_t number;
	size_t len;

	if (!str_cut(text, '$', &head, &rest) || !str_eq(head, STR("SCRAM-SHA-256")) ||
	    !str_cut(rest, '$', &head, &keys) || !str_cut(head, ':', &iterations, &salt) ||
	    !str_cut(keys, ':', &stored, &server))
		return false;
	if (!str_to_u64(iterations, &number) || number == 0 || number > ITERATIONS_MAX)
		return false;
	v->iterations = (unsigned)number;
	return scram_decode(salt, v->salt, 1, SCRAM_SALT_MAX, &v->salt_len) &&
	       scram_decode(stored, v->stored_key, SCRAM_KEY_BYTES, SCRAM_KEY_BYTES, &len) &&
	       scram_decode(server, v->server_key, SCRAM_KEY_BYTES, SCRAM_KEY_BYTES, &len);
}

static void
scram_hmac(const unsigned char key[SCRAM_KEY_BYTES], struct str message, unsigned char out[SCRAM_KEY_BYTES])
{
	unsigned len = SCRAM_KEY_BYTES;

	HMAC(EVP_sha256(), key, SCRAM_KEY_BYTES, (const unsigned char *)message.p, message.len, out, &len);
}

bool
scram_proof_fits(const struct scram_verifier *v, struct str auth_message, struct str proof_text)
{
	unsigned char signature[SCRAM_KEY_BYTES], proof[SCRAM_KEY_BYTES], hash[SCRAM_KEY_BYTES];
	size_t len;

	if (!scram_decode(proof_text, proof, SCRAM_KEY_BYTES, SCRAM_KEY_BYTES, &len))
		return false;
	scram_hmac(v->stored_key, auth_message, signature);
	for (unsigned i = 0; i < SCRAM_KEY_BYTES; i++)
		proof[i] ^= signature[i]; /* this yields the client's key, if the proof is correct */
	SHA256(proof, SCRAM_KEY_BYTES, hash);
	OPENSSL_cleanse(proof, sizeof(proof));
	return CRYPTO_memcmp(hash, v->stored_key, SCRAM_KEY_BYTES) == 0;
}

void
scram_server_signature(const struct scram_verifier *v, struct str auth_message, unsigned char out[SCRAM_KEY_BYTES])
{
	scram_hmac(v->server_key, auth_message, out);
}

int
auth_make_scram_sha256(struct str password, char out[AUTH_VERIFIER_MAX], struct err *err)
{
	struct scram_verifier v;
	unsigned char salt[SALT_BYTES];

	if (RAND_bytes(salt, sizeof(salt)) != 1)
		return err_set(err, ERR_IO, "no random numbers");
	scram_verifier_make(password, salt, sizeof(salt), ITERATIONS, &v);
	scram_verifier_text(&v, out);
	return 0;
}
