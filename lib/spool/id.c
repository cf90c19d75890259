/* Spool ids: a number of 100 bits, most significant digit first, so that their
 * text order is the order of time. */
#include "lib/spool/id.h"

#include <openssl/sha.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"

enum { RANDOM_BYTES = 5, RANDOM_IDS = 50, DIGIT_BITS = 5 };

static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";

static int
digit_value(char c)
{
	const char *at = c != '\0' ? strchr(digits, c) : NULL;
	return at != NULL ? (int)(at - digits) : -1;
}

static void
write_id(int64_t unix_ms, unsigned shard, const uint8_t random[RANDOM_BYTES], char out[SPOOL_ID_MAX])
{
	unsigned __int128 n = (uint64_t)unix_ms & 0xffffffffffffu;

	CHECKF(shard < SPOOL_SHARDS_MAX, "shard %u", shard);
	n = n << 12 | shard;
	for (unsigned i = 0; i < RANDOM_BYTES; i++)
		n = n << 8 | random[i];
	for (unsigned i = SPOOL_ID_LEN; i-- > 0; n >>= DIGIT_BITS)
		out[i] = digits[(unsigned)n & 31];
	out[SPOOL_ID_LEN] = '\0';
}

/* Taken many at a time, per thread. None is used twice, not even by a forked
 * child, since two messages with one id would be taken for the same. */
static const uint8_t *
take_random(void)
{
	static _Thread_local uint8_t pool[RANDOM_IDS * RANDOM_BYTES];
	static _Thread_local unsigned left;
	static _Thread_local pid_t owner;

	/* Up to 256 bytes are always returned completely once the pool is ready. */
	if (left == 0 || owner != getpid()) {
		CHECK(getrandom(pool, sizeof(pool), 0) == (ssize_t)sizeof(pool));
		left = RANDOM_IDS;
		owner = getpid();
	}
	return pool + --left * RANDOM_BYTES;
}

void
spool_id_new(unsigned shard, char out[SPOOL_ID_MAX])
{
	write_id(clock_unix_ms(), shard, take_random(), out);
}

void
spool_id_derive(struct str id, const char *purpose, unsigned n, char out[SPOOL_ID_MAX])
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	uint8_t number[4] = {(uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n};
	uint8_t text[SPOOL_ID_LEN + sizeof(number) + 64];
	size_t purpose_len = strlen(purpose);
	unsigned shard;
	int64_t unix_ms;

	CHECKF(spool_id_parse(id, &shard, &unix_ms), "id %.*s", STR_ARG(id));
	CHECKF(purpose_len <= 64, "purpose %s", purpose);
	memcpy(text, id.p, SPOOL_ID_LEN);
	memcpy(text + SPOOL_ID_LEN, number, sizeof(number));
	memcpy(text + SPOOL_ID_LEN + sizeof(number), purpose, purpose_len);
	SHA256(text, SPOOL_ID_LEN + sizeof(number) + purpose_len, digest);
	write_id(unix_ms, shard, digest, out);
}

bool
spool_id_parse(struct str id, unsigned *shard_out, int64_t *unix_ms_out)
{
	unsigned __int128 n = 0;

	if (id.len != SPOOL_ID_LEN)
		return false;
	for (size_t i = 0; i < id.len; i++) {
		int value = digit_value(id.p[i]);
		if (value < 0)
			return false;
		n = n << DIGIT_BITS | (unsigned)value;
	}
	n >>= RANDOM_BYTES * 8;
	if (shard_out != NULL)
		*shard_out = (unsigned)n & (SPOOL_SHARDS_MAX - 1);
	if (unix_ms_out != NULL)
		*unix_ms_out = (int64_t)(uint64_t)(n >> 12);
	return true;
}
