/* The verdicts of keys as more and more of a message is known. (Many more
 * cases, in IMAP's grammar: tests/unit/frontend/imap/search/search_test.c.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "lib/message/match.h"

static const struct mailbox_hot hot = {.uid = 50, .flags = MAILBOX_SEEN, .size = 1000, .keywords = 4};
static const struct mailbox_cold cold = {.internal_date = 86400 - 60, .zone_minutes = 1, .save_date = 86400 - 60};
static const bool found[] = {true, false};

/* What is known from the hot record, the cold one, the digest, the body: "??yy". */
static const char *
judge(const struct message_key *k)
{
	static const char letters[] = "ny?";
	static char verdicts[5];
	struct mime_digest digest = {.has_date = true, .date = 0};
	struct message_known m = {.hot = &hot, .now = 86400};
	struct arena scratch;

	arena_init(&scratch);
	m.scratch = &scratch;
	for (unsigned i = 0; i < DIGEST_TEXTS; i++)
		digest.texts[i] = STR("some text");
	verdicts[0] = letters[message_match(k, &m)];
	m.cold = &cold;
	verdicts[1] = letters[message_match(k, &m)];
	m.digest = &digest;
	verdicts[2] = letters[message_match(k, &m)];
	m.found = found;
	verdicts[3] = letters[message_match(k, &m)];
	arena_fini(&scratch);
	return verdicts;
}

static const struct range ranges[] = {{1, 10}, {20, 20}, {40, 50}, {60, UINT32_MAX}};
static const struct range others[] = {{1, 49}, {51, 60}};

static void
test_keys(void **state)
{
	static const struct {
		struct message_key key;
		const char *verdicts;
	} cases[] = {
		{{.op = MATCH_NONE}, "nnnn"},
		{{0}, "nnnn"}, /* an empty key is no wide one */
		{{.op = MATCH_ALL}, "yyyy"},
		{{.op = MATCH_AND}, "yyyy"},
		{{.op = MATCH_OR}, "nnnn"},
		{{.op = MATCH_UIDS}, "nnnn"},
		{{.op = MATCH_UIDS, .ranges = ranges, .range_count = 4}, "yyyy"},
		{{.op = MATCH_UIDS, .ranges = others, .range_count = 2}, "nnnn"},
		{{.op = MATCH_FLAGS, .number = MAILBOX_SEEN}, "yyyy"},
		{{.op = MATCH_FLAGS, .number = MAILBOX_SEEN | MAILBOX_DRAFT}, "nnnn"},
		{{.op = MATCH_KEYWORDS, .number = 6}, "yyyy"},
		{{.op = MATCH_KEYWORDS, .number = 0}, "nnnn"},
		/* In its own zone it came on the second day, in UTC on the first. */
		{{.op = MATCH_ON, .day = 1}, "?yyy"},
		{{.op = MATCH_BEFORE, .day = 1}, "?nnn"},
		{{.op = MATCH_SAVED_ON, .day = 0}, "?yyy"},
		{{.op = MATCH_YOUNGER, .number = 60}, "?yyy"},
		{{.op = MATCH_OLDER, .number = 61}, "?nnn"},
		{{.op = MATCH_SENT_ON, .day = 0}, "??yy"},
		{{.op = MATCH_SENT_SINCE, .day = 1}, "??nn"},
		{{.op = MATCH_DIGEST_TEXT, .number = DIGEST_CC, .text = STR("E TEXT")}, "??yy"},
		{{.op = MATCH_HEADER, .shortcut = DIGEST_SUBJECT, .text = STR("SOME"), .slot = 1}, "??yy"},
		{{.op = MATCH_HEADER, .text = STR("X"), .slot = 0}, "???y"},
		{{.op = MATCH_TEXT, .text = STR("X"), .slot = 1}, "???n"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (strcmp(judge(&cases[i].key), cases[i].verdicts) != 0)
			fail_msg("case %u: %s, not %s", i, judge(&cases[i].key), cases[i].verdicts);
}

/* What is known already decides. */
static void
test_trees(void **state)
{
	struct message_key in_body = {.op = MATCH_BODY, .slot = 0};
	struct message_key seen = {.op = MATCH_FLAGS, .number = MAILBOX_SEEN, .next = &in_body};
	struct message_key draft = {.op = MATCH_FLAGS, .number = MAILBOX_DRAFT, .next = &in_body};
	struct message_key tree = {0}, not = {.op = MATCH_NOT, .children = &tree};
	static const struct {
		enum message_key_op op;
		bool by_seen;
		const char *verdicts, *inverted;
	} cases[] = {
		{MATCH_AND, true, "???y", "???n"},
		{MATCH_AND, false, "nnnn", "yyyy"},
		{MATCH_OR, true, "yyyy", "nnnn"},
		{MATCH_OR, false, "???y", "???n"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		tree.op = cases[i].op;
		tree.children = cases[i].by_seen ? &seen : &draft;
		assert_string_equal(judge(&tree), cases[i].verdicts);
		assert_string_equal(judge(&not), cases[i].inverted);
	}
}

/* A field that stands there several times is looked for in the message itself. */
static void
test_repeated_field(void **state)
{
	struct message_key k = {.op = MATCH_HEADER, .shortcut = DIGEST_SUBJECT, .text = STR("X"), .slot = 0};
	struct mime_digest digest = {.repeats = true};
	struct message_known m = {.hot = &hot, .cold = &cold, .digest = &digest};

	(void)state;
	assert_int_equal(message_match(&k, &m), VERDICT_UNKNOWN);
	m.found = found;
	assert_int_equal(message_match(&k, &m), VERDICT_YES);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_trees),
		cmocka_unit_test(test_repeated_field),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
