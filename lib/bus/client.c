/* The brokers, as a program sees them: who owns which shard. Found by their announcements
 * (announced.c), watched by pings (peer.c). */
#include "lib/bus/client.h"

#include <sys/random.h>
#include <zmq.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/lookup.h"
#include "lib/base/mem.h"
#include "lib/bus/client_private.h"
#include "lib/bus/names.h"

void
bus_client_schedule(struct event *timer, int64_t ms)
{
	struct timeval tv = clock_timeval(ms);
	event_add(timer, &tv);
}

uint64_t
bus_random_u64(void)
{
	uint64_t v;
	CHECK(getrandom(&v, sizeof(v), 0) == (ssize_t)sizeof(v));
	return v;
}

/* ---- Which shards are open ---- */
void
bus_client_find_open_shards(struct bus_client *b)
{
	int64_t now_ms = clock_monotonic_ms();

	b->open_count = 0;
	for (unsigned i = 0; i < SPOOL_SHARDS_MAX; i++)
		if (b->owners[i] != NULL && bus_peer_is_open(b->owners[i], now_ms))
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
	return p != NULL && bus_peer_is_open(p, clock_monotonic_ms()) ? p : NULL;
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
	b->next_open = (unsigned)bus_random_u64();
	b->next_request = bus_random_u64() | 1;
	b->poll = evtimer_new(base, bus_announced_on_poll, b);
	b->ping = evtimer_new(base, bus_peers_on_ping, b);
	b->hand_over_tick = evtimer_new(base, hand_over_on_tick, b);
	CHECK(b->poll != NULL && b->ping != NULL && b->hand_over_tick != NULL);
	if (t != NULL)
		b->subscription = tracking_subscribe(t, STR(BUS_BROKERS_CHANNEL), bus_announced_on_notice,
						     bus_announced_on_notices_lost, b);
	bus_client_schedule(b->poll, 0);
	bus_client_schedule(b->ping, BUS_PING_MS);
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
