/* DMARC records and the author's domain. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "lib/mailauth/author.h"
#include "lib/mailauth/dmarc_record.h"

static void
test_records(void **state)
{
	static const struct {
		const char *text;
		enum dmarc_policy p, sp, np;
		bool dkim_strict, spf_strict, test, psd;
		unsigned percent;
	} rows[] = {
		{"v=DMARC1; p=reject", DMARC_REJECT, DMARC_REJECT, DMARC_REJECT, false, false, false, false, 100},
		{"v=DMARC1;p=quarantine;sp=none", DMARC_QUARANTINE, DMARC_NONE, DMARC_NONE, false, false, false, false, 100},
		{"v=DMARC1; p=none; np=reject; sp=quarantine;", DMARC_NONE, DMARC_QUARANTINE, DMARC_REJECT, false, false,
		 false, false, 100},
		{" v = DMARC1 ; P=Reject; adkim=s; aspf=S; t=y; psd=y; pct=7", DMARC_REJECT, DMARC_REJECT, DMARC_REJECT, true,
		 true, true, true, 7},
		/* Malformed tags count as missing. */
		{"v=DMARC1; p=reject; sp=moo; pct=101; adkim=x; garbage; =; t=; x y=z", DMARC_REJECT, DMARC_REJECT,
		 DMARC_REJECT, false, false, false, false, 100},
		{"v=DMARC1; p=moo", DMARC_NONE, DMARC_NONE, DMARC_NONE, false, false, false, false, 100},
		{"v=DMARC1; rua=mailto:a@example.org", DMARC_NONE, DMARC_NONE, DMARC_NONE, false, false, false, false, 100},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct dmarc_record r;

		assert_true(dmarc_record_parse(str_c(rows[i].text), &r));
		assert_int_equal(r.policy, rows[i].p);
		assert_int_equal(r.subdomain_policy, rows[i].sp);
		assert_int_equal(r.nonexistent_policy, rows[i].np);
		assert_int_equal(r.is_dkim_strict, rows[i].dkim_strict);
		assert_int_equal(r.is_spf_strict, rows[i].spf_strict);
		assert_int_equal(r.is_test, rows[i].test);
		assert_int_equal(r.is_public_suffix, rows[i].psd);
		assert_int_equal(r.percent, rows[i].percent);
	}
}

static void
test_no_records(void **state)
{
	static const char *const rows[] = {"", "v=DMARC2; p=reject", "v=dmarc1; p=reject", "p=reject; v=DMARC1", "DMARC1",
					   "v=DMARC1 p=reject", ";;", "v=spf1 -all"};
	struct dmarc_record r;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_false(dmarc_record_parse(str_c(rows[i]), &r));
}

static void
test_authors(void **state)
{
	static const struct {
		const char *header;
		enum author_kind kind;
		const char *domain;
	} rows[] = {
		{"From: a@example.org\r\n", AUTHOR_ONE, "example.org"},
		{"Subject: x\r\nfrom : \"b@evil.test\" <a@Example.ORG> (c@evil.test)\r\n\r\nFrom: b@body.test\r\n", AUTHOR_ONE,
		 "example.org"},
		{"From: =?utf-8?q?b=40evil.test?=\r\n <a@example.org>\r\n", AUTHOR_ONE, "example.org"},
		{"From: a@example.org, b@EXAMPLE.org\r\n", AUTHOR_ONE, "example.org"},
		{"From: a@b\xc3\xbc" "cher.test\r\n", AUTHOR_ONE, "xn--bcher-kva.test"},
		{"From: friends: a@example.org;\r\n", AUTHOR_ONE, "example.org"},
		{"From: \"a@evil.test\"@example.org\r\n", AUTHOR_ONE, "example.org"},
		{"", AUTHOR_MISSING, ""},
		{"To: a@example.org\r\n", AUTHOR_MISSING, ""},
		{"From:\r\n", AUTHOR_MISSING, ""},
		{"From: ,\r\n", AUTHOR_MISSING, ""},
		{"From: undisclosed:;\r\n", AUTHOR_NONE, ""},
		{"From: a@example.org\r\nFrom: a@example.org\r\n", AUTHOR_SEVERAL, ""},
		{"From: a@example.org\r\nSubject: x\r\nFROM : b@example.net\r\n", AUTHOR_SEVERAL, ""},
		{"From: a@example.org, b@example.net\r\n", AUTHOR_SEVERAL, ""},
		{"From: friends: a@example.org;, b@example.net\r\n", AUTHOR_SEVERAL, ""},
		{"From: alice\r\n", AUTHOR_BAD, ""},
		{"From: a@exa_mple..org\r\n", AUTHOR_BAD, ""},
		{"From: a@[192.0.2.1]\r\n", AUTHOR_BAD, ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct arena arena;
		struct str domain;
		enum author_kind kind;

		arena_init(&arena);
		kind = author_domain(str_c(rows[i].header), &arena, &domain);
		if (kind != rows[i].kind || !str_eq(domain, str_c(rows[i].domain)))
			fail_msg("%s: %d %.*s", rows[i].header, (int)kind, STR_ARG(domain));
		arena_fini(&arena);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_no_records),
		cmocka_unit_test(test_authors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
