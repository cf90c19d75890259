/* SPF records and macros: what is well-formed, and what macros become. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "lib/mailauth/spf_macro.h"
#include "lib/mailauth/spf_record.h"

/* ---- Records ---- */
static void
test_good_records(void **state)
{
	static const struct {
		const char *text;
		unsigned terms;
	} rows[] = {
		{"v=spf1", 0},
		{"V=SPF1 -all", 1},
		{"v=spf1  a  -all ", 2},
		{"v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 ?all", 3},
		{"v=spf1 ip4:192.0.2.1/0 ip6:::ffff:192.0.2.1/96", 2},
		{"v=spf1 a/24//64 mx:example.org//64 a:example.org/8", 3},
		{"v=spf1 a:foo:bar/baz.example.com", 1},
		{"v=spf1 include:example.org. ~exists:%{ir}.%{v}._spf.%{d2} ptr", 3},
		{"v=spf1 redirect=%{d} exp=explain.%{o}", 0},
		{"v=spf1 moo.cow-far_out=man:dog/cat a", 1},
		{"v=spf1 a:%{h}", 1},
	};
	struct arena arena;

	(void)state;
	arena_init(&arena);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct spf_record r;
		struct err err;

		if (spf_record_parse(str_c(rows[i].text), &arena, &r, &err) != 0)
			fail_msg("%s: %s", rows[i].text, err.text);
		assert_int_equal(r.count, rows[i].terms);
	}
	arena_fini(&arena);
}

static void
test_bad_records(void **state)
{
	static const char *const rows[] = {
		"v=spf10 -all", "v=spf1 -all:example.org", "v=spf1 moo", "v=spf1 a/33", "v=spf1 a//129", "v=spf1 a/024",
		"v=spf1 a/24/64", "v=spf1 a:", "v=spf1 a/", "v=spf1 a:museum", "v=spf1 a:abc.123", "v=spf1 a:example.-com",
		"v=spf1 a:%{x}.example.org", "v=spf1 a:%{d0}", "v=spf1 a:%{d", "v=spf1 a:%d.org", "v=spf1 a:%", "v=spf1 include",
		"v=spf1 include:", "v=spf1 include:example.org/24", "v=spf1 exists", "v=spf1 ptr/8", "v=spf1 ip4", "v=spf1 ip4:",
		"v=spf1 ip4:192.0.2", "v=spf1 ip4:192.0.2.1//32", "v=spf1 ip4:192.0.2.1/33", "v=spf1 ip6:192.0.2.1",
		"v=spf1 ip6:2001:db8::/129", "v=spf1 =all", "v=spf1 1up=foo", "v=spf1 -redirect=example.org",
		"v=spf1 redirect:example.org", "v=spf1 redirect=", "v=spf1 exp=", "v=spf1 redirect=a.org redirect=a.org",
		"v=spf1 exp=a.org exp=a.org", "v=spf1 foo=%abc", "v=spf1 exp=%{r}.example.org", "v=spf1 a\tb", "v=spf1 \x96" "all",
	};
	struct arena arena;

	(void)state;
	arena_init(&arena);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct spf_record r;
		struct err err;

		if (spf_record_parse(str_c(rows[i]), &arena, &r, &err) == 0)
			fail_msg("accepted: %s", rows[i]);
		assert_int_equal(err.code, ERR_INVALID);
		assert_true(str_is_printable_ascii(str_c(err.text)));
	}
	arena_fini(&arena);
}

static void
test_fields_of_a_record(void **state)
{
	struct arena arena;
	struct spf_record r;

	(void)state;
	arena_init(&arena);
	assert_int_equal(spf_record_parse(STR("v=spf1 -a:x.org/24//64 ?ip6:2001:db8::/32 ~mx redirect=r.org exp=e.org"),
					  &arena, &r, NULL), 0);
	assert_int_equal(r.terms[0].kind, SPF_A);
	assert_int_equal(r.terms[0].result, SPF_FAIL);
	assert_true(str_eq(r.terms[0].domain, STR("x.org")));
	assert_true(str_eq(r.terms[0].text, STR("-a:x.org/24//64")));
	assert_int_equal(r.terms[0].prefix4, 24);
	assert_int_equal(r.terms[0].prefix6, 64);
	assert_int_equal(r.terms[1].result, SPF_NEUTRAL);
	assert_int_equal(r.terms[1].prefix6, 32);
	assert_int_equal(r.terms[1].address_bytes[1], 1);
	assert_int_equal(r.terms[2].result, SPF_SOFTFAIL);
	assert_int_equal(r.terms[2].prefix4, 32);
	assert_true(str_eq(r.redirect, STR("r.org")) && str_eq(r.explanation, STR("e.org")));
	arena_fini(&arena);
}

/* ---- Macros: the examples of RFC 7208, 7.4, and corners ---- */
static void
test_macros(void **state)
{
	static const struct {
		const char *text, *ip, *result;
	} rows[] = {
		{"%{s}", "192.0.2.3", "strong-bad@email.example.com"},
		{"%{o}", "192.0.2.3", "email.example.com"},
		{"%{d4}", "192.0.2.3", "email.example.com"},
		{"%{d2}", "192.0.2.3", "example.com"},
		{"%{d1}", "192.0.2.3", "com"},
		{"%{dr}", "192.0.2.3", "com.example.email"},
		{"%{d2r}", "192.0.2.3", "example.email"},
		{"%{l}", "192.0.2.3", "strong-bad"},
		{"%{l-}", "192.0.2.3", "strong.bad"},
		{"%{lr-}", "192.0.2.3", "bad.strong"},
		{"%{l1r-}", "192.0.2.3", "strong"},
		{"%{ir}.%{v}._spf.%{d2}", "192.0.2.3", "3.2.0.192.in-addr._spf.example.com"},
		{"%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "192.0.2.3", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"},
		{"%{ir}.%{v}._spf.%{d2}", "2001:db8::cb01",
		 "1.0.B.C.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.B.D.0.1.0.0.2.ip6._spf.example.com"},
		{"%{c} %{r} %{t} %{p}", "2001:db8::cb01", "2001:db8::cb01 mx.example.net 1700000000 unknown"},
		{"a%%b%_c%-d", "192.0.2.3", "a%b c%20d"},
		{"%{S}", "192.0.2.3", "strong-bad%40email.example.com"},
		{"%{h999999999999}", "192.0.2.3", "helo.example.com"},
	};
	struct spf_macro_values v = {.local = STR("strong-bad"), .sender_host = STR("email.example.com"),
				     .domain = STR("email.example.com"), .helo = STR("helo.example.com"),
				     .client_name = STR("unknown"), .receiver = STR("mx.example.net"), .now_ms = 1700000000999};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf out = BUF_EMPTY;

		assert_true(ip_parse(str_c(rows[i].ip), &v.client));
		assert_true(spf_macro_is_valid(str_c(rows[i].text), SPF_MACRO_IN_EXPLANATION));
		spf_macro_expand(str_c(rows[i].text), &v, &out);
		assert_string_equal(out.data, rows[i].result);
		buf_fini(&out);
	}
	assert_true(spf_macro_uses_client_name(STR("x.%{P1}.org")));
	assert_false(spf_macro_uses_client_name(STR("p%%{p}.org")));
}

/* A value of more parts than are split keeps its rest in one piece. */
static void
test_many_parts(void **state)
{
	struct spf_macro_values v = {.local = STR("a")};
	struct buf local = BUF_EMPTY, out = BUF_EMPTY;

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		buf_add_c(&local, "a.");
	v.local = buf_str(&local);
	spf_macro_expand(STR("%{l}"), &v, &out);
	assert_true(str_eq(buf_str(&out), buf_str(&local)));
	buf_fini(&local);
	buf_fini(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_records), cmocka_unit_test(test_bad_records),
		cmocka_unit_test(test_fields_of_a_record), cmocka_unit_test(test_macros),
		cmocka_unit_test(test_many_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
