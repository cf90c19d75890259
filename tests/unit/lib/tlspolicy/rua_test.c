/* Requests for TLS reports, and where the reports go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "lib/tlspolicy/rua.h"

static void
test_records(void **state)
{
	static const struct {
		const char *texts[3];
		const char *found; /* uri or address, each followed by a blank */
	} cases[] = {
		{{"v=TLSRPTv1;rua=mailto:reports@example.com"}, "reports@example.com "},
		{{"v=TLSRPTv1; rua=https://reporting.example.com/v1/tlsrpt"}, "https://reporting.example.com/v1/tlsrpt "},
		{{"v=TLSRPTv1; rua=mailto:a@b.test , https://c.test/d;"}, "a@b.test https://c.test/d "},
		{{"v=TLSRPTv1; ext=1; rua=mailto:a@b.test; more"}, "a@b.test "},
		{{"v=TLSRPTv1; rua=mailto:a@b.test; rua=mailto:c@b.test"}, "a@b.test c@b.test "},
		{{"v=TLSRPTv1; rua=MAILTO:a%2Bx@b.test?subject=y"}, "a+x@b.test "},
		{{"v=TLSRPTv1; rua=mailto:a@b.test,mailto:a@b.test"}, "a@b.test "},
		/* Others' records do not matter, two of these do. */
		{{"v=spf1 -all", "v=TLSRPTv1;rua=mailto:a@b.test", "x"}, "a@b.test "},
		{{"v=TLSRPTv1;rua=mailto:a@b.test", "v=TLSRPTv1;rua=mailto:a@b.test"}, ""},
		{{"v=TLSRPTv2;rua=mailto:a@b.test"}, ""},
		{{"v=tlsrptv1;rua=mailto:a@b.test"}, ""},
		{{"v=TLSRPTv1"}, ""},
		{{"v=TLSRPTv1;"}, ""},
		{{"v=TLSRPTv1;rua="}, ""},
		{{"rua=mailto:a@b.test;v=TLSRPTv1"}, ""},
		{{"v=TLSRPTv1;rua=http://a.test/,ftp://a.test,https://,mailto:,mailto:x,mailto:@b.test"}, ""},
		/* What must never get into an envelope. */
		{{"v=TLSRPTv1;rua=mailto:a%0d%0aRCPT@b.test"}, ""},
		{{"v=TLSRPTv1;rua=mailto:a%3e@b.test,mailto:a%00@b.test,mailto:a%@b.test,mailto:a@b.test%4"}, ""},
		{{"v=TLSRPTv1;rua=mailto:a%2cc@b.test"}, ""},
		{{""}, ""},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str texts[3];
		char found[300] = "";
		struct rua_list list;
		struct arena arena;
		unsigned count = 0;
		bool any;

		while (count < 3 && cases[i].texts[count] != NULL) {
			texts[count] = str_c(cases[i].texts[count]);
			count++;
		}
		arena_init(&arena);
		any = rua_parse(texts, count, &arena, &list);
		for (unsigned k = 0; k < list.count; k++) {
			struct str s = list.items[k].address.len > 0 ? list.items[k].address : list.items[k].uri;
			snprintf(found + strlen(found), sizeof(found) - strlen(found), "%.*s ", STR_ARG(s));
		}
		assert_string_equal(found, cases[i].found);
		assert_int_equal(any, list.count > 0);
		arena_fini(&arena);
	}
}

static void
test_many(void **state)
{
	struct arena arena;
	struct rua_list list;
	struct str text;

	(void)state;
	arena_init(&arena);
	text = STR("v=TLSRPTv1;rua=");
	for (int i = 0; i < 50; i++)
		text = str_c(arena_printf(&arena, "%.*s%smailto:a%d@b.test", STR_ARG(text), i > 0 ? "," : "", i));
	assert_true(rua_parse(&text, 1, &arena, &list));
	assert_int_equal(list.count, RUA_MAX);
	assert_false(rua_parse(NULL, 0, &arena, &list));
	arena_fini(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_records), cmocka_unit_test(test_many)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
