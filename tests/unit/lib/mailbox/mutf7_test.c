/* Modified UTF-7: examples of RFC 3501 and malformed names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "lib/mailbox/mutf7.h"

static const struct {
	const char *wire, *utf8;
} names[] = {
	{"INBOX", "INBOX"},
	{"&-", "&"},
	{"A&-B", "A&B"},
	{"~peter/mail/&U,BTFw-/&ZeVnLIqe-",
	 "~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e"},
	{"Entw&APw-rfe", "Entw\xc3\xbcrfe"},
	{"&2D3eAA-", "\xf0\x9f\x98\x80"},
	{"&Jjo-!", "\xe2\x98\xba!"},
};

static void
both_ways(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct buf out = BUF_EMPTY;
		assert_true(mailbox_mutf7_decode(str_c(names[i].wire), &out));
		assert_string_equal(out.data, names[i].utf8);
		buf_clear(&out);
		mailbox_mutf7_encode(str_c(names[i].utf8), &out);
		assert_string_equal(out.data, names[i].wire);
		buf_fini(&out);
	}
}

static void
malformed(void **state)
{
	/* Encoded printable text, no end, a lone surrogate, leftover bits, bad digits, 8-bit,
	 * NUL. */
	static const char *const bad[] = {"&AGE-", "&Jjo", "&2D0-", "&Jjp-", "&J*o-", "\xc3\xbc", "&AAA-", "&J-"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct buf out = BUF_EMPTY;
		assert_false(mailbox_mutf7_decode(str_c(bad[i]), &out));
		buf_fini(&out);
	}
}

static void
normal_form(void **state)
{
	struct buf out = BUF_EMPTY;

	(void)state;
	assert_true(mailbox_nfc(STR("Entwu\xcc\x88rfe"), &out));
	assert_string_equal(out.data, "Entw\xc3\xbcrfe");
	assert_false(mailbox_nfc(STR("\xff"), &out));
	buf_fini(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ways),
		cmocka_unit_test(malformed),
		cmocka_unit_test(normal_form),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
