/* Host names, looked up off the loop; also with a name server that does not
 * answer, a real one in the test's own mount namespace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/lookup.h"

#define SILENT_SERVER "127.0.53.53"

static struct event_base *base;

struct answer {
	unsigned calls, count;
	struct ip first;
	enum err_code code;
};

static void
on_done(void *arg, const struct ip *addresses, unsigned count, const struct err *err)
{
	struct answer *a = arg;

	assert_true((count == 0) == (err != NULL));
	a->calls++;
	a->count = count;
	if (count != 0)
		a->first = addresses[0];
	a->code = err != NULL ? err->code : ERR_NONE;
}

/* The longest turn of the loop meanwhile. */
static int64_t
wait_for(const struct answer *a, int64_t most_ms)
{
	int64_t until = clock_monotonic_ms() + most_ms, longest = 0;

	while (a->calls == 0 && clock_monotonic_ms() < until) {
		struct timeval turn = {.tv_usec = 5000};
		int64_t began = clock_monotonic_ms();
		event_base_loopexit(base, &turn);
		event_base_loop(base, EVLOOP_ONCE);
		if (clock_monotonic_ms() - began > longest)
			longest = clock_monotonic_ms() - began;
	}
	return longest;
}

static void
test_addresses(void **state)
{
	static const struct {
		const char *host, *address;
	} cases[] = {{"192.0.2.1", "192.0.2.1"}, {"2001:db8::1", "2001:db8::1"}, {"localhost", NULL}};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct answer a = {0};
		char text[IP_TEXT_MAX];
		lookup_start(base, cases[i].host, 5000, on_done, &a);
		assert_int_equal(a.calls, 0);
		wait_for(&a, 6000);
		assert_int_equal(a.calls, 1);
		ip_text(&a.first, text);
		if (cases[i].address != NULL)
			assert_string_equal(text, cases[i].address);
		else
			assert_true(ip_is_loopback(&a.first));
	}
}

static void
test_cancelled(void **state)
{
	struct answer a = {0}, b = {0};
	struct lookup *l = lookup_start(base, "localhost", 5000, on_done, &a);
	struct lookup *number = lookup_start(base, "192.0.2.1", 5000, on_done, &a);

	(void)state;
	lookup_start(base, "localhost", 5000, on_done, &b);
	lookup_cancel(&l);
	lookup_cancel(&number);
	assert_null(l);
	wait_for(&b, 6000);
	assert_int_equal(b.calls, 1);
	assert_int_equal(a.calls, 0);
}

/* A name server that takes questions and never answers. */
static int
be_silent(void)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(53)};
	char path[] = "/tmp/stagepost-resolv-XXXXXX";
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), file;

	inet_pton(AF_INET, SILENT_SERVER, &sa.sin_addr);
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0 || unshare(CLONE_NEWNS) != 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
		close(fd);
		return -1;
	}
	file = mkstemp(path);
	dprintf(file, "nameserver " SILENT_SERVER "\n");
	close(file);
	assert_int_equal(mount(path, "/etc/resolv.conf", NULL, MS_BIND, NULL), 0);
	unlink(path);
	return fd;
}

static void
test_silent_server(void **state)
{
	struct answer many[20] = {0}, local = {0};
	int fd = be_silent();
	int64_t began = clock_monotonic_ms();

	(void)state;
	if (fd < 0) {
		print_message("no right to make a mount namespace and to be a name server\n");
		skip();
	}
	for (unsigned i = 0; i < 20; i++)
		lookup_start(base, "store.stagepost.example", 500, on_done, &many[i]);
	assert_true(wait_for(&many[19], 5000) < 200);
	assert_true(clock_monotonic_ms() - began < 1500);
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(many[i].calls, 1);
		assert_int_equal(many[i].code, ERR_TIMEOUT);
	}
	/* Others are not held up. */
	lookup_start(base, "localhost", 500, on_done, &local);
	wait_for(&local, 1000);
	assert_int_equal(local.code, ERR_NONE);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_cancelled),
		cmocka_unit_test(test_silent_server),
	};
	int failed;

	base = event_base_new();
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	event_base_free(base);
	return failed;
}
