/* Servers as operators write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/host_port.h"

static const struct {
	const char *text, *host; /* NULL: refused */
	unsigned family;	 /* of a literal */
	unsigned port;
} rows[] = {
	{"relay.test", "relay.test", 0, 0},
	{" relay.test:2525 ", "relay.test", 0, 2525},
	{"relay.test.", "relay.test.", 0, 0},
	{"localhost", "localhost", 0, 0},
	{"my_host.test", "my_host.test", 0, 0},
	{"1.example", "1.example", 0, 0},
	{"127.0.0.1", "127.0.0.1", 4, 0},
	{"127.0.0.1:42525", "127.0.0.1", 4, 42525},
	{"[127.0.0.1]", "[127.0.0.1]", 4, 0},
	{"[127.0.0.1]:65535", "[127.0.0.1]", 4, 65535},
	{"2001:db8::1", "2001:db8::1", 6, 0},
	{"[2001:db8::1]", "[2001:db8::1]", 6, 0},
	{"[2001:db8::1]:1", "[2001:db8::1]", 6, 1},
	{"[IPv6:2001:db8::1]:25", "[IPv6:2001:db8::1]", 6, 25},
	{"", NULL, 0, 0},
	{":25", NULL, 0, 0},
	{"[]", NULL, 0, 0},
	{"[192.0.2.1", NULL, 0, 0},
	{"[192.0.2.1]25", NULL, 0, 0},
	{"[relay.test]", NULL, 0, 0},
	{"192.0.2.300", NULL, 0, 0},
	{"192.0.2", NULL, 0, 0},
	{"25", NULL, 0, 0},
	{"relay.test:", NULL, 0, 0},
	{"relay.test:0", NULL, 0, 0},
	{"relay.test:65536", NULL, 0, 0},
	{"relay.test:smtp", NULL, 0, 0},
	{"relay test", NULL, 0, 0},
	{"relay..test", NULL, 0, 0},
	{"-relay.test", NULL, 0, 0},
	{"smtp://relay.test", NULL, 0, 0},
	{"me@relay.test", NULL, 0, 0},
	{"2001:db8::1:2:3:4:5:6:7:8:9", NULL, 0, 0},
};

static void
test_parse(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct host_port at;
		bool ok = host_port_parse(str_c(rows[i].text), &at);

		if (ok != (rows[i].host != NULL))
			fail_msg("'%s'", rows[i].text);
		if (!ok)
			continue;
		assert_true(str_eq(at.host, str_c(rows[i].host)));
		assert_int_equal(at.literal.family, rows[i].family);
		assert_int_equal(at.port, rows[i].port);
	}
}

static void
test_names(void **state)
{
	static const char *const good[] = {"mx.example.test", "localhost", "1.example", "my_host"};
	static const char *const bad[] = {"",
					  ".",
					  "mx.example.",
					  "192.0.2.1",
					  "mx.example:25",
					  "two words",
					  "a..b",
					  "mx.example\r\nX",
					  "-mx.example",
					  "[192.0.2.1]",
					  "me@mx.example"};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(host_name_is_valid(str_c(good[i])));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (host_name_is_valid(str_c(bad[i])))
			fail_msg("'%s'", bad[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_parse),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
