/* What IMAP makes of messages without a session: base subjects, encodings,
 * sections, the items of a FETCH. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "frontend/imap/decode.h"
#include "frontend/imap/section.h"
#include "frontend/imap/subject.h"

static void
assert_str(struct str got, const char *expected)
{
	if (!str_eq(got, str_c(expected)))
		fail_msg("\"%.*s\", not \"%s\"", STR_ARG(got), expected);
}

static void
test_base_subjects(void **state)
{
	static const struct {
		const char *subject, *base;
		bool is_reply;
	} cases[] = {
		{"", "", false},
		{"hello", "hello", false},
		{"  hello \t  there ", "hello there", false},
		{"Re: hello", "hello", true},
		{"RE : Fw: hello", "hello", true},
		{"Fwd[2]: hello", "hello", true},
		{"[list] Re: [list] hello", "hello", true},
		{"[list] hello", "hello", false},
		{"hello (fwd)", "hello", true},
		{"hello (fwd) (FWD)", "hello", true},
		{"[fwd: hello]", "hello", true},
		{"[Fwd: Re: [x] hello (fwd)]", "hello", true},
		{"[list]", "[list]", false},
		{"Re:", "", true},
		{"Regarding: hello", "Regarding: hello", false},
		{"[a[b] c", "[a[b] c", false},
	};
	struct arena arena;

	(void)state;
	arena_init(&arena);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool is_reply;
		assert_str(imap_base_subject(str_c(cases[i].subject), &arena, &is_reply), cases[i].base);
		assert_int_equal(is_reply, cases[i].is_reply);
	}
	arena_fini(&arena);
}

static void
test_decoding(void **state)
{
	static const struct {
		enum mime_encoding encoding;
		const char *text, *decoded;
	} cases[] = {
		{MIME_7BIT, "as it is=", "as it is="},
		{MIME_BASE64, "SGVs\r\nbG8=", "Hello"},
		{MIME_BASE64, "SGVsbG8", "Hello"},
		{MIME_BASE64, "SGVsbG8=SGVsbG8=", "HelloHello"},
		{MIME_BASE64, "S!G-V_s bG8=", "Hello"},
		{MIME_BASE64, "", ""},
		{MIME_QUOTED_PRINTABLE, "a=3Db=\r\nc", "a=bc"},
		{MIME_QUOTED_PRINTABLE, "a=\nb", "ab"},
		{MIME_QUOTED_PRINTABLE, "a=zzb", "a=zzb"},
		{MIME_QUOTED_PRINTABLE, "end=", "end"},
		{MIME_QUOTED_PRINTABLE, "end= \t", "end"},
		{MIME_QUOTED_PRINTABLE, "end=4", "end=4"},
		{MIME_QUOTED_PRINTABLE, "end \t", "end"},
		{MIME_QUOTED_PRINTABLE, "end \r", "end \r"},
		{MIME_QUOTED_PRINTABLE, "end=\r", "end=\r"},
		/* White space at the end of a line was put there on the way. */
		{MIME_QUOTED_PRINTABLE, "a \t \r\nb \nc", "a\r\nb\nc"},
		{MIME_QUOTED_PRINTABLE, "   \r\n\t\n", "\r\n\n"},
		{MIME_QUOTED_PRINTABLE, "a =20\r\nb=09 \r\n", "a  \r\nb\t\r\n"},
		{MIME_QUOTED_PRINTABLE, "a = \t\r\nb", "a b"},
		{MIME_QUOTED_PRINTABLE, "a= \nb=\t\t\n c", "ab c"},
		{MIME_QUOTED_PRINTABLE, "a= b", "a= b"},
		{MIME_QUOTED_PRINTABLE, "a= =41 =\r\nb", "a= A b"},
		{MIME_QUOTED_PRINTABLE, "a \rb =\rc", "a \rb =\rc"},
		{MIME_QUOTED_PRINTABLE, "a=4=42=\n", "a=4B"},
		{MIME_QUOTED_PRINTABLE, "==41", "=A"},
		{MIME_QUOTED_PRINTABLE, "=4\r\nx", "=4\r\nx"},
		{MIME_QUOTED_PRINTABLE, "=c3=B6", "\xc3\xb6"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t piece = 1; piece <= 5; piece++) {
			struct str rest = str_c(cases[i].text);
			struct buf out = BUF_EMPTY;
			struct imap_decoder d;
			imap_decode_init(&d, cases[i].encoding);
			for (; rest.len != 0; rest = str_from(rest, piece))
				imap_decode(&d, str_first(rest, piece), &out);
			imap_decode_end(&d, &out);
			assert_str(buf_str(&out), cases[i].decoded);
			buf_fini(&out);
		}
}

/* A run of white space of any length costs the same memory, and is the same text
 * wherever it is cut. */
static void
test_long_white_space(void **state)
{
	struct buf text = BUF_EMPTY, whole = BUF_EMPTY, bytes = BUF_EMPTY;
	struct imap_decoder d;

	(void)state;
	for (unsigned i = 0; i < 100000; i++)
		buf_add_byte(&text, ' ');
	buf_add_c(&text, "x\r\n");
	for (unsigned i = 0; i < 1000; i++)
		buf_add_byte(&text, '\t');
	buf_add_c(&text, "\r\n= ");
	imap_decode_init(&d, MIME_QUOTED_PRINTABLE);
	imap_decode(&d, buf_str(&text), &whole);
	imap_decode_end(&d, &whole);
	for (size_t i = 0; i < text.len; i++)
		imap_decode(&d, str_of(text.data + i, 1), &bytes);
	imap_decode_end(&d, &bytes);
	assert_true(str_eq(buf_str(&whole), buf_str(&bytes)));
	assert_true(str_starts(str_from(buf_str(&whole), 100000), STR("x\r\n")));
	assert_true(whole.len < 100003 + 1000);
	buf_fini(&text);
	buf_fini(&whole);
	buf_fini(&bytes);
}

static const char message[] =
	"Subject: outer\r\nX-A: 1\r\n\tfolded\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
	"--b\r\n\r\nfirst\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
	"Subject: inner\r\n\r\ndeep\r\n--b--\r\n";

/* The text of a section, "NIL" when there is none, "BAD" when it is malformed. */
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
		cmocka_unit_test(test_base_subjects),
		cmocka_unit_test(test_decoding),
		cmocka_unit_test(test_long_white_space),
		cmocka_unit_test(test_sections),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
