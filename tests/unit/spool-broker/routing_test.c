/* Names of sites, and limits dealt out. */
#include "spool-broker/routing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_limits_are_dealt_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
