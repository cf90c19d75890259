/* Brokers that answer questions, answer late, or do not answer. Header only. */
#ifndef SP_TESTS_UNIT_FAKE_BROKERS_H
#define SP_TESTS_UNIT_FAKE_BROKERS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/admin/brokers.h"
#include "lib/admin/queue.h"
#include "lib/base/log.h"
#include "lib/bus/names.h"
#include "lib/bus/server.h"
#include "lib/spool/id.h"
#include "lib/spool/spool.h"
#include "tests/unit/redis_fixture.h"

enum { BROKERS = 2, IDS_MAX = 12, OWNERS_MS = 2000, ANSWER_MS = 1500, LATE_MS = 2500 };
enum conduct { ANSWERS, SILENT, LATE };

/* A broker that has some messages in its one shard. */
struct fake {
	const char *name;
	unsigned shard;
	struct bus_server *bus;
	enum conduct conduct;
	char ids[IDS_MAX][SPOOL_ID_MAX];
	unsigned count;
	unsigned asked, ordered;
	/* What is sent late. */
	struct event *timer;
	char peer[256];
	size_t peer_len;
	uint64_t request;
};

static struct redis_fixture server;
static struct event_base *base;
static struct admin admin;
static struct admin_brokers *brokers;
static struct fake fakes[BROKERS];

/* ---- Fake brokers ---- */
static inline void
fill_entry(Stagepost__QueueEntry *e, const char *id, struct arena *arena)
{
	Stagepost__Envelope envelope = STAGEPOST__ENVELOPE__INIT;

	stagepost__queue_entry__init(e);
	envelope.id = (char *)(uintptr_t)id;
	e->id = (char *)(uintptr_t)id;
	e->status = (char *)(uintptr_t) "queued";
	e->envelope.len = stagepost__envelope__get_packed_size(&envelope);
	e->envelope.data = arena_alloc(arena, e->envelope.len);
	stagepost__envelope__pack(&envelope, e->envelope.data);
}

static inline void
send_page(struct fake *f, struct str peer, const Stagepost__QueueQuery *query, uint64_t request)
{
	Stagepost__Frame answer = STAGEPOST__FRAME__INIT;
	Stagepost__QueuePage page = STAGEPOST__QUEUE_PAGE__INIT;
	Stagepost__QueueEntry entries[IDS_MAX], *list[IDS_MAX];
	uint32_t limit = query != NULL ? query->limit : IDS_MAX;
	const char *after = query != NULL ? query->after : "";
	struct arena arena;

	arena_init(&arena);
	page.entries = list;
	/* Pages of ids end sooner with one than with the other. */
	if (query != NULL && query->ids_only)
		limit = 2 + f->shard;
	for (unsigned i = 0; i < f->count; i++) {
		if (strcmp(f->ids[i], after) <= 0)
			continue;
		if (page.n_entries == limit) {
			page.next_after = list[page.n_entries - 1]->id;
			break;
		}
		list[page.n_entries] = &entries[page.n_entries];
		fill_entry(list[page.n_entries++], f->ids[i], &arena);
	}
	answer.request = request;
	answer.body_case = STAGEPOST__FRAME__BODY_QUEUE_PAGE;
	answer.queue_page = &page;
	bus_server_send(f->bus, peer, &answer, NULL);
	arena_fini(&arena);
}

static inline void
send_order_reply(struct fake *f, struct str peer, const Stagepost__Frame *frame)
{
	Stagepost__Frame answer = STAGEPOST__FRAME__INIT;
	Stagepost__QueueOrderReply reply = STAGEPOST__QUEUE_ORDER_REPLY__INIT;

	reply.count = (uint32_t)frame->queue_order->n_ids;
	reply.done = true;
	reply.text = (char *)(uintptr_t) "held";
	f->ordered += reply.count;
	answer.request = frame->request;
	answer.body_case = STAGEPOST__FRAME__BODY_QUEUE_ORDER_REPLY;
	answer.queue_order_reply = &reply;
	bus_server_send(f->bus, peer, &answer, NULL);
}

static inline void
send_summary(struct fake *f, struct str peer, const Stagepost__Frame *frame)
{
	Stagepost__Frame answer = STAGEPOST__FRAME__INIT;
	Stagepost__QueueSummary summary = STAGEPOST__QUEUE_SUMMARY__INIT;
	Stagepost__QueueLine shared = STAGEPOST__QUEUE_LINE__INIT, own = STAGEPOST__QUEUE_LINE__INIT;
	Stagepost__QueueLine *lines[] = {&shared, &own};

	shared.destination = (char *)(uintptr_t) "shared.test";
	shared.queued = f->count;
	own.destination = (char *)(uintptr_t)f->name;
	own.held = 1;
	summary.lines = lines;
	summary.n_lines = 2;
	answer.request = frame->request;
	answer.body_case = STAGEPOST__FRAME__BODY_QUEUE_SUMMARY;
	answer.queue_summary = &summary;
	bus_server_send(f->bus, peer, &answer, NULL);
}

static inline void
send_late(evutil_socket_t fd, short what, void *arg)
{
	struct fake *f = arg;

	(void)fd, (void)what;
	if (f->bus != NULL)
		send_page(f, str_of(f->peer, f->peer_len), NULL, f->request);
}

static inline void
fake_on_frame(void *arg, struct str peer, const Stagepost__Frame *frame)
{
	struct fake *f = arg;
	struct timeval late = clock_timeval(LATE_MS);

	if (frame->body_case == STAGEPOST__FRAME__BODY_PING) {
		Stagepost__Frame answer = STAGEPOST__FRAME__INIT;
		Stagepost__Pong pong = STAGEPOST__PONG__INIT;
		answer.body_case = STAGEPOST__FRAME__BODY_PONG;
		answer.pong = &pong;
		bus_server_send(f->bus, peer, &answer, NULL);
		return;
	}
	f->asked++;
	if (f->conduct == LATE) {
		f->peer_len = peer.len;
		memcpy(f->peer, peer.p, peer.len);
		f->request = frame->request;
		event_add(f->timer, &late);
	}
	if (f->conduct != ANSWERS)
		return;
	if (frame->body_case == STAGEPOST__FRAME__BODY_QUEUE_ORDER)
		send_order_reply(f, peer, frame);
	else if (frame->body_case == STAGEPOST__FRAME__BODY_QUEUE_SUMMARY_QUERY)
		send_summary(f, peer, frame);
	else
		send_page(f, peer, frame->queue_query, frame->request);
}

static inline void
turn(int ms)
{
	bool never = false;
	redis_fixture_wait(base, &never, ms);
}

static inline void
announce(struct fake *f)
{
	redis_callf(admin.redis, NULL, NULL, "SADD cluster:brokers %s", f->name);
	redis_callf(admin.redis, NULL, NULL, "HSET cluster:broker:%s endpoint %s boot %s", f->name,
		    bus_server_endpoint(f->bus), f->name);
	redis_callf(admin.redis, NULL, NULL, "HSET cluster:shards %u %s", f->shard, f->name);
}

/* As a broker that dies and whose announcement ends. */
static inline void
leave(struct fake *f)
{
	bus_server_free(&f->bus);
	redis_callf(admin.redis, NULL, NULL, "DEL cluster:broker:%s", f->name);
	redis_callf(admin.redis, NULL, NULL, "SREM cluster:brokers %s", f->name);
}

static inline void
start_fake(unsigned i, const char *name)
{
	static const struct bus_server_events events = {.on_frame = fake_on_frame};
	struct fake *f = &fakes[i];
	struct err err;

	*f = (struct fake){.name = name, .shard = i};
	f->bus = bus_server_new(base, "tcp://127.0.0.1:*", NULL, &events, f, &err);
	assert_non_null(f->bus);
	f->timer = evtimer_new(base, send_late, f);
}

static inline int
setup(void **state)
{
	struct err err;

	(void)state;
	setenv("STAGEPOST_LOG_LEVEL", "error", 0);
	log_init("test");
	unsetenv("STAGEPOST_CLUSTER_KEY");
	if (!redis_fixture_start(&server, false))
		return -1;
	base = event_base_new();
	admin = (struct admin){.base = base};
	admin.redis = redis_new(base, server.url, &err);
	admin.tracking = tracking_new(base, server.url, &err);
	while (!redis_is_connected(admin.redis))
		turn(5);
	start_fake(0, "one");
	start_fake(1, "two");
	/* In turns, the older first. */
	for (unsigned n = 0; n < IDS_MAX; n++) {
		struct fake *f = &fakes[n % BROKERS];
		spool_id_new(f->shard, f->ids[f->count++]);
		usleep(1500);
	}
	redis_callf(admin.redis, NULL, NULL, "SET cluster:shard-count %u", BROKERS);
	brokers = admin_brokers_new(&admin, "test", &err);
	assert_non_null(brokers);
	admin_brokers_set_limits(brokers, OWNERS_MS, ANSWER_MS);
	return 0;
}

static inline int
teardown(void **state)
{
	(void)state;
	admin_brokers_free(&brokers);
	for (unsigned i = 0; i < BROKERS; i++) {
		event_free(fakes[i].timer);
		bus_server_free(&fakes[i].bus);
	}
	tracking_free(&admin.tracking);
	redis_free(&admin.redis);
	event_base_free(base);
	redis_fixture_stop(&server);
	return 0;
}

static inline int
setup_announced(void **state)
{
	if (setup(state) != 0)
		return -1;
	announce(&fakes[0]);
	announce(&fakes[1]);
	return 0;
}

#endif
