/* Addresses of listeners. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/listen_url.h"

static const struct {
	const char *text, *ip; /* ip NULL: refused; empty: all */
	bool tls;
	unsigned port;
	const char *path;
} rows[] = {
	{"http://+:80/http-bind/", "", false, 80, "/http-bind/"},
	{"HTTP://*", "", false, 80, "/"},
	{"https://+", "", true, 443, "/"},
	{"https://+:8443", "", true, 8443, "/"},
	{"http://192.0.2.1:8080/", "192.0.2.1", false, 8080, "/"},
	{"http://[2001:db8::1]:8080/x/y", "2001:db8::1", false, 8080, "/x/y"},
	{"http://[::1]", "::1", false, 80, "/"},
	{"", NULL, false, 0, NULL},
	{"+:80", NULL, false, 0, NULL},
	{"ftp://+:80", NULL, false, 0, NULL},
	{"http://", NULL, false, 0, NULL},
	{"http://:80", NULL, false, 0, NULL},
	{"http://mail.example.com:80", NULL, false, 0, NULL},
	{"http://+:0", NULL, false, 0, NULL},
	{"http://+:65536", NULL, false, 0, NULL},
	{"http://+:x", NULL, false, 0, NULL},
	{"http://+:", NULL, false, 0, NULL},
	{"http://::1", NULL, false, 0, NULL},
	{"http://[::1", NULL, false, 0, NULL},
	{"http://[192.0.2.1]", NULL, false, 0, NULL},
	{"http://192.0.2.1.:80", NULL, false, 0, NULL},
};

static void
test_parse(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct listen_url url;
		char text[IP_TEXT_MAX] = "";
		bool ok = listen_url_parse(str_c(rows[i].text), &url);

		if (ok != (rows[i].ip != NULL))
			fail_msg("%s", rows[i].text);
		if (!ok)
			continue;
		if (url.ip.family != 0)
			ip_text(&url.ip, text);
		assert_string_equal(text, rows[i].ip);
		assert_int_equal(url.tls, rows[i].tls);
		assert_int_equal(url.port, rows[i].port);
		assert_true(str_eq(url.path, str_c(rows[i].path)));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_parse)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
