/* Requests that fail, end or are dropped; answers of a server are tested from
 * outside (tests/integration/test_tls_reports.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/base/clock.h"
#include "lib/net/web.h"

static struct event_base *base;
static struct web_client *client;

struct end {
	bool done;
	struct err err;
};

static void
on_answer(void *arg, const struct web_answer *answer, const struct err *err)
{
	struct end *e = arg;

	assert_null(answer);
	assert_false(e->done);
	e->done = true;
	e->err = *err;
}

static void
turn_until(const bool *done, int64_t ms)
{
	int64_t until = clock_monotonic_ms() + ms;

	while (!*done && clock_monotonic_ms() < until) {
		event_base_loop(base, EVLOOP_NONBLOCK);
		usleep(1000);
	}
}

/* A port on loopback; listening: connections wait for ever. */
static int
open_port(uint16_t *port_out)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	*port_out = ntohs(sa.sin_port);
	return fd;
}

static enum err_code
end_of(const char *url, const struct ip *ips, unsigned ip_count, int64_t timeout_ms)
{
	struct web_options o = {.method = "GET", .url = url, .ips = ips, .ip_count = ip_count, .max_bytes = 1000,
				 .timeout_ms = timeout_ms};
	struct end e = {.done = false};

	assert_non_null(web_start(client, &o, on_answer, &e));
	assert_false(e.done);
	turn_until(&e.done, 20000);
	assert_true(e.done);
	assert_true(e.err.text[0] != '\0');
	return e.err.code;
}

static void
test_urls(void **state)
{
	static const struct {
		const char *url, *host;
		unsigned port;
	} cases[] = {
		{"https://a.test/x", "a.test", 443},	    {"https://a.test:8443/x?y", "a.test", 8443},
		{"HTTPS://a.test", "a.test", 443},	    {"https://[2001:db8::1]:1/", "2001:db8::1", 1},
		{"https://u:p@a.test/", "a.test", 443},	    {"http://a.test/", NULL, 0},
		{"https://", NULL, 0},			    {"mailto:a@b.test", NULL, 0},
		{"https://a.test:99999/", NULL, 0},	    {"https://a test/", NULL, 0},
		{"", NULL, 0},				    {"file:///etc/passwd", NULL, 0},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str host;
		uint16_t port = 0;

		if (web_url_host(str_c(cases[i].url), &host, &port) != (cases[i].host != NULL))
			fail_msg("%s", cases[i].url);
		if (cases[i].host == NULL)
			continue;
		assert_true(str_eq(host, str_c(cases[i].host)));
		assert_int_equal(port, cases[i].port);
	}
}

static void
test_failures(void **state)
{
	struct ip loopback;
	char url[100];
	uint16_t port;
	int fd = open_port(&port);

	(void)state;
	assert_true(ip_parse(STR("127.0.0.1"), &loopback));
	assert_int_equal(end_of("http://127.0.0.1/", NULL, 0, 5000), ERR_INVALID);
	assert_int_equal(end_of("https://", NULL, 0, 5000), ERR_INVALID);
	/* Nobody listens; the name is known by the address that was given alone. */
	snprintf(url, sizeof(url), "https://web.remote.test:%u/", port);
	assert_int_equal(end_of(url, &loopback, 1, 5000), ERR_UNAVAILABLE);
	assert_int_equal(listen(fd, 5), 0);
	assert_int_equal(end_of(url, &loopback, 1, 200), ERR_TIMEOUT);
	close(fd);
}

static void
test_dropped(void **state)
{
	struct web_options o = {.method = "POST", .body = STR("x"), .timeout_ms = 60000};
	struct end e = {.done = false};
	struct web_request *r;
	char url[100];
	uint16_t port;
	int fd = open_port(&port);

	(void)state;
	assert_int_equal(listen(fd, 5), 0);
	snprintf(url, sizeof(url), "https://127.0.0.1:%u/", port);
	o.url = url;
	r = web_start(client, &o, on_answer, &e);
	web_cancel(&r);
	assert_null(r);
	r = web_start(client, &o, on_answer, &e);
	turn_until(&e.done, 100);
	web_cancel(&r);
	web_start(client, &o, on_answer, &e);
	turn_until(&e.done, 100);
	web_client_free(&client);
	assert_null(client);
	turn_until(&e.done, 50);
	assert_false(e.done);
	close(fd);
	client = web_client_new(base);
}

static int
start(void **state)
{
	(void)state;
	base = event_base_new();
	client = web_client_new(base);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	web_client_free(&client);
	event_base_free(base);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_urls),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_dropped),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
