/* The positions of a message's parts: always the same, however it is split into pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/mem.h"
#include "lib/mime/digest.h"
#include "lib/mime/parser.h"
#include "tests/unit/lib/mime/messages.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* "main/sub<body>lines(children)" of the part and those behind it. */
static void
describe(const struct mime_part *part, struct str message, struct buf *out)
{
	for (; part != NULL; part = part->next) {
		assert_true(part->header_start <= part->body_start && part->body_start <= part->body_end);
		assert_true(part->body_end <= message.len);
		buf_printf(out, "%.*s/%.*s<", STR_ARG(part->type.main), STR_ARG(part->type.sub));
		if (part->kind == MIME_LEAF)
			buf_add_str(out,
				    str_first(str_from(message, part->body_start), part->body_end - part->body_start));
		buf_printf(out, ">%llu", (unsigned long long)part->lines);
		if (part->kind == MIME_LEAF)
			continue;
		buf_add_byte(out, part->kind == MIME_MULTIPART ? '(' : '[');
		describe(part->first_child, message, out);
		buf_add_byte(out, part->kind == MIME_MULTIPART ? ')' : ']');
	}
}

/* All that there is to know, for comparing. */
static void
dump(const struct mime_part *part, struct buf *out)
{
	for (; part != NULL; part = part->next) {
		buf_printf(out, "%u %u %d %llu %llu %llu %llu %zu:", part->index, part->depth, (int)part->kind,
			   (unsigned long long)part->header_start, (unsigned long long)part->body_start,
			   (unsigned long long)part->body_end, (unsigned long long)part->lines, part->header.len);
		buf_add_str(out, part->header);
		buf_add_str(out, part->boundary);
		buf_add_byte(out, '(');
		dump(part->first_child, out);
		buf_add_byte(out, ')');
	}
}

static struct mime_part *
parse(struct mime_parser *p, struct str message, size_t piece)
{
	for (size_t at = 0; at < message.len; at += piece)
		mime_parser_feed(p, str_first(str_from(message, at), piece));
	return mime_parser_end(p);
}

/* What describe() says; every cut of the message must say the same. */
static void
check(struct str message, struct buf *described)
{
	static const size_t pieces[] = {SIZE_MAX / 2, 1, 2, 3, 7, 64};
	struct buf first = BUF_EMPTY, other = BUF_EMPTY;

	for (size_t i = 0; i < COUNT(pieces); i++) {
		struct mime_parser *p = mime_parser_new();
		struct mime_part *root = parse(p, message, pieces[i]);
		buf_clear(&other);
		dump(root, i == 0 ? &first : &other);
		assert_true(i == 0 || str_eq(buf_str(&first), buf_str(&other)));
		if (i == 0 && described != NULL)
			describe(root, message, described);
		mime_parser_free(&p);
		assert_null(p);
	}
	buf_fini(&first);
	buf_fini(&other);
}

#define MIXED  "Content-Type: multipart/mixed; boundary=x\r\n\r\n"
#define RFC822 "Content-Type: message/rfc822\r\n\r\n"

static void
test_structures(void **state)
{
	static const struct {
		struct str message, parts;
	} cases[] = {
		{STR(""), STR("text/plain<>0")},
		{STR("\r\n"), STR("text/plain<>0")},
		{STR("\r\nbody"), STR("text/plain<body>0")},
		{STR("\nbody\n"), STR("text/plain<body\n>1")},
		{STR("Subject: x\r\n\r\nbody\r\nmore\r\n"), STR("text/plain<body\r\nmore\r\n>2")},
		{STR("Subject: x\r\n"), STR("text/plain<>0")},
		{STR("Subject: x"), STR("text/plain<>0")},
		{STR("Content-Type: text\r\n\r\nx"), STR("text/plain<x>0")}, /* no type at all */
		{STR("Content-Type: image/PNG\r\n\r\nx"), STR("image/png<x>0")},
		/* Multiparts. */
		{STR(MIXED "--x\r\n\r\na\r\n--x\r\n\r\nb\r\n--x--\r\n"),
		 STR("multipart/mixed<>7(text/plain<a>0text/plain<b>0)")},
		{STR(MIXED "preamble\r\n--x\r\n\r\na\r\n--x--\r\nepilogue"), STR("multipart/mixed<>5(text/plain<a>0)")},
		{STR("Content-Type: multipart/mixed; boundary=x\n\n--x\n\na\n\n--x--\n"),
		 STR("multipart/mixed<>5(text/plain<a\n>1)")},
		{STR(MIXED "--x\r\nContent-Type: text/html\r\n\r\n<p>\r\n--x--"),
		 STR("multipart/mixed<>4(text/html<<p>>0)")},
		{STR(MIXED "--x \t\r\n\r\na\r\n--x-- \r\n"),
		 STR("multipart/mixed<>4(text/plain<a>0)")}, /* white space behind */
		{STR(MIXED "--xy\r\n--x\r\n\r\n--xy\r\n--x--"),
		 STR("multipart/mixed<>4(text/plain<--xy>0)")},		   /* a longer one */
		{STR(MIXED " --x\r\n\r\na"), STR("multipart/mixed<>2()")}, /* not at the start of a line */
		{STR(MIXED "--x\r\n\r\na\r\n"), STR("multipart/mixed<>3(text/plain<a\r\n>1)")}, /* never closed */
		{STR(MIXED "--x--\r\n"), STR("multipart/mixed<>1()")},
		{STR(MIXED), STR("multipart/mixed<>0()")},
		{STR(MIXED "--x\r\n\r\n\r\n--x\r\n\r\n--x\r\n--x--"),
		 STR("multipart/mixed<>6(text/plain<>0text/plain<>0text/plain<>0)")}, /* nothing in any */
		{STR(MIXED "--x\r\nSubject: a\r\n--x\r\n\r\nb\r\n--x--"),	      /* a header runs into the next */
		 STR("multipart/mixed<>5(text/plain<>0text/plain<b>0)")},
		{STR(MIXED "--x--\r\n--x\r\n\r\nlate\r\n--x--"),
		 STR("multipart/mixed<>4()")}, /* after the end: epilogue */
		{STR("Content-Type: multipart/mixed\r\n\r\n--x\r\n\r\na"), STR("application/octet-stream<--x\r\n\r\na>2")},
		{STR("Content-Type: multipart/mixed; boundary=\"\"\r\n\r\n--\r\n"), STR("application/octet-stream<--\r\n>1")},
		{STR("Content-Type: multipart/digest; boundary=x\r\n\r\n--x\r\n\r\nSubject: s\r\n\r\nb\r\n--x--"),
		 STR("multipart/digest<>5(message/rfc822<>2[text/plain<b>0])")},
		/* Nested: the outer delimiter closes what is inside. */
		{STR(MIXED "--x\r\nContent-Type: multipart/alternative; "
			   "boundary=y\r\n\r\n--y\r\n\r\na\r\n--x\r\n\r\nb\r\n--x--"),
		 STR("multipart/mixed<>9(multipart/alternative<>2(text/plain<a>0)text/plain<b>0)")},
		{STR(MIXED
		     "--x\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\na\r\n--x--\r\n--x--\r\n"),
		 STR("multipart/mixed<>8(multipart/mixed<>3(text/plain<a>0))")}, /* the same boundary twice */
		/* Messages in messages. */
		{STR(RFC822 "Subject: i\r\n\r\nb"), STR("message/rfc822<>2[text/plain<b>0]")},
		{STR(RFC822), STR("message/rfc822<>0[text/plain<>0]")},
		{STR(RFC822 RFC822 "\r\nb"), STR("message/rfc822<>3[message/rfc822<>1[text/plain<b>0]]")},
		{STR("Content-Type: message/global\r\n\r\n\r\nb"), STR("message/global<>1[text/plain<b>0]")},
		{STR("Content-Type: message/partial\r\n\r\n\r\nb"), STR("message/partial<\r\nb>1")},
		{STR("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nQUJD"),
		 STR("application/octet-stream<QUJD>0")},
		{STR(MIXED "--x\r\n" RFC822 "Subject: i\r\n\r\nb\r\n--x--"),
		 STR("multipart/mixed<>6(message/rfc822<>2[text/plain<b>0])")},
		{STR(MIXED "--x\r\n" RFC822 MIXED "--x\r\n\r\nb\r\n--x--\r\n--x--"),
		 STR("multipart/mixed<>9(message/rfc822<>5[multipart/mixed<>3(text/plain<b>0)])")},
		/* NULs. */
		{STR("A\0: b\r\n\r\nb\0b"), STR("text/plain<b\0b>0")},
		{STR(MIXED "--x\0\r\n--x\r\n\r\na\r\n--x--\0"), STR("multipart/mixed<>4(text/plain<a>0)")},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buf got = BUF_EMPTY;
		check(cases[i].message, &got);
		if (!str_eq(buf_str(&got), cases[i].parts))
			fail_msg("%zu: \"%.*s\"", i, STR_ARG(buf_str(&got)));
		buf_fini(&got);
	}
}

static void
test_any_pieces(void **state)
{
	struct buf message = BUF_EMPTY;

	(void)state;
	for (uint32_t seed = 0; seed < 3000; seed++) {
		random_message(seed, &message);
		check(buf_str(&message), NULL);
	}
	buf_fini(&message);
}

/* A boundary of the longest length that is looked at, and one more. */
static void
test_long_boundaries(void **state)
{
	(void)state;
	for (size_t len = 70; len < 300; len++) {
		struct buf message = BUF_EMPTY, got = BUF_EMPTY;
		char boundary[301];
		memset(boundary, 'b', len);
		boundary[len] = '\0';
		buf_printf(&message, "Content-Type: multipart/mixed; boundary=%s\r\n\r\n--%s\r\n\r\na\r\n--%s--\r\n",
			   boundary, boundary, boundary);
		check(buf_str(&message), &got);
		assert_int_equal(strstr(got.data, "(text/plain<a>0)") != NULL, len <= 248);
		buf_fini(&message);
		buf_fini(&got);
	}
}

/* ---- Limits ---- */

static void
test_many_parts(void **state)
{
	struct buf message = BUF_EMPTY;
	struct mime_parser *p = mime_parser_new();
	struct mime_part *root;

	(void)state;
	buf_add_c(&message, MIXED);
	for (unsigned i = 0; i < 20000; i++)
		buf_add_c(&message, "--x\r\nContent-Type: text/html\r\n\r\na\r\n");
	root = parse(p, buf_str(&message), 4096);
	assert_int_equal(mime_parser_part_count(p), MIME_PARTS_MAX);
	/* What is beyond belongs to nothing; the parts before it are right. */
	assert_int_equal(root->last_child->index, MIME_PARTS_MAX - 1);
	assert_int_equal(root->last_child->body_end - root->last_child->body_start, 1);
	assert_int_equal(root->body_end, message.len);
	mime_parser_free(&p);
	buf_fini(&message);
}

static unsigned
depth_below(const struct mime_part *part)
{
	unsigned deepest = 0;

	for (const struct mime_part *child = part->first_child; child != NULL; child = child->next) {
		unsigned depth = 1 + depth_below(child);
		deepest = depth > deepest ? depth : deepest;
	}
	return deepest;
}

static void
test_deep(void **state)
{
	static const char *const nested[] = {RFC822, MIXED "--x\r\n",
					     "Content-Type: multipart/digest; boundary=x\r\n\r\n--x\r\n\r\n"};

	(void)state;
	for (size_t i = 0; i < COUNT(nested); i++) {
		struct mime_parser *p = mime_parser_new();
		struct buf message = BUF_EMPTY;
		for (unsigned j = 0; j < 5000; j++)
			buf_add_c(&message, nested[i]);
		assert_int_equal(depth_below(parse(p, buf_str(&message), 1000)), MIME_DEPTH_MAX);
		mime_parser_free(&p);
		buf_fini(&message);
	}
}

/* Of a header of more than a megabyte the first one is looked at, to the byte,
 * whatever the pieces and the lines. */
static void
test_large_header(void **state)
{
	static const char *const lines[] = {"X-Filler: abcdefghijklmnopqrstuvwxyz\r\n", "X", " "};
	static const size_t pieces[] = {SIZE_MAX / 2, 65536, 977};

	(void)state;
	for (size_t i = 0; i < COUNT(lines); i++)
		for (size_t j = 0; j < COUNT(pieces); j++) {
			struct mime_parser *p = mime_parser_new();
			struct buf message = BUF_EMPTY;
			struct mime_part *root;
			buf_add_c(&message, "Content-Type: text/html\r\nX-Long: ");
			while (message.len < 3 * MIME_HEADER_BYTES_MAX)
				buf_add_c(&message, lines[i]);
			buf_add_c(&message, i == 0 ? "\r\nbody" : "\r\n\r\nbody");
			root = parse(p, buf_str(&message), pieces[j]);
			assert_int_equal(root->header.len, MIME_HEADER_BYTES_MAX);
			assert_memory_equal(root->header.p, message.data, MIME_HEADER_BYTES_MAX);
			assert_int_equal(root->body_start, message.len - 4);
			assert_true(str_eq(root->type.sub, STR("html")));
			mime_parser_free(&p);
			buf_fini(&message);
		}
}

/* Of all parts' headers together there is a limit too. */
static void
test_large_headers(void **state)
{
	struct mime_parser *p = mime_parser_new();
	struct buf header = BUF_EMPTY;
	struct mime_part *root;
	uint64_t kept = 0;
	unsigned parts = 0;

	(void)state;
	buf_add_c(&header, "--x\r\nX: ");
	memset(buf_reserve(&header, 900 * 1024), 'a', 900 * 1024);
	header.len += 900 * 1024;
	buf_add_c(&header, "\r\n\r\nb\r\n");
	mime_parser_feed(p, STR(MIXED));
	for (unsigned i = 0; i < 30; i++)
		mime_parser_feed(p, buf_str(&header));
	root = mime_parser_end(p);
	for (const struct mime_part *part = root->first_child; part != NULL; part = part->next) {
		kept += part->header.len;
		assert_int_equal(part->body_end - part->body_start, ++parts == 30 ? 3 : 1);
	}
	assert_int_equal(parts, 30);
	assert_int_equal(kept + root->header.len, MIME_HEADERS_BYTES_MAX);
	mime_parser_free(&p);
	buf_fini(&header);
}

/* A body is not kept at all: what is read grows, the arena does not. */
static void
test_large_body(void **state)
{
	struct mime_parser *p = mime_parser_new();
	char *piece = mem_alloc(65536);
	struct mime_part *root;
	size_t before;

	(void)state;
	memset(piece, 'a', 65536);
	mime_parser_feed(p, STR(MIXED "--x\r\n\r\n"));
	before = mime_parser_arena(p)->total_bytes;
	for (unsigned i = 0; i < 1600; i++)
		mime_parser_feed(p, str_of(piece, 65536));
	assert_int_equal(mime_parser_arena(p)->total_bytes, before);
	mime_parser_feed(p, STR("\r\n--x--\r\n"));
	root = mime_parser_end(p);
	assert_int_equal(root->first_child->body_end - root->first_child->body_start, 1600 * 65536);
	mime_parser_free(&p);
	mem_free(piece);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_structures),
		cmocka_unit_test(test_any_pieces),
		cmocka_unit_test(test_long_boundaries),
		cmocka_unit_test(test_many_parts),
		cmocka_unit_test(test_deep),
		cmocka_unit_test(test_large_header),
		cmocka_unit_test(test_large_headers),
		cmocka_unit_test(test_large_body),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
