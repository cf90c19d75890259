#include "lib/auth/credential.h"

#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/base64.h"
#include "lib/base/buf.h"
#include "lib/base/check.h"

#define TOKEN_START "stp."

enum { APP_CHARACTERS = 20, APP_GROUP = 4, TOKEN_CHARACTERS = 40, ID_CHARACTERS = 8, SECRET_LONGEST = 100 };

struct str
credential_prefix(enum credential_kind kind)
{
	return kind == CREDENTIAL_APP ? STR("app:") : STR("token:");
}

void
credential_hash(struct str text, char out[CREDENTIAL_HASH_MAX])
{
	unsigned char digest[SHA256_DIGEST_LENGTH];

	SHA256((const unsigned char *)(text.p != NULL ? text.p : ""), text.len, digest);
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

void
credential_random(char *out, unsigned count)
{
	static const char letters[] = "abcdefghjkmnpqrstvwxyz0123456789";
	unsigned char bytes[SECRET_LONGEST];

	CHECK(count <= sizeof(bytes) && RAND_bytes(bytes, (int)count) == 1);
	for (unsigned i = 0; i < count; i++)
		out[i] = letters[bytes[i] % 32];
	out[count] = '\0';
	OPENSSL_cleanse(bytes, sizeof(bytes));
}

/* ---- In the record ---- */

bool
credential_parse(const struct directory_credential *field, enum credential_kind kind, struct credential *out)
{
	struct str prefix = credential_prefix(kind), name = str_c(field->field), rest = str_c(field->value);
	struct str hash, created, ends, role;

	*out = (struct credential){.kind = kind};
	return str_starts(name, prefix) && str_copy(str_from(name, prefix.len), out->id, sizeof(out->id)) &&
	       str_cut(rest, ' ', &hash, &rest) && str_copy(hash, out->hash, sizeof(out->hash)) &&
	       str_cut(rest, ' ', &created, &rest) && str_to_i64(created, &out->created_ms) &&
	       str_cut(rest, ' ', &ends, &rest) && str_to_i64(ends, &out->ends_ms) &&
	       str_cut(rest, ' ', &role, &rest) && str_copy(role, out->role, sizeof(out->role)) &&
	       str_copy(rest, out->name, sizeof(out->name));
}

void
credential_print(const struct credential *c, struct buf *out)
{
	buf_printf(out, "%s %" PRId64 " %" PRId64 " %s %s", c->hash, c->created_ms, c->ends_ms,
		   c->role[0] != '\0' ? c->role : "-", c->name);
}

static bool
credential_is_valid(const struct credential *c, int64_t now_ms)
{
	return c->ends_ms == 0 || now_ms < c->ends_ms;
}

bool
credential_get(const struct directory_user *user, enum credential_kind kind, const char *id, int64_t now_ms,
	       struct credential *out)
{
	for (unsigned i = 0; i < user->credential_count; i++)
		if (credential_parse(&user->credentials[i], kind, out) && strcmp(out->id, id) == 0)
			return credential_is_valid(out, now_ms);
	return false;
}

/* As a person may have typed it. False: too long for one. */
static bool
credential_normalise(enum credential_kind kind, struct str secret, char out[SECRET_LONGEST + 1])
{
	size_t used = 0;

	if (secret.len > SECRET_LONGEST)
		return false;
	for (size_t i = 0; i < secret.len; i++)
		if (kind != CREDENTIAL_APP || (secret.p[i] != '-' && secret.p[i] != ' '))
			out[used++] = secret.p[i];
	out[used] = '\0';
	if (kind == CREDENTIAL_APP)
		str_lower(out, used);
	return used == (kind == CREDENTIAL_APP ? APP_CHARACTERS : TOKEN_CHARACTERS);
}

bool
credential_find(const struct directory_user *user, enum credential_kind kind, struct str secret, int64_t now_ms,
		struct credential *out)
{
	char plain[SECRET_LONGEST + 1], hash[CREDENTIAL_HASH_MAX];
	bool found = false;

	if (user->credential_count == 0 || !credential_normalise(kind, secret, plain))
		return false;
	credential_hash(str_c(plain), hash);
	for (unsigned i = 0; !found && i < user->credential_count; i++)
		found = credential_parse(&user->credentials[i], kind, out) && strlen(out->hash) == strlen(hash) &&
			CRYPTO_memcmp(out->hash, hash, strlen(hash)) == 0 && credential_is_valid(out, now_ms);
	OPENSSL_cleanse(plain, sizeof(plain));
	return found;
}

/* ---- Making ---- */

static void
credential_make_token(struct credential *c, struct str address, char text_out[CREDENTIAL_TEXT_MAX])
{
	char secret[TOKEN_CHARACTERS + 1];
	struct buf text = BUF_EMPTY;

	credential_random(secret, TOKEN_CHARACTERS);
	credential_hash(str_c(secret), c->hash);
	buf_add_c(&text, TOKEN_START);
	base64url_encode(address, &text);
	buf_printf(&text, ".%s", secret);
	CHECK(str_copy(buf_str(&text), text_out, CREDENTIAL_TEXT_MAX));
	OPENSSL_cleanse(text.data, text.len);
	OPENSSL_cleanse(secret, sizeof(secret));
	buf_fini(&text);
}

static void
credential_make_app(struct credential *c, char text_out[CREDENTIAL_TEXT_MAX])
{
	char secret[APP_CHARACTERS + 1];
	unsigned used = 0;

	credential_random(secret, APP_CHARACTERS);
	credential_hash(str_c(secret), c->hash);
	for (unsigned i = 0; i < APP_CHARACTERS; i++) {
		if (i != 0 && i % APP_GROUP == 0)
			text_out[used++] = '-';
		text_out[used++] = secret[i];
	}
	text_out[used] = '\0';
	OPENSSL_cleanse(secret, sizeof(secret));
}

void
credential_make(struct credential *c, struct str address, char text_out[CREDENTIAL_TEXT_MAX])
{
	_Static_assert(sizeof(TOKEN_START) + (DIRECTORY_ADDRESS_MAX + 2) / 3 * 4 + 1 + TOKEN_CHARACTERS <
			       CREDENTIAL_TEXT_MAX,
		       "any token fits");
	credential_random(c->id, ID_CHARACTERS);
	if (c->kind == CREDENTIAL_APP)
		credential_make_app(c, text_out);
	else
		credential_make_token(c, address, text_out);
}

bool
credential_split_token(struct str token, char address_out[DIRECTORY_ADDRESS_MAX], struct str *secret_out)
{
	struct str address;
	struct buf text = BUF_EMPTY;
	bool good = token.len < CREDENTIAL_TEXT_MAX && str_starts(token, STR(TOKEN_START)) &&
		    str_cut(str_from(token, sizeof(TOKEN_START) - 1), '.', &address, secret_out) &&
		    base64url_decode(address, &text) && directory_canonical_address(buf_str(&text), address_out);

	buf_fini(&text);
	return good;
}
