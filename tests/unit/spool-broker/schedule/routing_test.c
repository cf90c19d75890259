/* Names of sites, and limits dealt out. */
#include "spool-broker/schedule/routing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <event2/event.h>
#include <string.h>
#include <unistd.h>

#include "spool-broker/broker.h"

static char name[SITE_NAME_MAX];
static struct site_limits limits;

static void
look(const char *hosts, const char *destination, unsigned brokers)
{
	routing_name(settings_defaults(), str_c(hosts), str_c(destination), brokers, name, &limits);
}

static void
test_names(void **state)
{
	(void)state;
	look("mx.provider.test", "customer.test", 1);
	assert_string_equal(name, "mx.provider.test");
	look("a.test,b.test", "customer.test", 1);
	assert_string_equal(name, "a.test,b.test");
	look("", "customer.test", 1);
	assert_string_equal(name, "customer.test");
}

/* The default is 20 at once. */
static void
test_limits_are_dealt_out(void **state)
{
	(void)state;
	look("", "d", 1);
	assert_int_equal(limits.at_once, 20);
	assert_int_equal(limits.at_once_all, 0);
	assert_int_equal(limits.per_minute, 0);
	look("", "d", 3);
	assert_int_equal(limits.at_once, 6);
	assert_int_equal(limits.at_once_all, 0);
	look("", "d", 4);
	assert_int_equal(limits.at_once, 5);
	/* Shares that are too small are not dealt out: any broker may use all. */
	look("", "d", 5);
	assert_int_equal(limits.at_once, 20);
	assert_int_equal(limits.at_once_all, 20);
}

/* ---- With a name server ---- */
static const char *mx; /* of all names */

static void
on_question(evutil_socket_t fd, short what, void *arg)
{
	char q[1500];
	struct sockaddr_in from;
	socklen_t from_len = sizeof(from);
	ssize_t n = recvfrom(fd, q, 512, 0, (struct sockaddr *)&from, &from_len);
	size_t at = 12, mx_len = strlen(mx) + 1;
	const char head[] = {'\xc0', 12, 0, 15, 0, 1, 0, 0, 0, 0, 0, (char)(mx_len + 2), 0, 10};

	(void)what, (void)arg;
	assert_true(n > 17);
	while (q[at] != 0)
		at += 1u + (unsigned char)q[at];
	at += 5;
	memcpy(q + 2, "\x85\x80\0\1\0\1\0\0\0\0", 10);
	memcpy(q + at, head, sizeof(head));
	memcpy(q + at + sizeof(head), mx, mx_len);
	at += sizeof(head) + mx_len;
	assert_true(sendto(fd, q, at, 0, (struct sockaddr *)&from, from_len) == (ssize_t)at);
}

static void
wait_for_site(struct broker *b, const struct part *p, const char *site)
{
	for (unsigned i = 0; i < 200; i++) {
		const struct timeval tv = {.tv_usec = 10000};
		if (part_site(p) != NULL && strcmp(part_site(p)->name, site) == 0)
			return;
		event_base_loopexit(b->config.base, &tv);
		event_base_dispatch(b->config.base);
	}
	fail_msg("%s", part_site(p) != NULL ? part_site(p)->name : "no site");
}

/* A queue that stands for long follows what becomes of the destination. */
static void
test_standing_queue_moves(void **state)
{
	struct broker b = {.ops = &schedule_fair, .brokers = 1};
	struct schedule **s = &b.schedules[STAGEPOST__JOB_KIND__REMOTE];
	const struct schedule_limits none = {.dead_first_ms = 1000};
	struct schedule_router router;
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sin);
	struct part p = {.message = NULL};
	struct event *event;
	char resolver[40];
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	(void)state;
	b.config.base = event_base_new();
	assert_return_code(bind(fd, (struct sockaddr *)&sin, len), 0);
	assert_return_code(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	event = event_new(b.config.base, fd, EV_READ | EV_PERSIST, on_question, NULL);
	event_add(event, NULL);
	snprintf(resolver, sizeof(resolver), "127.0.0.1@%u", ntohs(sin.sin_port));
	b.config.dns = dns_new(b.config.base, resolver, NULL, NULL);
	dns_set_caching(b.config.dns, false);
	*s = b.ops->create();
	b.routing = routing_new(&b, b.config.dns);
	router = routing_router(b.routing);
	b.ops->set_limits(*s, &none, &router);
	mx = "\2mx\3one";
	b.ops->enlist(*s, &p, STR("d.test"), STR("a"), STR("a"), 0);
	b.ops->ready(*s, &p);
	wait_for_site(&b, &p, "mx.one");
	mx = "\2mx\3two";
	for (unsigned i = 0; i < 20; i++) {
		routing_age(b.routing, 61000);
		routing_tick(b.routing);
	}
	wait_for_site(&b, &p, "mx.two");
	b.ops->dismiss(*s, &p);
	routing_age(b.routing, 11 * 60000);
	routing_tick(b.routing);
	routing_free(&b.routing);
	b.ops->destroy(s);
	dns_free(&b.config.dns);
	event_free(event);
	close(fd);
	event_base_free(b.config.base);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_limits_are_dealt_out),
		cmocka_unit_test(test_standing_queue_moves),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
