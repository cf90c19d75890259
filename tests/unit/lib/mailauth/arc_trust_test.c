/* Who is believed about DMARC, and what exactly must be said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "lib/mailauth/arc_trust.h"
#include "lib/mailauth/auth_results_read.h"

static const char *const passes[] = {
	"mx.test; dmarc=pass header.from=a.test",
	"mx.test 1; spf=fail smtp.mailfrom=x@b.test;\r\n\tDMARC=Pass (p=reject dis=none) header.from=A.test; arc=none",
	"mx.test; dmarc/1 = pass action=none (x) header.from = \"a.test\" (y); dkim=pass header.d=b.test",
	"mx.test; dmarc=pass reason=\"a \\\" b\" header.from=a.test",
	"\"mx;test\" (a; b); dmarc=pass header.from=a.test",
};

static const char *const says_nothing[] = {
	"",
	"mx.test",
	"mx.test; none",
	"dmarc=pass header.from=a.test",
	"mx.test; dmarc=pass",
	"mx.test; dmarc=fail header.from=a.test",
	"mx.test; dmarc=passed header.from=a.test",
	"mx.test; dmarc=pass header.from=b.test",
	"mx.test; dmarc=pass header.from=sub.a.test",
	"mx.test; dmarc=pass header.from=b.test header.from=a.test",
	"mx.test; dmarc=pass header.from=a.test header.from=b.test",
	"mx.test; dmarc=pass header.d=a.test",
	"mx.test; xdmarc=pass header.from=a.test",
	"mx.test; dmarc=fail header.from=b.test; dmarc=pass header.from=a.test",
	"mx.test; dmarc=pass header.from=a.test; dmarc=fail header.from=a.test",
	/* Words of the message's sender, quoted or in a comment. */
	"mx.test; spf=pass smtp.mailfrom=\"x; dmarc=pass header.from=a.test\"@b.test",
	"mx.test; spf=pass (x; dmarc=pass header.from=a.test)",
	"mx.test; spf=pass (x (y); dmarc=pass header.from=a.test; \\))",
	"mx.test; dmarc=pass reason=\"header.from=a.test\"",
	"mx.test; dmarc=pass reason=\"x\\\" header.from=a.test y=\\\"\"",
	"mx.test; dmarc=pass (header.from=a.test)",
	/* Malformed. */
	"mx.test; dmarc=pass header.from=a.test; spf=pass (",
	"mx.test; dmarc=pass header.from=a.test; spf=pass \"x",
	"mx.test; dmarc=pass =x header.from=a.test",
	"mx.test; dmarc=pass header.from=a.test x",
	"mx.test; dmarc=pass header.from=a.test\"\\",
	"mx.test; dmarc=pass header.from=\"a.test",
};

static void
test_said(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(passes) / sizeof(passes[0]); i++)
		if (!auth_results_say_dmarc_pass(str_c(passes[i]), STR("a.test")))
			fail_msg("%s", passes[i]);
	for (size_t i = 0; i < sizeof(says_nothing) / sizeof(says_nothing[0]); i++)
		if (auth_results_say_dmarc_pass(str_c(says_nothing[i]), STR("a.test")))
			fail_msg("%s", says_nothing[i]);
	assert_false(auth_results_say_dmarc_pass(STR("mx.test; dmarc=pass\0 header.from=a.test"), STR("a.test")));
}

static void
test_who(void **state)
{
	static const struct str trusted[] = {STR("one.test"), STR("three.test")};
	struct arc_set sets[3] = {
		{.seal = {.domain = STR("one.test")},
		 .message = {.names = STR("from:subject")},
		 .payload = STR("one.test; dmarc=pass header.from=a.test")},
		{.seal = {.domain = STR("Three.test")},
		 .message = {.names = STR("from:subject")},
		 .payload = STR("three.test; dmarc=fail header.from=a.test")},
		{.seal = {.domain = STR("two.test")},
		 .message = {.names = STR("from:subject")},
		 .payload = STR("two.test; dmarc=pass header.from=a.test")},
	};
	struct arc_verdict v = {.result = ARC_PASS, .sets = sets, .count = 2};

	(void)state;
	assert_true(arc_vouches(&v, trusted, 2, STR("a.test")));
	assert_false(arc_vouches(&v, trusted, 2, STR("b.test")));
	assert_false(arc_vouches(&v, trusted, 2, STR_NONE));
	sets[1].message.names = STR("subject:to"); /* anybody could have put another author there */
	assert_false(arc_vouches(&v, trusted, 2, STR("a.test")));
	sets[1].message.names = STR("From:subject");
	assert_false(arc_vouches(&v, trusted, 0, STR("a.test")));
	/* One of the two is not trusted. */
	assert_false(arc_vouches(&v, trusted, 1, STR("a.test")));
	assert_false(arc_vouches(&v, trusted + 1, 1, STR("a.test")));
	/* Neither is whoever had it last. */
	v.count = 3;
	assert_false(arc_vouches(&v, trusted, 2, STR("a.test")));
	v.count = 1;
	assert_true(arc_vouches(&v, trusted, 1, STR("a.test")));
	for (enum arc_result result = ARC_NONE; result < ARC_RESULTS; result++) {
		v.result = result;
		assert_int_equal(arc_vouches(&v, trusted, 2, STR("a.test")),
				 result == ARC_PASS || result == ARC_TEMPERROR);
	}
	v = (struct arc_verdict){.result = ARC_NONE};
	assert_false(arc_vouches(&v, trusted, 2, STR("a.test")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_said), cmocka_unit_test(test_who)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
