/* Brokers as peers: found by their announcements, watched by pings. */
#include "lib/bus/client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <zmq.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/lookup.h"
#include "lib/base/mem.h"
#include "lib/base/version.h"
#include "lib/bus/client_private.h"
#include "lib/bus/frame.h"
#include "lib/bus/names.h"
#include "lib/redis/keys.h"

enum {
	POLL_MS = 1000,
	REFRESH_GAP_MS = 30,
	PING_MS = 500,
	FIRST_PING_MS = 4,    /* until a new peer has answered: */
	FIRST_PINGS_MS = 100, /* but only for this long, */
	NEXT_PING_MS = 50,    /* then less often */
	SUSPECT_MS = 2500,    /* silent: gets no new messages */
	LOST_MS = 5000,	      /* silent: given up */
};

static void
client_schedule(struct event *timer, int64_t ms)
{
	struct timeval tv = clock_timeval(ms);
	event_add(timer, &tv);
}

static uint64_t
random_u64(void)
{
	uint64_t v;
	CHECK(getrandom(&v, sizeof(v), 0) == (ssize_t)sizeof(v));
	return v;
}

/* ---- Which shards are open ---- */
static bool
is_open(const struct bus_peer *p, int64_t now_ms)
{
	return p->is_heard && !p->draining && now_ms - p->heard_ms < SUSPECT_MS;
}

static void
find_open_shards(struct bus_client *b)
{
	int64_t now_ms = clock_monotonic_ms();

	b->open_count = 0;
	for (unsigned i = 0; i < SPOOL_SHARDS_MAX; i++)
		if (b->owners[i] != NULL && is_open(b->owners[i], now_ms))
			b->open_shards[b->open_count++] = (uint16_t)i;
	if (b->hand_overs != NULL)
		hand_over_retry(b);
}

bool
bus_client_is_ready(const struct bus_client *b)
{
	return b->open_count != 0;
}

int
bus_client_pick_shard(struct bus_client *b)
{
	if (b->open_count == 0)
		return -1;
	return b->open_shards[b->next_open++ % b->open_count];
}

struct bus_peer *
bus_client_owner(struct bus_client *b, unsigned shard)
{
	struct bus_peer *p = shard < SPOOL_SHARDS_MAX ? b->owners[shard] : NULL;
	return p != NULL && p->is_heard ? p : NULL;
}

struct bus_peer *
bus_client_open_owner(struct bus_client *b, unsigned shard)
{
	struct bus_peer *p = bus_client_owner(b, shard);
	return p != NULL && is_open(p, clock_monotonic_ms()) ? p : NULL;
}

/* ---- Peers ---- */
const char *
bus_peer_id(const struct bus_peer *p)
{
	return p->id;
}

static void
drop_peer(struct bus_client *b, struct bus_peer *p, const char *why)
{
	log_info(NULL, "broker lost", F_C("broker", p->id), F_C("reason", why));
	DL_DELETE(b->peers, p);
	for (unsigned i = 0; i < SPOOL_SHARDS_MAX; i++)
		if (b->owners[i] == p)
			b->owners[i] = NULL;
	hand_over_peer_lost(b, p);
	if (p->is_heard && b->events.on_peer_lost != NULL)
		b->events.on_peer_lost(b->events_arg, p);
	lookup_cancel(&p->lookup);
	bus_socket_free(&p->socket);
	mem_free(p);
}

static void
on_pong(struct bus_client *b, struct bus_peer *p, const Stagepost__Pong *pong)
{
	bool changed = !p->is_heard || p->draining != pong->draining;

	p->draining = pong->draining;
	if (!p->is_heard) {
		p->is_heard = true;
		log_info(NULL, "connected to broker", F_C("broker", p->id), F_C("endpoint", p->endpoint));
		if (b->events.on_peer != NULL)
			b->events.on_peer(b->events_arg, p);
	}
	if (changed)
		find_open_shards(b);
}

static void
client_on_message(void *arg, struct str from, struct str payload)
{
	struct bus_peer *p = arg;
	struct bus_client *b = p->client;
	int64_t now_ms = clock_monotonic_ms();
	bool was_suspect = now_ms - p->heard_ms >= SUSPECT_MS;
	struct err err;
	Stagepost__Frame *frame = bus_frame_unpack(payload, &b->arena, &err);

	(void)from;
	p->heard_ms = now_ms;
	if (frame == NULL)
		log_warning(NULL, "bus frame dropped", F_C("broker", p->id), F_ERR(&err));
	else if (frame->body_case == STAGEPOST__FRAME__BODY_PONG)
		on_pong(b, p, frame->pong);
	else if (frame->body_case == STAGEPOST__FRAME__BODY_HAND_OVER_REPLY)
		hand_over_on_reply(b, frame);
	else if (b->events.on_frame != NULL)
		b->events.on_frame(b->events_arg, p, frame);
	if (was_suspect && p->is_heard)
		find_open_shards(b);
	arena_reset(&b->arena);
}

static void
send_ping(struct bus_client *b, struct bus_peer *p)
{
	Stagepost__Frame frame = STAGEPOST__FRAME__INIT;
	Stagepost__Ping ping = STAGEPOST__PING__INIT;

	ping.sent_ms = (uint64_t)clock_unix_ms();
	frame.body_case = STAGEPOST__FRAME__BODY_PING;
	frame.ping = &ping;
	bus_send(b, p, &frame, NULL); /* a full queue appears as silence */
}

/* "tcp://name:port": true, with the name. Addresses and other transports need
 * no lookup. */
static bool
peer_host_name(const struct bus_peer *p, char name[BUS_HOST_MAX], struct str *port_out)
{
	struct str rest = str_c(p->endpoint), host;
	ptrdiff_t colon = str_rindex(rest, ':');
	struct ip ip;

	if (!str_starts(rest, STR("tcp://")) || colon < 6)
		return false;
	host = str_from(str_first(rest, (size_t)colon), 6);
	*port_out = str_from(rest, (size_t)colon + 1);
	return host.len != 0 && host.p[0] != '[' && !ip_parse(host, &ip) && str_copy(host, name, BUS_HOST_MAX);
}

static void
on_peer_address(void *arg, const struct ip *addresses, unsigned count, const struct err *err)
{
	struct bus_peer *p = arg;
	const struct ip *chosen;
	char name[BUS_HOST_MAX], address[IP_TEXT_MAX], endpoint[BUS_HOST_MAX + 32];
	struct str port;

	p->lookup = NULL;
	if (err != NULL) {
		drop_peer(p->client, p, err->text); /* it is added again while it is announced */
		return;
	}
	CHECK(peer_host_name(p, name, &port));
	/* If one address does not answer, the next is tried. */
	chosen = &addresses[p->client->next_address++ % count];
	ip_text(chosen, address);
	snprintf(endpoint, sizeof(endpoint), chosen->family == 6 ? "tcp://[%s]:%.*s" : "tcp://%s:%.*s", address,
		 STR_ARG(port));
	if (zmq_connect(p->zmq, endpoint) != 0)
		drop_peer(p->client, p, zmq_strerror(errno));
}

/* ZeroMQ would look up names on its only thread, which would block all peers
 * while a name server is silent. -1: errno. */
static int
peer_reach(struct bus_peer *p)
{
	char name[BUS_HOST_MAX];
	struct str port;

	if (!peer_host_name(p, name, &port))
		return zmq_connect(p->zmq, p->endpoint);
	p->lookup = lookup_start(p->client->base, name, LOST_MS, on_peer_address, p);
	return 0;
}

static void
connect_peer(struct bus_client *b, const char *id, struct str endpoint, struct str boot)
{
	static const struct bus_socket_events events = {.on_message = client_on_message};
	struct bus_peer *p;
	char routing[BUS_NAME_MAX + 24];
	const int on = 1;
	void *zmq;

	if (endpoint.len == 0 || endpoint.len >= sizeof(p->endpoint))
		return;
	p = mem_new(struct bus_peer);
	p->client = b;
	str_copy(str_c(id), p->id, sizeof(p->id));
	str_copy(endpoint, p->endpoint, sizeof(p->endpoint));
	str_copy(boot, p->boot, sizeof(p->boot));
	p->announced = true;
	p->connected_ms = p->heard_ms = clock_monotonic_ms();
	zmq = zmq_socket(b->context, ZMQ_DEALER);
	CHECK(zmq != NULL);
	bus_socket_limit(zmq);
	CHECK(zmq_setsockopt(zmq, ZMQ_IPV6, &on, sizeof(on)) == 0);
	bus_keys_arm_client(&b->keys, zmq);
	snprintf(routing, sizeof(routing), "%s.%08x", b->name, (unsigned)random_u64());
	CHECK(zmq_setsockopt(zmq, ZMQ_ROUTING_ID, routing, strlen(routing)) == 0);
	p->zmq = zmq;
	if (!bus_keys_allow(&b->keys, p->endpoint) || peer_reach(p) != 0) {
		log_error(NULL, "cannot connect to broker", F_C("broker", id), F_C("endpoint", p->endpoint),
			  F_C("error",
			      b->keys.enabled ? zmq_strerror(errno) : "not on loopback, and no STAGEPOST_CLUSTER_KEY"));
		zmq_close(zmq);
		mem_free(p);
		return;
	}
	p->socket = bus_socket_new(b->base, zmq, &events, p);
	DL_APPEND(b->peers, p);
	client_schedule(b->ping, FIRST_PING_MS);
}

int
bus_send(struct bus_client *b, struct bus_peer *p, const Stagepost__Frame *frame, struct err *err)
{
	buf_clear(&b->out);
	bus_frame_pack(frame, &b->out);
	return bus_socket_send(p->socket, STR_NONE, buf_str(&b->out), err);
}

static void
on_ping_timer(evutil_socket_t fd, short what, void *arg)
{
	struct bus_client *b = arg;
	struct bus_peer *p, *next;
	int64_t now_ms = clock_monotonic_ms(), wait_ms = PING_MS;

	(void)fd, (void)what;
	DL_FOREACH_SAFE (b->peers, p, next) {
		if (now_ms - p->heard_ms > LOST_MS) {
			drop_peer(b, p, "does not answer");
			continue;
		}
		send_ping(b, p);
		if (!p->is_heard)
			wait_ms = now_ms - p->connected_ms < FIRST_PINGS_MS ? FIRST_PING_MS : NEXT_PING_MS;
	}
	find_open_shards(b); /* those that fell silent are closed */
	client_schedule(b->ping, wait_ms);
}

/* ---- The announcements ---- */
static bool
reply_is_for_nobody(struct bus_client *b)
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
broker_is_like_us(struct bus_client *b, const char *id, const redisReply *version, const redisReply *least)
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
on_broker(void *arg, const redisReply *reply, const struct err *err)
{
	struct found_broker *found = arg;
	struct bus_client *b = found->client;
	struct str endpoint = STR_NONE, boot = STR_NONE;
	struct bus_peer *p;

	if (reply_is_for_nobody(b)) {
		mem_free(found);
		return;
	}
	if (err != NULL || reply->type != REDIS_REPLY_ARRAY || reply->elements != 4)
		b->refresh_failed = true;
	else if (broker_is_like_us(b, found->id, reply->element[2], reply->element[3])) {
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
		connect_peer(b, found->id, endpoint, boot);
	mem_free(found);
}

/* Finds the newest announced run of a broker, by id. */
static struct bus_peer *
find_peer(struct bus_client *b, struct str id)
{
	struct bus_peer *p;

	DL_FOREACH (b->peers, p)
		if (p->announced && str_eq(str_c(p->id), id))
			return p;
	return NULL;
}

static void
take_map(struct bus_client *b, const redisReply *map)
{
	memset(b->owners, 0, sizeof(b->owners));
	for (size_t i = 0; i + 1 < map->elements; i += 2) {
		uint64_t shard;
		if (str_to_u64(redis_str(map->element[i]), &shard) && shard < SPOOL_SHARDS_MAX)
			b->owners[shard] = find_peer(b, redis_str(map->element[i + 1]));
	}
}

/* The last answer of a refresh. */
static void
on_map(void *arg, const redisReply *reply, const struct err *err)
{
	struct bus_client *b = arg;
	struct bus_peer *p, *next;

	if (reply_is_for_nobody(b))
		return;
	b->refreshing = false;
	/* If the store does not answer, the known map is kept: pings show who
	 * is gone. */
	if (err == NULL && reply->type == REDIS_REPLY_ARRAY && !b->refresh_failed) {
		DL_FOREACH_SAFE (b->peers, p, next)
			if (!p->announced)
				drop_peer(b, p, "not announced any more");
		take_map(b, reply);
		find_open_shards(b);
		if (!b->refresh_unlike)
			log_trouble_over(&b->unlike, NULL, "the versions of all brokers are compatible again",
					 F_C("name", b->name));
	}
	client_schedule(b->poll, b->refresh_again ? REFRESH_GAP_MS : POLL_MS);
	b->refresh_again = false;
}

static void
ask_broker(struct bus_client *b, struct str id)
{
	struct found_broker *found = mem_new(struct found_broker);
	char key[sizeof(found->id) + 32];

	found->client = b;
	str_copy(id, found->id, sizeof(found->id));
	b->replies_due++;
	redis_call_key(b->redis, on_broker, found, "HMGET",
		       redis_key_print(key, sizeof(key), KEY_CLUSTER_BROKER, str_c(found->id)), 4,
		       (const struct str[]){STR("endpoint"), STR("boot"), STR("bus_version"), STR("bus_least")});
}

static void
on_brokers(void *arg, const redisReply *reply, const struct err *err)
{
	struct bus_client *b = arg;
	struct bus_peer *p;

	if (reply_is_for_nobody(b))
		return;
	b->refresh_failed = err != NULL || reply->type != REDIS_REPLY_ARRAY;
	b->refresh_unlike = false;
	DL_FOREACH (b->peers, p)
		p->announced = false;
	for (size_t i = 0; !b->refresh_failed && i < reply->elements; i++)
		ask_broker(b, redis_str(reply->element[i]));
	b->replies_due++;
	redis_call_key(b->redis, on_map, b, "HGETALL", str_c(redis_key_pattern(KEY_CLUSTER_SHARDS)), 0, NULL);
}

static void
on_poll_timer(evutil_socket_t fd, short what, void *arg)
{
	struct bus_client *b = arg;

	(void)fd, (void)what;
	if (b->refreshing)
		return;
	b->refreshing = true;
	b->replies_due++;
	redis_call_key(b->redis, on_brokers, b, "SMEMBERS", str_c(redis_key_pattern(KEY_CLUSTER_BROKERS)), 0, NULL);
}

void
bus_client_refresh(struct bus_client *b)
{
	if (b->refreshing)
		b->refresh_again = true;
	else
		client_schedule(b->poll, REFRESH_GAP_MS);
}

static void
on_notice(void *arg, struct str channel, struct str payload)
{
	(void)channel, (void)payload;
	bus_client_refresh(arg);
}

static void
client_on_notices_lost(void *arg)
{
	bus_client_refresh(arg);
}

/* ---- Life ---- */
struct bus_client *
bus_client_new(struct event_base *base, struct redis *r, struct tracking *t, const char *name, struct err *err)
{
	struct bus_client *b = mem_new(struct bus_client);

	if (bus_keys_from_env(&b->keys, err) != 0) {
		mem_free(b);
		return NULL;
	}
	b->base = base;
	b->redis = r;
	str_copy(str_c(name), b->name, sizeof(b->name));
	b->context = zmq_ctx_new();
	CHECK(b->context != NULL);
	arena_init(&b->arena);
	b->next_open = (unsigned)random_u64();
	b->next_request = random_u64() | 1;
	b->poll = evtimer_new(base, on_poll_timer, b);
	b->ping = evtimer_new(base, on_ping_timer, b);
	b->hand_over_tick = evtimer_new(base, hand_over_on_tick, b);
	CHECK(b->poll != NULL && b->ping != NULL && b->hand_over_tick != NULL);
	if (t != NULL)
		b->subscription = tracking_subscribe(t, STR(BUS_BROKERS_CHANNEL), on_notice, client_on_notices_lost, b);
	client_schedule(b->poll, 0);
	client_schedule(b->ping, PING_MS);
	return b;
}

void
bus_client_watch(struct bus_client *b, const struct bus_events *events, void *arg)
{
	struct bus_peer *p;

	b->events = *events;
	b->events_arg = arg;
	DL_FOREACH (b->peers, p)
		if (p->is_heard && events->on_peer != NULL)
			events->on_peer(arg, p);
}

void
bus_client_free(struct bus_client **client)
{
	struct bus_client *b = *client;
	struct bus_peer *p, *next;

	*client = NULL;
	if (b == NULL)
		return;
	b->events = (struct bus_events){NULL, NULL, NULL};
	hand_over_end_all(b);
	DL_FOREACH_SAFE (b->peers, p, next) {
		lookup_cancel(&p->lookup);
		bus_socket_free(&p->socket);
		mem_free(p);
	}
	if (b->subscription != NULL)
		tracking_unsubscribe(&b->subscription);
	event_free(b->poll);
	event_free(b->ping);
	event_free(b->hand_over_tick);
	zmq_ctx_term(b->context);
	arena_fini(&b->arena);
	buf_fini(&b->out);
	b->closing = true;
	if (b->replies_due == 0)
		mem_free(b);
}
