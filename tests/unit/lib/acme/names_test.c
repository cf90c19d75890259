/* Which names need a certificate. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "lib/acme/names.h"

static void
test_public(void **state)
{
	static const struct {
		const char *name;
		bool is;
	} cases[] = {
		{"mail.example.com", true},
		{"a-b.c1.example", true},
		{"xn--mller-kva.example", true},
		{"", false},
		{"localhost", false},
		{"a.localhost", false},
		{"mail.local", false},
		{"x.home.arpa", false},
		{"192.0.2.1", false},
		{"2001:db8::1", false},
		{"*.example.com", false},
		{"a..b", false},
		{".a.b", false},
		{"a.b.", false},
		{"-a.example", false},
		{"a-.example", false},
		{"a_b.example", false},
		{"a b.example", false},
		{"a,b.example", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(acme_name_is_public(str_c(cases[i].name)), cases[i].is);
	assert_false(acme_name_is_public(str_of("a\0b.example", 11)));
}

static void
test_made_of_domains(void **state)
{
	const struct str domains[] = {STR("two.test"), STR("one.test"), STR("single")};
	struct acme_names names;
	struct arena arena;

	(void)state;
	arena_init(&arena);
	acme_names_make(&names, &arena, settings_defaults(), STR("MX.one.test"), domains, 3);
	assert_int_equal(names.count, 7);
	assert_true(acme_names_find(&names, STR("mx.one.test"))->is_own);
	assert_false(acme_names_find(&names, STR("autoconfig.two.test"))->is_own);
	assert_non_null(acme_names_find(&names, STR("autodiscover.one.test")));
	assert_non_null(acme_names_find(&names, STR("autodiscover.single")));
	assert_null(acme_names_find(&names, STR("mta-sts.one.test"))); /* there is no policy */
	assert_null(acme_names_find(&names, STR("two.test")));
	assert_null(acme_names_find(&names, STR("")));
	/* The server's name may also be a domain's. */
	acme_names_make(&names, &arena, settings_defaults(), STR("autoconfig.one.test"), domains, 3);
	assert_int_equal(names.count, 6);
	assert_true(acme_names_find(&names, STR("autoconfig.one.test"))->is_own);
	acme_names_make(&names, &arena, settings_defaults(), STR("localhost"), NULL, 0);
	assert_int_equal(names.count, 0);
	assert_null(acme_names_find(&names, STR("x.test")));
	arena_fini(&arena);
}

static void
test_too_many(void **state)
{
	enum { DOMAINS = ACME_NAMES_MAX };
	struct acme_names names;
	struct str *domains;
	struct arena arena;

	(void)state;
	arena_init(&arena);
	domains = arena_array(&arena, struct str, DOMAINS);
	for (unsigned i = 0; i < DOMAINS; i++)
		domains[i] = str_c(arena_printf(&arena, "d%u.test", i));
	acme_names_make(&names, &arena, settings_defaults(), STR("zz.example.test"), domains, DOMAINS);
	assert_int_equal(names.count, ACME_NAMES_MAX);
	assert_int_equal(names.left_out, 2 * DOMAINS + 1 - ACME_NAMES_MAX);
	assert_non_null(acme_names_find(&names, STR("zz.example.test")));
	arena_fini(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_public),
		cmocka_unit_test(test_made_of_domains),
		cmocka_unit_test(test_too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
