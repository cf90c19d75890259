/* The announcements of brokers in the store, and the map of shards: read once a second, and
 * earlier when something has changed. */
#include <string.h>

#include "lib/base/check.h"
#include "lib/base/mem.h"
#include "lib/base/version.h"
#include "lib/bus/client_private.h"
#include "lib/redis/keys.h"

enum { POLL_MS = 1000, REFRESH_GAP_MS = 30 };

static bool
announced_reply_is_for_nobody(struct bus_client *b)
{
	CHECK(b->replies_due != 0);
	b->replies_due--;
	if (!b->closing)
		return false;
	if (b->replies_due == 0)
		mem_free(b);
	return true;
}

struct found_broker {
	struct bus_client *client; /* borrowed */
	char id[BUS_NAME_MAX];
};

/* Is its version compatible? Old brokers do not announce a version. */
static bool
announced_is_like_us(struct bus_client *b, const char *id, const redisReply *version, const redisReply *least)
{
	int64_t its_version = redis_i64(version, 1), its_least = redis_i64(least, 1);

	if (its_version >= STAGEPOST_BUS_LEAST && its_least <= STAGEPOST_BUS_VERSION)
		return true;
	b->refresh_unlike = true;
	if (log_trouble_note(&b->unlike))
		log_error(NULL, "a broker is passed over: its version is not compatible with ours", F_C("broker", id),
			  F_I64("bus_version", its_version), F_I64("bus_least", its_least),
			  F_I64("our_version", STAGEPOST_BUS_VERSION), F_I64("our_least", STAGEPOST_BUS_LEAST));
	return false;
}

static void
announced_on_broker(void *arg, const redisReply *reply, const struct err *err)
{
	struct found_broker *found = arg;
	struct bus_client *b = found->client;
	struct str endpoint = STR_NONE, boot = STR_NONE;
	struct bus_peer *p;

	if (announced_reply_is_for_nobody(b)) {
		mem_free(found);
		return;
	}
	if (err != NULL || reply->type != REDIS_REPLY_ARRAY || reply->elements != 4)
		b->refresh_failed = true;
	else if (announced_is_like_us(b, found->id, reply->element[2], reply->element[3])) {
		endpoint = redis_str(reply->element[0]);
		boot = redis_str(reply->element[1]);
	}
	DL_FOREACH (b->peers, p)
		if (strcmp(p->id, found->id) == 0 && str_eq(str_c(p->endpoint), endpoint) &&
		    str_eq(str_c(p->boot), boot))
			break;
	if (p != NULL)
		p->announced = true;
	else if (endpoint.len != 0)
		bus_peer_connect(b, found->id, endpoint, boot);
	mem_free(found);
}

/* Finds the newest announced run of a broker, by id. */
static struct bus_peer *
announced_find_peer(struct bus_client *b, struct str id)
{
	struct bus_peer *p;

	DL_FOREACH (b->peers, p)
		if (p->announced && str_eq(str_c(p->id), id))
			return p;
	return NULL;
}

static void
announced_take_map(struct bus_client *b, const redisReply *map)
{
	memset(b->owners, 0, sizeof(b->owners));
	for (size_t i = 0; i + 1 < map->elements; i += 2) {
		uint64_t shard;
		if (str_to_u64(redis_str(map->element[i]), &shard) && shard < SPOOL_SHARDS_MAX)
			b->owners[shard] = announced_find_peer(b, redis_str(map->element[i + 1]));
	}
}

/* The last answer of a refresh. */
static void
announced_on_map(void *arg, const redisReply *reply, const struct err *err)
{
	struct bus_client *b = arg;
	struct bus_peer *p, *next;

	if (announced_reply_is_for_nobody(b))
		return;
	b->refreshing = false;
	/* If the store does not answer, the known map is kept: pings show who
	 * is gone. */
	if (err == NULL && reply->type == REDIS_REPLY_ARRAY && !b->refresh_failed) {
		DL_FOREACH_SAFE (b->peers, p, next)
			if (!p->announced)
				bus_peer_drop(b, p, "not announced any more");
		announced_take_map(b, reply);
		bus_client_find_open_shards(b);
		if (!b->refresh_unlike)
			log_trouble_over(&b->unlike, NULL, "the versions of all brokers are compatible again",
					 F_C("name", b->name));
	}
	bus_client_schedule(b->poll, b->refresh_again ? REFRESH_GAP_MS : POLL_MS);
	b->refresh_again = false;
}

static void
announced_ask_broker(struct bus_client *b, struct str id)
{
	struct found_broker *found = mem_new(struct found_broker);
	char key[sizeof(found->id) + 32];

	found->client = b;
	str_copy(id, found->id, sizeof(found->id));
	b->replies_due++;
	redis_call_key(b->redis, announced_on_broker, found, "HMGET",
		       redis_key_print(key, sizeof(key), KEY_CLUSTER_BROKER, str_c(found->id)), 4,
		       (const struct str[]){STR("endpoint"), STR("boot"), STR("bus_version"), STR("bus_least")});
}

static void
announced_on_brokers(void *arg, const redisReply *reply, const struct err *err)
{
	struct bus_client *b = arg;
	struct bus_peer *p;

	if (announced_reply_is_for_nobody(b))
		return;
	b->refresh_failed = err != NULL || reply->type != REDIS_REPLY_ARRAY;
	b->refresh_unlike = false;
	DL_FOREACH (b->peers, p)
		p->announced = false;
	for (size_t i = 0; !b->refresh_failed && i < reply->elements; i++)
		announced_ask_broker(b, redis_str(reply->element[i]));
	b->replies_due++;
	redis_call_key(b->redis, announced_on_map, b, "HGETALL", str_c(redis_key_pattern(KEY_CLUSTER_SHARDS)), 0, NULL);
}

void
bus_announced_on_poll(evutil_socket_t fd, short what, void *arg)
{
	struct bus_client *b = arg;

	(void)fd, (void)what;
	if (b->refreshing)
		return;
	b->refreshing = true;
	b->replies_due++;
	redis_call_key(b->redis, announced_on_brokers, b, "SMEMBERS", str_c(redis_key_pattern(KEY_CLUSTER_BROKERS)), 0,
		       NULL);
}

void
bus_client_refresh(struct bus_client *b)
{
	if (b->refreshing)
		b->refresh_again = true;
	else
		bus_client_schedule(b->poll, REFRESH_GAP_MS);
}

void
bus_announced_on_notice(void *arg, struct str channel, struct str payload)
{
	(void)channel, (void)payload;
	bus_client_refresh(arg);
}

void
bus_announced_on_notices_lost(void *arg)
{
	bus_client_refresh(arg);
}
