/* Sealing with AES-256-GCM. */
#include "lib/secret/seal.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "lib/base/base64.h"
#include "lib/base/check.h"
#include "lib/base/mem.h"

enum { KEY_BYTES = 32, NONCE_BYTES = 12, TAG_BYTES = 16, ID_MAX = 32, KEYS_MAX = 16, PLAIN_MAX = 1 << 20 };

struct seal_key {
	char id[ID_MAX + 1];
	unsigned char bytes[KEY_BYTES];
};

struct secret_keys {
	unsigned count;
	struct seal_key keys[KEYS_MAX]; /* the first one seals */
};

/* Letters, digits, '-' and '_': an id has no dot, because a dot ends it in a sealed text. */
static bool
seal_is_id(struct str id)
{
	for (size_t i = 0; i < id.len; i++) {
		char c = (char)(id.p[i] | 0x20);
		if (!((c >= 'a' && c <= 'z') || (id.p[i] >= '0' && id.p[i] <= '9') || id.p[i] == '-' || id.p[i] == '_'))
			return false;
	}
	return id.len != 0 && id.len <= ID_MAX;
}

static const struct seal_key *
seal_find_key(const struct secret_keys *k, struct str id)
{
	for (unsigned i = 0; i < k->count; i++)
		if (str_eq(str_c(k->keys[i].id), id))
			return &k->keys[i];
	return NULL;
}

static int
seal_add_key(struct secret_keys *k, struct str word, struct err *err)
{
	struct str id, text;
	struct buf bytes = BUF_EMPTY;
	int result = 0;

	str_cut(word, ':', &id, &text);
	if (k->count == KEYS_MAX)
		return err_set(err, ERR_INVALID, "STAGEPOST_SECRET_KEY has more than %d keys", KEYS_MAX);
	if (!seal_is_id(id) || seal_find_key(k, id) != NULL)
		result = err_set(err, ERR_INVALID, "STAGEPOST_SECRET_KEY: key %u has no unique id", k->count + 1);
	else if (!base64_decode(text, &bytes) || bytes.len != KEY_BYTES)
		result = err_set(err, ERR_INVALID, "STAGEPOST_SECRET_KEY: key %u is not %d bytes in base64",
				 k->count + 1, KEY_BYTES);
	if (result == 0 && bytes.data != NULL) {
		struct seal_key *key = &k->keys[k->count++];
		str_copy(id, key->id, sizeof(key->id));
		memcpy(key->bytes, bytes.data, KEY_BYTES);
	}
	if (bytes.data != NULL)
		OPENSSL_cleanse(bytes.data, bytes.len);
	buf_fini(&bytes);
	return result;
}

struct secret_keys *
secret_keys_new(struct str text, struct err *err)
{
	struct secret_keys *k = mem_new(struct secret_keys);
	struct str word;

	while (str_next_word(&text, ", ", &word))
		if (seal_add_key(k, word, err) != 0) {
			secret_keys_free(&k);
			return NULL;
		}
	return k;
}

void
secret_keys_free(struct secret_keys **k)
{
	if (*k == NULL)
		return;
	OPENSSL_cleanse(*k, sizeof(**k));
	mem_free(*k);
	*k = NULL;
}

/* The prefix "v1.<id>." is authenticated by the tag, too. */
static void
seal_start(EVP_CIPHER_CTX *ctx, const struct seal_key *key, const unsigned char *nonce, struct str head,
	   struct str context, int encrypts)
{
	int len;

	CHECK(EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, key->bytes, nonce, encrypts) == 1);
	CHECK(EVP_CipherUpdate(ctx, NULL, &len, (const unsigned char *)head.p, (int)head.len) == 1);
	if (context.len != 0)
		CHECK(EVP_CipherUpdate(ctx, NULL, &len, (const unsigned char *)context.p, (int)context.len) == 1);
}

int
secret_seal(const struct secret_keys *k, struct str context, struct str plain, struct buf *sealed_out, struct err *err)
{
	EVP_CIPHER_CTX *ctx;
	struct buf head = BUF_EMPTY, raw = BUF_EMPTY;
	unsigned char *p;
	int len = 0, rest = 0;

	if (k->count == 0)
		return err_set(err, ERR_DENIED, "there is no key to seal secrets with: set STAGEPOST_SECRET_KEY");
	if (plain.len > PLAIN_MAX || context.len > PLAIN_MAX)
		return err_set(err, ERR_LIMIT, "a secret may have at most %d bytes", PLAIN_MAX);
	ctx = EVP_CIPHER_CTX_new();
	buf_printf(&head, "v1.%s.", k->keys[0].id);
	p = (unsigned char *)buf_reserve(&raw, NONCE_BYTES + plain.len + TAG_BYTES);
	CHECK(ctx != NULL && RAND_bytes(p, NONCE_BYTES) == 1);
	seal_start(ctx, &k->keys[0], p, buf_str(&head), context, 1);
	p += NONCE_BYTES;
	if (plain.len != 0)
		CHECK(EVP_CipherUpdate(ctx, p, &len, (const unsigned char *)plain.p, (int)plain.len) == 1);
	CHECK(EVP_CipherFinal_ex(ctx, p + len, &rest) == 1 && (size_t)(len + rest) == plain.len);
	CHECK(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, p + plain.len) == 1);
	raw.len = NONCE_BYTES + plain.len + TAG_BYTES;
	buf_add_str(sealed_out, buf_str(&head));
	base64_encode(buf_str(&raw), sealed_out);
	EVP_CIPHER_CTX_free(ctx);
	buf_fini(&head);
	buf_fini(&raw);
	return 0;
}

/* raw: nonce, ciphertext, tag. */
static bool
seal_decrypt(const struct seal_key *key, struct str head, struct str context, const struct buf *raw,
	     struct buf *plain_out)
{
	const unsigned char *p = (const unsigned char *)raw->data;
	size_t size = raw->len - NONCE_BYTES - TAG_BYTES;
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	unsigned char *out = (unsigned char *)buf_reserve(plain_out, size + 1), tag[TAG_BYTES];
	int len = 0, rest = 0;
	bool ok;

	CHECK(ctx != NULL);
	seal_start(ctx, key, p, head, context, 0);
	if (size != 0)
		CHECK(EVP_CipherUpdate(ctx, out, &len, p + NONCE_BYTES, (int)size) == 1);
	memcpy(tag, p + NONCE_BYTES + size, TAG_BYTES);
	CHECK(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, tag) == 1);
	ok = EVP_CipherFinal_ex(ctx, out + len, &rest) == 1;
	EVP_CIPHER_CTX_free(ctx);
	if (ok)
		plain_out->len += size;
	else
		OPENSSL_cleanse(out, size);
	/* Even if there was no room before: the result is terminated. */
	out[ok ? size : 0] = '\0';
	return ok;
}

int
secret_open(const struct secret_keys *k, struct str context, struct str sealed, struct buf *plain_out, struct err *err)
{
	struct str version, id, text, rest, head;
	const struct seal_key *key;
	struct buf raw = BUF_EMPTY;
	int result = 0;

	if (!str_cut(sealed, '.', &version, &rest) || !str_eq(version, STR("v1")) || !str_cut(rest, '.', &id, &text))
		return err_set(err, ERR_CORRUPT, "the sealed secret is malformed");
	key = seal_find_key(k, id);
	if (key == NULL)
		return err_set(err, ERR_NOT_FOUND,
			       "the secret is sealed with key '%.*s', which is not in STAGEPOST_SECRET_KEY",
			       (int)(id.len < ID_MAX ? id.len : ID_MAX), id.p);
	head = str_first(sealed, sealed.len - text.len);
	if (context.len > PLAIN_MAX || text.len > 2 * PLAIN_MAX || !base64_decode(text, &raw) ||
	    raw.len < NONCE_BYTES + TAG_BYTES || !seal_decrypt(key, head, context, &raw, plain_out))
		result = err_set(err, ERR_CORRUPT, "the sealed secret is damaged or belongs to something else");
	buf_fini(&raw);
	return result;
}

struct str
secret_key_id(struct str sealed)
{
	struct str version, id, rest;

	return str_cut(sealed, '.', &version, &rest) && str_eq(version, STR("v1")) && str_cut(rest, '.', &id, &rest) &&
			       seal_is_id(id)
		       ? id
		       : STR_NONE;
}

struct str
secret_current_id(const struct secret_keys *k)
{
	return k->count != 0 ? str_c(k->keys[0].id) : STR_NONE;
}

bool
secret_is_current(const struct secret_keys *k, struct str sealed)
{
	return k->count != 0 && str_eq(secret_key_id(sealed), secret_current_id(k));
}
