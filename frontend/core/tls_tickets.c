/* Session ticket keys: one set per day, the same on every frontend.
 *
 * A ticket is valid for a day, so the keys of today and yesterday open all valid
 * tickets; older keys can be derived only from the secret. Until the secret is known
 * (the store is unavailable at startup), the process uses keys of its own. */
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <stdio.h>

#include "frontend/core/tls_private.h"
#include "lib/base/clock.h"
#include "lib/secret/hkdf.h"

#define TICKET_LABEL "tls ticket"

enum { DAY_MS = 86400000, IV_BYTES = 16 };

_Static_assert(sizeof(struct ticket_key) == 80, "derived as one piece");

void
tickets_init(struct tickets *k, const struct secret *secret)
{
	k->secret = secret;
	CHECK(RAND_bytes(k->own, sizeof(k->own)) == 1);
	tickets_turn(k, clock_unix_ms());
}

void
tickets_fini(struct tickets *k)
{
	OPENSSL_cleanse(k->own, sizeof(k->own));
	OPENSSL_cleanse(k->keys, sizeof(k->keys));
}

static void
tickets_make(struct tickets *k, int64_t day, struct ticket_key *key)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)day);
	if (k->shared)
		secret_derive(k->secret, TICKET_LABEL, str_c(text), key, sizeof(*key));
	else
		hkdf_sha256(STR_NONE, str_of((const char *)k->own, sizeof(k->own)), str_c(text), key, sizeof(*key));
}

void
tickets_turn(struct tickets *k, int64_t now_ms)
{
	int64_t day = now_ms / DAY_MS;
	bool shared = secret_is_known(k->secret);

	if (k->day == day && k->shared == shared)
		return;
	k->day = day;
	k->shared = shared;
	tickets_make(k, day, &k->keys[0]);
	tickets_make(k, day - 1, &k->keys[1]);
}

static bool
tickets_set_mac(EVP_MAC_CTX *mac, const struct ticket_key *key)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)(uintptr_t)key->mac, sizeof(key->mac)),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)(uintptr_t) "SHA256", 0),
		OSSL_PARAM_construct_end(),
	};

	return EVP_MAC_CTX_set_params(mac, params) == 1;
}

/* SSL_CTX_set_tlsext_ticket_key_evp_cb(3): 1 done, 2 done and the client should get a
 * new ticket, 0 the ticket is not ours, -1 failed. */
static int
tickets_on_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int seals)
{
	struct tickets *k = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	const struct ticket_key *key;

	tickets_turn(k, clock_unix_ms());
	if (seals) {
		key = &k->keys[0];
		memcpy(name, key->name, sizeof(key->name));
		return RAND_bytes(iv, IV_BYTES) == 1 &&
				       EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv) == 1 &&
				       tickets_set_mac(mac, key)
			       ? 1
			       : -1;
	}
	for (unsigned i = 0; i < 2; i++) {
		key = &k->keys[i];
		if (CRYPTO_memcmp(name, key->name, sizeof(key->name)) != 0)
			continue;
		if (EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv) != 1 ||
		    !tickets_set_mac(mac, key))
			return -1;
		return i == 0 ? 1 : 2;
	}
	return 0;
}

void
tickets_arm(struct tickets *k, SSL_CTX *ctx)
{
	SSL_CTX_set_app_data(ctx, k);
	CHECK(SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, tickets_on_key) == 1);
}
