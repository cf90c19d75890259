/* Places of milters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/milter_url.h"

static void
test_parse(void **state)
{
	static const struct {
		const char *text;
		int family; /* 0: refused */
	} rows[] = {
		{"inet:127.0.0.1:8891", AF_INET},
		{"inet6:[2001:db8::1]:1", AF_INET6},
		{"unix:/run/m.sock", AF_UNIX},
		{"inet:127.0.0.1", 0},
		{"inet:localhost:8891", 0},
		{"inet6:127.0.0.1:1", 0},
		{"inet:[2001:db8::1]:1", 0},
		{"unix:m.sock", 0},
		{"unix:/", 0},
		{"unix:", 0},
		{"tcp:127.0.0.1:1", 0},
		{"127.0.0.1:1", 0},
		{"", 0},
	};
	struct milter_url url;
	char path[300] = "unix:/";

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(milter_url_parse(str_c(rows[i].text), &url), rows[i].family != 0);
		if (rows[i].family != 0)
			assert_int_equal(url.address.any.sa_family, rows[i].family);
	}
	memset(path + 6, 'x', sizeof(path) - 7);
	assert_false(milter_url_parse(str_c(path), &url));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_parse)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
