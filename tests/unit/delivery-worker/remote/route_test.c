/* Which hosts mail goes to, and when to none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "delivery-worker/remote/route.h"
#include "lib/base/buf.h"

static const char *
describe(const struct route *route, char *out, size_t size)
{
	struct buf b = BUF_EMPTY;

	for (unsigned i = 0; i < route->count; i++)
		buf_printf(&b, "%s%.*s%s", i > 0 ? " " : "", STR_ARG(route->hosts[i].name),
			   route->hosts[i].literal.family != 0 ? "!" : "");
	buf_printf(&b, ":%u", route->port);
	str_copy(buf_str(&b), out, size);
	buf_fini(&b);
	return out;
}

#define MX(...) \
	(const struct dns_mx[]){__VA_ARGS__}, sizeof((const struct dns_mx[]){__VA_ARGS__}) / sizeof(struct dns_mx)
#define H(preference, host) \
	{ \
		preference, \
		{ \
			host, sizeof(host) - 1 \
		} \
	}

static const struct {
	bool answered, exists;
	const struct dns_mx *mx;
	unsigned mx_count;
	const char *route; /* or the refusal's code */
} mx_rows[] = {
	{true, true, MX(H(10, "a.test"), H(20, "b.test")), "a.test b.test:25"},
	{true, true, NULL, 0, "dest.test:25"},
	{true, false, NULL, 0, "5.1.2"},
	{false, false, NULL, 0, "4.4.3"},
	{true, true, MX(H(0, "")), "5.1.10"},
	{true, true, MX(H(0, ""), H(10, "a.test")), "a.test:25"},
	/* this host is own.test */
	{true, true, MX(H(10, "own.test")), "5.4.6"},
	{true, true, MX(H(10, "own.test"), H(20, "b.test")), "5.4.6"},
	{true, true, MX(H(10, "a.test"), H(20, "own.test"), H(30, "c.test")), "a.test:25"},
	{true, true, MX(H(10, "a.test"), H(20, "b.test"), H(20, "own.test")), "a.test:25"},
	{true, true, MX(H(20, "b.test"), H(20, "own.test")), "5.4.6"},
	{true, true, MX(H(10, "192.0.2.7")), "192.0.2.7!:25"},
	{true, true,
	 MX(H(1, "1.t"), H(2, "2.t"), H(3, "3.t"), H(4, "4.t"), H(5, "5.t"), H(6, "6.t"), H(7, "7.t"), H(8, "8.t"),
	    H(9, "9.t"), H(10, "10.t"), H(11, "11.t")),
	 "1.t 2.t 3.t 4.t 5.t 6.t 7.t 8.t 9.t 10.t:25"},
};

static void
test_mx(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(mx_rows) / sizeof(mx_rows[0]); i++) {
		struct dns_answer answer = {
			.mx = mx_rows[i].mx, .mx_count = mx_rows[i].mx_count, .exists = mx_rows[i].exists};
		const struct route_refusal *refusal;
		struct route route;
		struct arena arena;
		char text[400];

		arena_init(&arena);
		refusal = route_from_mx(mx_rows[i].answered ? &answer : NULL, STR("dest.test"), STR("Own.test"), 25,
					&arena, &route);
		if (refusal != NULL)
			assert_string_equal(refusal->code, mx_rows[i].route);
		else
			assert_string_equal(describe(&route, text, sizeof(text)), mx_rows[i].route);
		if (refusal != NULL)
			assert_int_equal(refusal->permanent, refusal->code[0] == '5');
		arena_fini(&arena);
	}
}

static void
test_own_domain_without_mx(void **state)
{
	struct dns_answer answer = {.exists = true};
	struct route route;
	struct arena arena;

	(void)state;
	arena_init(&arena);
	assert_ptr_equal(route_from_mx(&answer, STR("own.test"), STR("own.test"), 25, &arena, &route), &route_loops);
	arena_fini(&arena);
}

static const struct {
	const char *text, *route; /* NULL: refused */
} relay_rows[] = {
	{"relay.test", "relay.test:25"},
	{"relay.test:2525", "relay.test:2525"},
	{" relay.test ", "relay.test:25"},
	{"[192.0.2.1]", "[192.0.2.1]!:25"},
	{"[192.0.2.1]:2525", "[192.0.2.1]!:2525"},
	{"[IPv6:2001:db8::1]:26", "[IPv6:2001:db8::1]!:26"},
	{"[2001:db8::1]", "[IPv6:2001:db8::1]!:25"},
	{"", NULL},
	{":25", NULL},
	{"relay.test:", NULL},
	{"relay.test:0", NULL},
	{"relay.test:65536", NULL},
	{"relay.test:smtp", NULL},
	{"192.0.2.1", "[192.0.2.1]!:25"},
	{"127.0.0.1:42525", "[127.0.0.1]!:42525"},
	{"2001:db8::1", "[IPv6:2001:db8::1]!:25"},
	{"[nonsense]", NULL},
	{"[192.0.2.1", NULL},
};

static void
test_relay(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(relay_rows) / sizeof(relay_rows[0]); i++) {
		struct route route;
		struct arena arena;
		char text[400];
		bool ok;

		arena_init(&arena);
		ok = route_from_relay(str_c(relay_rows[i].text), 25, &arena, &route);
		if (ok != (relay_rows[i].route != NULL))
			fail_msg("'%s'", relay_rows[i].text);
		if (ok)
			assert_string_equal(describe(&route, text, sizeof(text)), relay_rows[i].route);
		assert_true(!ok || route.is_relay);
		arena_fini(&arena);
	}
}

static void
test_literal(void **state)
{
	struct route route;
	struct arena arena;

	(void)state;
	arena_init(&arena);
	assert_true(route_from_literal(STR("[192.0.2.1]"), 25, &arena, &route));
	assert_true(route_from_literal(STR("[IPv6:2001:db8::1]"), 25, &arena, &route));
	assert_false(route_from_literal(STR("example.test"), 25, &arena, &route));
	assert_false(route_from_literal(STR(""), 25, &arena, &route));
	arena_fini(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mx),
		cmocka_unit_test(test_own_domain_without_mx),
		cmocka_unit_test(test_relay),
		cmocka_unit_test(test_literal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
