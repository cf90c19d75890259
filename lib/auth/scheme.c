/* Hashed passwords that come from other systems: "{SCHEME}data", as in userPassword
 * of RFC 2307 and in Dovecot's databases. They are checked here; new ones are made by
 * argon2id alone. */
#include <crypt.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "lib/auth/private.h"
#include "lib/base/base64.h"
#include "lib/base/mem.h"

/* What a hash may cost: more would hold a thread for seconds, and a few such accounts would
 * hold all threads. */
enum { SCHEME_ROUNDS_MAX = 1000000, SCHEME_BCRYPT_MAX = 14, SCHEME_SALT_MAX = 64 };
enum { SCHEME_ARGON2_KIB_MAX = 256 * 1024, SCHEME_ARGON2_PASSES_MAX = 20, SCHEME_ARGON2_LANES_MAX = 16 };
/* KiB times passes: about a second. */
#define SCHEME_ARGON2_WORK_MAX (UINT64_C(1024) * 1024)
enum { SCHEME_DES_LEN = 13, SCHEME_BCRYPT_LEN = 60 };

struct scheme {
	const char *name;
	const char *digest; /* of OpenSSL; NULL: crypt(3) */
	bool is_salted;
};

static const struct scheme schemes[] = {
	{"{CRYPT}", NULL, true},       {"{SHA512}", "SHA512", false}, {"{SSHA512}", "SHA512", true},
	{"{SHA256}", "SHA256", false}, {"{SSHA256}", "SHA256", true}, {"{SHA}", "SHA1", false},
	{"{SSHA}", "SHA1", true},      {"{MD5}", "MD5", false},	      {"{SMD5}", "MD5", true},
};

static const struct scheme *
scheme_of(struct str hash, struct str *data_out)
{
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (str_starts_ci(hash, str_c(schemes[i].name))) {
			*data_out = str_from(hash, strlen(schemes[i].name));
			return &schemes[i];
		}
	return NULL;
}

/* ---- crypt(3) ----
 *
 * Only kinds whose cost is read here. libcrypt knows more of them, and some ask for
 * gigabytes or hours in a few characters. */
static bool
scheme_is_rounds_cheap(struct str data)
{
	struct str rest = str_from(data, 3), word;
	uint64_t number;

	if (!str_starts(rest, STR("rounds=")))
		return true;
	return str_cut(str_from(rest, 7), '$', &word, &rest) && str_to_u64(word, &number) &&
	       number <= SCHEME_ROUNDS_MAX;
}

/* $2y$NN$ and 53 characters. */
static bool
scheme_is_bcrypt_cheap(struct str data)
{
	uint64_t number;

	return data.len == SCHEME_BCRYPT_LEN && memchr("abxy", data.p[2], 4) != NULL && data.p[3] == '$' &&
	       data.p[6] == '$' && str_to_u64(str_of(data.p + 4, 2), &number) && number <= SCHEME_BCRYPT_MAX;
}

/* The parameters are a character each: flavour j, the logarithm of N, and r, which is 8 or
 * 32. B is N = 2^14: with this r, 64 MiB. Characters that follow would be further costs. */
static bool
scheme_is_yescrypt_cheap(struct str params)
{
	static const char logarithms[] = "./0123456789AB";

	return params.len > 4 && params.p[0] == 'j' &&
	       memchr(logarithms, params.p[1], sizeof(logarithms) - 1) != NULL &&
	       (params.p[2] == '5' || params.p[2] == 'T') && params.p[3] == '$';
}

static bool
scheme_is_des(struct str data)
{
	static const char letters[] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

	for (size_t i = 0; i < data.len; i++)
		if (memchr(letters, data.p[i], sizeof(letters) - 1) == NULL)
			return false;
	return data.len == SCHEME_DES_LEN;
}

static bool
scheme_crypt_is_cheap(struct str data)
{
	if (str_starts(data, STR("$1$")))
		return true;
	if (str_starts(data, STR("$5$")) || str_starts(data, STR("$6$")))
		return scheme_is_rounds_cheap(data);
	if (str_starts(data, STR("$2")))
		return scheme_is_bcrypt_cheap(data);
	if (str_starts(data, STR("$y$")))
		return scheme_is_yescrypt_cheap(str_from(data, 3));
	if (str_starts(data, STR("$gy$")))
		return scheme_is_yescrypt_cheap(str_from(data, 4));
	return scheme_is_des(data);
}

static bool
scheme_crypt_fits(struct str data, struct str password)
{
	struct crypt_data *room = mem_zalloc(sizeof(*room));
	char *text = str_dup(password), *setting = str_dup(data);
	const char *made = crypt_r(text, setting, room);
	bool fits = made != NULL && made[0] != '*' && strlen(made) == data.len &&
		    CRYPTO_memcmp(made, setting, data.len) == 0;

	OPENSSL_cleanse(text, password.len);
	OPENSSL_cleanse(room, sizeof(*room));
	mem_free(text);
	mem_free(setting);
	mem_free(room);
	return fits;
}

/* ---- Digests: base64 of the digest of password and salt, and the salt ---- */
static bool
scheme_digest_fits(const struct scheme *s, struct str stored, struct str password)
{
	const EVP_MD *digest = EVP_get_digestbyname(s->digest);
	size_t size = digest != NULL ? (size_t)EVP_MD_get_size(digest) : 0;
	unsigned char made[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	bool ok = size != 0 && stored.len >= size && EVP_DigestInit_ex(c, digest, NULL) == 1 &&
		  EVP_DigestUpdate(c, password.p, password.len) == 1 &&
		  EVP_DigestUpdate(c, stored.p + size, stored.len - size) == 1 &&
		  EVP_DigestFinal_ex(c, made, NULL) == 1 && CRYPTO_memcmp(made, stored.p, size) == 0;

	EVP_MD_CTX_free(c);
	return ok;
}

static bool
scheme_digest_decode(const struct scheme *s, struct str data, struct buf *out)
{
	const EVP_MD *digest = EVP_get_digestbyname(s->digest);
	size_t size = digest != NULL ? (size_t)EVP_MD_get_size(digest) : 0;

	return size != 0 && base64_decode(data, out) &&
	       (s->is_salted ? out->len > size && out->len <= size + SCHEME_SALT_MAX : out->len == size);
}

bool
scheme_fits(struct str hash, struct str password)
{
	struct str data;
	const struct scheme *s = scheme_of(hash, &data);
	struct buf stored = BUF_EMPTY;
	bool fits;

	if (s == NULL || str_index(password, '\0') >= 0)
		return false;
	if (s->digest == NULL)
		return scheme_crypt_is_cheap(data) && scheme_crypt_fits(data, password);
	fits = scheme_digest_decode(s, data, &stored) && scheme_digest_fits(s, buf_str(&stored), password);
	buf_fini(&stored);
	return fits;
}

/* ---- What an import accepts ---- */
static bool
scheme_is_readable(struct str hash)
{
	struct str data;
	const struct scheme *s = scheme_of(hash, &data);
	struct buf stored = BUF_EMPTY;
	char *setting;
	bool ok;

	if (s == NULL || data.len == 0)
		return false;
	if (s->digest != NULL) {
		ok = scheme_digest_decode(s, data, &stored);
		buf_fini(&stored);
		return ok;
	}
	setting = str_dup(data);
	/* Whether it is a setting that libcrypt knows, not a locked account ("!", "*"). */
	ok = scheme_crypt_is_cheap(data) && data.len >= SCHEME_DES_LEN &&
	     crypt_checksalt(setting) != CRYPT_SALT_INVALID && str_is_printable_ascii(data);
	mem_free(setting);
	return ok;
}

/* Takes "NAME=NUMBER" and the end character behind it off the text. */
static bool
scheme_take_number(struct str *text, const char *name, char end, uint64_t max, uint64_t *out)
{
	struct str number;

	if (!str_starts(*text, str_c(name)))
		return false;
	*text = str_from(*text, strlen(name));
	return str_cut(*text, end, &number, text) && str_to_u64(number, out) && *out <= max;
}

/* "$argon2id$v=19$m=65536,t=2,p=1$SALT$HASH" */
bool
scheme_argon2_is_readable(const char *text)
{
	struct str rest = str_c(text);
	uint64_t version, memory, passes, lanes;

	return scheme_take_number(&rest, "$argon2id$v=", '$', UINT32_MAX, &version) &&
	       scheme_take_number(&rest, "m=", ',', SCHEME_ARGON2_KIB_MAX, &memory) &&
	       scheme_take_number(&rest, "t=", ',', SCHEME_ARGON2_PASSES_MAX, &passes) &&
	       scheme_take_number(&rest, "p=", '$', SCHEME_ARGON2_LANES_MAX, &lanes) && rest.len > 0 &&
	       memory * passes <= SCHEME_ARGON2_WORK_MAX;
}

bool
scheme_is_supported(const char *verifier)
{
	return verifier[0] == '{' ? scheme_is_readable(str_c(verifier)) : scheme_argon2_is_readable(verifier);
}

bool
auth_is_scram_sha256(struct str text)
{
	struct scram_verifier v;

	return text.len < AUTH_VERIFIER_MAX && scram_verifier_parse(text, &v);
}

bool
auth_read_hash(struct str text, char out[AUTH_VERIFIER_MAX])
{
	static const char *const argon2[] = {"{ARGON2}", "{ARGON2ID}"};

	for (int i = 0; i < 2; i++)
		if (str_starts_ci(text, str_c(argon2[i])))
			text = str_from(text, strlen(argon2[i]));
	if (str_starts(text, STR("$argon2id$")))
		return str_copy(text, out, AUTH_VERIFIER_MAX) && scheme_argon2_is_readable(out);
	if (text.len == 0 || text.len + sizeof("{CRYPT}") > AUTH_VERIFIER_MAX)
		return false;
	/* As in /etc/shadow. */
	strcpy(out, text.p[0] == '$' ? "{CRYPT}" : "");
	strncat(out, text.p, text.len);
	return scheme_is_readable(str_c(out));
}
