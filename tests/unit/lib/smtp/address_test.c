/* Addresses, domains and xtext: what is accepted, and the result. */
#include "lib/smtp/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

struct path_case {
	const char *text;
	bool utf8;
	enum smtp_path_error error;
	const char *address; /* normalised */
	const char *rest;
};

static const struct path_case path_cases[] = {
	{"<>", false, SMTP_PATH_OK, "", ""},
	{"<> SIZE=1", false, SMTP_PATH_OK, "", " SIZE=1"},
	{"<bob@example.com>", false, SMTP_PATH_OK, "bob@example.com", ""},
	{"<Bob@EXAMPLE.Com> BODY=7BIT", false, SMTP_PATH_OK, "Bob@example.com", " BODY=7BIT"},
	{"<a.b+c=d!#$%&'*/?^_`{|}~-@example.com>", false, SMTP_PATH_OK, "a.b+c=d!#$%&'*/?^_`{|}~-@example.com", ""},
	{"<bob@localhost>", false, SMTP_PATH_OK, "bob@localhost", ""},
	{"<bob@1.example>", false, SMTP_PATH_OK, "bob@1.example", ""},
	{"<Postmaster>", false, SMTP_PATH_OK, "postmaster", ""},
	{"<postmaster@example.com>", false, SMTP_PATH_OK, "postmaster@example.com", ""},
	/* quoted local parts */
	{"<\"bob\"@example.com>", false, SMTP_PATH_OK, "bob@example.com", ""},
	{"<\"b\\o\\b\"@example.com>", false, SMTP_PATH_OK, "bob@example.com", ""},
	{"<\"b ob\"@example.com>", false, SMTP_PATH_OK, "\"b ob\"@example.com", ""},
	{"<\"b\\ ob\"@example.com>", false, SMTP_PATH_OK, "\"b ob\"@example.com", ""},
	{"<\"a@b>\"@example.com> X", false, SMTP_PATH_OK, "\"a@b>\"@example.com", " X"},
	{"<\"a\\\"\\\\b\"@example.com>", false, SMTP_PATH_OK, "\"a\\\"\\\\b\"@example.com", ""},
	{"<\"a..b\"@example.com>", false, SMTP_PATH_OK, "\"a..b\"@example.com", ""},
	{"<\"\"@example.com>", false, SMTP_PATH_OK, "\"\"@example.com", ""},
	{"<\"bob@example.com>", false, SMTP_PATH_SYNTAX, NULL, NULL},
	{"<\"bob\\", false, SMTP_PATH_SYNTAX, NULL, NULL},
	{"<\"bo\tb\"@example.com>", false, SMTP_PATH_SYNTAX, NULL, NULL},
	{"<\"bob\"x@example.com>", false, SMTP_PATH_SYNTAX, NULL, NULL},
	/* source routes */
	{"<@one.example:bob@example.com>", false, SMTP_PATH_OK, "bob@example.com", ""},
	{"<@one.example,@[192.0.2.1]:bob@example.com>", false, SMTP_PATH_OK, "bob@example.com", ""},
	{"<@one.example,two.example:bob@example.com>", false, SMTP_PATH_SYNTAX, NULL, NULL},
	{"<@one.example bob@example.com>", false, SMTP_PATH_SYNTAX, NULL, NULL},
	{"<@one.example:>", false, SMTP_PATH_SYNTAX, NULL, NULL},
	{"<@:bob@example.com>", false, SMTP_PATH_SYNTAX, NULL, NULL},
	/* address literals */
	{"<bob@[192.0.2.1]>", false, SMTP_PATH_OK, "bob@[192.0.2.1]", ""},
	{"<bob@[ipv6:2001:DB8:0:0::1]>", false, SMTP_PATH_OK, "bob@[IPv6:2001:db8::1]", ""},
	{"<bob@[2001:db8::1]>", false, SMTP_PATH_BAD_DOMAIN, NULL, NULL},
	{"<bob@[192.0.2.256]>", false, SMTP_PATH_BAD_DOMAIN, NULL, NULL},
	{"<bob@[192.0.2.1>", false, SMTP_PATH_SYNTAX, NULL, NULL},
	{"<bob@[]>", false, SMTP_PATH_BAD_DOMAIN, NULL, NULL},
	{"<bob@192.0.2.1>", false, SMTP_PATH_BAD_DOMAIN, NULL, NULL},
	/* malformed */
	{"", false, SMTP_PATH_SYNTAX, NULL, NULL},
	{"bob@example.com", false, SMTP_PATH_SYNTAX, NULL, NULL},
	{"<bob@example.com", false, SMTP_PATH_SYNTAX, NULL, NULL},
	{"<bob>", false, SMTP_PATH_SYNTAX, NULL, NULL},
	{"<bob@>", false, SMTP_PATH_SYNTAX, NULL, NULL},
	{"<@example.com>", false, SMTP_PATH_SYNTAX, NULL, NULL},
	{"<.bob@example.com>", false, SMTP_PATH_SYNTAX, NULL, NULL},
	{"<bob.@example.com>", false, SMTP_PATH_SYNTAX, NULL, NULL},
	{"<b..ob@example.com>", false, SMTP_PATH_SYNTAX, NULL, NULL},
	{"<b ob@example.com>", false, SMTP_PATH_SYNTAX, NULL, NULL},
	{"< bob@example.com>", false, SMTP_PATH_SYNTAX, NULL, NULL},
	{"<bob@example.com >", false, SMTP_PATH_SYNTAX, NULL, NULL},
	{"<bob@exa mple.com>", false, SMTP_PATH_SYNTAX, NULL, NULL},
	{"<bob@@example.com>", false, SMTP_PATH_SYNTAX, NULL, NULL},
	{"<bob(x)@example.com>", false, SMTP_PATH_SYNTAX, NULL, NULL},
	{"<bob@example.com.>", false, SMTP_PATH_BAD_DOMAIN, NULL, NULL},
	{"<bob@example..com>", false, SMTP_PATH_BAD_DOMAIN, NULL, NULL},
	{"<bob@.example.com>", false, SMTP_PATH_BAD_DOMAIN, NULL, NULL},
	{"<bob@-example.com>", false, SMTP_PATH_BAD_DOMAIN, NULL, NULL},
	{"<bob@example-.com>", false, SMTP_PATH_BAD_DOMAIN, NULL, NULL},
	{"<bob@exam!ple.com>", false, SMTP_PATH_BAD_DOMAIN, NULL, NULL},
	/* lengths */
	{"<" A64 "@example.com>", false, SMTP_PATH_OK, A64 "@example.com", ""},
	{"<" A64 "a@example.com>", false, SMTP_PATH_TOO_LONG, NULL, NULL},
	{"<\"" A64 "a\"@example.com>", false, SMTP_PATH_TOO_LONG, NULL, NULL},
	{"<b@" A63 ".com>", false, SMTP_PATH_OK, "b@" A63 ".com", ""},
	{"<b@" A64 ".com>", false, SMTP_PATH_BAD_DOMAIN, NULL, NULL},
	{"<b@" A63 "." A63 "." A63 "." A63 ">", false, SMTP_PATH_BAD_DOMAIN, NULL, NULL},
	{"<b@" A63 "." A63 "." A63 "." A63 ".x>", false, SMTP_PATH_TOO_LONG, NULL, NULL},
	{"<" A64 "@" A63 "." A63 "." A63 ".x>", false, SMTP_PATH_TOO_LONG, NULL, NULL},
	/* RFC 6531 */
	{"<j\xc3\xbcrgen@example.com>", false, SMTP_PATH_NEEDS_UTF8, NULL, NULL},
	{"<j\xc3\xbcrgen@example.com>", true, SMTP_PATH_OK, "j\xc3\xbcrgen@example.com", ""},
	{"<bob@b\xc3\xbc"
	 "cher.example>",
	 false, SMTP_PATH_NEEDS_UTF8, NULL, NULL},
	{"<bob@b\xc3\xbc"
	 "cher.example>",
	 true, SMTP_PATH_OK, "bob@xn--bcher-kva.example", ""},
	{"<bob@B\xc3\x9c"
	 "CHER.example>",
	 true, SMTP_PATH_OK, "bob@xn--bcher-kva.example", ""},
	{"<bob@XN--BCHER-KVA.example>", false, SMTP_PATH_OK, "bob@xn--bcher-kva.example", ""},
	{"<\"\xc3\xbc \"@example.com>", true, SMTP_PATH_OK, "\"\xc3\xbc \"@example.com", ""},
	{"<b\xff@example.com>", true, SMTP_PATH_SYNTAX, NULL, NULL},
	{"<b\xc3@example.com>", true, SMTP_PATH_SYNTAX, NULL, NULL},
	{"<bob@b\xff.example>", true, SMTP_PATH_BAD_DOMAIN, NULL, NULL},
	{"<bob@\xe2\x98\x83\xef\xbf\xbf.example>", true, SMTP_PATH_BAD_DOMAIN, NULL, NULL},
};

static void
test_path(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(path_cases) / sizeof(path_cases[0]); i++) {
		const struct path_case *c = &path_cases[i];
		struct arena arena;
		struct smtp_path path;
		struct str rest;

		arena_init(&arena);
		enum smtp_path_error error = smtp_path_parse(str_c(c->text), c->utf8, &arena, &path, &rest);
		if (error != c->error)
			fail_msg("%s: %d, not %d", c->text, error, c->error);
		if (error == SMTP_PATH_OK) {
			if (!str_eq(path.address, str_c(c->address)))
				fail_msg("%s: %.*s", c->text, STR_ARG(path.address));
			assert_true(str_eq(rest, str_c(c->rest)));
			if (path.kind == SMTP_PATH_MAILBOX) {
				assert_int_equal(path.local.len + 1 + path.domain.len, path.address.len);
				assert_true(str_ends_ci(path.address, path.domain));
				assert_true(str_starts(path.address, path.local));
			}
		}
		arena_fini(&arena);
	}
}

/* No beginning of a path is a path. */
static void
test_cut_short(void **state)
{
	struct str text = STR("<@one.example:\"b\\\"b\"@[IPv6:2001:db8::1]>");
	struct arena arena;
	struct smtp_path path;
	struct str rest;

	(void)state;
	arena_init(&arena);
	for (size_t len = 0; len < text.len; len++)
		assert_int_not_equal(smtp_path_parse(str_first(text, len), false, &arena, &path, &rest), SMTP_PATH_OK);
	assert_int_equal(smtp_path_parse(text, false, &arena, &path, &rest), SMTP_PATH_OK);
	arena_fini(&arena);
}

static void
test_nul(void **state)
{
	static const struct str texts[] = {STR("<b\0b@example.com>"), STR("<bob@exa\0mple.com>"),
					   STR("<\"b\0b\"@example.com>"), STR("<bob@b\xc3\xbc\0x.example>")};
	struct arena arena;
	struct smtp_path path;
	struct str rest;

	(void)state;
	arena_init(&arena);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_not_equal(smtp_path_parse(texts[i], true, &arena, &path, &rest), SMTP_PATH_OK);
	arena_fini(&arena);
}

static void
test_address(void **state)
{
	struct arena arena;
	struct smtp_path path;

	(void)state;
	arena_init(&arena);
	assert_int_equal(smtp_address_parse(STR("Bob@Example.COM"), false, &arena, &path), SMTP_PATH_OK);
	assert_true(str_eq(path.address, STR("Bob@example.com")));
	assert_int_equal(smtp_address_parse(STR("postmaster"), false, &arena, &path), SMTP_PATH_OK);
	assert_int_equal(path.kind, SMTP_PATH_POSTMASTER);
	assert_int_equal(smtp_address_parse(STR(""), false, &arena, &path), SMTP_PATH_SYNTAX);
	assert_int_equal(smtp_address_parse(STR("bob@example.com "), false, &arena, &path), SMTP_PATH_SYNTAX);
	assert_int_equal(smtp_address_parse(STR("<bob@example.com>"), false, &arena, &path), SMTP_PATH_SYNTAX);
	arena_fini(&arena);
}

static void
test_domain(void **state)
{
	static const struct {
		const char *text, *domain; /* NULL: refused */
	} cases[] = {
		{"Example.COM", "example.com"},
		{"b\xc3\xbc"
		 "cher.de",
		 "xn--bcher-kva.de"},
		{"_dmarc.example.com", "_dmarc.example.com"},
		{"fa\xc3\x9f.de", "xn--fa-hia.de"},
		{"", NULL},
		{".", NULL},
		{"a.", NULL},
		{"a b", NULL},
		{"[192.0.2.1]", NULL},
		{"10.0.0.1", NULL},
	};
	struct arena arena;
	struct str domain;

	(void)state;
	arena_init(&arena);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool good = smtp_domain_normalise(str_c(cases[i].text), &arena, &domain);
		assert_int_equal(good, cases[i].domain != NULL);
		if (good)
			assert_true(str_eq(domain, str_c(cases[i].domain)));
	}
	arena_fini(&arena);
}

static void
test_xtext(void **state)
{
	static const char *const bad[] = {"a b", "a=b", "a+", "a+2", "a+2g", "a+2b", "\xc3\xbc", "a\x7f"};
	struct arena arena;
	struct str out;
	char all[256];

	(void)state;
	arena_init(&arena);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(smtp_xtext_is_valid(str_c(bad[i])));
		assert_false(smtp_xtext_decode(str_c(bad[i]), &arena, &out));
	}
	assert_true(smtp_xtext_decode(STR("a+2Bb+3Dc"), &arena, &out));
	assert_true(str_eq(out, STR("a+b=c")));
	assert_true(smtp_xtext_is_valid(STR("")));
	for (unsigned i = 0; i < sizeof(all); i++)
		all[i] = (char)i;
	struct str encoded = smtp_xtext_encode(str_of(all, sizeof(all)), &arena);
	assert_true(smtp_xtext_is_valid(encoded));
	assert_true(smtp_xtext_decode(encoded, &arena, &out));
	assert_true(str_eq(out, str_of(all, sizeof(all))));
	arena_fini(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_path),	cmocka_unit_test(test_cut_short), cmocka_unit_test(test_nul),
		cmocka_unit_test(test_address), cmocka_unit_test(test_domain),	  cmocka_unit_test(test_xtext),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
