/* The order of the events of all shards, against a real server. */
#include "lib/spool/follow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/buf.h"
#include "lib/spool/keys.h"
#include "tests/unit/redis_fixture.h"

enum { SHARDS = 5, EVENTS = 700 };

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

/* ---- Filling the store ---- */

static void
on_reply(void *arg, const redisReply *reply, const struct err *err)
{
	assert_null(err);
	(void)reply;
	*(bool *)arg = true;
}

static void
ask(size_t argc, const struct str *argv)
{
	bool done = false;

	redis_call(redis, on_reply, &done, argc, argv);
	assert_true(redis_fixture_wait(base, &done, 5000));
}

static void
add(unsigned shard, const char *id, const char *json)
{
	char key[SPOOL_KEY_MAX];

	ask(5, (const struct str[]){STR("XADD"), spool_key(KEY_SPOOL_EVENTS, shard, key), str_c(id), STR("e"),
				    str_c(json)});
}

/* Several in a millisecond, and some shards with many more than others. */
static void
fill(void)
{
	char id[40], json[40];

	ask(1, (const struct str[]){STR("FLUSHALL")});
	ask(3, (const struct str[]){STR("SET"), STR("cluster:shard-count"), STR("5")});
	for (unsigned i = 0; i < EVENTS; i++) {
		unsigned shard = i % 7 < 4 ? 2 : i % 3;
		snprintf(id, sizeof(id), "%u-%u", 1000 + i / 6, i % 6);
		snprintf(json, sizeof(json), "{\"n\":%u}", i);
		add(shard, id, json);
	}
}

/* ---- Following ---- */

struct seen {
	struct spool_follower *follower;
	struct buf all; /* "place json\n" */
	struct spool_place last, stop_at;
	unsigned count, rounds, stop_after;
	bool done, failed;
};

static void
on_event(void *arg, const struct spool_place *place, struct str json)
{
	struct seen *s = arg;
	char text[SPOOL_PLACE_MAX];

	if (s->count != 0)
		assert_true(spool_place_is_after(place, &s->last));
	s->last = *place;
	spool_place_text(place, text);
	buf_printf(&s->all, "%s %.*s\n", text, STR_ARG(json));
	if (++s->count == s->stop_after) {
		s->stop_at = *place;
		spool_follower_free(&s->follower);
		s->done = true;
	}
}

static void
on_round(void *arg, bool is_whole, const struct err *err)
{
	struct seen *s = arg;

	s->rounds++;
	s->failed = err != NULL;
	s->done = is_whole || s->failed;
	if (!s->done)
		spool_follower_read(s->follower);
}

static void
go_on(struct seen *s)
{
	s->done = false;
	spool_follower_read(s->follower);
	assert_true(redis_fixture_wait(base, &s->done, 10000));
	assert_false(s->failed);
}

static void
follow(struct seen *s, const struct spool_place *from, unsigned stop_after)
{
	*s = (struct seen){.stop_after = stop_after};
	s->follower = spool_follower_new(redis, from, on_event, on_round, s);
	go_on(s);
}

static void
end(struct seen *s)
{
	spool_follower_free(&s->follower);
	buf_fini(&s->all);
}

/* From any place on, the rest is the same. */
static void
test_order(void **state)
{
	const struct spool_place first = {0};
	struct seen all, part, rest;

	(void)state;
	fill();
	follow(&all, &first, 0);
	assert_int_equal(all.count, EVENTS);
	assert_true(all.rounds > 1);
	assert_false(spool_follower_has_gap(all.follower));
	for (unsigned n = 1; n < EVENTS; n += 37) {
		follow(&part, &first, n);
		assert_null(part.follower);
		follow(&rest, &part.stop_at, 0);
		assert_int_equal(part.count + rest.count, EVENTS);
		assert_memory_equal(part.all.data, all.all.data, part.all.len);
		assert_string_equal(rest.all.data, all.all.data + part.all.len);
		end(&part);
		end(&rest);
	}
	end(&all);
}

/* What has the store's time, or a later one, may get company that comes before it. */
static void
test_young_events_wait(void **state)
{
	struct seen s;

	(void)state;
	fill();
	follow(&s, NULL, 0);
	assert_int_equal(s.count, 0);
	add(1, "*", "{\"n\":\"now\"}");
	add(4, "99999999999999-0", "{\"n\":\"of a later time\"}");
	for (int64_t until = clock_monotonic_ms() + 5000; s.count == 0 && clock_monotonic_ms() < until;)
		go_on(&s);
	go_on(&s);
	assert_int_equal(s.count, 1);
	assert_non_null(strstr(s.all.data, "now"));
	end(&s);
}

/* A viewer may give any place. One in the future is as good as none. */
static void
test_place_in_the_future(void **state)
{
	const struct spool_place future = {.ms = (uint64_t)INT64_MAX - 1, .shard = 3, .number = 7};
	struct seen s;

	(void)state;
	fill();
	follow(&s, &future, 0);
	assert_int_equal(s.count, 0);
	assert_true(spool_place_is_after(&future, spool_follower_place(s.follower)));
	add(1, "*", "{\"n\":\"now\"}");
	for (int64_t until = clock_monotonic_ms() + 5000; s.count == 0 && clock_monotonic_ms() < until;)
		go_on(&s);
	assert_int_equal(s.count, 1);
	assert_non_null(strstr(s.all.data, "now"));
	end(&s);
}

static void
test_gap(void **state)
{
	struct spool_place early = spool_place_before(1001), late = spool_place_before(1500);
	char key[SPOOL_KEY_MAX];
	struct seen s;

	(void)state;
	fill();
	ask(4, (const struct str[]){STR("XTRIM"), spool_key(KEY_SPOOL_EVENTS, 2, key), STR("MAXLEN"), STR("10")});
	follow(&s, &early, 0);
	assert_true(spool_follower_has_gap(s.follower));
	end(&s);
	follow(&s, &late, 0);
	assert_false(spool_follower_has_gap(s.follower));
	end(&s);
}

static void
test_place_text(void **state)
{
	static const char *const bad[] = {
		"", "1", "1-2", "1-2-", "1--3", "1-2-x", "1-4294967296-3", "-1-2-3", "9223372036854775807-0-0"};
	struct spool_place p;
	char text[SPOOL_PLACE_MAX];

	(void)state;
	assert_true(spool_place_parse(STR("1764510000000-3-18446744073709551615"), &p));
	spool_place_text(&p, text);
	assert_string_equal(text, "1764510000000-3-18446744073709551615");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(spool_place_parse(str_c(bad[i]), &p));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_young_events_wait),
		cmocka_unit_test(test_place_in_the_future),
		cmocka_unit_test(test_gap),
		cmocka_unit_test(test_place_text),
	};
	return cmocka_run_group_tests_name("spool/follow", tests, setup, teardown);
}
