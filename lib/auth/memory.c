/* Correct passwords, remembered for a while.
 *
 * What is kept is a MAC of address, verifier and password. The verifier is that
 * of the current record, so a changed password invalidates the entry by itself,
 * and a lost notice, or a change of the domain, does not force anybody to hash
 * again.
 *
 * The cluster remembers too, in auth:ok:{address}, so that a new frontend does
 * not have to hash the passwords of all returning users. This is done only with
 * a secret that is not in the store: otherwise anybody who reads the store
 * could try passwords at the price of an HMAC instead of an argon2id hash. */
#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <stdio.h>

#include "lib/auth/private.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/redis/keys.h"

#define MEMORY_LABEL "auth ok"

enum { OK_KEY_MAX = AUTH_ADDRESS_MAX + 16 };

struct memory_ask {
	memory_on_known *cb; /* NULL: cancelled */
	void *arg;
	unsigned char wanted[KEY_BYTES];
};

/* Address and verifier are ended by NUL, which neither contains. It is one
 * block, so that no copy of the password is left behind; the caller cleanses
 * it. */
static unsigned char *
memory_text(const struct memory_claim *claim, size_t *size_out)
{
	size_t address = strlen(claim->address) + 1, verifier = strlen(claim->verifier) + 1;
	unsigned char *text = mem_alloc(address + verifier + claim->password.len);

	memcpy(text, claim->address, address);
	memcpy(text + address, claim->verifier, verifier);
	if (claim->password.len != 0)
		memcpy(text + address + verifier, claim->password.p, claim->password.len);
	*size_out = address + verifier + claim->password.len;
	return text;
}

static void
memory_mac(const struct auth *a, const struct memory_claim *claim, bool shared, unsigned char mac[KEY_BYTES])
{
	_Static_assert((int)KEY_BYTES == (int)SECRET_MAC_BYTES, "one size");
	unsigned mac_len = KEY_BYTES;
	size_t size;
	unsigned char *text = memory_text(claim, &size);

	if (shared)
		secret_mac(a->secret, MEMORY_LABEL, str_of((const char *)text, size), mac);
	else
		HMAC(EVP_sha256(), a->key, KEY_BYTES, text, size, mac, &mac_len);
	OPENSSL_cleanse(text, size);
	mem_free(text);
}

/* ---- In this process ---- */

static void
memory_drop(struct auth *a, struct remembered *r)
{
	HASH_DEL(a->memory, r);
	mem_free(r);
}

void
memory_forget(struct auth *a, struct str address)
{
	struct remembered *r;

	HASH_FIND(hh, a->memory, address.p, address.len, r);
	if (r != NULL)
		memory_drop(a, r);
}

bool
memory_has(struct auth *a, const struct memory_claim *claim)
{
	unsigned char mac[KEY_BYTES];
	struct remembered *r;

	HASH_FIND_STR(a->memory, claim->address, r);
	if (r == NULL)
		return false;
	if (clock_monotonic_ms() > r->until_ms) {
		memory_drop(a, r);
		return false;
	}
	memory_mac(a, claim, false, mac);
	return CRYPTO_memcmp(mac, r->mac, KEY_BYTES) == 0;
}

static void
memory_add(struct auth *a, const struct memory_claim *claim, int64_t time_ms)
{
	struct remembered *r;

	memory_forget(a, str_c(claim->address));
	if (HASH_COUNT(a->memory) >= CACHE_MAX)
		memory_drop(a, a->memory); /* the oldest */
	r = mem_new(struct remembered);
	str_copy(str_c(claim->address), r->address, sizeof(r->address));
	memory_mac(a, claim, false, r->mac);
	r->until_ms = clock_monotonic_ms() + time_ms;
	HASH_ADD_STR(a->memory, address, r);
}

void
memory_free(struct auth *a)
{
	struct remembered *r, *next;

	HASH_ITER (hh, a->memory, r, next)
		memory_drop(a, r);
}

/* ---- In the cluster ---- */

static struct str
memory_key(const char *address, char out[OK_KEY_MAX])
{
	return redis_key_print(out, OK_KEY_MAX, KEY_AUTH_OK, str_c(address));
}

static void
memory_on_reply(void *arg, const redisReply *reply, const struct err *err)
{
	struct memory_ask *ask = arg;
	struct str got = redis_str(reply);
	bool known = err == NULL && got.len == KEY_BYTES && CRYPTO_memcmp(got.p, ask->wanted, KEY_BYTES) == 0;

	/* An error counts as not known; the next step will meet it too. */
	if (ask->cb != NULL)
		ask->cb(ask->arg, known);
	mem_free(ask);
}

struct memory_ask *
memory_ask_cluster(struct auth *a, const struct memory_claim *claim, memory_on_known *cb, void *arg)
{
	struct memory_ask *ask;
	char key[OK_KEY_MAX];

	if (a->secret == NULL || !secret_is_given(a->secret))
		return NULL;
	ask = mem_new(struct memory_ask);
	ask->cb = cb;
	ask->arg = arg;
	memory_mac(a, claim, true, ask->wanted);
	redis_call_key(a->redis, memory_on_reply, ask, "GET", memory_key(claim->address, key), 0, NULL);
	return ask;
}

void
memory_ask_cancel(struct memory_ask **ask)
{
	if (*ask != NULL)
		(*ask)->cb = NULL;
	*ask = NULL;
}

void
memory_note(struct auth *a, const struct memory_claim *claim, bool cluster_too)
{
	int64_t time = settings_auth(settings_current(a->settings), STR_NONE)->cache_time;
	unsigned char mac[KEY_BYTES];
	char key[OK_KEY_MAX], lifetime[24];

	if (time == 0)
		return;
	memory_add(a, claim, time);
	if (!cluster_too || a->secret == NULL || !secret_is_given(a->secret))
		return;
	memory_mac(a, claim, true, mac);
	snprintf(lifetime, sizeof(lifetime), "%lld", (long long)time);
	redis_call_key(a->redis, NULL, NULL, "SET", memory_key(claim->address, key), 3,
		       (const struct str[]){str_of((const char *)mac, sizeof(mac)), STR("PX"), str_c(lifetime)});
}
