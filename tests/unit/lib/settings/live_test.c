/* Live settings against a private redis-server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "lib/base/mem.h"
#include "lib/settings/settings.h"
#include "tests/unit/redis_fixture.h"

/* The contract is a second; what is measured here is some 25 ms. */
enum { WITHIN_MS = 1000 };

static struct redis_fixture server;

struct bench {
	struct event_base *base;
	struct redis *redis;
	struct tracking *tracking;
	struct settings_live *live;
	unsigned changes;
	const struct settings *told;
};

static void
on_change(void *arg, const struct settings *s)
{
	struct bench *b = arg;
	b->changes++;
	b->told = s;
}

static void
turn(struct event_base *base, int ms)
{
	struct timeval wait = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
	event_base_loopexit(base, &wait);
	event_base_dispatch(base);
}

/* A command, from a client of its own as an operator's would be. */
static redisReply *
command(const char *format, ...)
{
	va_list ap;
	redisContext *c = redisConnectUnix(server.socket);
	assert_non_null(c);
	va_start(ap, format);
	redisReply *reply = redisvCommand(c, format, ap);
	va_end(ap);
	assert_non_null(reply);
	assert_int_not_equal(reply->type, REDIS_REPLY_ERROR);
	redisFree(c);
	return reply;
}

#define RUN(...) freeReplyObject(command(__VA_ARGS__))

/* Of settings:errors; "" when it is not there. The caller frees. */
static char *
reported(const char *name)
{
	redisReply *reply = command("HGET settings:errors %s", name);
	char *text = mem_strdup(reply->type == REDIS_REPLY_STRING ? reply->str : "");
	freeReplyObject(reply);
	return text;
}

static void
open_live(struct bench *b, bool report)
{
	memset(b, 0, sizeof(*b));
	b->base = event_base_new();
	b->redis = redis_new(b->base, server.url, NULL);
	b->tracking = tracking_new(b->base, server.url, NULL);
	b->live = settings_live_new(b->base, b->redis, b->tracking, report);
	settings_live_watch(b->live, on_change, b);
	assert_false(settings_live_is_read(b->live));
	assert_ptr_equal(settings_current(b->live), settings_defaults());
}

static void
wait_read(struct bench *b)
{
	for (int i = 0; i < 500 && !settings_live_is_read(b->live); i++)
		turn(b->base, 10);
	assert_true(settings_live_is_read(b->live));
	assert_int_equal(b->changes, 1);
	turn(b->base, 100); /* tracking stands, a second round was made */
}

/* Until a change came, or the time of the contract is over. */
static bool
wait_change(struct bench *b)
{
	unsigned before = b->changes;
	int64_t start = clock_monotonic_ms();
	while (b->changes == before && clock_monotonic_ms() < start + WITHIN_MS)
		turn(b->base, 2);
	assert_ptr_equal(b->told, settings_current(b->live));
	return b->changes > before;
}

/* Until settings:errors says so. */
static void
wait_report(struct bench *b, const char *name, const char *part)
{
	char *text = reported(name);
	for (int i = 0; i < WITHIN_MS / 10; i++) {
		if (*part == '\0' ? *text == '\0' : strstr(text, part) != NULL)
			break;
		mem_free(text);
		turn(b->base, 10);
		text = reported(name);
	}
	if (*part == '\0' ? *text != '\0' : strstr(text, part) == NULL)
		fail_msg("%s: \"%s\", not \"%s\"", name, text, part);
	mem_free(text);
}

static void
close_live(struct bench *b)
{
	tracking_free(&b->tracking);
	settings_live_free(&b->live);
	assert_null(b->live);
	redis_free(&b->redis);
	event_base_free(b->base);
}

static int
flush(void **state)
{
	(void)state;
	RUN("FLUSHALL");
	return 0;
}

static void
test_first_read(void **state)
{
	(void)state;
	struct bench b;
	RUN("HSET settings:pop max_connections 77 command_timeout 2h");
	RUN("HSET settings:smtp-out:Example.com outbound_ipv4 192.0.2.7");
	open_live(&b, true);
	wait_read(&b);
	const struct settings *s = settings_current(b.live);
	assert_int_equal(settings_pop(s, STR_NONE)->max_connections, 77);
	assert_int_equal(settings_pop(s, STR_NONE)->command_timeout, 2 * HOUR_MS);
	assert_string_equal(settings_smtp_out(s, STR("EXAMPLE.com"))->outbound_ipv4, "192.0.2.7");
	close_live(&b);
}

/* Takes another watcher away, the one that would be told next. */
static void
on_change_unwatch(void *arg, const struct settings *s)
{
	struct bench *b = arg;
	(void)s;
	settings_live_unwatch(b->live, on_change, b);
}

static void
test_unwatch(void **state)
{
	(void)state;
	struct bench b, gone = {.changes = 0}, last = {.changes = 0};
	open_live(&b, true);
	wait_read(&b);
	settings_live_watch(b.live, on_change, &gone);
	settings_live_unwatch(b.live, on_change, &gone);
	settings_live_unwatch(b.live, on_change, &gone);
	RUN("HSET settings:pop banner hello");
	assert_true(wait_change(&b));
	assert_int_equal(gone.changes, 0);

	settings_live_unwatch(b.live, on_change, &b);
	settings_live_watch(b.live, on_change_unwatch, &b);
	settings_live_watch(b.live, on_change, &b);
	settings_live_watch(b.live, on_change, &last);
	b.changes = 0;
	RUN("HDEL settings:pop banner");
	for (int i = 0; i < WITHIN_MS / 10 && last.changes == 0; i++)
		turn(b.base, 10);
	assert_int_equal(b.changes, 0);
	assert_int_equal(last.changes, 1);
	close_live(&b);
}

static void
test_change_arrives(void **state)
{
	(void)state;
	struct bench b;
	open_live(&b, true);
	wait_read(&b);
	uint64_t version = settings_version(settings_current(b.live));

	int64_t start = clock_monotonic_ms();
	RUN("HSET settings:pop banner hello");
	assert_true(wait_change(&b));
	print_message("in force after %d ms\n", (int)(clock_monotonic_ms() - start));
	assert_string_equal(settings_pop(settings_current(b.live), STR_NONE)->banner, "hello");
	assert_true(settings_version(settings_current(b.live)) != version);

	RUN("HDEL settings:pop banner");
	assert_true(wait_change(&b));
	assert_true(settings_version(settings_current(b.live)) == version);

	/* A domain that had no hash before; then gone again. */
	RUN("HSET settings:mailbox:example.org plus_addressing off");
	assert_true(wait_change(&b));
	assert_false(settings_mailbox(settings_current(b.live), STR("example.org"))->plus_addressing);
	assert_true(settings_mailbox(settings_current(b.live), STR("example.net"))->plus_addressing);
	RUN("DEL settings:mailbox:example.org");
	assert_true(wait_change(&b));
	assert_true(settings_mailbox(settings_current(b.live), STR("example.org"))->plus_addressing);

	/* Many changes at once are one. */
	unsigned changes = b.changes;
	for (int i = 0; i < 20; i++)
		RUN("HSET settings:imap max_connections %d", 100 + i);
	while (wait_change(&b) && settings_imap(settings_current(b.live), STR_NONE)->max_connections != 119)
		;
	assert_int_equal(settings_imap(settings_current(b.live), STR_NONE)->max_connections, 119);
	assert_true(b.changes <= changes + 20);
	close_live(&b);
}

/* Before tracking stands nobody tells of a change; it is found all the same. */
static void
test_untold_change_at_the_start(void **state)
{
	(void)state;
	struct bench b;
	open_live(&b, false);
	for (int i = 0; i < 500 && !settings_live_is_read(b.live); i++)
		turn(b.base, 1);
	RUN("HSET settings:pop banner hello");
	RUN("HSET settings:smtp-out:a.test relay_host b.test");
	assert_true(wait_change(&b));
	assert_string_equal(settings_pop(settings_current(b.live), STR_NONE)->banner, "hello");
	assert_string_equal(settings_smtp_out(settings_current(b.live), STR("a.test"))->relay_host, "b.test");
	close_live(&b);
}

static void
test_bad_value_keeps_the_last_good(void **state)
{
	(void)state;
	struct bench b;
	RUN("HSET settings:pop max_connections 77");
	open_live(&b, true);
	wait_read(&b);
	RUN("HSET settings:pop max_connections many login_delay 5s");
	assert_true(wait_change(&b));
	assert_int_equal(settings_pop(settings_current(b.live), STR_NONE)->max_connections, 77);
	assert_int_equal(settings_pop(settings_current(b.live), STR_NONE)->login_delay, 5000);
	wait_report(&b, "pop.max_connections", "\"many\" is not a whole number; allowed: 1 to 1000000");
	RUN("HSET settings:pop max_connections 0");
	wait_report(&b, "pop.max_connections", "\"0\" is out of range");
	RUN("HSET settings:pop max_connections 78");
	assert_true(wait_change(&b));
	assert_int_equal(settings_pop(settings_current(b.live), STR_NONE)->max_connections, 78);
	wait_report(&b, "pop.max_connections", "");
	close_live(&b);
}

static void
test_reports(void **state)
{
	static const struct {
		const char *key, *field, *value, *name, *reason;
	} cases[] = {
		{"pop", "max_conections", "7", "pop.max_conections", "did you mean max_connections?"},
		{"pop", "xyzzy", "7", "pop.xyzzy", "no such field"},
		{"smtpin", "banner", "x", "smtpin", "did you mean settings:smtp-in?"},
		{"quux", "banner", "x", "quux", "no such group of settings"},
		{"smtp-out:a.test", "port", "26", "smtp-out:a.test.port", "can only be set in settings:smtp-out"},
		{"smtp-out:a.test", "outbound_ipv6", "::g", "smtp-out:a.test.outbound_ipv6", "an IPv6 address"},
		{"smtp-out:", "outbound_ipv6", "::1", "smtp-out:", "not a domain name"},
		{"imap", "two words\r\n", "x", "imap.two?words??", "no such field"},
	};
	(void)state;
	struct bench b;
	open_live(&b, true);
	wait_read(&b);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		RUN("HSET settings:%s %s %s", cases[i].key, cases[i].field, cases[i].value);
		wait_report(&b, cases[i].name, cases[i].reason);
		RUN("DEL settings:%s", cases[i].key);
		wait_report(&b, cases[i].name, "");
	}
	assert_int_equal(b.changes, 1);
	close_live(&b);
}

static void
test_wrong_type(void **state)
{
	(void)state;
	struct bench b;
	RUN("HSET settings:pop max_connections 77");
	open_live(&b, true);
	wait_read(&b);
	RUN("DEL settings:pop");
	RUN("SET settings:pop nonsense");
	RUN("SET settings:ldapp nonsense");
	wait_report(&b, "pop", "not a hash");
	wait_report(&b, "ldapp", "did you mean settings:ldap?");
	RUN("DEL settings:pop settings:ldapp");
	wait_report(&b, "pop", "");
	wait_report(&b, "ldapp", "");
	assert_int_equal(settings_pop(settings_current(b.live), STR_NONE)->max_connections, 500);
	close_live(&b);
}

static void
collect(void *arg, const char *name, const char *text)
{
	(void)text;
	buf_printf(arg, "%s;", name);
}

/* What was left behind goes, and who does not report changes nothing. */
static void
test_stale_reports(void **state)
{
	(void)state;
	struct bench b;
	RUN("HSET settings:errors pop.banner old pop.max_connections old");
	RUN("HSET settings:pop max_connections many");
	open_live(&b, false);
	wait_read(&b);
	wait_report(&b, "pop.banner", "old");
	struct buf errors = BUF_EMPTY;
	settings_live_errors(b.live, collect, &errors);
	assert_string_equal(errors.data, "pop.max_connections;");
	buf_fini(&errors);
	close_live(&b);

	open_live(&b, true);
	wait_read(&b);
	wait_report(&b, "pop.banner", "");
	wait_report(&b, "pop.max_connections", "not a whole number");
	close_live(&b);
}

static void
test_redis_goes_and_comes(void **state)
{
	(void)state;
	struct bench b;
	RUN("HSET settings:pop max_connections 77");
	open_live(&b, true);
	wait_read(&b);
	redis_fixture_kill(&server);
	turn(b.base, 300);
	assert_int_equal(settings_pop(settings_current(b.live), STR_NONE)->max_connections, 77);

	assert_true(redis_fixture_run(&server, false));
	RUN("HSET settings:pop max_connections 99");
	for (int i = 0; i < 10 && settings_pop(settings_current(b.live), STR_NONE)->max_connections != 99; i++)
		wait_change(&b);
	assert_int_equal(settings_pop(settings_current(b.live), STR_NONE)->max_connections, 99);
	close_live(&b);
}

/* Nothing may be used after it is freed, answers under way or not. */
static void
test_free_at_any_time(void **state)
{
	(void)state;
	for (int ms = 0; ms < 40; ms += 4) {
		struct bench b;
		RUN("HSET settings:pop xyzzy %d", ms);
		open_live(&b, true);
		if (ms > 0)
			turn(b.base, ms);
		close_live(&b);
	}
}

static int
start(void **state)
{
	(void)state;
	return redis_fixture_start(&server, false) ? 0 : -1;
}

static int
stop(void **state)
{
	(void)state;
	redis_fixture_stop(&server);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_first_read, flush),
		cmocka_unit_test_setup(test_change_arrives, flush),
		cmocka_unit_test_setup(test_unwatch, flush),
		cmocka_unit_test_setup(test_untold_change_at_the_start, flush),
		cmocka_unit_test_setup(test_bad_value_keeps_the_last_good, flush),
		cmocka_unit_test_setup(test_reports, flush),
		cmocka_unit_test_setup(test_wrong_type, flush),
		cmocka_unit_test_setup(test_stale_reports, flush),
		cmocka_unit_test_setup(test_redis_goes_and_comes, flush),
		cmocka_unit_test_setup(test_free_at_any_time, flush),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
