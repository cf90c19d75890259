/* ENVELOPE, BODY and BODYSTRUCTURE: right, and always in IMAP's grammar. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/mime/digest.h"
#include "lib/mime/structure.h"
#include "tests/unit/lib/mime/messages.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static void
assert_text(struct str got, const char *expected)
{
	if (!str_eq(got, str_c(expected)))
		fail_msg("\"%.*s\" is not \"%s\"", STR_ARG(got), expected);
}

static void
test_strings(void **state)
{
	static const struct {
		struct str s, text;
	} cases[] = {
		{STR_NONE, STR("NIL")},
		{STR(""), STR("\"\"")},
		{STR("a b"), STR("\"a b\"")},
		{STR("\"\\"), STR("\"\\\"\\\\\"")},
		{STR("NIL"), STR("\"NIL\"")},
		{STR("a\r\nb"), STR("{4}\r\na\r\nb")},
		{STR("\xc3\xa4"), STR("{2}\r\n\xc3\xa4")},
		{STR("\x7f"), STR("{1}\r\n\x7f")},
	};
	char long_text[1001];

	(void)state;
	memset(long_text, 'a', sizeof(long_text));
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buf got = BUF_EMPTY;
		mime_write_nstring(cases[i].s, &got);
		assert_true(str_eq(buf_str(&got), cases[i].text));
		buf_fini(&got);
	}
	for (size_t len = 1000; len <= 1001; len++) {
		struct buf got = BUF_EMPTY;
		mime_write_nstring(str_of(long_text, len), &got);
		assert_int_equal(got.data[0], len == 1000 ? '"' : '{');
		buf_fini(&got);
	}
}

static void
test_envelopes(void **state)
{
	static const struct {
		struct str header;
		const char *envelope;
	} cases[] = {
		{STR(""), "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"},
		{STR("Subject:\r\n"), "(NIL \"\" NIL NIL NIL NIL NIL NIL NIL NIL)"},
		{STR("Date: today\r\nSubject: a\r\n b\r\n"), "(\"today\" \"a b\" NIL NIL NIL NIL NIL NIL NIL NIL)"},
		{STR("Subject: first\r\nSubject: second\r\n"), "(NIL \"first\" NIL NIL NIL NIL NIL NIL NIL NIL)"},
		/* Without Sender and Reply-To they are the From. */
		{STR("From: A <a@b>\r\n"),
		 "(NIL NIL ((\"A\" NIL \"a\" \"b\")) ((\"A\" NIL \"a\" \"b\")) ((\"A\" NIL \"a\" \"b\")) "
		 "NIL NIL NIL NIL NIL)"},
		{STR("From: a@b\r\nSender: c@d\r\nReply-To: e@f\r\n"),
		 "(NIL NIL ((NIL NIL \"a\" \"b\")) ((NIL NIL \"c\" \"d\")) ((NIL NIL \"e\" \"f\")) NIL NIL NIL NIL "
		 "NIL)"},
		{STR("Sender: c@d\r\nFrom: a@b\r\nReply-To:\r\n"),
		 "(NIL NIL ((NIL NIL \"a\" \"b\")) ((NIL NIL \"c\" \"d\")) ((NIL NIL \"a\" \"b\")) NIL NIL NIL NIL "
		 "NIL)"},
		/* Groups: a name without a host starts one, neither ends it. */
		{STR("To: team: a@b;, c@d\r\n"),
		 "(NIL NIL NIL NIL NIL ((NIL NIL \"team\" NIL)(NIL NIL \"a\" \"b\")(NIL NIL NIL "
		 "NIL)(NIL NIL \"c\" \"d\")) NIL NIL NIL NIL)"},
		{STR("To: nohost\r\n"), "(NIL NIL NIL NIL NIL ((NIL NIL \"nohost\" \"\")) NIL NIL NIL NIL)"},
		/* Recipients of several fields are joined. */
		{STR("To: a@b\r\nCc: c@d\r\nTo: e@f\r\nTo: g@h\r\n"),
		 "(NIL NIL NIL NIL NIL ((NIL NIL \"a\" \"b\")(NIL NIL \"e\" \"f\")(NIL NIL \"g\" \"h\")) ((NIL NIL "
		 "\"c\" \"d\")) NIL "
		 "NIL NIL)"},
		{STR("Bcc: a@b\r\nMessage-ID: <i@d>\r\nIn-Reply-To: <x>\r\n"),
		 "(NIL NIL NIL NIL NIL NIL NIL ((NIL NIL \"a\" \"b\")) \"<x>\" \"<i@d>\")"},
		{STR("Subject: a\0b\r\nTo: a\0b@c\r\nTo: <d\0@e>\r\n"),
		 "(NIL \"a b\" NIL NIL NIL ((NIL NIL \"a\" \"\")(NIL NIL \"d\" \"e\")) NIL NIL NIL NIL)"},
	};
	struct arena arena;

	(void)state;
	arena_init(&arena);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buf got = BUF_EMPTY;
		mime_write_envelope(cases[i].header, &arena, &got);
		assert_text(buf_str(&got), cases[i].envelope);
		buf_fini(&got);
	}
	arena_fini(&arena);
}

static void
test_body_structures(void **state)
{
	static const struct {
		struct str message;
		const char *body, *extension; /* what BODYSTRUCTURE has more, before the last ')' */
	} cases[] = {
		{STR("\r\nabc\r\n"), "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 5 1",
		 " NIL NIL NIL NIL"},
		{STR("Content-Type: Text/Plain; Charset=UTF-8; format=flowed\r\nContent-Transfer-Encoding: "
		     "8BIT\r\n\r\n"),
		 "(\"text\" \"plain\" (\"charset\" \"UTF-8\" \"format\" \"flowed\") NIL NIL \"8BIT\" 0 0",
		 " NIL NIL NIL NIL"},
		{STR("Content-Type: application/pdf\r\nContent-ID: <i>\r\nContent-Description: A \"d\"\r\nContent-MD5: "
		     "m\r\n"
		     "Content-Disposition: Attachment; filename=f\r\nContent-Language: en,de\r\nContent-Location: "
		     "http://x\r\n\r\nabc"),
		 "(\"application\" \"pdf\" NIL \"<i>\" \"A \\\"d\\\"\" \"7bit\" 3",
		 " \"m\" (\"attachment\" (\"filename\" \"f\")) (\"en\" \"de\") \"http://x\""},
		{STR("Content-Type: multipart/mixed; boundary=x\r\nContent-Disposition: "
		     "inline\r\n\r\n--x\r\n\r\na\r\n--x--"),
		 "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 1 0) \"mixed\"", NULL},
		{STR("Content-Type: multipart/mixed; boundary=x\r\n\r\n"),
		 "((\"text\" \"plain\" NIL NIL NIL \"7bit\" 0 0) \"mixed\"", NULL},
		{STR("Content-Type: message/rfc822\r\n\r\nSubject: s\r\n\r\nb"),
		 "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 15 (NIL \"s\" NIL NIL NIL NIL NIL NIL NIL NIL) "
		 "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 1 0) 2",
		 NULL},
		{STR("Content-Disposition:\r\nContent-Language:\r\n\r\n"),
		 "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0",
		 " NIL (\"attachment\" NIL) NIL NIL"},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct mime_parser *p = mime_parser_new();
		struct buf body = BUF_EMPTY, extended = BUF_EMPTY, expected = BUF_EMPTY;
		struct mime_part *root;
		mime_parser_feed(p, cases[i].message);
		root = mime_parser_end(p);
		mime_write_structure(root, false, mime_parser_arena(p), &body);
		mime_write_structure(root, true, mime_parser_arena(p), &extended);
		buf_printf(&expected, "%s)", cases[i].body);
		assert_text(buf_str(&body), expected.data);
		buf_clear(&expected);
		if (cases[i].extension != NULL) {
			buf_printf(&expected, "%s%s)", cases[i].body, cases[i].extension);
			assert_text(buf_str(&extended), expected.data);
		}
		mime_parser_free(&p);
		buf_fini(&body);
		buf_fini(&extended);
		buf_fini(&expected);
	}
}

/* ---- The grammar ---- */

static bool take_item(struct str *s, unsigned depth);

/* "(item item ...)"; between lists there may be no space. */
static bool
take_list(struct str *s, unsigned depth)
{
	*s = str_from(*s, 1);
	while (s->len != 0 && s->p[0] != ')') {
		if (!take_item(s, depth + 1))
			return false;
		if (s->len != 0 && s->p[0] == ' ')
			*s = str_from(*s, 1);
		else if (s->len == 0 || (s->p[0] != ')' && s->p[0] != '('))
			return false;
	}
	if (s->len == 0)
		return false;
	*s = str_from(*s, 1);
	return true;
}

static bool
take_literal(struct str *s)
{
	struct str size, rest;
	uint64_t number;

	if (!str_cut(str_from(*s, 1), '}', &size, &rest) || !str_to_u64(size, &number) ||
	    !str_starts(rest, STR("\r\n")) || rest.len - 2 < number)
		return false;
	rest = str_from(rest, 2);
	if (str_index(str_first(rest, number), '\0') >= 0)
		return false;
	*s = str_from(rest, number);
	return true;
}

static bool
take_item(struct str *s, unsigned depth)
{
	size_t len = 0;

	if (s->len == 0 || depth > 10 * MIME_DEPTH_MAX)
		return false;
	if (s->p[0] == '(')
		return take_list(s, depth);
	if (s->p[0] == '{')
		return take_literal(s);
	if (s->p[0] == '"') {
		for (len = 1; len < s->len && s->p[len] != '"'; len++) {
			len += s->p[len] == '\\';
			if (len < s->len && (s->p[len] < ' ' || s->p[len] > 0x7e))
				return false;
		}
		*s = str_from(*s, len + 1);
		return len < s->len + len + 1;
	}
	if (str_starts(*s, STR("NIL"))) {
		*s = str_from(*s, 3);
		return true;
	}
	while (len < s->len && s->p[len] >= '0' && s->p[len] <= '9')
		len++;
	*s = str_from(*s, len);
	return len != 0;
}

static void
check_grammar(struct str text)
{
	struct str rest = text;

	if (!take_item(&rest, 0) || rest.len != 0)
		fail_msg("\"%.*s\" at \"%.*s\"", STR_ARG(text), STR_ARG(rest));
}

/* Whatever comes in, what goes out can be read; also by mime_digest_read(). */
static void
test_grammar(void **state)
{
	struct buf message = BUF_EMPTY, digest = BUF_EMPTY;

	(void)state;
	for (uint32_t seed = 0; seed < 5000; seed++) {
		struct mime_digest_builder *b = mime_digest_begin();
		struct mime_digest d;
		random_message(seed, &message);
		buf_clear(&digest);
		mime_digest_feed(b, buf_str(&message));
		mime_digest_end(&b, &digest);
		assert_true(mime_digest_read(buf_str(&digest), &d));
		check_grammar(d.texts[DIGEST_ENVELOPE]);
		check_grammar(d.texts[DIGEST_BODY]);
		check_grammar(d.texts[DIGEST_BODYSTRUCTURE]);
		for (unsigned text = DIGEST_SUBJECT; text <= DIGEST_BCC; text++)
			assert_true(str_is_utf8(d.texts[text]));
		for (uint32_t i = 0; i < d.part_count; i++) {
			struct mime_digest_part part = mime_digest_part_at(&d, i);
			assert_true(part.header_start <= part.body_start && part.body_start <= part.body_end);
			assert_true(part.body_end <= message.len);
			assert_true(i == 0 ? part.parent == 0 : part.parent < i);
		}
	}
	buf_fini(&message);
	buf_fini(&digest);
}

/* Fields that come again and again must not cost their square. */
static void
test_many_fields(void **state)
{
	struct mime_digest_builder *b = mime_digest_begin();
	struct buf digest = BUF_EMPTY;
	struct mime_digest d;

	(void)state;
	for (unsigned i = 0; i < 100000; i++)
		mime_digest_feed(b, STR("To: a@b\r\n"));
	mime_digest_feed(b, STR("\r\n"));
	mime_digest_end(&b, &digest);
	assert_true(mime_digest_read(buf_str(&digest), &d));
	check_grammar(d.texts[DIGEST_ENVELOPE]);
	buf_fini(&digest);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strings),		cmocka_unit_test(test_envelopes),
		cmocka_unit_test(test_body_structures), cmocka_unit_test(test_grammar),
		cmocka_unit_test(test_many_fields),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
