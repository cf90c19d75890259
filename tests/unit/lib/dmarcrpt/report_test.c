/* DMARC reports of others: unpacked and read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/buf.h"
#include "lib/dmarcrpt/report.h"
#include "lib/dmarcrpt/unpack.h"

#define REPORT(rows) "<feedback><policy_published><domain>A.test</domain></policy_published>" rows "</feedback>"
#define ROW(inner)   "<record><row>" inner "</row></record>"

static void
test_rows(void **state)
{
	static const struct {
		const char *xml;
		const char *source; /* NULL: skipped */
		unsigned count;
		enum dmarc_policy disposition;
		bool spf, dkim;
	} cases[] = {
		{ROW("<source_ip>192.0.2.1</source_ip><count>3</count>"), "192.0.2.1", 3, DMARC_NONE, false, false},
		{ROW("<source_ip> 2001:DB8::1 </source_ip><count>1</count><policy_evaluated><disposition>REJECT"
		     "</disposition><spf>Pass</spf><dkim>fail</dkim></policy_evaluated>"),
		 "2001:db8::1", 1, DMARC_REJECT, true, false},
		{ROW("<source_ip>192.0.2.1</source_ip><count>3</count><policy_evaluated><disposition>odd"
		     "</disposition><dkim>pass</dkim></policy_evaluated>"),
		 "192.0.2.1", 3, DMARC_NONE, false, true},
		{ROW("<source_ip>192.0.2.1</source_ip>"), NULL, 0, DMARC_NONE, false, false},
		{ROW("<source_ip>x</source_ip><count>1</count>"), NULL, 0, DMARC_NONE, false, false},
		{"<record/>", NULL, 0, DMARC_NONE, false, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct dmarc_report r;
		struct arena arena;
		struct err err;
		char *xml;

		arena_init(&arena);
		xml = arena_printf(&arena, "%s%s%s",
				   "<feedback><policy_published><domain>A.test</domain>"
				   "</policy_published>",
				   cases[i].xml, "</feedback>");
		assert_int_equal(dmarc_report_parse(str_c(xml), &arena, &r, &err), 0);
		assert_true(str_eq(r.domain, STR("a.test")));
		assert_int_equal(r.skipped, cases[i].source == NULL);
		if (cases[i].source == NULL) {
			assert_null(r.rows);
		} else {
			assert_string_equal(r.rows->source, cases[i].source);
			assert_int_equal(r.rows->count, cases[i].count);
			assert_int_equal(r.rows->disposition, cases[i].disposition);
			assert_int_equal(r.rows->is_spf_aligned, cases[i].spf);
			assert_int_equal(r.rows->is_dkim_aligned, cases[i].dkim);
			assert_null(r.rows->next);
		}
		arena_fini(&arena);
	}
}

static void
test_what_is_none(void **state)
{
	static const char *const texts[] = {"", "<feedback/>", "<html/>", "<feedback>", "x"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct dmarc_report r;
		struct arena arena;
		struct err err;

		arena_init(&arena);
		assert_int_equal(dmarc_report_parse(str_c(texts[i]), &arena, &r, &err), -1);
		assert_int_equal(err.code, ERR_INVALID);
		arena_fini(&arena);
	}
}

/* Several in one message; more than the limit are refused. */
static void
test_parts(void **state)
{
	(void)state;
	for (unsigned parts = 0; parts <= DMARC_REPORTS_MAX + 1; parts++) {
		struct dmarc_unpacked u;
		struct arena arena;
		struct buf m = BUF_EMPTY;
		struct err err;

		arena_init(&arena);
		buf_add_c(&m, "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n");
		for (unsigned i = 0; i < parts; i++)
			buf_add_c(&m, "--b\r\nContent-Type: text/xml\r\n\r\n" REPORT("") "\r\n");
		buf_add_c(&m, "--b--\r\n");
		assert_int_equal(dmarc_unpack(buf_str(&m), &arena, &u, &err),
				 parts > 0 && parts <= DMARC_REPORTS_MAX ? 0 : -1);
		if (parts > 0 && parts <= DMARC_REPORTS_MAX)
			assert_int_equal(u.count, parts);
		if (parts == 1)
			assert_true(str_eq(u.xml[0], STR(REPORT(""))));
		buf_fini(&m);
		arena_fini(&arena);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_what_is_none),
		cmocka_unit_test(test_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
