/* When app passwords and tokens were last used, for whom wonders which can go. Not in
 * the account's record, which every frontend would read again with each login. */
#include <inttypes.h>
#include <stdio.h>

#include "lib/auth/private.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/redis/keys.h"

enum { USED_EVERY_MS = 60 * 1000, USED_KEY_MAX = AUTH_ADDRESS_MAX + 16, USED_MAX = 10000 };

#define USED_KEPT_MS "34560000000" /* 400 days */

REDIS_SCRIPT(auth_used, "lib/auth/used.lua");

/* Written not long ago. */
struct used_credential {
	char id[CREDENTIAL_ID_MAX];
	int64_t written_ms; /* monotonic */
	UT_hash_handle hh;  /* by id, oldest first */
};

static void
used_drop(struct auth *a, struct used_credential *u)
{
	HASH_DEL(a->used, u);
	mem_free(u);
}

/* False: it was written less than a minute ago. */
static bool
used_is_due(struct auth *a, const char *credential)
{
	struct used_credential *u;

	HASH_FIND_STR(a->used, credential, u);
	if (u != NULL && clock_monotonic_ms() < u->written_ms + USED_EVERY_MS)
		return false;
	if (u != NULL)
		used_drop(a, u);
	else if (HASH_COUNT(a->used) >= USED_MAX)
		used_drop(a, a->used);
	u = mem_new(struct used_credential);
	str_copy(str_c(credential), u->id, sizeof(u->id));
	u->written_ms = clock_monotonic_ms();
	HASH_ADD_STR(a->used, id, u);
	return true;
}

void
used_note(struct auth *a, const char *address, const struct credential *c)
{
	char used_key[USED_KEY_MAX], user_key[USED_KEY_MAX], now[24];
	struct str keys[2], args[4];

	if (!used_is_due(a, c->id))
		return;
	snprintf(now, sizeof(now), "%" PRId64, clock_unix_ms());
	args[0] = credential_prefix(c->kind);
	args[1] = str_c(c->id);
	args[2] = str_c(now);
	args[3] = STR(USED_KEPT_MS);
	keys[0] = redis_key_print(used_key, sizeof(used_key), KEY_AUTH_USED, str_c(address));
	keys[1] = redis_key_print(user_key, sizeof(user_key), KEY_USER, str_c(address));
	redis_eval(a->redis, NULL, NULL, &auth_used, 2, keys, 4, args);
}

void
used_free(struct auth *a)
{
	struct used_credential *u, *next;

	HASH_ITER (hh, a->used, u, next)
		used_drop(a, u);
}
