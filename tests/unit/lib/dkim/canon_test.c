/* The relaxed canonical form: RFC 6376, 3.4.2 to 3.4.5. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/base64.h"
#include "lib/dkim/canon.h"

static void
test_fields(void **state)
{
	static const struct {
		struct str field;
		const char *canonical;
	} cases[] = {
		/* The examples of 3.4.5. */
		{STR("A: X\r\n"), "a:X\r\n"},
		{STR("B : Y\t\r\n\tZ  \r\n"), "b:Y Z\r\n"},
		{STR("Subject: a  b\tc"), "subject:a b c\r\n"},
		{STR("SUBJECT\t:\r\n folded\r\n \t\r\n twice \r\n"), "subject:folded twice\r\n"},
		{STR("X-Empty:\r\n"), "x-empty:\r\n"},
		{STR("X-Blank: \t \r\n"), "x-blank:\r\n"},
		{STR("X: a:b: c\r\n"), "x:a:b: c\r\n"},
		{STR("no colon\r\n"), "no colon:\r\n"},
	};
	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf out = BUF_EMPTY;
		dkim_canon_field(cases[i].field, &out);
		assert_true(str_eq(buf_str(&out), str_c(cases[i].canonical)));
		buf_fini(&out);
	}
}

/* Given in pieces of `size` bytes: the base64 of the hash. */
static void
hash_of(struct str body, size_t size, struct buf *out)
{
	struct dkim_body b;
	unsigned char hash[32];

	dkim_body_init(&b);
	while (body.len > 0) {
		struct str piece = str_first(body, size);
		dkim_body_feed(&b, piece);
		body = str_from(body, piece.len);
	}
	dkim_body_end(&b, hash);
	dkim_body_fini(&b);
	base64_encode(str_of((const char *)hash, sizeof(hash)), out);
}

static void
plain_hash(struct str canonical, struct buf *out)
{
	unsigned char hash[32];
	unsigned int len;

	assert_int_equal(EVP_Digest(canonical.p, canonical.len, hash, &len, EVP_sha256(), NULL), 1);
	base64_encode(str_of((const char *)hash, sizeof(hash)), out);
}

static void
test_bodies(void **state)
{
	static const struct {
		struct str body, canonical;
	} cases[] = {
		{STR(" C \r\nD \t E\r\n\r\n\r\n"), STR(" C\r\nD E\r\n")}, /* 3.4.5 */
		{STR(""), STR("")},
		{STR("\r\n"), STR("")},
		{STR("\r\n\r\n \t\r\n"), STR("")},
		{STR("\r\na\r\n"), STR("\r\na\r\n")},
		{STR("a"), STR("a\r\n")}, /* a line end that lacks is added */
		{STR("a \t"), STR("a\r\n")},
		{STR("\t a\tb"), STR(" a b\r\n")},
		{STR("a\r\n \r\n\t\r\nb\r\n \r\n"), STR("a\r\n\r\n\r\nb\r\n")},
	};
	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf wanted = BUF_EMPTY;
		plain_hash(cases[i].canonical, &wanted);
		for (size_t size = 1; size <= cases[i].body.len + 1; size++) {
			struct buf got = BUF_EMPTY;
			hash_of(cases[i].body, size, &got);
			assert_true(str_eq(buf_str(&got), buf_str(&wanted)));
			buf_fini(&got);
		}
		buf_fini(&wanted);
	}
}

/* More empty lines than what is held back at once, and they count. */
static void
test_many_lines(void **state)
{
	struct buf body = BUF_EMPTY, wanted = BUF_EMPTY, got = BUF_EMPTY;

	(void)state;
	buf_add_c(&body, "first\r\n");
	for (int i = 0; i < 100000; i++)
		buf_add_c(&body, "\r\n");
	buf_add_c(&body, "last\r\n");
	plain_hash(buf_str(&body), &wanted);
	hash_of(buf_str(&body), 4096, &got);
	assert_true(str_eq(buf_str(&got), buf_str(&wanted)));
	buf_fini(&body);
	buf_fini(&wanted);
	buf_fini(&got);
}

/* RFC 8463, A.3 (and RFC 6376, A.2: the same body). */
static void
test_hash_of_the_rfcs(void **state)
{
	struct buf got = BUF_EMPTY;

	(void)state;
	hash_of(STR("Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n"), 7, &got);
	assert_true(str_eq(buf_str(&got), STR("2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=")));
	buf_fini(&got);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_many_lines),
		cmocka_unit_test(test_hash_of_the_rfcs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
