/* Claims of accounts that are due. */
#include <stdio.h>

#include "delivery-worker/retrieve/ledger.h"
#include "lib/base/arena.h"
#include "lib/redis/keys.h"

REDIS_SCRIPT(claim_script, "delivery-worker/retrieve/claim.lua");
REDIS_SCRIPT(claim_due_script, "delivery-worker/retrieve/due.lua");
REDIS_SCRIPT(claim_begin_script, "delivery-worker/retrieve/begin.lua");
REDIS_SCRIPT(claim_host_script, "delivery-worker/retrieve/host.lua");

/* A number for the call in hand. */
struct claim_number {
	char text[24];
};

static struct str
claim_print(struct claim_number *n, int64_t value)
{
	snprintf(n->text, sizeof(n->text), "%lld", (long long)value);
	return str_c(n->text);
}

static struct str
claim_due_key(void)
{
	return str_c(redis_key_pattern(KEY_RETRIEVE_DUE));
}

void
claim_due(struct redis *r, unsigned most, redis_on_reply *cb, void *arg)
{
	struct claim_number lease, count;
	struct str key = claim_due_key();

	redis_eval(r, cb, arg, &claim_script, 1, &key, 2,
		   (const struct str[]){claim_print(&lease, RETRIEVE_LEASE_MS), claim_print(&count, most)});
}

static void
claim_call_due(struct redis *r, struct str member, struct str mark, struct str how, struct str at, redis_on_reply *cb,
	       void *arg)
{
	struct str key = claim_due_key();

	redis_eval(r, cb, arg, &claim_due_script, 1, &key, 4, (const struct str[]){member, mark, how, at});
}

void
claim_put_off(struct redis *r, struct str member, struct str mark, int64_t after_ms, redis_on_reply *cb, void *arg)
{
	struct claim_number after;

	claim_call_due(r, member, mark, claim_print(&after, after_ms), STR_NONE, cb, arg);
}

void
claim_put_at(struct redis *r, struct str member, struct str mark, struct str at)
{
	claim_call_due(r, member, mark, STR("at"), at, NULL, NULL);
}

void
claim_remove(struct redis *r, struct str member, struct str mark)
{
	claim_call_due(r, member, mark, STR("gone"), STR_NONE, NULL, NULL);
}

void
claim_begin(struct redis *r, struct str address, struct str id, const char *worker, redis_on_reply *cb, void *arg)
{
	struct arena arena;
	struct claim_number lease;
	struct str keys[4];

	arena_init(&arena);
	keys[0] = redis_key(&arena, KEY_RETRIEVE, address);
	keys[1] = redis_key(&arena, KEY_RETRIEVE_STATUS, address, id);
	keys[2] = redis_key(&arena, KEY_RETRIEVE_FOLDERS, address, id);
	keys[3] = redis_key(&arena, KEY_RETRIEVE_PENDING, address, id);
	redis_eval(r, cb, arg, &claim_begin_script, 4, keys, 3,
		   (const struct str[]){id, str_c(worker), claim_print(&lease, RETRIEVE_LEASE_MS)});
	arena_fini(&arena);
}

static void
claim_call_host(struct redis *r, const char *host, struct str who, int64_t lease_ms, redis_on_reply *cb, void *arg)
{
	struct arena arena;
	struct claim_number lease, most;
	struct str key;

	arena_init(&arena);
	key = redis_key(&arena, KEY_RETRIEVE_HOST, str_c(host));
	redis_eval(r, cb, arg, &claim_host_script, 1, &key, 3,
		   (const struct str[]){who, claim_print(&lease, lease_ms), claim_print(&most, RETRIEVE_HOST_MAX)});
	arena_fini(&arena);
}

void
claim_host(struct redis *r, const char *host, struct str who, redis_on_reply *cb, void *arg)
{
	claim_call_host(r, host, who, RETRIEVE_LEASE_MS, cb, arg);
}

void
claim_host_free(struct redis *r, const char *host, struct str who)
{
	claim_call_host(r, host, who, 0, NULL, NULL);
}
