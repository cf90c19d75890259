/* The connection to the store and its notices, against a real server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/redis/keys.h"
#include "lib/redis/redis.h"
#include "lib/redis/tracking.h"
#include "tests/unit/redis_fixture.h"

REDIS_SCRIPT(test_script, "tests/unit/lib/redis/test.lua");

static struct redis_fixture server;
static struct event_base *base;
static struct redis *redis;

struct result {
	volatile bool done;
	enum err_code code;
	int64_t number;
	unsigned count;
	char text[200];
};

static void
on_reply(void *arg, const redisReply *reply, const struct err *err)
{
	struct result *r = arg;

	assert_true((reply == NULL) == (err != NULL));
	r->done = true;
	r->count++;
	r->code = err != NULL ? err->code : ERR_NONE;
	r->number = redis_i64(reply, -1);
	str_copy(err != NULL ? str_c(err->text) : redis_str(reply), r->text, sizeof(r->text));
}

static bool
wait_connected(struct redis *r)
{
	int64_t until = clock_monotonic_ms() + 5000;

	while (!redis_is_connected(r) && clock_monotonic_ms() < until) {
		bool never = false;
		redis_fixture_wait(base, &never, 10);
	}
	return redis_is_connected(r);
}

static int
setup(void **state)
{
	struct err err;

	(void)state;
	if (!redis_fixture_start(&server, true))
		return -1;
	base = event_base_new();
	redis = redis_new(base, server.url, &err);
	return wait_connected(redis) ? 0 : -1;
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

static void
test_calls(void **state)
{
	struct result set = {0}, get = {0}, bad = {0};
	struct str argv[] = {STR("SET"), STR("k"), str_of("a\0b", 3)};

	(void)state;
	redis_call(redis, on_reply, &set, 3, argv);
	assert_false(set.done);
	redis_callf(redis, on_reply, &get, "STRLEN %s", "k");
	redis_callf(redis, on_reply, &bad, "LPUSH k x");
	assert_true(redis_fixture_wait(base, &bad.done, 2000));
	assert_int_equal(set.code, ERR_NONE);
	assert_int_equal(get.number, 3);
	assert_int_equal(bad.code, ERR_INVALID);
}

static void
test_pipeline(void **state)
{
	struct result r = {0};

	(void)state;
	for (unsigned i = 0; i < 10000; i++)
		redis_callf(redis, on_reply, &r, "INCR counter");
	while (r.count < 10000) {
		r.done = false;
		assert_true(redis_fixture_wait(base, &r.done, 5000));
	}
	assert_int_equal(r.number, 10000);
	assert_int_equal(redis_pending(redis), 0);
}

static void
test_scripts(void **state)
{
	struct str key = STR("{t}:k");
	static const struct {
		const char *arg;
		enum err_code code;
		const char *text;
	} cases[] = {
		{"fine", ERR_NONE, "got fine"},
		{"FENCED lease gone", ERR_FENCED, "lease gone"},
		{"NOTFOUND no", ERR_NOT_FOUND, "no"},
		{"OVERQUOTA full", ERR_OVER_QUOTA, "full"},
		{"WHATEVER else", ERR_INVALID, "Redis: WHATEVER else"},
		/* Of the server, not of the command. */
		{"NOAUTH Authentication required", ERR_UNAVAILABLE, "NOAUTH Authentication required"},
		{"WRONGPASS invalid", ERR_UNAVAILABLE, "WRONGPASS invalid"},
		{"NOPERM no permissions", ERR_UNAVAILABLE, "NOPERM no permissions"},
		{"READONLY replica", ERR_UNAVAILABLE, "READONLY replica"},
		{"MISCONF no disk", ERR_UNAVAILABLE, "MISCONF no disk"},
	};
	(void)state;
	for (unsigned pass = 0; pass < 2; pass++) {
		struct result flush = {0};
		for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			struct result r = {0};
			struct str arg = str_c(cases[i].arg);
			redis_eval(redis, on_reply, &r, &test_script, 1, &key, 1, &arg);
			assert_true(redis_fixture_wait(base, &r.done, 2000));
			assert_int_equal(r.code, cases[i].code);
			assert_string_equal(r.text, cases[i].text);
		}
		/* After a flush one call fails without effect, and the next is right again. */
		redis_callf(redis, on_reply, &flush, "SCRIPT FLUSH");
		redis_eval(redis, on_reply, &flush, &test_script, 1, &key, 1, &key);
		while (flush.count < 2) {
			flush.done = false;
			assert_true(redis_fixture_wait(base, &flush.done, 2000));
		}
		assert_int_equal(flush.code, ERR_UNAVAILABLE);
	}
}

static void
test_lost_connection(void **state)
{
	struct result in_flight = {0}, at_once = {0}, after = {0};

	(void)state;
	kill(server.pid, SIGSTOP);
	redis_callf(redis, on_reply, &in_flight, "PING");
	redis_fixture_kill(&server);
	assert_true(redis_fixture_wait(base, &in_flight.done, 2000));
	assert_int_equal(in_flight.code, ERR_UNAVAILABLE);
	redis_callf(redis, on_reply, &at_once, "PING");
	assert_false(at_once.done);
	assert_true(redis_fixture_wait(base, &at_once.done, 100));
	assert_int_equal(at_once.code, ERR_UNAVAILABLE);
	assert_true(redis_fixture_run(&server, true));
	assert_true(wait_connected(redis));
	redis_callf(redis, on_reply, &after, "GET counter");
	assert_true(redis_fixture_wait(base, &after.done, 2000));
	assert_int_equal(after.number, 10000);
}

struct notices {
	volatile bool any, lost;
	char key[100];
	char payload[100];
};

static void
on_key(void *arg, struct str key)
{
	struct notices *n = arg;
	str_copy(key, n->key, sizeof(n->key));
	n->any = true;
}

static void
on_message(void *arg, struct str channel, struct str payload)
{
	struct notices *n = arg;
	assert_true(str_eq(channel, STR("mail:{a@b}")) || str_eq(channel, STR("mail:{c@d}")));
	str_copy(payload, n->payload, sizeof(n->payload));
	n->any = true;
}

static void
on_lost(void *arg)
{
	struct notices *n = arg;
	n->lost = true;
}

static void
test_tracking(void **state)
{
	struct notices settings = {0}, mail = {0}, late = {0};
	struct tracking_subscription *subscription, *late_subscription;
	struct tracking *t;
	struct err err;
	bool never = false;

	(void)state;
	t = tracking_new(base, server.url, &err);
	tracking_watch_prefix(t, "settings:", on_key, on_lost, &settings);
	subscription = tracking_subscribe(t, STR("mail:{a@b}"), on_message, on_lost, &mail);
	assert_true(redis_fixture_wait(base, &mail.lost, 1000)); /* it stands at first */
	assert_true(redis_fixture_wait(base, &settings.lost, 1000));
	settings.lost = mail.lost = false;
	redis_callf(redis, NULL, NULL, "HSET settings:pop banner x");
	redis_callf(redis, NULL, NULL, "PUBLISH mail:{a@b} hello");
	assert_true(redis_fixture_wait(base, &settings.any, 1000));
	assert_true(redis_fixture_wait(base, &mail.any, 1000));
	assert_string_equal(settings.key, "settings:pop");
	assert_string_equal(mail.payload, "hello");
	late_subscription = tracking_subscribe(t, STR("mail:{c@d}"), on_message, on_lost, &late);
	assert_true(redis_fixture_wait(base, &late.lost, 1000)); /* it is in force */
	redis_callf(redis, NULL, NULL, "PUBLISH mail:{c@d} there");
	assert_true(redis_fixture_wait(base, &late.any, 1000));
	tracking_unsubscribe(&late_subscription);
	redis_fixture_kill(&server);
	redis_fixture_wait(base, &never, 100);
	assert_true(redis_fixture_run(&server, true));
	assert_true(redis_fixture_wait(base, &settings.lost, 5000));
	assert_true(redis_fixture_wait(base, &mail.lost, 1000));
	tracking_unsubscribe(&subscription);
	settings.any = mail.any = false;
	assert_true(wait_connected(redis));
	redis_callf(redis, NULL, NULL, "PUBLISH mail:{a@b} again");
	redis_callf(redis, NULL, NULL, "HSET settings:imap banner x");
	assert_true(redis_fixture_wait(base, &settings.any, 1000));
	assert_false(mail.any);
	settings.lost = false;
	redis_callf(redis, NULL, NULL, "FLUSHALL");
	assert_true(redis_fixture_wait(base, &settings.lost, 1000));
	tracking_free(&t);
}

/* After a loss whoever watches is told a part at a time, not all in one turn. */
enum { MANY = 1300 };

struct told {
	unsigned lost, messages;
};

static void
on_many_message(void *arg, struct str channel, struct str payload)
{
	(void)channel, (void)payload;
	((struct told *)arg)->messages++;
}

static void
on_many_lost(void *arg)
{
	((struct told *)arg)->lost++;
}

static unsigned
count_told(const struct told *many)
{
	unsigned count = 0;

	for (unsigned i = 0; i < MANY; i++)
		count += many[i].lost != 0;
	return count;
}

static void
test_many_channels(void **state)
{
	static struct told many[MANY];
	static struct tracking_subscription *subscriptions[MANY];
	struct tracking *t = tracking_new(base, server.url, NULL);
	int64_t until, first = 0;
	unsigned most_in_a_turn = 0, before = 0;
	bool never = false;

	(void)state;
	for (unsigned i = 0; i < MANY; i++) {
		char name[32];
		snprintf(name, sizeof(name), "mail:{%u}", i);
		subscriptions[i] = tracking_subscribe(t, str_c(name), on_many_message, on_many_lost, &many[i]);
	}
	until = clock_monotonic_ms() + 20000;
	while (count_told(many) != MANY && clock_monotonic_ms() < until)
		redis_fixture_wait(base, &never, 5);
	assert_int_equal(count_told(many), MANY);
	memset(many, 0, sizeof(many));
	redis_callf(redis, NULL, NULL, "CLIENT KILL TYPE pubsub");
	while (count_told(many) != MANY && clock_monotonic_ms() < until) {
		unsigned now;
		event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
		now = count_told(many);
		if (now != before && first == 0)
			first = clock_monotonic_ms();
		if (now - before > most_in_a_turn)
			most_in_a_turn = now - before;
		before = now;
	}
	assert_int_equal(before, MANY);
	assert_true(most_in_a_turn <= 500);
	assert_true(clock_monotonic_ms() - first >= 150); /* three parts, 100 ms apart */
	/* All of them are in force; one that was given up meanwhile is not. */
	tracking_unsubscribe(&subscriptions[7]);
	redis_callf(redis, NULL, NULL, "PUBLISH mail:{7} x");
	redis_callf(redis, NULL, NULL, "PUBLISH mail:{%d} x", MANY - 1);
	while (many[MANY - 1].messages == 0 && clock_monotonic_ms() < until)
		redis_fixture_wait(base, &never, 5);
	assert_int_equal(many[MANY - 1].messages, 1);
	assert_int_equal(many[7].messages, 0);
	tracking_free(&t);
}

static void
test_keys(void **state)
{
	struct arena arena;
	char out[64];

	(void)state;
	arena_init(&arena);
	assert_string_equal(redis_key(&arena, KEY_MAIL_LEDGER, STR("a@b.test"), STR("19700")).p,
			    "mail:{a@b.test}:filed:19700");
	assert_string_equal(redis_key(&arena, KEY_DOMAINS).p, "domains");
	assert_string_equal(redis_key(&arena, KEY_USER, STR_NONE).p, "user:{}");
	assert_string_equal(redis_key(&arena, KEY_USER, STR("a<b>@c")).p, "user:{a<b>@c}");
	assert_int_equal(redis_key_print(out, 10, KEY_USER, STR("ab")).len, 9);
	assert_string_equal(out, "user:{ab}");
	arena_fini(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calls),		cmocka_unit_test(test_pipeline), cmocka_unit_test(test_scripts),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_lost_connection), cmocka_unit_test(test_tracking), cmocka_unit_test(test_many_channels),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
