/* Builds keys from the rows of keys_table.h. */
#ifndef SP_REDIS_KEYS_H
#define SP_REDIS_KEYS_H

#include <stddef.h>

#include "lib/base/arena.h"
#include "lib/base/str.h"
#include "lib/redis/keys_table.h"

#define REDIS_KEY_ENUM(ident, pattern, type, lifetime, dies, writer, what) KEY_##ident,
enum redis_key { REDIS_KEYS(REDIS_KEY_ENUM) REDIS_KEY_COUNT };

/* "mail:{<address>}:filed:<day>" */
const char *redis_key_pattern(enum redis_key key);

/* The key, in the arena: redis_key(&arena, KEY_MAIL_LEDGER, address, day). Each
 * part is a struct str; there must be as many as the pattern has. */
#define redis_key(arena, key, ...) \
	redis_key_of((arena), (key), (const struct str[]){__VA_ARGS__}, \
		     sizeof((const struct str[]){__VA_ARGS__}) / sizeof(struct str))
struct str redis_key_of(struct arena *arena, enum redis_key key, const struct str *parts, size_t count);

/* The same into `out`, for parts of limited length; the key must fit. Adds a NUL. */
#define redis_key_print(out, size, key, ...) \
	redis_key_print_of((out), (size), (key), (const struct str[]){__VA_ARGS__}, \
			   sizeof((const struct str[]){__VA_ARGS__}) / sizeof(struct str))
struct str redis_key_print_of(char *out, size_t size, enum redis_key key, const struct str *parts, size_t count);

#endif
