/* A message that is verified before it goes to the spool. */
#include "tests/unit/frontend/submit/submit_fixture.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include "lib/blob/store.h"

static unsigned
packs_free(void)
{
	unsigned count;

	pthread_mutex_lock(&blobs.store->pool_lock);
	count = blobs.store->pool_count;
	pthread_mutex_unlock(&blobs.store->pool_lock);
	return count;
}

/* A client that goes while DNS is silent takes everything with it, long before the time limit. */
static void
test_given_up_while_verified(void **state)
{
	struct sockaddr_in silent = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(silent);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char resolver[32], *line = mem_zalloc(100001);
	struct submit_options o = options;
	struct submit *s;
	struct err err;

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&silent, sizeof(silent)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&silent, &len), 0);
	snprintf(resolver, sizeof(resolver), "127.0.0.1@%u", ntohs(silent.sin_port));
	frontend.dns = dns_new(service.base, resolver, NULL, &err);
	assert_non_null(frontend.dns);
	assert_true(ip_parse(STR("192.0.2.1"), &o.peer));
	o.verifies = true;
	for (unsigned ended = 0; ended < 2; ended++) {
		s = submit_begin(&frontend, &o);
		submit_add_recipient(s, &(struct submit_recipient){.address = STR("a@example.test"), .local = true});
		submit_begin_data(s, false);
		submit_data(s, STR("From: a@remote.example\r\n\r\n"), NULL);
		memset(line, 'x', 100000);
		submit_data(s, str_c(line), NULL);
		if (ended)
			assert_true(submit_commit(s, on_done, &done));
		turn_loop();
		assert_int_equal(packs_free(), 0);
		submit_free(&s);
		for (unsigned i = 0; i < 50 && packs_free() == 0; i++)
			turn_loop();
		assert_int_equal(packs_free(), 1);
		assert_int_equal(done.count, 0);
	}
	assert_bodies_left(0);
	dns_free(&frontend.dns);
	mem_free(line);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_given_up_while_verified, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
