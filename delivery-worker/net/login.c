#include "delivery-worker/net/login.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include "lib/base/base64.h"
#include "lib/base/check.h"
#include "lib/base/mem.h"

#define NONCE_BYTES    18
#define KEY_BYTES      SHA256_DIGEST_LENGTH
#define SALT_MAX       256
#define ITERATIONS_MAX 200000 /* some 50 ms; more would hold up everybody else */

struct mechanism {
	unsigned bit;
	const char *name;
	bool shows_secret;
	bool (*begin)(struct login *l, struct buf *out);
	bool (*answer)(struct login *l, struct str challenge, struct buf *out);
};

struct login {
	const struct mechanism *mechanism;
	char *user, *secret; /* owner */
	unsigned step;
	bool complete;
	char nonce[NONCE_BYTES * 2]; /* base64 */
	struct buf first;	     /* SCRAM: client-first-message-bare */
	struct buf error;	     /* XOAUTH2, OAUTHBEARER: the server's JSON */
	unsigned char server_signature[KEY_BYTES];
};

/* ---- PLAIN and LOGIN ---- */
static bool
login_plain_begin(struct login *l, struct buf *out)
{
	buf_add_byte(out, '\0');
	buf_add_c(out, l->user);
	buf_add_byte(out, '\0');
	buf_add_c(out, l->secret);
	l->complete = true;
	return true;
}

static bool
login_plain_answer(struct login *l, struct str challenge, struct buf *out)
{
	(void)l;
	(void)challenge;
	(void)out;
	return false;
}

static bool
login_begins_not(struct login *l, struct buf *out)
{
	(void)l;
	(void)out;
	return false;
}

/* The text of the challenges differs between servers; their order does not. */
static bool
login_step(struct login *l, struct str challenge, struct buf *out)
{
	(void)challenge;
	if (l->step >= 2)
		return false;
	buf_add_c(out, l->step == 0 ? l->user : l->secret);
	l->complete = ++l->step == 2;
	return true;
}

/* ---- SCRAM ---- */
/* RFC 5802, 5.1; RFC 5801 has the same. */
static void
login_add_saslname(struct buf *out, const char *name)
{
	for (const char *p = name; *p != '\0'; p++) {
		if (*p == '=' || *p == ',')
			buf_add_c(out, *p == '=' ? "=3D" : "=2C");
		else
			buf_add_byte(out, *p);
	}
}

static bool
login_scram_begin(struct login *l, struct buf *out)
{
	unsigned char random[NONCE_BYTES];
	struct buf nonce = BUF_EMPTY;

	CHECK(RAND_bytes(random, sizeof(random)) == 1);
	base64_encode(str_of((const char *)random, sizeof(random)), &nonce);
	str_copy(buf_str(&nonce), l->nonce, sizeof(l->nonce));
	buf_fini(&nonce);
	buf_add_c(&l->first, "n=");
	login_add_saslname(&l->first, l->user);
	buf_printf(&l->first, ",r=%s", l->nonce);
	buf_add_c(out, "n,,");
	buf_add_str(out, buf_str(&l->first));
	return true;
}

static struct str
login_attribute(struct str message, char name)
{
	struct str part, rest = message;

	while (rest.len > 0) {
		str_cut(rest, ',', &part, &rest);
		if (part.len >= 2 && part.p[0] == name && part.p[1] == '=')
			return str_from(part, 2);
	}
	return STR_NONE;
}

static void
login_hmac(const unsigned char key[KEY_BYTES], struct str text, unsigned char out[KEY_BYTES])
{
	unsigned len = KEY_BYTES;

	HMAC(EVP_sha256(), key, KEY_BYTES, (const unsigned char *)text.p, text.len, out, &len);
}

/* Adds the proof to the client's final message, and keeps the signature that the server must send. */
static void
login_scram_prove(struct login *l, struct str salt, unsigned iterations, struct str auth_message, struct buf *out)
{
	unsigned char salted[KEY_BYTES], key[KEY_BYTES], stored[KEY_BYTES], signature[KEY_BYTES];

	CHECK(PKCS5_PBKDF2_HMAC(l->secret, (int)strlen(l->secret), (const unsigned char *)salt.p, (int)salt.len,
				(int)iterations, EVP_sha256(), KEY_BYTES, salted) == 1);
	login_hmac(salted, STR("Server Key"), key);
	login_hmac(key, auth_message, l->server_signature);
	login_hmac(salted, STR("Client Key"), key);
	SHA256(key, KEY_BYTES, stored);
	login_hmac(stored, auth_message, signature);
	for (unsigned i = 0; i < KEY_BYTES; i++)
		key[i] ^= signature[i];
	buf_add_c(out, ",p=");
	base64_encode(str_of((const char *)key, KEY_BYTES), out);
	OPENSSL_cleanse(salted, sizeof(salted));
	OPENSSL_cleanse(key, sizeof(key));
}

static bool
login_scram_final(struct login *l, struct str server_first, struct buf *out)
{
	struct str nonce = login_attribute(server_first, 'r');
	struct buf salt = BUF_EMPTY, auth = BUF_EMPTY;
	size_t start = out->len;
	uint64_t iterations;
	bool good;

	good = str_starts(nonce, str_c(l->nonce)) && nonce.len > strlen(l->nonce) && nonce.len < 512 &&
	       base64_decode(login_attribute(server_first, 's'), &salt) && salt.len > 0 && salt.len <= SALT_MAX &&
	       str_to_u64(login_attribute(server_first, 'i'), &iterations) && iterations > 0 &&
	       iterations <= ITERATIONS_MAX;
	if (good) {
		buf_printf(out, "c=biws,r=%.*s", STR_ARG(nonce));
		buf_add_str(&auth, buf_str(&l->first));
		buf_add_byte(&auth, ',');
		buf_add_str(&auth, server_first);
		buf_add_byte(&auth, ',');
		buf_add_str(&auth, str_from(buf_str(out), start));
		login_scram_prove(l, buf_str(&salt), (unsigned)iterations, buf_str(&auth), out);
	}
	buf_fini(&salt);
	buf_fini(&auth);
	return good;
}

static bool
login_scram_check_server(struct login *l, struct str server_final)
{
	struct buf signature = BUF_EMPTY;
	bool good = base64_decode(login_attribute(server_final, 'v'), &signature) && signature.len == KEY_BYTES &&
		    CRYPTO_memcmp(signature.data, l->server_signature, KEY_BYTES) == 0;

	buf_fini(&signature);
	l->complete = good;
	return good;
}

static bool
login_scram_answer(struct login *l, struct str challenge, struct buf *out)
{
	switch (l->step++) {
	case 0: return login_scram_final(l, challenge, out);
	case 1: return login_scram_check_server(l, challenge);
	default: return false;
	}
}

/* ---- Access tokens ---- */
static bool
login_xoauth2_begin(struct login *l, struct buf *out)
{
	buf_printf(out, "user=%s\001auth=Bearer %s\001\001", l->user, l->secret);
	l->complete = true;
	return true;
}

static bool
login_bearer_begin(struct login *l, struct buf *out)
{
	buf_add_c(out, "n,a=");
	login_add_saslname(out, l->user);
	buf_printf(out, ",\001auth=Bearer %s\001\001", l->secret);
	l->complete = true;
	return true;
}

/* The challenge can only be the reason of a refusal. It is acknowledged, and then the
 * server's refusal comes. An empty one asks for the initial response (the caller's matter). */
static bool
login_keep_error(struct login *l, struct str challenge)
{
	l->complete = false;
	if (l->step++ > 0)
		return false;
	buf_add_str(&l->error, challenge);
	return true;
}

static bool
login_xoauth2_answer(struct login *l, struct str challenge, struct buf *out)
{
	(void)out; /* an empty line */
	return login_keep_error(l, challenge);
}

static bool
login_bearer_answer(struct login *l, struct str challenge, struct buf *out)
{
	buf_add_byte(out, '\001');
	return login_keep_error(l, challenge);
}

/* ---- Choosing ---- */
static const struct mechanism mechanisms[] = {
	/* bit			name		 shows	begin		  answer */
	{SASL_SCRAM_SHA_256, "SCRAM-SHA-256", false, login_scram_begin, login_scram_answer},
	{SASL_PLAIN, "PLAIN", true, login_plain_begin, login_plain_answer},
	{SASL_LOGIN, "LOGIN", true, login_begins_not, login_step},
	{SASL_XOAUTH2, "XOAUTH2", true, login_xoauth2_begin, login_xoauth2_answer},
	{SASL_OAUTHBEARER, "OAUTHBEARER", true, login_bearer_begin, login_bearer_answer},
	{0, NULL, false, NULL, NULL},
};

unsigned
login_read_offered(struct str names)
{
	struct str name;
	unsigned found = 0;

	while (str_next_word(&names, " ", &name)) {
		for (const struct mechanism *m = mechanisms; m->name != NULL; m++)
			if (str_eq_ci(name, str_c(m->name)))
				found |= m->bit;
	}
	return found;
}

struct login *
login_new(unsigned offered, struct str user, struct str secret, bool is_private)
{
	struct login *l;

	CHECK((offered & SASL_WITH_PASSWORD) == 0 || (offered & SASL_WITH_TOKEN) == 0);
	for (const struct mechanism *m = mechanisms; m->name != NULL; m++) {
		if ((offered & m->bit) == 0 || (m->shows_secret && !is_private))
			continue;
		l = mem_new(struct login);
		l->mechanism = m;
		l->user = str_dup(user);
		l->secret = str_dup(secret);
		return l;
	}
	return NULL;
}

void
login_free(struct login **l)
{
	if (*l == NULL)
		return;
	OPENSSL_cleanse((*l)->secret, strlen((*l)->secret));
	mem_free((*l)->user);
	mem_free((*l)->secret);
	buf_fini(&(*l)->first);
	buf_fini(&(*l)->error);
	mem_free(*l);
	*l = NULL;
}

const char *
login_mechanism(const struct login *l)
{
	return l->mechanism->name;
}

bool
login_begin(struct login *l, struct buf *out)
{
	return l->mechanism->begin(l, out);
}

bool
login_answer(struct login *l, struct str challenge, struct buf *out)
{
	return l->mechanism->answer(l, challenge, out);
}

struct str
login_token_error(const struct login *l)
{
	return buf_str(&l->error);
}

bool
login_is_complete(const struct login *l)
{
	return l->complete;
}
