#include "lib/auth/totp.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#include "lib/auth/credential.h"
#include "lib/base/check.h"

enum { STEP_MS = 30000, SKEW_STEPS = 1, DIGITS = 6, DIGITS_MODULUS = 1000000, RECOVERY_CHARACTERS = 16, GROUP = 4 };

static const char totp_base32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

void
totp_make(char out[TOTP_SECRET_MAX])
{
	unsigned char bytes[TOTP_SECRET_MAX - 1];

	CHECK(RAND_bytes(bytes, sizeof(bytes)) == 1);
	for (size_t i = 0; i < sizeof(bytes); i++)
		out[i] = totp_base32[bytes[i] % 32];
	out[TOTP_SECRET_MAX - 1] = '\0';
	OPENSSL_cleanse(bytes, sizeof(bytes));
}

/* Of 32 characters; false: it is none. */
static bool
totp_decode(struct str secret, unsigned char out[TOTP_SECRET_BYTES])
{
	uint64_t bits = 0;
	unsigned count = 0, used = 0;

	if (secret.len != TOTP_SECRET_MAX - 1)
		return false;
	for (size_t i = 0; i < secret.len; i++) {
		const char *at = strchr(totp_base32, secret.p[i]);
		if (at == NULL || *at == '\0')
			return false;
		bits = bits << 5 | (uint64_t)(at - totp_base32);
		count += 5;
		if (count >= 8) {
			count -= 8;
			out[used++] = (unsigned char)(bits >> count);
		}
	}
	return used == TOTP_SECRET_BYTES;
}

/* RFC 4226, 5.3 */
static void
totp_code(const unsigned char key[TOTP_SECRET_BYTES], int64_t step, char out[DIGITS + 1])
{
	unsigned char counter[8], mac[EVP_MAX_MD_SIZE];
	unsigned len = 0, at;
	uint32_t number;

	for (unsigned i = 0; i < sizeof(counter); i++)
		counter[i] = (unsigned char)((uint64_t)step >> (56 - 8 * i));
	HMAC(EVP_sha1(), key, TOTP_SECRET_BYTES, counter, sizeof(counter), mac, &len);
	CHECK(len == 20);
	at = mac[19] & 15u;
	number = (uint32_t)(mac[at] & 127u) << 24 | (uint32_t)mac[at + 1] << 16 | (uint32_t)mac[at + 2] << 8 |
		 mac[at + 3];
	snprintf(out, DIGITS + 1, "%06u", number % DIGITS_MODULUS);
}

bool
totp_fits(struct str secret, struct str code, int64_t now_ms, int64_t *step_out)
{
	unsigned char key[TOTP_SECRET_BYTES];
	char right[DIGITS + 1];
	int64_t now = now_ms / STEP_MS;
	bool fits = false;

	if (code.len != DIGITS || !totp_decode(secret, key))
		return false;
	for (int64_t step = now - SKEW_STEPS; step <= now + SKEW_STEPS; step++) {
		totp_code(key, step, right);
		if (CRYPTO_memcmp(right, code.p, DIGITS) == 0) {
			fits = true;
			*step_out = step;
		}
	}
	OPENSSL_cleanse(key, sizeof(key));
	return fits;
}

/* Everything but letters and digits is escaped. */
void
totp_uri(struct str secret, struct str address, struct buf *out)
{
	buf_add_c(out, "otpauth://totp/Stagepost:");
	for (size_t i = 0; i < address.len; i++) {
		unsigned char c = (unsigned char)address.p[i];
		if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '-')
			buf_add_byte(out, (char)c);
		else
			buf_printf(out, "%%%02X", c);
	}
	buf_printf(out, "?secret=%.*s&issuer=Stagepost", STR_ARG(secret));
}

/* ---- Recovery codes ---- */

void
totp_make_recovery(char out[TOTP_RECOVERY_MAX])
{
	char plain[RECOVERY_CHARACTERS + 1];
	unsigned used = 0;

	credential_random(plain, RECOVERY_CHARACTERS);
	for (unsigned i = 0; i < RECOVERY_CHARACTERS; i++) {
		if (i != 0 && i % GROUP == 0)
			out[used++] = '-';
		out[used++] = plain[i];
	}
	out[used] = '\0';
}

bool
totp_hash_recovery(struct str code, char *out)
{
	char plain[RECOVERY_CHARACTERS + 1];
	size_t used = 0;

	for (size_t i = 0; i < code.len; i++) {
		if (code.p[i] == '-' || code.p[i] == ' ')
			continue;
		if (used == RECOVERY_CHARACTERS)
			return false;
		plain[used++] = code.p[i];
	}
	plain[used] = '\0';
	str_lower(plain, used);
	credential_hash(str_c(plain), out);
	return used == RECOVERY_CHARACTERS;
}
