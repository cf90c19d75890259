/* Sync points as text. The MAC protects against mix-ups and other clients'
 * tokens; the numbers are checked against the folder in any case. */
#include <openssl/crypto.h>
#include <string.h>

#include "lib/base/base64.h"
#include "lib/base/bytes.h"
#include "lib/base/check.h"
#include "lib/sync/sync.h"

/* version u8, kind u8, folder u32, modseq u48, at u32, high u32, low u32,
 * since_day u16, day of issue u16, MAC 8. */
enum { SYNC_VERSION = 1, MAC_AT = 28, MAC_BYTES = 8, WHO_MAX = 1024 };

struct sync_point
sync_point_first(uint32_t folder_id)
{
	return (struct sync_point){.folder_id = folder_id, .low = 1};
}

static void
sync_mac(const struct secret *secret, const char *token, struct str who, char out[MAC_BYTES])
{
	unsigned char mac[SECRET_MAC_BYTES];
	struct buf text = BUF_EMPTY;

	buf_add(&text, token, MAC_AT);
	buf_add_str(&text, who);
	secret_mac(secret, "sync token", buf_str(&text), mac);
	buf_fini(&text);
	memcpy(out, mac, MAC_BYTES);
}

void
sync_seal(const struct secret *secret, const struct sync_point *p, enum sync_kind kind, struct str who, uint16_t day,
	  char out[SYNC_TOKEN_MAX])
{
	char token[SYNC_TOKEN_BYTES];
	struct buf text = BUF_EMPTY;

	token[0] = SYNC_VERSION;
	token[1] = (char)kind;
	bytes_put_u32(token + 2, p->folder_id);
	bytes_put_u48(token + 6, p->modseq);
	bytes_put_u32(token + 12, p->at);
	bytes_put_u32(token + 16, p->high);
	bytes_put_u32(token + 20, p->low);
	bytes_put_u16(token + 24, p->since_day);
	bytes_put_u16(token + 26, day);
	sync_mac(secret, token, who, token + MAC_AT);
	base64url_encode(str_of(token, sizeof(token)), &text);
	CHECK(text.len == SYNC_TOKEN_MAX - 1 && str_copy(buf_str(&text), out, SYNC_TOKEN_MAX));
	buf_fini(&text);
}

static bool
sync_decode(struct str token, char out[SYNC_TOKEN_BYTES])
{
	struct buf bytes = BUF_EMPTY;
	bool ok;

	if (token.len != SYNC_TOKEN_MAX - 1)
		return false;
	ok = base64url_decode(token, &bytes) && bytes.len == SYNC_TOKEN_BYTES;
	if (ok)
		memcpy(out, bytes.data, SYNC_TOKEN_BYTES);
	buf_fini(&bytes);
	return ok;
}

int
sync_open(const struct secret *secret, struct str text, enum sync_kind kind, struct str who, uint16_t oldest_day,
	  struct sync_point *out, struct err *err)
{
	char token[SYNC_TOKEN_BYTES], mac[MAC_BYTES];

	if (!sync_decode(text, token) || token[0] != SYNC_VERSION || token[1] != (char)kind)
		return err_set(err, ERR_INVALID, "this is not a sync token");
	sync_mac(secret, token, who, mac);
	if (CRYPTO_memcmp(mac, token + MAC_AT, MAC_BYTES) != 0)
		return err_set(err, ERR_INVALID, "the sync token does not belong to this client");
	if (bytes_get_u16(token + 26) < oldest_day)
		return err_set(err, ERR_NOT_FOUND, "the sync token is too old");
	*out = (struct sync_point){
		.folder_id = bytes_get_u32(token + 2),
		.modseq = bytes_get_u48(token + 6),
		.at = bytes_get_u32(token + 12),
		.high = bytes_get_u32(token + 16),
		.low = bytes_get_u32(token + 20),
		.since_day = bytes_get_u16(token + 24),
	};
	return 0;
}
