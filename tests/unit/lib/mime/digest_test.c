/* The MIME reader: structure, envelope, decoded texts; whole and byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/mime/digest.h"

#include "lib/base/mem.h"

static void
make_digest(struct str message, size_t piece, struct buf *out)
{
	struct mime_digest_builder *b = mime_digest_begin();

	for (size_t at = 0; at < message.len; at += piece)
		mime_digest_feed(b, str_first(str_from(message, at), piece));
	mime_digest_end(&b, out);
}

/* The digest of message; the same for any cut of the input. */
static struct mime_digest
digest_of(const char *message, struct buf *keep)
{
	struct mime_digest d;
	struct buf other = BUF_EMPTY;
	static const size_t pieces[] = {1, 2, 3, 7, 64};

	make_digest(str_c(message), strlen(message) + 1, keep);
	for (unsigned i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		buf_clear(&other);
		make_digest(str_c(message), pieces[i], &other);
		assert_true(str_eq(buf_str(keep), buf_str(&other)));
	}
	buf_fini(&other);
	assert_true(mime_digest_read(buf_str(keep), &d));
	return d;
}

static void
assert_text(const struct mime_digest *d, enum mime_digest_text text, const char *expected)
{
	char *got = str_dup(d->texts[text]);
	assert_string_equal(got, expected);
	mem_free(got);
}

static void
test_plain(void **state)
{
	struct buf keep = BUF_EMPTY;
	struct mime_digest d = digest_of("Return-Path: <bob@example.test>\r\n"
					 "Date: Mon, 7 Feb 1994 21:52:25 -0800 (PST)\r\n"
					 "From: Fred Foobar <foobar@Blurdybloop.COM>\r\n"
					 "Subject: afternoon =?utf-8?Q?m=C3=BC?= =?utf-8?B?w6Q=?= x\r\n"
					 "To: mooch@owatagu.siam.edu\r\n"
					 "Message-Id: <B27397-0100000@Blurdybloop.COM>\r\n"
					 "In-Reply-To: <a@b> <c@d>\r\n"
					 "\r\n"
					 "Hello\r\nWorld\r\n",
					 &keep);
	(void)state;
	assert_text(&d, DIGEST_ENVELOPE,
		    "(\"Mon, 7 Feb 1994 21:52:25 -0800 (PST)\" \"afternoon =?utf-8?Q?m=C3=BC?= =?utf-8?B?w6Q=?= x\" "
		    "((\"Fred Foobar\" NIL \"foobar\" \"Blurdybloop.COM\")) "
		    "((\"Fred Foobar\" NIL \"foobar\" \"Blurdybloop.COM\")) "
		    "((\"Fred Foobar\" NIL \"foobar\" \"Blurdybloop.COM\")) ((NIL NIL \"mooch\" \"owatagu.siam.edu\")) "
		    "NIL NIL \"<a@b> <c@d>\" \"<B27397-0100000@Blurdybloop.COM>\")");
	assert_text(&d, DIGEST_BODY, "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 14 2)");
	assert_text(&d, DIGEST_SUBJECT, "afternoon m\xc3\xbc\xc3\xa4 x");
	assert_text(&d, DIGEST_FROM, "Fred Foobar <foobar@Blurdybloop.COM>");
	assert_text(&d, DIGEST_FROM_BOX, "foobar");
	assert_text(&d, DIGEST_TO_DISPLAY, "mooch@owatagu.siam.edu");
	assert_text(&d, DIGEST_REFERENCES, "<a@b> <c@d>");
	assert_int_equal(d.date, 760686745);
	assert_int_equal(d.zone_minutes, -480);
	assert_int_equal(d.part_count, 1);
	buf_fini(&keep);
}

static const char multipart[] = "Content-Type: multipart/mixed; boundary=\"outer\"\r\n"
				"\r\n"
				"preamble\r\n"
				"--outer\r\n"
				"Content-Type: text/plain; charset=utf-8\r\n"
				"\r\n"
				"one\r\n"
				"two\r\n"
				"--outer \r\n"
				"Content-Type: message/rfc822\r\n"
				"\r\n"
				"Subject: inner\r\n"
				"Content-Type: multipart/alternative; boundary=in\r\n"
				"\r\n"
				"--in\r\n"
				"\r\n"
				"plain\r\n"
				"--in\r\n"
				"Content-Type: text/html\r\n"
				"\r\n"
				"<p>\r\n"
				"--in--\r\n"
				"epilogue of the inner\r\n"
				"--outer\r\n"
				"Content-Type: application/octet-stream\r\n"
				"Content-Disposition: attachment; filename*=utf-8''%e2%82%ac.bin\r\n"
				"Content-Transfer-Encoding: base64\r\n"
				"\r\n"
				"AAAA\r\n"
				"--outer--\r\n"
				"epilogue\r\n";

static void
assert_part(const struct mime_digest *d, unsigned count, uint32_t a, uint32_t b, uint32_t c, const char *expected)
{
	uint32_t numbers[] = {a, b, c};
	int64_t index = mime_digest_find_part(d, numbers, count);
	struct mime_digest_part part;

	if (expected == NULL) {
		assert_int_equal(index, -1);
		return;
	}
	assert_true(index >= 0);
	part = mime_digest_part_at(d, (uint32_t)index);
	assert_int_equal(part.body_end - part.body_start, strlen(expected));
	assert_memory_equal(multipart + part.body_start, expected, strlen(expected));
}

static void
test_multipart(void **state)
{
	struct buf keep = BUF_EMPTY;
	struct mime_digest d = digest_of(multipart, &keep);
	static const char filename[] = "(\"filename*\" \"utf-8''%E2%82%AC.bin\")";

	(void)state;
	assert_int_equal(d.part_count, 7);
	assert_part(&d, 1, 1, 0, 0, "one\r\ntwo");
	assert_part(&d, 2, 2, 1, 0, "plain");
	assert_part(&d, 2, 2, 2, 0, "<p>");
	assert_part(&d, 1, 3, 0, 0, "AAAA");
	assert_part(&d, 1, 4, 0, 0, NULL);
	assert_part(&d, 2, 1, 1, 0, NULL);
	assert_part(&d, 3, 2, 1, 1, NULL);
	assert_text(&d, DIGEST_BODY,
		    "((\"text\" \"plain\" (\"charset\" \"utf-8\") NIL NIL \"7bit\" 8 1)"
		    "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 150 "
		    "(NIL \"inner\" NIL NIL NIL NIL NIL NIL NIL NIL) "
		    "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 5 0)"
		    "(\"text\" \"html\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 3 0) \"alternative\") 11)"
		    "(\"application\" \"octet-stream\" NIL NIL NIL \"base64\" 4) \"mixed\")");
	assert_non_null(memmem(d.texts[DIGEST_BODYSTRUCTURE].p, d.texts[DIGEST_BODYSTRUCTURE].len, filename,
			       sizeof(filename) - 1));
	buf_fini(&keep);
}

static void
test_broken(void **state)
{
	static const char *const messages[] = {
		"",
		"\r\n",
		"no colon at all",
		"Content-Type: multipart/mixed; boundary=x\r\n\r\n",
		"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x--",
		"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nSubject: y\r\n--x\r\n--x--\r\n",
		"Content-Type: multipart/mixed\r\n\r\n--x\r\n\r\nbody\r\n",
		"Content-Type: message/rfc822\r\n\r\n",
		"Content-Type: multipart/mixed; boundary=x\n\n--x\n\nunix\n--x--\n",
		"From: <<<@,;:\"unclosed\r\nTo: group: a@b, c; d@e\r\n\r\n",
		"Content-Type: multipart/digest; boundary=x\r\n\r\n--x\r\n\r\nSubject: s\r\n\r\nb\r\n--x--",
	};
	(void)state;
	for (unsigned i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		struct buf keep = BUF_EMPTY;
		digest_of(messages[i], &keep);
		buf_fini(&keep);
	}
}

static void
test_many_parts(void **state)
{
	struct buf message = BUF_EMPTY, digest = BUF_EMPTY;
	struct mime_digest d;

	(void)state;
	buf_add_c(&message, "Content-Type: multipart/mixed; boundary=x\r\n\r\n");
	for (unsigned i = 0; i < MIME_PARTS_MAX + 100; i++)
		buf_add_c(&message, "--x\r\n\r\na\r\n");
	make_digest(buf_str(&message), 4096, &digest);
	assert_true(mime_digest_read(buf_str(&digest), &d));
	assert_int_equal(d.part_count, MIME_PARTS_MAX);
	buf_clear(&message);
	buf_clear(&digest);
	for (unsigned i = 0; i < 1000; i++)
		buf_printf(&message, "Content-Type: multipart/mixed; boundary=x%u\r\n\r\n--x%u\r\n", i, i);
	make_digest(buf_str(&message), 4096, &digest);
	assert_true(mime_digest_read(buf_str(&digest), &d));
	assert_true(d.part_count <= MIME_DEPTH_MAX + 2);
	buf_fini(&message);
	buf_fini(&digest);
}

static void
test_damaged(void **state)
{
	struct buf keep = BUF_EMPTY;
	struct mime_digest d = digest_of(multipart, &keep);

	(void)state;
	assert_false(mime_digest_read(str_first(buf_str(&keep), keep.len - 1), &d));
	keep.data[keep.len / 2] ^= 1;
	assert_false(mime_digest_read(buf_str(&keep), &d));
	assert_false(mime_digest_read(STR_NONE, &d));
	buf_fini(&keep);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),	   cmocka_unit_test(test_multipart), cmocka_unit_test(test_broken),
		cmocka_unit_test(test_many_parts), cmocka_unit_test(test_damaged),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
