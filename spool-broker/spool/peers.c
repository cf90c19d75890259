/* The other brokers: how many there are, and how many come before this one. */
#include "spool-broker/spool/peers.h"

#include <string.h>

#include "lib/base/mem.h"
#include "lib/redis/keys.h"
#include "spool-broker/broker.h"
#include "spool-broker/spool/shards.h"

struct look {
	struct broker *broker; /* borrowed */
	unsigned due;	       /* answers */
	unsigned live, before; /* the others; those of them before this one */
	bool failed;
};

static void
peers_end_look(struct look *l)
{
	struct broker *b = l->broker;

	if (!l->failed) {
		b->brokers = l->live + (b->draining ? 0 : 1);
		if (b->brokers == 0)
			b->brokers = 1;
		b->shards->rank = l->before;
		shards_give_surplus_up(b);
		b->shards->round_left = b->shards->count;
		shards_acquire(b);
		broker_wake(b);
	}
	b->shards->looking = false;
	mem_free(l);
}

struct looked_at {
	struct look *look; /* borrowed */
	char id[SPOOL_LEASE_MAX];
};

static void
peers_on_looked_at(void *arg, const redisReply *reply, const struct err *err)
{
	struct looked_at *at = arg;
	struct look *l = at->look;
	struct broker *b = l->broker;

	if (!op_back(&b->op)) {
		if (--l->due == 0)
			mem_free(l);
		mem_free(at);
		return;
	}
	if (err != NULL)
		l->failed = true;
	else if (reply->type == REDIS_REPLY_NIL)
		redis_call_key(b->config.redis, NULL, NULL, "SREM", str_c(redis_key_pattern(KEY_CLUSTER_BROKERS)), 1,
			       (const struct str[]){str_c(at->id)});
	else if (str_eq(redis_str(reply), STR("0"))) {
		l->live++;
		l->before += strcmp(at->id, b->config.id) < 0;
	}
	mem_free(at);
	if (--l->due == 0)
		peers_end_look(l);
}

static void
peers_on_names(void *arg, const redisReply *reply, const struct err *err)
{
	struct look *l = arg;
	struct broker *b = l->broker;

	if (!op_back(&b->op)) {
		mem_free(l);
		return;
	}
	l->failed = err != NULL || reply->type != REDIS_REPLY_ARRAY;
	for (size_t i = 0; !l->failed && i < reply->elements; i++) {
		struct str id = redis_str(reply->element[i]);
		struct looked_at *at;
		char key[SPOOL_LEASE_MAX + 32];
		if (id.len == 0 || id.len >= SPOOL_LEASE_MAX || str_eq(id, str_c(b->config.id)))
			continue;
		at = mem_new(struct looked_at);
		at->look = l;
		str_copy(id, at->id, sizeof(at->id));
		l->due++;
		op_hold(&b->op);
		redis_call_key(b->config.redis, peers_on_looked_at, at, "HGET",
			       redis_key_print(key, sizeof(key), KEY_CLUSTER_BROKER, id), 1,
			       (const struct str[]){STR("draining")});
	}
	if (l->due == 0)
		peers_end_look(l);
}

void
peers_look(struct broker *b)
{
	if (!b->shards->looking && b->shards->count != 0) {
		struct look *l = mem_new(struct look);
		l->broker = b;
		b->shards->looking = true;
		op_hold(&b->op);
		redis_call_key(b->config.redis, peers_on_names, l, "SMEMBERS",
			       str_c(redis_key_pattern(KEY_CLUSTER_BROKERS)), 0, NULL);
	}
}
