/* ORCPT in all its forms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/smtp/orcpt.h"

static void
assert_str(struct str is, const char *wanted)
{
	if (!str_eq(is, str_c(wanted)))
		fail_msg("'%.*s' is not '%s'", STR_ARG(is), wanted);
}

static void
test_parse(void **state)
{
	static const struct {
		const char *text, *type, *address, *ascii;
	} cases[] = {
		{"rfc822;bob@x.test", "rfc822", "bob@x.test", "rfc822;bob@x.test"},
		{"rfc822;bob+2Bx+3D@x.test", "rfc822", "bob+x=@x.test", "rfc822;bob+2Bx+3D@x.test"},
		{"X400;/C+3Dus/", "X400", "/C=us/", "X400;/C+3Dus/"},
		{"utf-8;b@x.test", "utf-8", "b@x.test", "utf-8;b@x.test"},
		{"utf-8;\xc3\xb6@x.test", "utf-8", "\xc3\xb6@x.test", "utf-8;\\x{F6}@x.test"},
		{"UTF-8;\\x{F6}\\x{2B}@x.test", "UTF-8", "\xc3\xb6+@x.test", "UTF-8;\\x{F6}\\x{2B}@x.test"},
		{"utf-8;\\x{1F600}\xe2\x82\xac", "utf-8", "\xf0\x9f\x98\x80\xe2\x82\xac", "utf-8;\\x{1F600}\\x{20AC}"},
	};
	static const char *const bad[] = {
		"",
		";x",
		"rfc822",
		"rfc822;",
		"rfc822;a b",
		"rfc822;\xc3\xb6",
		"rfc822;a+2",
		"utf-8;a b",
		"utf-8;\\x{}",
		"utf-8;\\x{F6",
		"utf-8;\\xF6",
		"utf-8;\\",
		"utf-8;\\x{D800}",
		"utf-8;\\x{110000}",
		"utf-8;\xc3",
		"utf-8;\\x{00000F6}",
		"a b;c",
	};
	struct smtp_orcpt orcpt;
	struct arena arena;
	struct str ascii;

	(void)state;
	arena_init(&arena);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_true(smtp_orcpt_parse(str_c(cases[i].text), &arena, &orcpt));
		assert_str(orcpt.type, cases[i].type);
		assert_str(orcpt.address, cases[i].address);
		assert_true(smtp_orcpt_to_ascii(str_c(cases[i].text), &arena, &ascii));
		assert_str(ascii, cases[i].ascii);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (smtp_orcpt_parse(str_c(bad[i]), &arena, &orcpt))
			fail_msg("'%s' is taken", bad[i]);
	arena_fini(&arena);
}

static void
test_make(void **state)
{
	struct arena arena;
	char all[256];
	struct str encoded;

	(void)state;
	arena_init(&arena);
	assert_str(smtp_orcpt_make(STR("a+b@x.test"), &arena), "rfc822;a+2Bb@x.test");
	assert_str(smtp_orcpt_make(STR("a=\xc3\xb6@x.test"), &arena), "utf-8;a\\x{3D}\\x{F6}@x.test");
	/* Whatever comes: ASCII without blanks. */
	for (unsigned i = 0; i < sizeof(all); i++)
		all[i] = (char)i;
	encoded = smtp_utf8_xtext_encode(str_of(all, sizeof(all)), &arena);
	for (size_t i = 0; i < encoded.len; i++)
		assert_true(encoded.p[i] > ' ' && encoded.p[i] < 0x7f && encoded.p[i] != '+' && encoded.p[i] != '=');
	arena_fini(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_parse), cmocka_unit_test(test_make)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
