/* Threads: by references and by subject, including malformed input seen in practice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "frontend/imap/search/thread.h"
#include "lib/base/clock.h"

struct message {
	const char *id, *references, *subject;
	bool is_reply;
	int64_t date;
};

static unsigned slices; /* used by the last call */

static const struct folder_text *
text_of(struct arena *arena, const char *s)
{
	struct folder_text *text = arena_alloc(arena, sizeof(*text) + (s != NULL ? strlen(s) : 0));

	text->len = s != NULL ? (uint32_t)strlen(s) : 0;
	if (text->len != 0)
		memcpy(text->bytes, s, text->len);
	return text;
}

static char *
thread(const struct message *messages, uint32_t count, bool by_subject, struct arena *arena)
{
	struct thread_message *sorted = arena_array(arena, struct thread_message, count + 1);
	struct imap_threads *threads;
	struct slice slice = {0};
	struct buf out = BUF_EMPTY;
	char *text;

	for (uint32_t i = 0; i < count; i++) {
		sorted[i] = (struct thread_message){.seq = i + 1, .uid = i + 101, .date = messages[i].date};
		sorted[i].message_id = str_c(messages[i].id);
		sorted[i].references = str_c(messages[i].references);
		sorted[i].subject = text_of(arena, messages[i].subject);
		sorted[i].is_reply = messages[i].is_reply;
	}
	threads = imap_threads_new(by_subject ? THREAD_ORDEREDSUBJECT : THREAD_REFERENCES, sorted, count, arena);
	for (slices = 1; !imap_threads_run(threads, &slice); slices++)
		slice_begin(&slice);
	while (!imap_threads_print(threads, false, &out))
		;
	imap_threads_free(&threads);
	text = arena_dup(arena, out.data, out.len);
	buf_fini(&out);
	return text;
}

static void
test_references(void **state)
{
	static const struct {
		const char *name;
		struct message messages[6];
		const char *expected;
	} cases[] = {
		{"one", {{"<a>", "", "x", false, 1}}, "(1)"},
		{"a chain",
		 {{"<a>", "", "x", false, 1}, {"<b>", "<a>", "x", true, 2}, {"<c>", "<a> <b>", "x", true, 3}},
		 "(1 2 3)"},
		{"the chain in any order",
		 {{"<c>", "<a> <b>", "x", true, 3}, {"<b>", "<a>", "x", true, 2}, {"<a>", "", "x", false, 1}},
		 "(3 2 1)"},
		{"branches in order of date",
		 {{"<a>", "", "x", false, 1},
		  {"<b>", "<a>", "x", true, 5},
		  {"<c>", "<a>", "x", true, 3},
		  {"<d>", "<c>", "x", true, 4}},
		 "(1 (3 4)(2))"},
		{"a parent that is not there, with two children",
		 {{"<b>", "<a>", "x", true, 2}, {"<c>", "<a>", "y", true, 3}},
		 "((1)(2))"},
		{"a parent that is not there, with one child", {{"<b>", "<a>", "x", true, 2}}, "(1)"},
		{"grandchildren of one that is not there",
		 {{"<c>", "<a> <b>", "x", true, 2}, {"<d>", "<a> <b>", "x", true, 3}},
		 "((1)(2))"},
		{"a link through one that is not there",
		 {{"<a>", "", "x", false, 1}, {"<c>", "<a> <b>", "x", true, 2}},
		 "(1 2)"},
		{"the same id twice", {{"<a>", "", "x", false, 1}, {"<a>", "", "y", false, 2}}, "(1)(2)"},
		{"no ids", {{"", "", "x", false, 1}, {"", "", "y", false, 2}}, "(1)(2)"},
		{"a loop", {{"<a>", "<b>", "x", true, 1}, {"<b>", "<a>", "x", true, 2}}, "(2 1)"},
		/* Message 3 leaves its place below 1, which only 2's references made, but
		 * cannot go below 2, which is below it. */
		{"its own parent by way of another",
		 {{"<a>", "", "x", false, 9}, {"<b>", "<a> <c>", "y", true, 1}, {"<c>", "<b>", "z", true, 5}},
		 "(3 2)(1)"},
		{"a message without references has no parent",
		 {{"<b>", "<z> <a>", "x", true, 2}, {"<a>", "", "y", false, 1}},
		 "(2 1)"},
		{"roots of one date: a parent that is not there stands where its first child does",
		 {{"<a>", "<p>", "x", true, 1}, {"<b>", "<q>", "y", true, 1}, {"<c>", "<q>", "z", true, 1}},
		 "(1)((2)(3))"},
		{"its own parent", {{"<a>", "<a>", "x", false, 1}}, "(1)"},
		{"replies without references join by subject",
		 {{"<a>", "", "x", false, 1},
		  {"<b>", "", "x", true, 2},
		  {"<c>", "", "x", true, 3},
		  {"<d>", "", "y", true, 4}},
		 "(1 (2)(3))(4)"},
		{"two that are no replies stand side by side",
		 {{"<a>", "", "x", false, 1}, {"<b>", "", "x", false, 2}},
		 "((1)(2))"},
		{"empty subjects do not join", {{"<a>", "", "", false, 1}, {"<b>", "", "", true, 2}}, "(1)(2)"},
		{"roots in order of date", {{"<a>", "", "x", false, 9}, {"<b>", "", "y", false, 2}}, "(2)(1)"},
		/* RFC 5256, section 4: the first reference wins where there are several. */
		{"a link that is there stays",
		 {{"<c>", "<a> <b>", "x", true, 1},
		  {"<d>", "<z> <b>", "x", true, 2},
		  {"<b>", "<a>", "x", true, 3},
		  {"<a>", "", "x", false, 4}},
		 "(4 3 (1)(2))"},
		{"a message's own parent is the last of its references",
		 {{"<c>", "<a> <b>", "x", true, 1},
		  {"<b>", "<q>", "x", true, 3},
		  {"<a>", "", "y", false, 4},
		  {"<q>", "", "x", false, 5}},
		 "(3)(4 2 1)"},
	};
	struct arena arena;

	(void)state;
	arena_init(&arena);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t count = 0;
		const char *got;
		while (count < 6 && cases[i].messages[count].id != NULL)
			count++;
		got = thread(cases[i].messages, count, false, &arena);
		if (strcmp(got, cases[i].expected) != 0)
			fail_msg("%s: %s, not %s", cases[i].name, got, cases[i].expected);
	}
	arena_fini(&arena);
}

static void
test_subjects(void **state)
{
	static const struct message messages[] = {
		{"", "", "B", false, 10}, {"", "", "A", false, 20}, {"", "", "B", true, 30},
		{"", "", "C", false, 5},  {"", "", "B", true, 25},
	};
	struct arena arena;

	(void)state;
	arena_init(&arena);
	assert_string_equal(thread(messages, 5, true, &arena), "(4)(1 (5)(3))(2)");
	assert_string_equal(thread(messages, 0, true, &arena), "");
	assert_string_equal(thread(messages, 0, false, &arena), "");
	arena_fini(&arena);
}

/* Whatever is sent, threading takes very little time, and its depth is bounded. */
static void
test_hostile(void **state)
{
	enum { COUNT = 60000 };
	struct message *messages = calloc(COUNT, sizeof(*messages));
	struct arena arena;
	int64_t start = clock_monotonic_ms();

	(void)state;
	arena_init(&arena);
	/* One very long chain; its second half comes before its first, so that each link
	 * joins two chains. */
	for (unsigned i = 0; i < COUNT; i++) {
		unsigned n = i < COUNT / 2 ? COUNT - i : i - COUNT / 2;
		messages[i] = (struct message){arena_printf(&arena, "<%u>", n), arena_printf(&arena, "<%u>", n - 1),
					       "x", true, i};
	}
	assert_non_null(thread(messages, COUNT, false, &arena));
	assert_true(slices >= 10); /* others get their turn */
	/* Children that all leave one parent again. */
	for (unsigned i = 0; i < COUNT / 2; i++) {
		messages[i] = (struct message){arena_printf(&arena, "<m%u>", i), arena_printf(&arena, "<p> <c%u>", i),
					       "x", true, i};
		messages[COUNT / 2 + i] = (struct message){arena_printf(&arena, "<c%u>", i), "<q>", "x", true, i};
	}
	assert_non_null(thread(messages, COUNT, false, &arena));
	assert_true(slices >= 10);
	assert_non_null(thread(messages, COUNT, true, &arena));
	assert_true(slices >= 3);
	/* Generous: the square of the count would be minutes. */
	assert_in_range(clock_monotonic_ms() - start, 0, 20000);
	arena_fini(&arena);
	free(messages);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_references),
		cmocka_unit_test(test_subjects),
		cmocka_unit_test(test_hostile),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
