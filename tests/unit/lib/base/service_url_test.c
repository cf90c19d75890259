#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "lib/base/service_url.h"

static void
good_ones(void **state)
{
	static const struct {
		const char *text, *scheme, *host;
		uint16_t port;
	} cases[] = {
		{"spamd://127.0.0.1:783", "spamd", "127.0.0.1", 783},
		{"rspamd://mx-1.example.org", "rspamd", "mx-1.example.org", 0},
		{"rspamd://a_b:1/", "rspamd", "a_b", 1},
		{"spamd://[::1]:65535", "spamd", "::1", 65535},
		{"spamd://[2001:db8::1]", "spamd", "2001:db8::1", 0},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct service_url url;
		assert_true(service_url_parse(str_c(cases[i].text), &url));
		assert_true(str_eq(url.scheme, str_c(cases[i].scheme)));
		assert_true(str_eq(url.host, str_c(cases[i].host)));
		assert_int_equal(url.port, cases[i].port);
	}
}

static void
bad_ones(void **state)
{
	static const char *const cases[] = {
		"",	      "spamd",	       "://a",	      "spamd:/a",     "spamd://",	  "spamd://:783",
		"spamd://a:", "spamd://a:0",   "spamd://a:x", "spamd://a:65536", "spamd://a:1:2", "spamd://a/b",
		"spamd://[",  "spamd://[]",    "spamd://[a]", "spamd://[::1]x", "spamd://[::1]:", "spamd://[192.0.2.1]",
		"spamd://u@a", "spamd://a b", "spamd:///",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct service_url url;
		if (service_url_parse(str_c(cases[i]), &url))
			fail_msg("taken: %s", cases[i]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_ones),
		cmocka_unit_test(bad_ones),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
