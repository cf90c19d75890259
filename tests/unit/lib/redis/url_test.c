/* URLs of Redis servers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "lib/redis/url.h"

static void
test_urls(void **state)
{
	static const struct {
		const char *text, *host, *path, *password;
		int port, database;
		const char *user;
		bool tls;
	} cases[] = {
		{"redis://127.0.0.1", "127.0.0.1", "", "", 6379, 0, "", false},
		{"redis://127.0.0.1/", "127.0.0.1", "", "", 6379, 0, "", false},
		{"redis://store.example.test:16379/3", "store.example.test", "", "", 16379, 3, "", false},
		{"redis://h:1/1000", "h", "", "", 1, 1000, "", false},
		{"redis://h:65535", "h", "", "", 65535, 0, "", false},
		{"redis://:secret@h", "h", "", "secret", 6379, 0, "", false},
		{"redis://user:secret@h:2", "h", "", "secret", 2, 0, "user", false},
		{"redis://us%3aer:secret@h:2/5", "h", "", "secret", 2, 5, "us:er", false},
		{"rediss://h", "h", "", "", 6379, 0, "", true},
		{"rediss://user:secret@h:2/3", "h", "", "secret", 2, 3, "user", true},
		{"redis://secret@h", "h", "", "secret", 6379, 0, "", false},
		{"redis://:se:cr@et@h", "h", "", "se:cr@et", 6379, 0, "", false},
		{"redis://:a%2Fb%25%40%3a@h", "h", "", "a/b%@:", 6379, 0, "", false},
		{"redis://:@h", "h", "", "", 6379, 0, "", false},
		{"redis://[::1]", "::1", "", "", 6379, 0, "", false},
		{"redis://[2001:db8::1]:7000/2", "2001:db8::1", "", "", 7000, 2, "", false},
		{"redis://:x@[::1]:7", "::1", "", "x", 7, 0, "", false},
		{"unix:/run/redis.sock", "", "/run/redis.sock", "", 6379, 0, "", false},
		{"unix:relative", "", "relative", "", 6379, 0, "", false},
	};
	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct redis_url url;
		struct err err;
		assert_int_equal(redis_url_parse(cases[i].text, &url, &err), 0);
		assert_string_equal(url.host, cases[i].host);
		assert_string_equal(url.path, cases[i].path);
		assert_string_equal(url.password, cases[i].password);
		assert_string_equal(url.user, cases[i].user);
		assert_int_equal(url.tls, cases[i].tls);
		assert_int_equal(url.port, cases[i].port);
		assert_int_equal(url.database, cases[i].database);
	}
}

static void
test_malformed(void **state)
{
	static const char *const cases[] = {
		"",
		"127.0.0.1",
		"redis:",
		"redis:/h",
		"redis://",
		"redis:///1",
		"redis://:6379",
		"redis://:secret@",
		"redis://:secret@:6379",
		"redis://h:",
		"redis://h:0",
		"redis://h:65536",
		"redis://h:6379x",
		"redis://h:-1",
		"redis://h:1:2",
		"redis://::1",
		"redis://[::1",
		"redis://[::1]6379",
		"redis://[127.0.0.1]:1",
		"redis://[]:1",
		"redis://h h",
		"redis://h]",
		"redis://h[1]",
		"redis://h\xc3\xb6",
		"redis://h\n",
		"redis://h/x",
		"redis://h/-1",
		"redis://h/1001",
		"redis://h/1/2",
		"redis://:secret%@h",
		"redis://:secret%4@h",
		"redis://:secret%4g@h",
		"redis://:secret%00@h",
		"redisss://h",
		"rediss:/h",
		"rediss://",
		"redis://sec%ret:x@h",
		"unix:",
		"Unix:/x",
	};
	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct redis_url url;
		struct err err = {0};
		assert_int_equal(redis_url_parse(cases[i], &url, &err), -1);
		assert_int_equal(err.code, ERR_INVALID);
		assert_null(strstr(err.text, "secret")); /* it would go to a log */
	}
}

/* At the limit of a field, and one more than that. */
static void
test_lengths(void **state)
{
	static const struct {
		const char *before, *after;
		size_t most;
	} cases[] = {{"redis://", "", 255}, {"redis://:", "@h", 255}, {"unix:", "", 107}};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t more = 0; more < 2; more++) {
			char text[400] = "", filler[300];
			struct redis_url url;
			struct err err;
			memset(filler, 'a', sizeof(filler));
			filler[cases[i].most + more] = '\0';
			strcat(strcat(strcpy(text, cases[i].before), filler), cases[i].after);
			assert_int_equal(redis_url_parse(text, &url, &err), more == 0 ? 0 : -1);
		}
}

static void
test_shown(void **state)
{
	static const struct {
		const char *text, *shown;
	} cases[] = {
		{"redis://127.0.0.1:6379/1", "redis://127.0.0.1:6379/1"},
		{"unix:/run/redis@1.sock", "unix:/run/redis@1.sock"},
		{"redis://:secret@h:1/2", "redis://***@h:1/2"},
		{"redis://secret@h", "redis://***@h"},
		{"rediss://user:secret@h", "rediss://user:***@h"},
		{"redis://user:se@cret@h", "redis://user:***@h"},
		{"redis://:secret@", "redis://***@"},
		{"redis://user:secret@h:0/x", "redis://user:***@h:0/x"},
		{"secret", "***"},
		{"redis:secret@h", "***"},
	};
	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char shown[REDIS_URL_SHOWN_MAX];
		redis_url_show(cases[i].text, shown, sizeof(shown));
		assert_string_equal(shown, cases[i].shown);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_urls),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_shown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
