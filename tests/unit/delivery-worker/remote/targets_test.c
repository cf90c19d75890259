/* In which order the addresses of a route's hosts are tried. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "delivery-worker/remote/targets.h"

static struct event_base *base;
static struct remote here;
static struct targets targets;
static struct route_host hosts[TARGETS_MAX + 1];

static void
add(unsigned host, const char *const *texts, unsigned count)
{
	struct ip ips[TARGETS_MAX + 8];

	for (unsigned i = 0; i < count; i++)
		assert_true(ip_parse(str_c(texts[i]), &ips[i]));
	hosts[host].name = STR("mx.example.test");
	targets_add(&targets, &here, &hosts[host], 25, ips, count);
}

#define ADD(host, ...)                                                                                                 \
	add(host, (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static void
assert_next(unsigned host, const char *text)
{
	struct candidate next;
	char ip[IP_TEXT_MAX];

	assert_true(targets_next(&targets, &next));
	ip_text(&next.target.ip, ip);
	assert_string_equal(ip, text);
	assert_ptr_equal(next.host, &hosts[host]);
	assert_int_equal(next.target.port, 25);
	assert_string_equal(next.target.host, "mx.example.test");
}

static void
assert_no_more(void)
{
	struct candidate next;

	assert_false(targets_next(&targets, &next));
}

static int
setup(void **state)
{
	(void)state;
	base = event_base_new();
	here = (struct remote){.pool = pool_new(base), .has_ipv6 = true};
	targets = (struct targets){0};
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	pool_free(&here.pool);
	event_base_free(base);
	return 0;
}

static void
test_families_take_turns(void **state)
{
	(void)state;
	ADD(0, "192.0.2.1", "192.0.2.2", "2001:db8::1", "192.0.2.3");
	ADD(1, "192.0.2.9");
	assert_next(0, "2001:db8::1");
	assert_next(0, "192.0.2.1");
	assert_next(0, "192.0.2.2");
	assert_next(0, "192.0.2.3");
	assert_next(1, "192.0.2.9");
	assert_no_more();
	targets_begin_last(&targets);
	assert_no_more();
}

static void
test_what_cannot_be_reached_comes_last(void **state)
{
	struct smtp_target dead = {.port = 25};

	(void)state;
	here.has_ipv6 = false;
	assert_true(ip_parse(STR("192.0.2.1"), &dead.ip));
	pool_note_dead(here.pool, &dead);
	ADD(0, "2001:db8::1", "192.0.2.1");
	ADD(1, "192.0.2.2");
	assert_next(1, "192.0.2.2");
	assert_no_more();
	targets_begin_last(&targets);
	assert_next(0, "2001:db8::1");
	assert_next(0, "192.0.2.1");
	assert_no_more();
}

/* As when a server put the message off: its other addresses wait. */
static void
test_the_rest_of_a_host_comes_last(void **state)
{
	(void)state;
	ADD(0, "192.0.2.1", "192.0.2.2");
	assert_next(0, "192.0.2.1");
	targets_put_last(&targets);
	assert_no_more();
	ADD(1, "192.0.2.3");
	assert_next(1, "192.0.2.3");
	assert_no_more();
	targets_begin_last(&targets);
	assert_next(0, "192.0.2.2");
	assert_no_more();
}

static void
test_there_are_only_so_many(void **state)
{
	struct candidate next;
	unsigned count = 0;

	(void)state;
	for (unsigned i = 0; i <= TARGETS_MAX; i++)
		ADD(i, "192.0.2.1");
	while (targets_next(&targets, &next))
		count++;
	assert_int_equal(count, TARGETS_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_families_take_turns, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_cannot_be_reached_comes_last, setup, teardown),
		cmocka_unit_test_setup_teardown(test_the_rest_of_a_host_comes_last, setup, teardown),
		cmocka_unit_test_setup_teardown(test_there_are_only_so_many, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
