/* What this broker tells the others about itself, through the store. */
#include "spool-broker/spool/announce.h"

#include <stdio.h>

#include "lib/base/mem.h"
#include "lib/base/version.h"
#include "lib/bus/names.h"
#include "spool-broker/broker.h"
#include "spool-broker/spool/shards.h"

enum { HINTS_EVERY_MS = 5000 };

void
announce_change(struct broker *b)
{
	redis_callf(b->config.redis, NULL, NULL, "PUBLISH " BUS_BROKERS_CHANNEL " %s", b->config.id);
}

void
announce_tick(struct broker *b)
{
	struct redis *r = b->config.redis;

	redis_callf(r, NULL, NULL,
		    "HSET " BUS_BROKER_KEY "%s endpoint %s curve %s boot %s draining %d bus_version %d bus_least %d",
		    b->config.id, bus_server_endpoint(b->bus), bus_server_public_key(b->bus), b->boot,
		    b->draining ? 1 : 0, STAGEPOST_BUS_VERSION, STAGEPOST_BUS_LEAST);
	redis_callf(r, NULL, NULL, "PEXPIRE " BUS_BROKER_KEY "%s %d", b->config.id, BUS_BROKER_EXPIRE_MS);
	redis_callf(r, NULL, NULL, "SADD " BUS_BROKERS_KEY " %s", b->config.id);
	if (!b->shards->announced && redis_is_connected(r)) {
		b->shards->announced = true;
		announce_change(b);
	}
}

void
announce_end(struct broker *b)
{
	redis_callf(b->config.redis, NULL, NULL, "DEL " BUS_BROKER_KEY "%s", b->config.id);
	redis_callf(b->config.redis, NULL, NULL, "SREM " BUS_BROKERS_KEY " %s", b->config.id);
	announce_change(b);
}

/* The whole map, from time to time: this makes up for a lost hint. */
void
announce_hints(struct broker *b, int64_t now_ms)
{
	struct str *args;
	char(*numbers)[12];
	size_t used = 2;

	if (now_ms < b->shards->hints_due_ms || b->shards->count == 0)
		return;
	b->shards->hints_due_ms = now_ms + HINTS_EVERY_MS;
	args = mem_alloc((2 + 2 * (size_t)b->shards->count) * sizeof(*args));
	numbers = mem_alloc(b->shards->count * sizeof(*numbers));
	args[0] = STR("HSET");
	args[1] = STR(BUS_SHARDS_KEY);
	for (unsigned i = 0; i < b->shards->count; i++) {
		if (!shard_is_held(&b->shards->list[i]))
			continue;
		snprintf(numbers[i], sizeof(numbers[i]), "%u", i);
		args[used++] = str_c(numbers[i]);
		args[used++] = str_c(b->config.id);
	}
	if (used > 2)
		redis_call(b->config.redis, NULL, NULL, used, args);
	mem_free(args);
	mem_free(numbers);
}
