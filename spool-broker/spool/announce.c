/* What this broker tells the others about itself, through the store. */
#include "spool-broker/spool/announce.h"

#include <stdio.h>

#include "lib/base/mem.h"
#include "lib/base/version.h"
#include "lib/bus/names.h"
#include "lib/redis/keys.h"
#include "spool-broker/broker.h"
#include "spool-broker/spool/shards.h"

enum { HINTS_EVERY_MS = 5000, NUMBER_MAX = 24, KEY_MAX = SPOOL_LEASE_MAX + 32 };

REDIS_SCRIPT(announce_script, "spool-broker/spool/announce.lua");

static struct str
announce_number(int64_t number, char out[NUMBER_MAX])
{
	return str_of(out, (size_t)snprintf(out, NUMBER_MAX, "%lld", (long long)number));
}

void
announce_change(struct broker *b)
{
	const struct str publish[] = {STR("PUBLISH"), STR(BUS_BROKERS_CHANNEL), str_c(b->config.id)};

	redis_call(b->config.redis, NULL, NULL, 3, publish);
}

static struct str
announce_key(const struct broker *b, char out[KEY_MAX])
{
	return redis_key_print(out, KEY_MAX, KEY_CLUSTER_BROKER, str_c(b->config.id));
}

/* SADD or SREM of this broker in the set of all. */
static void
announce_member(struct broker *b, const char *verb)
{
	redis_call_key(b->config.redis, NULL, NULL, verb, str_c(redis_key_pattern(KEY_CLUSTER_BROKERS)), 1,
		       (const struct str[]){str_c(b->config.id)});
}

void
announce_tick(struct broker *b)
{
	char key_text[KEY_MAX], life[NUMBER_MAX], version[NUMBER_MAX], least[NUMBER_MAX];
	struct str key = announce_key(b, key_text);
	const struct str args[] = {
		announce_number(BUS_BROKER_EXPIRE_MS, life),
		STR("endpoint"),
		str_c(bus_server_endpoint(b->bus)),
		STR("curve"),
		str_c(bus_server_public_key(b->bus)),
		STR("boot"),
		str_c(b->boot),
		STR("draining"),
		b->draining ? STR("1") : STR("0"),
		STR("bus_version"),
		announce_number(STAGEPOST_BUS_VERSION, version),
		STR("bus_least"),
		announce_number(STAGEPOST_BUS_LEAST, least),
	};

	redis_eval(b->config.redis, NULL, NULL, &announce_script, 1, &key, sizeof(args) / sizeof(args[0]), args);
	announce_member(b, "SADD");
	if (!b->shards->announced && redis_is_connected(b->config.redis)) {
		b->shards->announced = true;
		announce_change(b);
	}
}

void
announce_end(struct broker *b)
{
	char key[KEY_MAX];

	redis_call_key(b->config.redis, NULL, NULL, "DEL", announce_key(b, key), 0, NULL);
	announce_member(b, "SREM");
	announce_change(b);
}

/* ---- The map ---- */
void
announce_shard(const struct shard *s)
{
	struct broker *b = s->broker;
	char number[NUMBER_MAX];

	redis_call_key(b->config.redis, NULL, NULL, "HSET", str_c(redis_key_pattern(KEY_CLUSTER_SHARDS)), 2,
		       (const struct str[]){announce_number(s->number, number), str_c(b->config.id)});
	announce_change(b);
}

void
announce_no_shard(const struct shard *s)
{
	char number[NUMBER_MAX];

	redis_call_key(s->broker->config.redis, NULL, NULL, "HDEL", str_c(redis_key_pattern(KEY_CLUSTER_SHARDS)), 1,
		       (const struct str[]){announce_number(s->number, number)});
}

/* The map, from time to time whole: a lost hint mends itself. */
void
announce_hints(struct broker *b, int64_t now_ms)
{
	struct str *args;
	char(*numbers)[NUMBER_MAX];
	size_t used = 2;

	if (now_ms < b->shards->hints_due_ms || b->shards->count == 0)
		return;
	b->shards->hints_due_ms = now_ms + HINTS_EVERY_MS;
	args = mem_alloc((2 + 2 * (size_t)b->shards->count) * sizeof(*args));
	numbers = mem_alloc(b->shards->count * sizeof(*numbers));
	args[0] = STR("HSET");
	args[1] = str_c(redis_key_pattern(KEY_CLUSTER_SHARDS));
	for (unsigned i = 0; i < b->shards->count; i++) {
		if (!shard_is_held(&b->shards->list[i]))
			continue;
		args[used++] = announce_number(i, numbers[i]);
		args[used++] = str_c(b->config.id);
	}
	if (used > 2)
		redis_call(b->config.redis, NULL, NULL, used, args);
	mem_free(args);
	mem_free(numbers);
}
