#include "lib/redis/keys.h"

#include <string.h>

#include "lib/base/check.h"

#define KEYS_PATTERN(ident, pattern, type, lifetime, dies, writer, what) [KEY_##ident] = pattern,
static const char *const keys_patterns[REDIS_KEY_COUNT] = {REDIS_KEYS(KEYS_PATTERN)};

const char *
redis_key_pattern(enum redis_key key)
{
	CHECK(key < REDIS_KEY_COUNT);
	return keys_patterns[key];
}

struct str
redis_key_print_of(char *out, size_t size, enum redis_key key, const struct str *parts, size_t count)
{
	size_t len = 0, used = 0;

	for (const char *at = redis_key_pattern(key); *at != '\0';) {
		const char *part = strchrnul(at, '<');
		struct str piece = str_of(at, (size_t)(part - at));

		at = part;
		if (part[0] == '<' && piece.len == 0) {
			CHECKF(used < count, "key '%s'", redis_key_pattern(key));
			piece = parts[used++];
			at = strchr(part, '>') + 1;
		}
		CHECKF(len + piece.len < size, "key '%s'", redis_key_pattern(key));
		if (piece.len != 0)
			memcpy(out + len, piece.p, piece.len);
		len += piece.len;
	}
	CHECKF(used == count, "key '%s'", redis_key_pattern(key));
	out[len] = '\0';
	return str_of(out, len);
}

struct str
redis_key_of(struct arena *arena, enum redis_key key, const struct str *parts, size_t count)
{
	size_t size = strlen(redis_key_pattern(key)) + 1;

	for (size_t i = 0; i < count; i++)
		size += parts[i].len;
	return redis_key_print_of(arena_alloc(arena, size), size, key, parts, count);
}
