/* What a filter asks the book for leaves out no entry that the filter matches: random entries
 * and filters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "frontend/ldap/ber.h"
#include "frontend/ldap/filter.h"
#include "lib/book/private.h"

#define DOMAIN "example.test"

enum {
	TAG_AND = 0xa0,
	TAG_OR = 0xa1,
	TAG_NOT = 0xa2,
	TAG_EQUAL = 0xa3,
	TAG_SUBSTRINGS = 0xa4,
	TAG_PRESENT = 0x87,
	TAG_EXTENSIBLE = 0xa9,
	TAG_INITIAL = 0x80,
	TAG_ANY = 0x81,
	TAG_FINAL = 0x82,
	TAG_RULE = 0x81,
	TAG_TYPE = 0x82,
	TAG_VALUE = 0x83,
	TAG_DN = 0x84,
	DEPTH_MOST = 3,
};

static struct book book;

static unsigned
pick(unsigned below)
{
	return (unsigned)rand() % below;
}

static void
add(struct buf *out, int tag, struct str value)
{
	buf_add_byte(out, (char)tag);
	buf_add_byte(out, (char)0x82);
	buf_add_byte(out, (char)(value.len >> 8));
	buf_add_byte(out, (char)value.len);
	buf_add_str(out, value);
}

/* ---- Random entries ---- */
static const char *const pieces[] = {"an", "Anna", "b",	  "Müller", "STRASSE", "ß",	"é", "e\xcc\x81",
				     " ",  "-",	   ".",	  "  ",	    "son",     "ann.0", "@", "\xc2\xa0",
				     "𝚨",  "Ⅷ",	   "( )", "1",	    "23",      "+49"};

static void
add_words(struct buf *out, unsigned most)
{
	for (unsigned n = 1 + pick(most); n > 0; n--)
		buf_add_c(out, pieces[pick(sizeof(pieces) / sizeof(pieces[0]))]);
}

static const char *const members[] = {"ann.0@" DOMAIN,	       "an@elsewhere.test", "ann-b.0@" DOMAIN,
				      "m\xc3\xbcller@" DOMAIN, "a+b@" DOMAIN,	    "\"a,b\"@" DOMAIN};

static void
add_members(struct buf *entry)
{
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		if (pick(3) == 0)
			entry_add(entry, BOOK_MEMBER, str_c(members[i]));
}

/* In letters of either case. */
static struct str
random_member(struct arena *arena)
{
	struct str address = str_c(members[pick(sizeof(members) / sizeof(members[0]))]);
	size_t at = (size_t)str_rindex(address, '@');
	struct str dn = ldap_dn_of(pick(4) == 0 ? LDAP_GROUP : LDAP_USER, str_from(address, at + 1),
				   str_first(address, at), arena);
	char *text = arena_dup(arena, dn.p, dn.len);

	for (size_t i = 0; i < dn.len; i++)
		if (text[i] >= 'a' && text[i] <= 'z' && pick(3) == 0)
			text[i] = (char)(text[i] - 'a' + 'A');
	return str_of(text, dn.len);
}

static void
fill(unsigned count)
{
	static const enum book_field fields[] = {BOOK_DISPLAY_NAME, BOOK_GIVEN_NAME, BOOK_SURNAME, BOOK_TITLE,
						 BOOK_DEPARTMENT,   BOOK_COMPANY,    BOOK_PHONE,   BOOK_MOBILE,
						 BOOK_FAX,	    BOOK_CITY,	     BOOK_URL};
	struct buf text = BUF_EMPTY, entry = BUF_EMPTY;
	char address[64];

	for (unsigned n = 0; n < count; n++) {
		bool is_group = pick(10) == 0;

		buf_clear(&entry);
		entry_begin(&entry, is_group ? ENTRY_GROUP : 0, 1000);
		if (is_group)
			add_members(&entry);
		for (size_t i = 0; !is_group && i < sizeof(fields) / sizeof(fields[0]); i++) {
			buf_clear(&text);
			add_words(&text, 5);
			if (pick(2) == 0)
				entry_add(&entry, fields[i], buf_str(&text));
		}
		buf_clear(&text);
		buf_printf(&text, "%u", 1 + pick(30));
		entry_add(&entry, BOOK_NUMBER, buf_str(&text));
		snprintf(address, sizeof(address), "%s.%u@" DOMAIN, pick(2) == 0 ? "ann" : "b-son", pick(4 * count));
		content_put(&book.content, str_c(address), buf_str(&entry));
	}
	buf_fini(&text);
	buf_fini(&entry);
}

/* ---- Random filters ---- */
static const char *const attributes[] = {
	"cn",	      "sn",	"givenName", "displayName",	"uid",	     "mail",	 "title",
	"ou",	      "o",	"name",	     "telephoneNumber", "mobile",    "fax",	 "l",
	"labeledURI", "member", "entryDN",   "unknown",		"uidNumber", "memberUid"};

/* What an entry has in a field, or any text; then a part of it. */
static struct str
random_value(struct arena *arena)
{
	const struct chunk *chunk = book.content.chunks[pick(book.content.count)];
	struct buf text = BUF_EMPTY;
	enum book_field field;
	struct book_entry e;
	struct str value;
	size_t at = 0;

	chunk_entry(chunk, pick(chunk->count), &e);
	if (pick(4) == 0)
		add_words(&text, 3);
	for (unsigned n = pick(8); text.len == 0 && book_entry_next(&e, &at, &field, &value); n--)
		if (n == 0)
			buf_add_str(&text, value);
	value = arena_str(arena, buf_str(&text));
	buf_fini(&text);
	return value;
}

/* Characters stay whole. */
static struct str
random_part(struct str value)
{
	size_t from = pick((unsigned)value.len + 1), to = from + pick((unsigned)(value.len - from) + 1);

	while (from < value.len && ((unsigned char)value.p[from] & 0xc0) == 0x80)
		from++;
	while (to < value.len && ((unsigned char)value.p[to] & 0xc0) == 0x80)
		to++;
	return to > from ? str_of(value.p + from, to - from) : str_of(value.p, 0);
}

/* Pieces of one value, in order, so that many match. */
static void
add_pieces(struct buf *out, struct str value, struct arena *arena)
{
	struct buf list = BUF_EMPTY;
	struct str part = random_part(value);
	size_t cut = 0;

	if (pick(2) == 0 && (cut = (size_t)(part.p - value.p)) != 0)
		add(&list, TAG_INITIAL, str_first(value, cut));
	value = str_from(value, cut);
	for (unsigned n = pick(3); n > 0; n--) {
		part = random_part(value);
		if (part.len != 0)
			add(&list, TAG_ANY, part);
		value = str_from(value, (size_t)(part.p - value.p) + part.len);
	}
	if ((pick(3) == 0 || list.len == 0) && value.len != 0)
		add(&list, TAG_FINAL, value);
	if (list.len == 0)
		add(&list, TAG_ANY, STR("an"));
	add(out, LBER_SEQUENCE, arena_str(arena, buf_str(&list)));
	buf_fini(&list);
}

static void
add_test(struct buf *out, struct arena *arena)
{
	struct str attribute = str_c(attributes[pick(sizeof(attributes) / sizeof(attributes[0]))]);
	struct str value = random_value(arena);
	struct buf test = BUF_EMPTY;
	int tag = TAG_EQUAL;

	if (str_eq(attribute, STR("member")))
		value = random_member(arena);
	switch (pick(8)) {
	case 0: add(out, TAG_PRESENT, attribute); return;
	case 1:
		tag = TAG_EXTENSIBLE;
		add(&test, TAG_RULE, pick(2) == 0 ? STR("caseIgnoreMatch") : STR("caseExactMatch"));
		if (pick(2) == 0)
			add(&test, TAG_TYPE, attribute);
		add(&test, TAG_VALUE, value);
		if (pick(3) == 0)
			add(&test, TAG_DN, STR("\xff"));
		break;
	case 2:
	case 3:
		add(&test, LBER_OCTETSTRING, attribute);
		add(&test, LBER_OCTETSTRING, value);
		break;
	default:
		tag = TAG_SUBSTRINGS;
		add(&test, LBER_OCTETSTRING, attribute);
		add_pieces(&test, value, arena);
		break;
	}
	add(out, tag, buf_str(&test));
	buf_fini(&test);
}

static void
add_filter(struct buf *out, struct arena *arena, unsigned depth)
{
	struct buf parts = BUF_EMPTY;
	unsigned kind = pick(6);

	if (depth == DEPTH_MOST || kind > 2) {
		add_test(out, arena);
		return;
	}
	for (unsigned n = kind == 2 ? 1 : pick(4); n > 0; n--)
		add_filter(&parts, arena, depth + 1);
	add(out, TAG_AND + (int)kind, buf_str(&parts));
	buf_fini(&parts);
}

/* ---- The comparison ---- */
struct figures {
	unsigned matches, missed, planned;
};

static bool
is_planned(const struct ldap_plan *plan, const struct book_query *query, const struct book_entry *e)
{
	for (unsigned i = 0; plan->is_exact && i < plan->count; i++)
		if (str_eq(plan->addresses[i], e->address))
			return plan->query == NULL || book_query_matches(query, e);
	return !plan->is_exact && (plan->query == NULL || book_query_matches(query, e));
}

static void
compare(const struct ldap_filter *f, struct arena *arena, struct figures *figures)
{
	struct book_query query = {.match = BOOK_PRESENT};
	struct book_cursor c = {.chunk = 0};
	struct arena scratch;
	struct ldap_plan plan;
	struct book_entry e;

	ldap_filter_plan(f, STR(DOMAIN), arena, &plan);
	if (plan.query != NULL)
		query = *plan.query;
	figures->planned += plan.query != NULL;
	arena_init(&scratch);
	while (book_next(&book, &c, NULL, NULL, &e) == BOOK_FOUND) {
		struct str name = str_first(e.address, (size_t)str_index(e.address, '@'));
		const struct ldap_posix posix = {.groups = &name, .group_count = 1};
		struct ldap_entry entry = {.kind = e.is_group ? LDAP_GROUP : LDAP_USER,
					   .domain = STR(DOMAIN),
					   .person = &e,
					   .book = &book,
					   .posix = &posix};

		arena_reset(&scratch);
		if (ldap_filter_judge(f, &entry, &scratch, NULL) != LDAP_TRUE)
			continue;
		figures->matches++;
		figures->missed += !is_planned(&plan, &query, &e);
	}
	arena_fini(&scratch);
}

static void
test_no_match_is_missed(void **state)
{
	struct figures figures = {0, 0, 0};
	unsigned filters = 0;

	(void)state;
	srand(3);
	book.content.generation = 1;
	for (unsigned i = 0; i < 3500; i++) {
		struct buf text = BUF_EMPTY;
		struct ldap_filter f;
		struct arena arena;
		struct str rest;

		if (i % 100 == 0)
			fill(20);
		arena_init(&arena);
		add_filter(&text, &arena, 0);
		rest = buf_str(&text);
		if (ldap_filter_take(&rest, &arena, &f) == LDAP_FILTER_GOOD) {
			unsigned missed = figures.missed;
			compare(&f, &arena, &figures);
			if (figures.missed != missed)
				print_message("  filter %u misses some\n", i);
			filters++;
		}
		arena_fini(&arena);
		buf_fini(&text);
	}
	content_fini(&book.content);
	print_message("  %u filters, %u asked the book; %u matches\n", filters, figures.planned, figures.matches);
	assert_true(filters > 2500 && figures.planned > 1000 && figures.matches > 10000);
	assert_int_equal(figures.missed, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_no_match_is_missed)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
