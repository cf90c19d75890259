/* Lists of tags: strict, and tag by tag. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "lib/dkim/tags.h"

static void
test_good(void **state)
{
	struct dkim_tags tags;

	(void)state;
	assert_true(dkim_tags_parse(STR(" a = b ; c=;\r\n\td_1=x y\r\n z; \r\n"), &tags));
	assert_int_equal(tags.count, 3);
	assert_true(str_eq(dkim_tags_value(&tags, "a", ""), STR("b")));
	assert_int_equal(dkim_tags_find(&tags, STR("c"))->value.len, 0);
	assert_true(str_eq(dkim_tags_value(&tags, "d_1", ""), STR("x y\r\n z")));
	assert_true(str_eq(dkim_tags_value(&tags, "A", "none"), STR("none")));
	assert_null(dkim_tags_find(&tags, STR("z")));
	assert_true(dkim_tags_parse(STR("a=b=c"), &tags));
	assert_true(str_eq(dkim_tags_value(&tags, "a", ""), STR("b=c")));
}

static void
test_bad(void **state)
{
	static const char *const rows[] = {"",	    ";",      " ",	"a",	   "a=b;;c=d", ";a=b",	   "a=b;a=c",
					   "=b",    "1a=b",   "a b=c",	"a-b=c",   "a=\x01",   "a=\xc3\xa9", "a=b;c"};
	struct buf many = BUF_EMPTY;
	struct dkim_tags tags;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (dkim_tags_parse(str_c(rows[i]), &tags))
			fail_msg("accepted: %s", rows[i]);
	for (unsigned i = 0; i <= DKIM_TAGS_MAX; i++)
		buf_printf(&many, "t%u=x;", i);
	assert_false(dkim_tags_parse(buf_str(&many), &tags));
	buf_fini(&many);
}

/* Tag by tag, the malformed ones do not matter. */
static void
test_one_by_one(void **state)
{
	struct str rest = STR(";a=b;; moo ;c=d");
	struct dkim_tag tag;
	bool good;

	(void)state;
	assert_true(dkim_tag_next(&rest, &tag, &good) && good && str_eq(tag.name, STR("a")));
	assert_true(dkim_tag_next(&rest, &tag, &good) && !good && str_eq(tag.value, STR("moo")));
	assert_true(dkim_tag_next(&rest, &tag, &good) && good && str_eq(tag.value, STR("d")));
	assert_false(dkim_tag_next(&rest, &tag, &good));
}

static void
test_items(void **state)
{
	struct buf out = BUF_EMPTY;

	(void)state;
	assert_true(dkim_tag_has_item(STR("a : B\r\n :c"), STR("b")));
	assert_false(dkim_tag_has_item(STR("ab:c"), STR("b")));
	assert_false(dkim_tag_has_item(STR(""), STR("b")));
	dkim_tag_squeeze(STR("ab\r\n\tc d"), &out);
	assert_string_equal(out.data, "abcd");
	buf_fini(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_one_by_one),
		cmocka_unit_test(test_items),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
