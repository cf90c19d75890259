/* What keys find in the bytes of messages: always the same, however the bytes
 * are split, and no more is read than necessary. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "lib/message/find.h"
#include "lib/message/fold.h"

static const char message[] =
	"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= and\r\n more\r\nX-Note: outer\r\nX-Empty:\r\n"
	"Content-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n"
	"--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
	"Stra=DFe soft=\r\nly\r\n"
	"--b\r\nContent-Type: image/png\r\n\r\nhidden\r\n"
	"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\nX-Note: deep\r\n\r\nlowest\r\n"
	"--b--\r\n";

struct fixture {
	struct arena arena, scratch;
	struct buf record;
	struct mime_digest digest;
	struct message_finder finder;
	struct str text;
};

static void
fixture_start(struct fixture *f, struct str text)
{
	struct mime_digest_builder *b = mime_digest_begin();

	memset(f, 0, sizeof(*f));
	arena_init(&f->arena);
	arena_init(&f->scratch);
	f->text = text;
	mime_digest_feed(b, text);
	mime_digest_end(&b, &f->record);
	assert_true(mime_digest_read(buf_str(&f->record), &f->digest));
}

static void
fixture_stop(struct fixture *f)
{
	message_finder_fini(&f->finder);
	buf_fini(&f->record);
	arena_fini(&f->arena);
	arena_fini(&f->scratch);
}

static struct message_key *
key(struct fixture *f, enum message_key_op op, const char *field, const char *text)
{
	struct message_key *k = arena_new(&f->arena, struct message_key);

	k->op = op;
	k->field = str_c(field);
	k->text = message_fold(str_c(text), &f->arena);
	return k;
}

/* Looks through the message in pieces; returns how much of it was read. */
static size_t
look(struct fixture *f, size_t piece)
{
	uint64_t offset, bytes;
	size_t count = 0;

	message_finder_begin(&f->finder, &f->digest);
	while (message_finder_wants(&f->finder, &offset, &bytes)) {
		assert_true(bytes != 0 && offset + bytes <= f->text.len);
		bytes = bytes < piece ? bytes : piece;
		message_finder_feed(&f->finder, str_of(f->text.p + offset, (size_t)bytes));
		count += (size_t)bytes;
	}
	return count;
}

static void
test_found(void **state)
{
	static const struct {
		enum message_key_op op;
		const char *field, *text;
		bool found;
	} cases[] = {
		{MATCH_HEADER, "subject", "GR\u00dcSSE AND MORE", true},
		{MATCH_HEADER, "Subject", "inner", false},
		{MATCH_HEADER, "X-Note", "outer", true},
		{MATCH_HEADER, "X-Note", "deep", false},
		{MATCH_HEADER, "X-Empty", "", true},
		{MATCH_HEADER, "X-Nosuch", "", false},
		{MATCH_BODY, "", "STRASSE", true},
		{MATCH_BODY, "", "softly", true},
		{MATCH_BODY, "", "lowest", true},
		{MATCH_BODY, "", "inner", true}, /* the message within is part of the body */
		{MATCH_BODY, "", "x-note", true},
		{MATCH_BODY, "", "outer", false},
		{MATCH_BODY, "", "hidden", false},
		{MATCH_BODY, "", "preamble", false},
		{MATCH_BODY, "", "iso-8859-1", false},
		{MATCH_TEXT, "", "outer", true},
		{MATCH_TEXT, "", "x-empty", true},
		{MATCH_TEXT, "", "iso-8859-1", true},
		{MATCH_TEXT, "", "lowest", true},
		{MATCH_TEXT, "", "hidden", false},
	};
	static const size_t pieces[] = {1, 3, 64, SIZE_MAX};
	struct message_key *tree;
	struct fixture f;

	(void)state;
	fixture_start(&f, str_c(message));
	tree = key(&f, MATCH_OR, "", "");
	for (unsigned i = sizeof(cases) / sizeof(cases[0]); i-- != 0;) {
		struct message_key *not = key(&f, MATCH_NOT, "", "");
		not->children = key(&f, cases[i].op, cases[i].field, cases[i].text);
		not->next = tree->children;
		tree->children = not;
	}
	assert_true(message_finder_init(&f.finder, tree, &f.scratch));
	assert_int_equal(f.finder.key_count, sizeof(cases) / sizeof(cases[0]));
	for (unsigned p = 0; p < sizeof(pieces) / sizeof(pieces[0]); p++) {
		look(&f, pieces[p]);
		for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
			if (f.finder.found[i] != cases[i].found)
				fail_msg("\"%s\" in pieces of %zu: %d", cases[i].text, pieces[p], f.finder.found[i]);
	}
	fixture_stop(&f);
}

/* One key at a time: what it does not need is not read. */
static void
test_how_much(void **state)
{
	size_t header = (size_t)(strstr(message, "preamble") - message);
	struct message_key *k;
	struct fixture f;

	(void)state;
	fixture_start(&f, str_c(message));
	k = key(&f, MATCH_HEADER, "X-Note", "nosuch");
	assert_true(message_finder_init(&f.finder, k, &f.scratch));
	assert_int_equal(look(&f, SIZE_MAX), header);
	assert_false(message_finder_wants_texts(&f.finder));
	k = key(&f, MATCH_HEADER, "Subject", "more");
	k->shortcut = DIGEST_SUBJECT;
	assert_true(message_finder_init(&f.finder, k, &f.scratch));
	assert_int_equal(look(&f, SIZE_MAX), 0); /* the digest has it */
	k = key(&f, MATCH_TEXT, "", "outer");
	assert_true(message_finder_init(&f.finder, k, &f.scratch));
	assert_int_equal(look(&f, SIZE_MAX), header);
	/* What cannot be read ends the span it is in. */
	message_finder_begin(&f.finder, &f.digest);
	for (uint64_t offset, bytes; message_finder_wants(&f.finder, &offset, &bytes);)
		message_finder_feed(&f.finder, STR_NONE);
	assert_false(f.finder.found[0]);
	fixture_stop(&f);
}

/* What lies across the border of two windows is found: the first ends with the
 * last whole line of 128 KiB. */
static void
test_windows(void **state)
{
	size_t header = strlen("Subject: x\r\n\r\n"), line = strlen("needle in\r\n");
	struct buf text = BUF_EMPTY;
	struct message_key *k;
	struct fixture f;

	(void)state;
	buf_add_c(&text, "Subject: x\r\n\r\n");
	while (text.len < header + 128 * 1024 - line - 5)
		buf_add_c(&text, text.len % 50 == 0 ? "\n" : "x");
	buf_add_c(&text, "needle in\r\n");
	while (text.len < 400 * 1024)
		buf_add_c(&text, "a haystack, and more of it\r\n");
	fixture_start(&f, buf_str(&text));
	k = key(&f, MATCH_BODY, "", "needle in\r\na haystack");
	assert_true(message_finder_init(&f.finder, k, &f.scratch));
	for (size_t piece = 1024; piece <= 128 * 1024; piece *= 2) {
		assert_true(look(&f, piece) < 300 * 1024); /* not read on once it is found */
		assert_true(f.finder.found[0]);
	}
	fixture_stop(&f);
	buf_fini(&text);
}

static void
test_limits(void **state)
{
	struct message_key *tree;
	struct fixture f;

	(void)state;
	fixture_start(&f, str_c(message));
	tree = key(&f, MATCH_AND, "", "");
	for (unsigned i = 0; i < MESSAGE_EXPENSIVE_KEYS_MAX; i++) {
		struct message_key *k = key(&f, MATCH_TEXT, "", "x");
		k->next = tree->children;
		tree->children = k;
	}
	assert_true(message_finder_init(&f.finder, tree, &f.scratch));
	tree->next = key(&f, MATCH_BODY, "", "x");
	assert_false(message_finder_init(&f.finder, tree, &f.scratch));
	tree->next->op = MATCH_HEADER;
	tree->next->shortcut = DIGEST_SUBJECT;
	assert_true(message_finder_init(&f.finder, tree, &f.scratch));
	fixture_stop(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_found),
		cmocka_unit_test(test_how_much),
		cmocka_unit_test(test_windows),
		cmocka_unit_test(test_limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
