/* A Redis, a loop, and brokers that answer as told. Header only. */
#ifndef SP_TESTS_UNIT_BUS_FIXTURE_H
#define SP_TESTS_UNIT_BUS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/log.h"
#include "lib/bus/client_private.h"
#include "lib/bus/server.h"
#include "lib/spool/id.h"
#include "tests/unit/redis_fixture.h"

static struct redis_fixture server;
static struct event_base *base;
static struct redis *redis;

static inline void
turn(int ms)
{
	bool never = false;
	redis_fixture_wait(base, &never, ms);
}

#define wait_until(condition, ms) \
	do { \
		for (int64_t until = clock_monotonic_ms() + (ms); !(condition) && clock_monotonic_ms() < until;) \
			turn(5); \
		assert_true(condition); \
	} while (0)

/* ---- A broker that answers as told ---- */
struct fake_broker {
	struct bus_server *bus;
	const char *id;
	Stagepost__HandOverReply__Status answer;
	bool untaken;
	bool mute;
	unsigned hand_overs, resends, orders, pings;
};

static char last_id[SPOOL_ID_MAX];

static inline void
answer_ping(struct fake_broker *b, struct str peer)
{
	Stagepost__Frame frame = STAGEPOST__FRAME__INIT;
	Stagepost__Pong pong = STAGEPOST__PONG__INIT;

	frame.body_case = STAGEPOST__FRAME__BODY_PONG;
	frame.pong = &pong;
	bus_server_send(b->bus, peer, &frame, NULL);
}

static inline void
on_frame(void *arg, struct str peer, const Stagepost__Frame *frame)
{
	struct fake_broker *b = arg;
	Stagepost__Frame out = STAGEPOST__FRAME__INIT;
	Stagepost__HandOverReply reply = STAGEPOST__HAND_OVER_REPLY__INIT;

	if (frame->body_case == STAGEPOST__FRAME__BODY_PING) {
		b->pings++;
		answer_ping(b, peer);
		return;
	}
	b->orders += frame->body_case == STAGEPOST__FRAME__BODY_QUEUE_ORDER;
	if (frame->body_case != STAGEPOST__FRAME__BODY_HAND_OVER)
		return;
	b->hand_overs++;
	/* In all brokers: a hand-over with the id of the last one. */
	b->resends += strcmp(last_id, frame->hand_over->envelope->id) == 0;
	str_copy(str_c(frame->hand_over->envelope->id), last_id, sizeof(last_id));
	if (b->mute)
		return;
	out.request = frame->request;
	out.body_case = STAGEPOST__FRAME__BODY_HAND_OVER_REPLY;
	out.hand_over_reply = &reply;
	reply.status = b->answer;
	reply.untaken = b->untaken;
	bus_server_send(b->bus, peer, &out, NULL);
}

static inline void
start(struct fake_broker *b, const char *id)
{
	static const struct bus_server_events events = {.on_frame = on_frame};
	struct err err;

	*b = (struct fake_broker){.id = id};
	b->bus = bus_server_new(base, "tcp://127.0.0.1:*", NULL, &events, b, &err);
	assert_non_null(b->bus);
}

static inline void
announce(struct fake_broker *b)
{
	redis_callf(redis, NULL, NULL, "SADD cluster:brokers %s", b->id);
	redis_callf(redis, NULL, NULL, "HSET cluster:broker:%s endpoint %s boot one", b->id,
		    bus_server_endpoint(b->bus));
}

static inline void
own(unsigned shard, const char *id)
{
	redis_callf(redis, NULL, NULL, "HSET cluster:shards %u %s", shard, id);
}

/* ---- Hand-overs ---- */
struct handed {
	volatile bool done;
	enum err_code code;
};

static inline void
on_handed(void *arg, const struct err *err)
{
	struct handed *h = arg;
	h->code = err != NULL ? err->code : ERR_NONE;
	h->done = true;
}

static inline void
hand_over(struct bus_client *client, struct handed *h, unsigned shard, int64_t timeout_ms)
{
	Stagepost__Envelope e = STAGEPOST__ENVELOPE__INIT;
	char id[SPOOL_ID_MAX];

	*h = (struct handed){.done = false};
	spool_id_new(shard, id);
	e.id = id;
	bus_hand_over(client, &e, timeout_ms, on_handed, h);
	assert_false(h->done);
}

static inline int
setup(void **state)
{
	(void)state;
	setenv("STAGEPOST_LOG_LEVEL", "error", 0);
	log_init("test");
	unsetenv("STAGEPOST_CLUSTER_KEY");
	if (!redis_fixture_start(&server, false))
		return -1;
	base = event_base_new();
	redis = redis_new(base, server.url, NULL);
	wait_until(redis_is_connected(redis), 20000);
	return 0;
}

static inline int
teardown(void **state)
{
	(void)state;
	redis_free(&redis);
	event_base_free(base);
	redis_fixture_stop(&server);
	return 0;
}

#define BUS_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
