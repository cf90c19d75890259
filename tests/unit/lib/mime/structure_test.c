/* ENVELOPE, BODY and BODYSTRUCTURE: correct, and always in IMAP's grammar. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/mime/address.h"
#include "lib/mime/digest.h"
#include "lib/mime/structure.h"
#include "tests/unit/lib/mime/grammar.h"
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
		/* Lines that are no field hide none. */
		{STR("From bob@example.test Mon Nov 30 10:00:00 2026\r\n>From: x\r\nSubject: s\r\n"),
		 "(NIL \"s\" NIL NIL NIL NIL NIL NIL NIL NIL)"},
		/* The obsolete route. */
		{STR("To: <@a.x , @b.x:c@d>, E <@f (g):h@i>, <@j>, <@k@l>\r\n"),
		 "(NIL NIL NIL NIL NIL ((NIL \"@a.x,@b.x\" \"c\" \"d\")(\"E\" \"@f\" \"h\" \"i\")(NIL NIL \"\" "
		 "\"j\")(NIL NIL \"\" \"k@l\")) NIL NIL NIL NIL)"},
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
		/* Names as RFC 2231 writes them stay ASCII; what it took apart is joined. */
		{STR("Content-Type: application/pdf; name*0=a; name*1=\"b c\"\r\nContent-Disposition: attachment; "
		     "filename*0*=iso-8859-1''%e4%20; filename*1=\"b%.pdf\"; x*=utf-8''plain%20text\r\n\r\n"),
		 "(\"application\" \"pdf\" (\"name\" \"ab c\") NIL NIL \"7bit\" 0",
		 " NIL (\"attachment\" (\"filename*\" \"utf-8''%C3%A4%20b%25.pdf\" \"x\" \"plain text\")) NIL NIL"},
		/* What cannot be taken apart is told as a leaf. */
		{STR("Content-Type: message/rfc822; name=x\r\nContent-Transfer-Encoding: base64\r\n\r\nU3ViamVjdDo="),
		 "(\"application\" \"octet-stream\" (\"name\" \"x\") NIL NIL \"base64\" 12", " NIL NIL NIL NIL"},
		{STR("Content-Type: message/global\r\nContent-Transfer-Encoding: Quoted-Printable\r\n\r\nx"),
		 "(\"application\" \"octet-stream\" NIL NIL NIL \"Quoted-Printable\" 1", NULL},
		{STR("Content-Type: multipart/mixed\r\n\r\n--x\r\n"),
		 "(\"application\" \"octet-stream\" NIL NIL NIL \"7bit\" 5", NULL},
		{STR("Content-Type: message/rfc822\r\n"),
		 "(\"application\" \"octet-stream\" NIL NIL NIL \"7bit\" 0", NULL},
		{STR("Content-Type: multipart/digest; boundary=x\r\n\r\n--x\r\nSubject: no end\r\n--x--\r\n"),
		 "((\"application\" \"octet-stream\" NIL NIL NIL \"7bit\" 0) \"digest\"", NULL},
		{STR("Content-Type: message/delivery-status\r\n\r\nx"),
		 "(\"message\" \"delivery-status\" NIL NIL NIL \"7bit\" 1", NULL},
		{STR("Content-Type: multipart\r\n\r\nx"),
		 "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 1 0", NULL},
		{STR("Content-Type: image/png\r\nContent-Transfer-Encoding: base64; (what?)\r\n\r\nx"),
		 "(\"image\" \"png\" NIL NIL NIL \"base64\" 1", NULL},
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

static void
check_grammar(const struct mime_digest *d)
{
	struct str envelope = d->texts[DIGEST_ENVELOPE];
	struct str body = d->texts[DIGEST_BODY], extended = d->texts[DIGEST_BODYSTRUCTURE];

	if (!grammar_envelope(envelope))
		fail_msg("ENVELOPE \"%.*s\"", STR_ARG(envelope));
	if (!grammar_body(body, false))
		fail_msg("BODY \"%.*s\"", STR_ARG(body));
	if (!grammar_body(extended, true))
		fail_msg("BODYSTRUCTURE \"%.*s\"", STR_ARG(extended));
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
		check_grammar(&d);
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
	check_grammar(&d);
	buf_fini(&digest);
}

/* What is deeper, or more, than is looked into. */
static void
test_beyond_the_limits(void **state)
{
	static const struct {
		const char *text;
		unsigned times;
	} rows[] = {
		{"Content-Type: message/rfc822\r\n\r\n", MIME_DEPTH_MAX + 50},
		{"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n", MIME_DEPTH_MAX + 50},
		{"--x\r\nContent-Type: message/rfc822\r\n\r\nTo: a\r\n\r\n", MIME_PARTS_MAX},
		{"--x\r\nContent-Type: multipart/mixed; boundary=y\r\n\r\n--y\r\n", MIME_PARTS_MAX},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct mime_digest_builder *b = mime_digest_begin();
		struct buf digest = BUF_EMPTY;
		struct mime_digest d;
		if (rows[i].text[0] == '-')
			mime_digest_feed(b, STR("Content-Type: multipart/mixed; boundary=x\r\n\r\n"));
		for (unsigned n = 0; n < rows[i].times; n++)
			mime_digest_feed(b, str_c(rows[i].text));
		mime_digest_end(&b, &digest);
		assert_true(mime_digest_read(buf_str(&digest), &d));
		assert_true(d.part_count > MIME_DEPTH_MAX && d.part_count <= MIME_PARTS_MAX);
		check_grammar(&d);
		buf_fini(&digest);
	}
}

/* A group that is cut off for its size ends all the same. */
static void
test_endless_group(void **state)
{
	struct buf header = BUF_EMPTY, envelope = BUF_EMPTY;
	struct arena arena;

	(void)state;
	arena_init(&arena);
	buf_add_c(&header, "To: team:");
	for (unsigned i = 0; i < MIME_ADDRESSES_MAX + 5; i++)
		buf_add_c(&header, "a@b,");
	buf_add_c(&header, "\r\n");
	mime_write_envelope(buf_str(&header), &arena, &envelope);
	assert_true(grammar_envelope(buf_str(&envelope)));
	arena_fini(&arena);
	buf_fini(&header);
	buf_fini(&envelope);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strings),		cmocka_unit_test(test_envelopes),
		cmocka_unit_test(test_body_structures), cmocka_unit_test(test_grammar),
		cmocka_unit_test(test_many_fields),	cmocka_unit_test(test_endless_group),
		cmocka_unit_test(test_beyond_the_limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
