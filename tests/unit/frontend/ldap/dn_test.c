/* DNs, what they name, and the frames of messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "frontend/ldap/ber.h"
#include "frontend/ldap/dn.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static void
test_names(void **state)
{
	static const struct {
		const char *text;
		int kind; /* -1: no DN */
		const char *address, *domain;
	} cases[] = {
		{"", LDAP_ROOT, "", ""},
		{" ", LDAP_ROOT, "", ""},
		{"cn=subschema", LDAP_SUBSCHEMA, "", ""},
		{"dc=example,dc=test", LDAP_DOMAIN, "", "example.test"},
		{"DC = Example , dc=TEST", LDAP_DOMAIN, "", "example.test"},
		{"ou=people,dc=example,dc=test", LDAP_PEOPLE, "", "example.test"},
		{"2.5.4.11=Groups;dc=example;dc=test", LDAP_GROUPS, "", "example.test"},
		{"uid=Alice,ou=people,dc=example,dc=test", LDAP_USER, "alice@example.test", "example.test"},
		{"uid=a\\2bb,ou=people,dc=example,dc=test", LDAP_USER, "a+b@example.test", "example.test"},
		{"uid=\"a+b\",ou=people,dc=example,dc=test", LDAP_USER, "a+b@example.test", "example.test"},
		{"cn=sales,ou=groups,dc=example,dc=test", LDAP_GROUP, "sales@example.test", "example.test"},
		{"cn=alice,ou=people,dc=example,dc=test", LDAP_NOTHING, "", "example.test"},
		{"uid=a+cn=b,ou=people,dc=example,dc=test", LDAP_NOTHING, "", "example.test"},
		{"uid=#0401,ou=people,dc=example,dc=test", LDAP_NOTHING, "", "example.test"},
		{"uid=a@b,ou=people,dc=example,dc=test", LDAP_NOTHING, "", "example.test"},
		{"dc=example.test", LDAP_NOTHING, "", ""},
		{"o=x", LDAP_NOTHING, "", ""},
		{"x", -1, "", ""},
		{"dc=a,", -1, "", ""},
		{"dc=a,,dc=b", -1, "", ""},
		{"dc=a\\", -1, "", ""},
		{"dc=a\\zz", -1, "", ""},
		{"dc=\"a", -1, "", ""},
		{"dc=\"a\"b", -1, "", ""},
		{"dc=\"a\" b,dc=c", -1, "", ""},
		{"dc=\"a\" ,dc=c", LDAP_DOMAIN, "", "a.c"},
		{"=a", -1, "", ""},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct ldap_name name;
		struct arena arena;
		bool good;

		arena_init(&arena);
		good = ldap_name_parse(str_c(cases[i].text), &arena, &name);
		assert_int_equal(good, cases[i].kind != -1);
		if (good) {
			assert_int_equal(name.kind, cases[i].kind);
			assert_string_equal(name.address, cases[i].address);
			assert_true(str_eq(name.domain, str_c(cases[i].domain)));
		}
		arena_fini(&arena);
	}
}

static void
test_frames(void **state)
{
	static const struct {
		struct str bytes;
		enum ldap_frame frame;
	} cases[] = {
		{STR(""), LDAP_FRAME_PARTIAL},
		{STR("\x30"), LDAP_FRAME_PARTIAL},
		{STR("\x31"), LDAP_FRAME_MALFORMED},
		{STR("\x30\x02"), LDAP_FRAME_PARTIAL},
		{STR("\x30\x02xx"), LDAP_FRAME_WHOLE},
		{STR("\x30\x02xxmore"), LDAP_FRAME_WHOLE},
		{STR("\x30\x80xx"), LDAP_FRAME_MALFORMED},
		{STR("\x30\x82\x00"), LDAP_FRAME_PARTIAL},
		{STR("\x30\x82\x00\x02xx"), LDAP_FRAME_WHOLE},
		{STR("\x30\x85\x00\x00\x00\x00\x02"), LDAP_FRAME_MALFORMED},
		{STR("\x30\x84\xff\xff\xff\xff"), LDAP_FRAME_TOO_LARGE},
		{STR("\x30\x7f"), LDAP_FRAME_TOO_LARGE},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct evbuffer *in = evbuffer_new();
		size_t len = 0;

		evbuffer_add(in, cases[i].bytes.p, cases[i].bytes.len);
		assert_int_equal(ldap_frame(in, 100, &len), cases[i].frame);
		evbuffer_free(in);
	}
}

/* The short way gives the same normal form as the long one. */
static void
test_plain(void **state)
{
	static const struct {
		const char *text;
		bool is_plain;
	} cases[] = {
		{"uid=alice,ou=people,dc=example,dc=test", true},
		{"cn=A-b_9.c,ou=groups,dc=t", true},
		{"dc=t", true},
		{"UID=alice,dc=t", false},
		{"uid=a b,dc=t", false},
		{"uid=a\\2bb,dc=t", false},
		{"uid=a+cn=b,dc=t", false},
		{"uid=#0401,dc=t", false},
		{"uid=\xc3\xbc,dc=t", false},
		{"uid=a, dc=t", false},
		{"uid=a;dc=t", false},
		{"uid=\"a\",dc=t", false},
		{"uid=,dc=t", false},
		{"uid=a,", false},
		{"uid=a,,dc=t", false},
		{"sn=a,dc=t", false},
		{"uid", false},
		{"", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct ldap_dn dn;
		struct arena arena;
		struct str plain;

		arena_init(&arena);
		plain = ldap_dn_normal_plain(str_c(cases[i].text), &arena);
		assert_int_equal(plain.len != 0, cases[i].is_plain);
		if (cases[i].is_plain) {
			assert_true(ldap_dn_parse(str_c(cases[i].text), &arena, &dn));
			assert_true(str_eq(plain, ldap_dn_normal(&dn, &arena)));
		}
		arena_fini(&arena);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_names), cmocka_unit_test(test_plain),
					   cmocka_unit_test(test_frames)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
