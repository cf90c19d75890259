/* What a large queue costs: 50,000 messages, or as many as SCALE says, to
 * 10,000 destinations; loaded from the spool, asked for, summed up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <malloc.h>

#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/bus/client.h"
#include "lib/bus/frame.h"
#include "lib/spool/id.h"
#include "spool-broker/run.h"
#include "spool-broker/admin/status.h"
#include "tests/unit/redis_fixture.h"

enum { SHARDS = 16, BATCH = 200 };

static struct redis_fixture server;
static struct event_base *base;
static struct redis *redis;
static struct broker *broker;
static struct bus_client *tool;
static unsigned scale;

#define wait_until(condition, ms) \
	do { \
		bool never = false; \
		for (int64_t until = clock_monotonic_ms() + (ms); !(condition) && clock_monotonic_ms() < until;) \
			redis_fixture_wait(base, &never, 2); \
		assert_true(condition); \
	} while (0)

/* ---- The spool is filled ---- */
static unsigned written;

static void
on_written(void *arg, const enum spool_result *results, size_t count, const struct err *err)
{
	(void)arg, (void)results;
	assert_null(err);
	written += (unsigned)count;
}

static void
add_message(struct spool_batch *batch, unsigned shard, unsigned n)
{
	Stagepost__Envelope e = STAGEPOST__ENVELOPE__INIT;
	Stagepost__Blob body = STAGEPOST__BLOB__INIT;
	Stagepost__Recipient r = STAGEPOST__RECIPIENT__INIT, *list[1] = {&r};
	char id[SPOOL_ID_MAX], from[60], to[60], frontend[] = "frontend-0", client[] = "192.0.2.1";
	struct buf packed = BUF_EMPTY;

	spool_id_new(shard, id);
	snprintf(from, sizeof(from), "news-%u@sender%u.example", n, n % 100);
	snprintf(to, sizeof(to), "recipient.%u@destination-%u.example", n, n % 10000);
	e.id = id;
	e.reverse_path = from;
	e.received_ms = (uint64_t)clock_unix_ms();
	e.frontend = frontend;
	e.client_ip = client;
	body.length = 1000;
	e.body = &body;
	r.address = to;
	e.recipients = list;
	e.n_recipients = 1;
	bus_message_pack(&e.base, &packed);
	spool_batch_add(batch, str_c(id), buf_str(&packed));
	buf_fini(&packed);
}

static struct spool_lease lease;
static bool leased;

static void
on_lease(void *arg, const struct spool_lease *l, const struct err *err)
{
	(void)arg;
	assert_null(err);
	lease = *l;
	leased = true;
}

static void
fill_shard(unsigned shard)
{
	leased = false;
	spool_lease_acquire(redis, shard, "filler", 60000, true, on_lease, NULL);
	wait_until(leased, 20000);
	for (unsigned n = shard; n < scale; n += SHARDS * BATCH) {
		struct spool_batch *batch = spool_batch_new();
		for (unsigned i = 0; i < BATCH && n + i * SHARDS < scale; i++)
			add_message(batch, shard, n + i * SHARDS);
		spool_batch_send(redis, &lease, batch, on_written, NULL);
		spool_batch_free(&batch);
		wait_until(redis_pending(redis) < 20, 20000);
	}
	spool_lease_release(redis, &lease, NULL, NULL);
}

/* ---- Asking ---- */
static Stagepost__Frame *answer;
static struct arena arena;

static void
on_frame(void *arg, struct bus_peer *p, const Stagepost__Frame *frame)
{
	struct buf packed = BUF_EMPTY;

	(void)arg, (void)p;
	bus_frame_pack(frame, &packed);
	answer = bus_frame_unpack(buf_str(&packed), &arena, NULL);
	buf_fini(&packed);
}

static int64_t
ask(Stagepost__Frame *frame)
{
	int64_t start_ms = clock_monotonic_ms();

	answer = NULL;
	arena_reset(&arena);
	assert_int_equal(bus_send(tool, bus_client_owner(tool, 0), frame, NULL), 0);
	wait_until(answer != NULL, 20000);
	return clock_monotonic_ms() - start_ms;
}

static size_t
ask_page(const char *what, Stagepost__QueueFilter *filter, unsigned limit, bool ids_only)
{
	Stagepost__Frame frame = STAGEPOST__FRAME__INIT;
	Stagepost__QueueQuery query = STAGEPOST__QUEUE_QUERY__INIT;
	int64_t ms;

	query.filter = filter;
	query.limit = limit;
	query.ids_only = ids_only;
	frame.body_case = STAGEPOST__FRAME__BODY_QUEUE_QUERY;
	frame.queue_query = &query;
	ms = ask(&frame);
	assert_int_equal(answer->body_case, STAGEPOST__FRAME__BODY_QUEUE_PAGE);
	print_message("%s: %zu messages in %lld ms\n", what, answer->queue_page->n_entries, (long long)ms);
	return answer->queue_page->n_entries;
}

static void
ask_all(void)
{
	Stagepost__QueueFilter f = STAGEPOST__QUEUE_FILTER__INIT;
	Stagepost__Frame frame = STAGEPOST__FRAME__INIT;
	Stagepost__QueueSummaryQuery summary = STAGEPOST__QUEUE_SUMMARY_QUERY__INIT;
	char sender[] = "news-4711@sender11.example", domain[] = "destination-77.example", text[] = "ent.4711@",
	     none[] = "";

	assert_int_equal(ask_page("the first", NULL, 100, false), 100);
	f.sender = sender;
	assert_int_equal(ask_page("by sender", &f, 100, false), 1);
	f.sender = none;
	f.domain = domain;
	assert_int_equal(ask_page("by domain", &f, 1000, true), (scale - 77 + 9999) / 10000);
	f.domain = none;
	f.recipient = text;
	f.recipient[8] = '\0'; /* "ent.4711": text */
	assert_true(ask_page("by part of the recipient", &f, 100, false) >= 1);
	frame.body_case = STAGEPOST__FRAME__BODY_QUEUE_SUMMARY_QUERY;
	frame.queue_summary_query = &summary;
	print_message("summary: %lld ms\n", (long long)ask(&frame));
	assert_int_equal(answer->queue_summary->n_lines, 10000);
}

static double
queued(void)
{
	cJSON *status = cJSON_CreateObject();
	double value;

	status_describe(broker, status);
	value = cJSON_GetNumberValue(cJSON_GetObjectItem(cJSON_GetObjectItem(status, "queue"), "messages"));
	cJSON_Delete(status);
	return value;
}

static size_t
heap_bytes(void)
{
	struct mallinfo2 info = mallinfo2();
	return info.uordblks + info.hblkhd;
}

static void
test_scale(void **state)
{
	static const struct bus_events events = {.on_frame = on_frame};
	size_t before;
	int64_t start_ms;
	double bytes;

	(void)state;
	wait_until(redis_is_connected(redis), 20000);
	for (unsigned i = 0; i < SHARDS; i++)
		fill_shard(i);
	wait_until(written == scale, 60000);
	wait_until(redis_pending(redis) == 0, 20000);
	before = heap_bytes();
	start_ms = clock_monotonic_ms();
	broker = broker_new(
		&(struct broker_config){
			.base = base, .redis = redis, .id = "b", .listen = "tcp://127.0.0.1:*", .shards = SHARDS},
		NULL);
	wait_until(queued() == scale, 120000);
	bytes = (double)(heap_bytes() - before) / scale;
	print_message("%u messages: loaded in %lld ms, %.0f bytes each\n", scale,
		      (long long)(clock_monotonic_ms() - start_ms), bytes);
	if (scale >= 50000)
		assert_true(bytes < 500);
	tool = bus_client_new(base, redis, NULL, "tool", NULL);
	bus_client_watch(tool, &events, NULL);
	wait_until(bus_client_owner(tool, 0) != NULL, 20000);
	ask_all();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_scale)};
	const char *wanted = getenv("SCALE");
	int status;

	setenv("STAGEPOST_LOG_LEVEL", "error", 0);
	log_init("test");
	scale = wanted != NULL ? (unsigned)atoi(wanted) : 50000;
	if (!redis_fixture_start(&server, false))
		return 1;
	base = event_base_new();
	redis = redis_new(base, server.url, NULL);
	arena_init(&arena);
	status = cmocka_run_group_tests(tests, NULL, NULL);
	bus_client_free(&tool);
	broker_free(&broker);
	redis_free(&redis);
	event_base_free(base);
	arena_fini(&arena);
	redis_fixture_stop(&server);
	return status;
}
