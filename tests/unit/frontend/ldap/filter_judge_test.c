/* How much work one entry is for a filter: values and their normal forms are made once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "frontend/ldap/ber.h"
#include "frontend/ldap/filter.h"
#include "lib/base/buf.h"

enum { TAG_OR = 0xa1, TAG_EQUAL = 0xa3, TAG_EXTENSIBLE = 0xa9, TAG_RULE = 0x81, TAG_VALUE = 0x83 };

static void
add(struct buf *out, int tag, struct str value)
{
	buf_add_byte(out, (char)tag);
	buf_add_byte(out, (char)0x83);
	buf_add_byte(out, (char)(value.len >> 16));
	buf_add_byte(out, (char)(value.len >> 8));
	buf_add_byte(out, (char)value.len);
	buf_add_str(out, value);
}

/* OR of so many terms, none of which matches. */
static void
build(struct buf *out, unsigned count, int tag, int tag1, struct str first, int tag2, const char *value)
{
	struct buf terms = BUF_EMPTY, term = BUF_EMPTY;

	for (unsigned i = 0; i < count; i++) {
		buf_clear(&term);
		add(&term, tag1, first);
		add(&term, tag2, str_c(value));
		add(&terms, tag, buf_str(&term));
	}
	add(out, TAG_OR, buf_str(&terms));
	buf_fini(&terms);
	buf_fini(&term);
}

static void
judge(const struct buf *filter, const struct ldap_entry *e, size_t most_bytes, uint32_t most_work)
{
	struct str text = buf_str(filter);
	struct slice slice = {0};
	struct ldap_filter f;
	struct arena arena, scratch;

	arena_init(&arena);
	arena_init(&scratch);
	assert_int_equal(ldap_filter_take(&text, &arena, &f), LDAP_FILTER_GOOD);
	assert_int_equal(ldap_filter_judge(&f, e, &scratch, &slice), LDAP_FALSE);
	assert_in_range(scratch.total_bytes, 1, most_bytes);
	assert_in_range(slice.spent, 1000, most_work); /* it counts, and is no more than some slices */
	arena_fini(&arena);
	arena_fini(&scratch);
}

static void
test_long_list(void **state)
{
	struct buf fields = BUF_EMPTY, filter = BUF_EMPTY, more = BUF_EMPTY;
	struct book_entry list = {.address = STR("all@example.test"), .is_group = true};
	struct ldap_entry e = {.kind = LDAP_GROUP, .domain = STR("example.test"), .person = &list};
	const char *dn = "uid=nobody,ou=people,dc=example,dc=test";
	struct ldap_filter f;
	struct arena arena;
	struct str text;
	char address[64];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		(void)snprintf(address, sizeof(address), "first.last%d@example.test", i);
		entry_add(&fields, BOOK_MEMBER, str_c(address));
	}
	list.fields = buf_str(&fields);
	build(&filter, LDAP_DN_TERMS_MAX, TAG_EQUAL, LBER_OCTETSTRING, STR("member"), LBER_OCTETSTRING, dn);
	judge(&filter, &e, 384 * 1024, 5 * SLICE_WORK);
	/* One more is refused. */
	build(&more, LDAP_DN_TERMS_MAX + 1, TAG_EQUAL, LBER_OCTETSTRING, STR("member"), LBER_OCTETSTRING, dn);
	text = buf_str(&more);
	arena_init(&arena);
	assert_int_equal(ldap_filter_take(&text, &arena, &f), LDAP_FILTER_TOO_COMPLEX);
	arena_fini(&arena);
	buf_fini(&fields);
	buf_fini(&filter);
	buf_fini(&more);
}

static void
test_full_person(void **state)
{
	struct buf fields = BUF_EMPTY, filter = BUF_EMPTY;
	struct book_entry person = {.address = STR("muller@example.test")};
	struct ldap_entry e = {.kind = LDAP_USER, .domain = STR("example.test"), .person = &person};
	char value[200];

	(void)state;
	for (size_t i = 0; i < sizeof(value); i += 2)
		memcpy(value + i, "\xc3\xbc", 2);
	for (int field = BOOK_MEMBER + 1; field < 22; field++)
		entry_add(&fields, (enum book_field)field, str_of(value, sizeof(value)));
	person.fields = buf_str(&fields);
	build(&filter, 250, TAG_EXTENSIBLE, TAG_RULE, STR("caseIgnoreMatch"), TAG_VALUE, "zz");
	judge(&filter, &e, 128 * 1024, SLICE_WORK);
	buf_fini(&fields);
	buf_fini(&filter);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_long_list), cmocka_unit_test(test_full_person)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
