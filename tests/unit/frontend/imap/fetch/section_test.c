/* Sections of messages: the items of a FETCH that name them, and what they mean. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "frontend/imap/fetch/section.h"

static const char message[] =
	"Subject: outer\r\nX-A: 1\r\n\tfolded\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
	"--b\r\n\r\nfirst\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
	"Subject: inner\r\n\r\ndeep\r\n--b--\r\n";

/* The text of a section; "NIL" if there is none, "BAD" if it is malformed. */
static const char *
section(const char *item, struct arena *arena)
{
	struct mime_digest_builder *builder = mime_digest_begin();
	struct buf record = BUF_EMPTY, filtered = BUF_EMPTY;
	struct mime_digest digest;
	struct imap_fetch_items items;
	struct imap_extent extent;
	struct imap_lexer l;
	const char *result = "NIL";

	mime_digest_feed(builder, str_c(message));
	mime_digest_end(&builder, &record);
	assert_true(mime_digest_read(buf_str(&record), &digest));
	imap_lex_init(&l, str_c(item), arena, false);
	if (!imap_parse_fetch(&l, &items)) {
		result = "BAD";
	} else if (imap_section_find(items.sections, &digest, sizeof(message) - 1, &extent)) {
		struct str text = str_of(message + extent.start, (size_t)(extent.end - extent.start));
		if (extent.is_header) {
			imap_section_filter(items.sections, text, &filtered);
			text = buf_str(&filtered);
		}
		result = arena_dup(arena, text.p, text.len);
	}
	buf_fini(&filtered);
	buf_fini(&record);
	return result;
}

static void
test_sections(void **state)
{
	static const struct {
		const char *item, *text;
	} cases[] = {
		{"BODY[]", message},
		{"BODY.PEEK[]", message},
		{"RFC822", message},
		{"BODY[1]", "first"},
		{"BODY[2]", "Subject: inner\r\n\r\ndeep"},
		{"BODY[2.HEADER]", "Subject: inner\r\n\r\n"},
		{"BODY[2.TEXT]", "deep"},
		{"BODY[2.1]", "deep"},
		{"BODY[2.MIME]", "Content-Type: message/rfc822\r\n\r\n"},
		{"BODY[HEADER.FIELDS (x-a)]", "X-A: 1\r\n\tfolded\r\n\r\n"},
		{"BODY[HEADER.FIELDS (nosuch)]", "\r\n"},
		{"BODY[HEADER.FIELDS.NOT (x-a content-type)]", "Subject: outer\r\n\r\n"},
		{"BODY[2.HEADER.FIELDS (SUBJECT)]", "Subject: inner\r\n\r\n"},
		{"BINARY[1]", "first"},
		{"BINARY.PEEK[1]<1.2>", "first"},
		{"BINARY.SIZE[2]", "Subject: inner\r\n\r\ndeep"},
		{"BINARY[HEADER]", "BAD"},
		{"BINARY.SIZE[1]<0.1>", "BAD"},
		{"BODY[3]", "NIL"},
		{"BODY[1.1]", "NIL"},
		{"BODY[1.HEADER]", "NIL"},
		{"BODY[0]", "BAD"},
		{"BODY[1.]", "BAD"},
		{"BODY[MIME]", "BAD"},
		{"BODY[HEADER.FIELDS ()]", "BAD"},
		{"BODY[HEADER.FIELDS]", "BAD"},
		{"BODY[1", "BAD"},
		{"BODY[]<0>", "BAD"},
		{"BODY[]<0.0>", "BAD"},
		{"BODY.PEEK", "BAD"},
		{"BODY[] FLAGS", "BAD"},
	};
	struct arena arena;

	(void)state;
	arena_init(&arena);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *got = section(cases[i].item, &arena);
		if (strcmp(got, cases[i].text) != 0)
			fail_msg("%s: \"%s\", not \"%s\"", cases[i].item, got, cases[i].text);
	}
	arena_fini(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sections),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
