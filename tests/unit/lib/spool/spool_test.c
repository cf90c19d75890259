/* The spool's scripts against a real server: leases, fencing, writes, reads. */
#include "lib/spool/spool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/buf.h"
#include "lib/spool/id.h"
#include "tests/unit/redis_fixture.h"

static struct redis_fixture server;
static struct event_base *base;
static struct redis *redis;

static int
setup(void **state)
{
	(void)state;
	if (!redis_fixture_start(&server, false))
		return -1;
	base = event_base_new();
	redis = redis_new(base, server.url, NULL);
	for (int64_t until = clock_monotonic_ms() + 5000; !redis_is_connected(redis) && clock_monotonic_ms() < until;) {
		bool never = false;
		redis_fixture_wait(base, &never, 10);
	}
	return redis_is_connected(redis) ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	redis_free(&redis);
	event_base_free(base);
	redis_fixture_stop(&server);
	return 0;
}

/* ---- Waiting for answers ---- */
struct answer {
	volatile bool done;
	enum err_code code;
	struct spool_lease lease;
	int64_t count;
	enum spool_result results[8];
	struct buf envelope, state, trace, ids;
	uint64_t cursor;
};

static void
wait_for(struct answer *a)
{
	assert_true(redis_fixture_wait(base, &a->done, 5000));
}

static void
take_err(struct answer *a, const struct err *err)
{
	a->code = err != NULL ? err->code : ERR_NONE;
	a->done = true;
}

static void
on_lease(void *arg, const struct spool_lease *lease, const struct err *err)
{
	struct answer *a = arg;
	if (lease != NULL)
		a->lease = *lease;
	take_err(a, err);
}

static void
on_done(void *arg, const struct err *err)
{
	take_err(arg, err);
}

static void
on_count(void *arg, int64_t count, const struct err *err)
{
	((struct answer *)arg)->count = count;
	take_err(arg, err);
}

static void
on_written(void *arg, const enum spool_result *results, size_t count, const struct err *err)
{
	struct answer *a = arg;
	a->count = (int64_t)count;
	for (size_t i = 0; i < count && i < 8; i++)
		a->results[i] = results[i];
	take_err(a, err);
}

static void
on_entry(void *arg, const struct spool_entry *entry, const struct err *err)
{
	struct answer *a = arg;
	if (entry != NULL) {
		buf_add_str(&a->envelope, entry->envelope);
		buf_add_str(&a->state, entry->state);
		buf_add_str(&a->trace, entry->trace);
	}
	take_err(a, err);
}

static void
on_page(void *arg, const struct spool_entry *entries, size_t count, uint64_t next_cursor, const struct err *err)
{
	struct answer *a = arg;
	a->count += (int64_t)count;
	a->cursor = next_cursor;
	for (size_t i = 0; i < count; i++) {
		buf_add_str(&a->ids, entries[i].id);
		if (entries[i].state.len != 0)
			buf_add_str(&a->state, entries[i].state);
	}
	take_err(a, err);
}

static struct answer
acquire(unsigned shard, const char *broker, int64_t ttl_ms, bool take_own)
{
	struct answer a = {.done = false};
	spool_lease_acquire(redis, shard, broker, ttl_ms, take_own, on_lease, &a);
	wait_for(&a);
	return a;
}

static enum err_code
renew(const struct spool_lease *lease, int64_t ttl_ms)
{
	struct answer a = {.done = false};
	spool_lease_renew(redis, lease, ttl_ms, on_done, &a);
	wait_for(&a);
	return a.code;
}

static void
release(const struct spool_lease *lease)
{
	struct answer a = {.done = false};
	spool_lease_release(redis, lease, on_done, &a);
	wait_for(&a);
}

static struct answer
find(const char *id)
{
	struct answer a = {.done = false};
	spool_find(redis, str_c(id), on_entry, &a);
	wait_for(&a);
	return a;
}

static void
free_answer(struct answer *a)
{
	buf_fini(&a->envelope);
	buf_fini(&a->state);
	buf_fini(&a->trace);
	buf_fini(&a->ids);
}

/* One change, sent by itself. verb as in write.lua. */
static struct answer
write_one(const struct spool_lease *lease, char verb, const char *id, const char *data, int64_t retention_ms)
{
	struct answer a = {.done = false};
	struct spool_batch *b = spool_batch_new();

	if (verb == 'a')
		spool_batch_add(b, str_c(id), str_c(data));
	else if (verb == 's')
		spool_batch_save(b, str_c(id), str_c(data));
	else
		spool_batch_finish(b, str_c(id), str_c(data), retention_ms);
	spool_batch_send(redis, lease, b, on_written, &a);
	spool_batch_free(&b);
	wait_for(&a);
	return a;
}

/* ---- Tests ---- */
static void
test_shard_count(void **state)
{
	struct answer a = {.done = false}, again = {.done = false};

	(void)state;
	spool_read_shard_count(redis, on_count, &a);
	wait_for(&a);
	assert_int_equal(a.code, ERR_NOT_FOUND);
	a.done = false;
	spool_init_shard_count(redis, 16, on_count, &a);
	wait_for(&a);
	assert_int_equal(a.count, 16);
	spool_init_shard_count(redis, 32, on_count, &again);
	wait_for(&again);
	assert_int_equal(again.count, 16);
}

static void
test_lease(void **state)
{
	struct answer a = acquire(1, "broker-a", 60000, false), b, c;

	(void)state;
	assert_int_equal(a.code, ERR_NONE);
	assert_string_equal(a.lease.value, "broker-a 1");
	b = acquire(1, "broker-b", 60000, true);
	assert_int_equal(b.code, ERR_EXISTS);
	assert_int_equal(acquire(1, "broker-a", 60000, false).code, ERR_EXISTS);
	assert_int_equal(renew(&a.lease, 60000), ERR_NONE);
	/* The next run of the same broker takes its own lease, with a new fence. */
	c = acquire(1, "broker-a", 60000, true);
	assert_string_equal(c.lease.value, "broker-a 2");
	assert_int_equal(renew(&a.lease, 60000), ERR_FENCED);
	release(&a.lease); /* not its own any more: no effect */
	assert_int_equal(renew(&c.lease, 60000), ERR_NONE);
	release(&c.lease);
	b = acquire(1, "broker-b", 60000, false);
	assert_string_equal(b.lease.value, "broker-b 3");
	release(&b.lease);
}

static void
test_lease_that_ran_out(void **state)
{
	struct answer a = acquire(2, "broker-a", 20, false), b;

	(void)state;
	usleep(60000);
	/* Nobody had it in between. */
	assert_int_equal(renew(&a.lease, 20), ERR_NONE);
	usleep(60000);
	b = acquire(2, "broker-b", 20, false);
	assert_int_equal(b.code, ERR_NONE);
	usleep(60000);
	assert_int_equal(renew(&a.lease, 60000), ERR_FENCED);
}

static void
test_message_life(void **state)
{
	struct answer a = acquire(3, "broker-a", 60000, false), w, f;
	char id[SPOOL_ID_MAX];

	(void)state;
	spool_id_new(3, id);
	assert_int_equal(find(id).code, ERR_NOT_FOUND);
	w = write_one(&a.lease, 'a', id, "envelope", 0);
	assert_int_equal(w.code, ERR_NONE);
	assert_int_equal(w.results[0], SPOOL_WRITTEN);
	w = write_one(&a.lease, 'a', id, "another", 0);
	assert_int_equal(w.results[0], SPOOL_KNOWN);
	f = find(id);
	assert_string_equal(f.envelope.data, "envelope");
	assert_int_equal(f.state.len, 0);
	free_answer(&f);
	write_one(&a.lease, 's', id, "state", 0);
	f = find(id);
	assert_string_equal(f.state.data, "state");
	free_answer(&f);
	write_one(&a.lease, 'f', id, "trace", 60000);
	f = find(id);
	assert_int_equal(f.code, ERR_NONE);
	assert_int_equal(f.envelope.len, 0);
	assert_string_equal(f.trace.data, "trace");
	free_answer(&f);
	/* A hand-over that comes late, and a save. */
	w = write_one(&a.lease, 'a', id, "envelope", 0);
	assert_int_equal(w.results[0], SPOOL_KNOWN_FINISHED);
	write_one(&a.lease, 's', id, "state", 0);
	f = find(id);
	assert_int_equal(f.state.len, 0);
	free_answer(&f);
	release(&a.lease);
}

static void
test_fencing(void **state)
{
	struct answer a = acquire(4, "broker-a", 60000, false), b, w;
	char id[SPOOL_ID_MAX];
	static const char verbs[] = "asf";

	(void)state;
	spool_id_new(4, id);
	b = acquire(4, "broker-a", 60000, true);
	for (unsigned i = 0; i < 3; i++) {
		w = write_one(&a.lease, verbs[i], id, "x", 1000);
		assert_int_equal(w.code, ERR_FENCED);
	}
	assert_int_equal(find(id).code, ERR_NOT_FOUND);
	assert_int_equal(write_one(&b.lease, 'a', id, "x", 0).code, ERR_NONE);
	release(&b.lease);
	assert_int_equal(write_one(&b.lease, 'f', id, "x", 1000).code, ERR_FENCED);
}

static void
test_batch_in_order(void **state)
{
	struct answer lease = acquire(5, "broker-a", 60000, false), a = {.done = false}, f;
	struct spool_batch *b = spool_batch_new();
	char first[SPOOL_ID_MAX], second[SPOOL_ID_MAX], old[SPOOL_ID_MAX] = "00000000010500000000";
	unsigned shard;

	(void)state;
	assert_true(spool_id_parse(str_c(old), &shard, NULL));
	spool_id_new(5, first);
	spool_id_new(5, second);
	spool_batch_add(b, str_c(first), STR("one"));
	spool_batch_add(b, str_c(second), STR("two"));
	spool_batch_add(b, str_c(first), STR("three"));
	spool_batch_finish(b, str_c(first), STR("gone"), 1000);
	spool_batch_finish(b, str_c(old), STR("long ago"), 1000);
	spool_batch_add(b, str_c(first), STR("four"));
	assert_int_equal(spool_batch_count(b), 6);
	spool_batch_send(redis, &lease.lease, b, on_written, &a);
	spool_batch_free(&b);
	wait_for(&a);
	assert_int_equal(a.count, 6);
	assert_int_equal(a.results[0], SPOOL_WRITTEN);
	assert_int_equal(a.results[2], SPOOL_KNOWN);
	assert_int_equal(a.results[5], SPOOL_KNOWN_FINISHED);
	f = find(first);
	assert_string_equal(f.trace.data, "gone");
	free_answer(&f);
	f = find(second);
	assert_string_equal(f.envelope.data, "two");
	free_answer(&f);
	release(&lease.lease);
}

static void
test_pages(void **state)
{
	struct answer lease = acquire(6, "broker-a", 60000, false), a = {.done = false};
	struct spool_batch *b = spool_batch_new();
	enum { MESSAGES = 3000 };
	char envelope[200];

	(void)state;
	memset(envelope, 'e', sizeof(envelope));
	for (unsigned i = 0; i < MESSAGES; i++) {
		char id[SPOOL_ID_MAX];
		spool_id_new(6, id);
		spool_batch_add(b, str_c(id), str_of(envelope, sizeof(envelope)));
		if (i == 0)
			spool_batch_save(b, str_c(id), STR("the only state"));
	}
	spool_batch_send(redis, &lease.lease, b, on_written, &a);
	spool_batch_free(&b);
	wait_for(&a);
	a.count = 0;
	do {
		a.done = false;
		spool_read_page(redis, 6, a.cursor, 500, on_page, &a);
		wait_for(&a);
		assert_int_equal(a.code, ERR_NONE);
	} while (a.cursor != 0);
	assert_true(a.count >= MESSAGES);
	assert_true(a.ids.len >= MESSAGES * SPOOL_ID_LEN);
	assert_string_equal(a.state.data, "the only state");
	free_answer(&a);
	release(&lease.lease);
}

static void
on_events(void *arg, const struct spool_event *events, size_t count, const struct err *err)
{
	struct answer *a = arg;
	a->count = (int64_t)count;
	for (size_t i = 0; i < count; i++) {
		buf_add_str(&a->state, events[i].json);
		buf_clear(&a->ids);
		buf_add_str(&a->ids, events[i].id);
	}
	take_err(a, err);
}

static struct answer
read_events(unsigned shard, const char *after, unsigned most)
{
	struct answer a = {.done = false};
	spool_read_events(redis, shard, after, most, on_events, &a);
	wait_for(&a);
	assert_int_equal(a.code, ERR_NONE);
	return a;
}

/* Published with the change, or not at all. */
static void
test_events(void **state)
{
	struct answer lease = acquire(11, "b", 10000, false), a = {.done = false};
	struct spool_batch *b = spool_batch_new();
	char id[SPOOL_ID_MAX], next[64];

	(void)state;
	spool_id_new(11, id);
	spool_batch_add(b, str_c(id), STR("envelope"));
	spool_batch_publish(b, STR("{\"a\":1}\n{\"b\":2}\n"), 1000);
	spool_batch_add(b, str_c(id), STR("envelope")); /* known: nothing happens */
	spool_batch_publish(b, STR("{\"c\":3}\n"), 1000);
	spool_batch_save(b, str_c(id), STR("state"));
	spool_batch_finish(b, str_c(id), STR("trace"), 1000);
	spool_batch_publish(b, STR("{\"d\":4}\n"), 1000);
	spool_batch_send(redis, &lease.lease, b, on_written, &a);
	wait_for(&a);
	assert_int_equal(a.code, ERR_NONE);
	assert_int_equal(a.count, 4);
	a = read_events(11, "0", 2);
	assert_int_equal(a.count, 2);
	assert_string_equal(buf_str(&a.state).p, "{\"a\":1}{\"b\":2}");
	str_copy(buf_str(&a.ids), next, sizeof(next));
	buf_fini(&a.state);
	buf_fini(&a.ids);
	a = read_events(11, next, 10);
	assert_int_equal(a.count, 1);
	assert_string_equal(buf_str(&a.state).p, "{\"d\":4}");
	buf_fini(&a.state);
	buf_fini(&a.ids);
	/* Under a lease that is gone nothing is said either. */
	str_copy(STR("b 99"), lease.lease.value, sizeof(lease.lease.value));
	a = (struct answer){.done = false};
	spool_batch_send(redis, &lease.lease, b, on_written, &a);
	wait_for(&a);
	assert_int_equal(a.code, ERR_FENCED);
	a = read_events(11, "0", 10);
	assert_int_equal(a.count, 3);
	buf_fini(&a.state);
	buf_fini(&a.ids);
	spool_batch_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shard_count),
		cmocka_unit_test(test_lease),
		cmocka_unit_test(test_lease_that_ran_out),
		cmocka_unit_test(test_message_life),
		cmocka_unit_test(test_fencing),
		cmocka_unit_test(test_batch_in_order),
		cmocka_unit_test(test_pages),
		cmocka_unit_test(test_events),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
