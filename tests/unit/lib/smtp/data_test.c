/* Mail data: input, and what is stored or sent, however the input is split. */
#include "lib/smtp/data.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <string.h>

struct read_case {
	const char *name;
	struct str input;
	bool dot_lines;
	struct str stored;
	size_t used; /* of input, 0: all of it */
	bool ended;
	bool eight_bit, bare;
	uint32_t longest;
};

#define READ(name, in, dots, out, ...) \
	{ \
		name, {in, sizeof(in) - 1}, dots, {out, sizeof(out) - 1}, __VA_ARGS__ \
	}

static const struct read_case read_cases[] = {
	READ("empty data", ".\r\n", true, "", 0, true, 0, 0, 0),
	READ("one line", "hello\r\n.\r\n", true, "hello\r\n", 0, true, 0, 0, 5),
	READ("pipelined command behind", "a\r\n.\r\nQUIT\r\n", true, "a\r\n", 6, true, 0, 0, 1),
	READ("stuffed dot", "..\r\n...x\r\n.\r\n", true, ".\r\n..x\r\n", 0, true, 0, 0, 3),
	READ("unstuffed dot of a lazy client", ".x\r\n.\r\n", true, "x\r\n", 0, true, 0, 0, 1),
	READ("dot inside a line", "a.b\r\nc.\r\n.\r\n", true, "a.b\r\nc.\r\n", 0, true, 0, 0, 3),
	READ("not ended", "a\r\n", true, "a\r\n", 0, false, 0, 0, 1),
	/* Smuggling: none of these ends the data, nor is a dot dropped behind a bare line end. */
	READ("LF . LF", "a\n.\nb\r\n.\r\n", true, "a\r\n.\r\nb\r\n", 0, true, 0, 1, 1),
	READ("LF . CRLF", "a\n.\r\nMAIL\r\n.\r\n", true, "a\r\n.\r\nMAIL\r\n", 0, true, 0, 1, 4),
	READ("CRLF . LF", "a\r\n.\nMAIL\r\n.\r\n", true, "a\r\n\r\nMAIL\r\n", 0, true, 0, 1, 4),
	READ("CR . CR", "a\r.\rb\r\n.\r\n", true, "a . b\r\n", 0, true, 0, 1, 5),
	READ("CRLF . CR", "a\r\n.\rb\r\n.\r\n", true, "a\r\n b\r\n", 0, true, 0, 1, 2),
	READ("CRLF . CR CR LF", "a\r\n.\r\r\n.\r\n", true, "a\r\n \r\n", 0, true, 0, 1, 1),
	READ("CR LF . CR CRLF twice", "\r\r\n.\r\n", true, " \r\n", 0, true, 0, 1, 1),
	READ("CRCRLF . CRCRLF", "a\r\r\n.\r\r\nb\r\n.\r\n", true, "a \r\n \r\nb\r\n", 0, true, 0, 1, 2),
	READ("LF CR . CR LF", "a\n\r.\r\n.\r\n", true, "a\r\n .\r\n", 0, true, 0, 1, 2),
	READ("NUL before the end", "a\r\n.\0\r\n.\r\n", true, "a\r\n \r\n", 0, true, 0, 0, 1),
	READ("NULs are spaces", "\0abcdefgh\0\0\r\n\0.\r\n.\r\n", true, " abcdefgh  \r\n .\r\n", 0, true, 0, 0, 11),
	READ("NUL parts no CRLF", "a\r\0\n.\r\n.\r\n", true, "a  \r\n.\r\n", 0, true, 0, 1, 3),
	READ("8 bit",
	     "gr\xc3\xbc\xc3\x9f"
	     "e\r\n.\r\n",
	     true,
	     "gr\xc3\xbc\xc3\x9f"
	     "e\r\n",
	     0, true, 1, 0, 7),
	READ("8 bit behind the end does not count", "a\r\n.\r\n\xff\0", true, "a\r\n", 6, true, 0, 0, 1),
	/* BDAT: dots mean nothing, the chunk's size ends it. */
	READ("bdat dots", ".\r\n..\r\n", false, ".\r\n..\r\n", 0, false, 0, 0, 2),
	READ("bdat without a last line end", "a\r\nb", false, "a\r\nb\r\n", 0, false, 0, 0, 1),
	READ("bdat bare LF", "a\nb\n", false, "a\r\nb\r\n", 0, false, 0, 1, 1),
	READ("bdat CR at the very end", "a\r", false, "a \r\n", 0, false, 0, 1, 2),
	READ("bdat nothing", "", false, "", 0, false, 0, 0, 0),
};

/* Reads the input in pieces of the given size, 0: whole. */
static void
check_read(const struct read_case *c, size_t piece)
{
	struct smtp_data_reader r;
	struct buf out = BUF_EMPTY;
	bool ended = false;
	size_t used = 0;

	smtp_data_reader_init(&r, c->dot_lines);
	while (used < c->input.len && !ended) {
		struct str rest = str_from(c->input, used);
		if (piece != 0)
			rest = str_first(rest, piece);
		size_t took = smtp_data_read(&r, rest, &out, &ended);
		assert_true(took == rest.len || ended);
		used += took;
	}
	if (!c->dot_lines)
		smtp_data_read_end(&r, &out);
	if (!str_eq(buf_str(&out), c->stored))
		fail_msg("%s, pieces of %zu: stored \"%.*s\"", c->name, piece, STR_ARG(buf_str(&out)));
	assert_int_equal(used, c->used != 0 ? c->used : c->input.len);
	assert_int_equal(ended, c->ended);
	assert_int_equal(r.saw_eight_bit, c->eight_bit);
	assert_int_equal(r.saw_bare_line_end, c->bare);
	if (r.longest_line != c->longest)
		fail_msg("%s: longest line %u", c->name, r.longest_line);
	buf_fini(&out);
}

static void
test_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(read_cases) / sizeof(read_cases[0]); i++)
		for (size_t piece = 0; piece <= read_cases[i].input.len; piece++)
			check_read(&read_cases[i], piece);
}

struct write_case {
	struct str input;
	bool dot_lines;
	struct str sent;
};

#define WRITE(in, dots, out) \
	{ \
		{in, sizeof(in) - 1}, dots, \
		{ \
			out, sizeof(out) - 1 \
		} \
	}

static const struct write_case write_cases[] = {
	WRITE("", true, ".\r\n"),
	WRITE("", false, ""),
	WRITE("a\r\n", true, "a\r\n.\r\n"),
	WRITE("a", true, "a\r\n.\r\n"),
	WRITE(".\r\n..\r\n.x\r\n", true, "..\r\n...\r\n..x\r\n.\r\n"),
	WRITE(".\r\n", false, ".\r\n"),
	WRITE("a\n.\nb", true, "a\r\n..\r\nb\r\n.\r\n"),
	WRITE("a\n.\r\nb\r\n", true, "a\r\n..\r\nb\r\n.\r\n"),
	WRITE("a\r\n.\rb\r\n", true, "a\r\n.. b\r\n.\r\n"),
	WRITE("a\r.\r\n", true, "a .\r\n.\r\n"),
	WRITE("\0a\0\0b\r\n\0", true, " a  b\r\n \r\n.\r\n"),
	WRITE("a\r\0\n.\n", true, "a  \r\n..\r\n.\r\n"),
	WRITE("\0.\0", false, " . \r\n"),
	WRITE("a\r", true, "a \r\n.\r\n"),
	WRITE("\r", false, " \r\n"),
	WRITE("a\nb", false, "a\r\nb\r\n"),
	WRITE("a\r\r\n", true, "a \r\n.\r\n"),
};

static void
test_write(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(write_cases) / sizeof(write_cases[0]); i++) {
		const struct write_case *c = &write_cases[i];
		for (size_t piece = 1; piece <= c->input.len + 1; piece++) {
			struct smtp_data_writer w;
			struct buf out = BUF_EMPTY;
			smtp_data_writer_init(&w, c->dot_lines);
			for (size_t at = 0; at < c->input.len; at += piece)
				smtp_data_write(&w, str_first(str_from(c->input, at), piece), &out);
			smtp_data_write_end(&w, &out);
			if (!str_eq(buf_str(&out), c->sent))
				fail_msg("case %zu, pieces of %zu: \"%.*s\"", i, piece, STR_ARG(buf_str(&out)));
			buf_fini(&out);
		}
	}
}

/* Every text over a small alphabet: what is stored has only CRLF, and what is
 * sent of it comes out the same at the other end. */
static void
test_round_trip(void **state)
{
	static const char alphabet[] = {'\r', '\n', '.', 'a'};
	enum { LENGTH = 7 };

	(void)state;
	for (unsigned code = 0; code < 1u << (2 * LENGTH); code++) {
		char text[LENGTH];
		struct smtp_data_reader r;
		struct smtp_data_writer w;
		struct buf stored = BUF_EMPTY, sent = BUF_EMPTY, again = BUF_EMPTY;
		bool ended;

		for (unsigned i = 0; i < LENGTH; i++)
			text[i] = alphabet[code >> (2 * i) & 3];
		smtp_data_reader_init(&r, false);
		smtp_data_read(&r, str_of(text, LENGTH), &stored, &ended);
		smtp_data_read_end(&r, &stored);
		for (size_t i = 0; i < stored.len; i++) {
			assert_true(stored.data[i] != '\r' || stored.data[i + 1] == '\n');
			assert_true(stored.data[i] != '\n' || (i != 0 && stored.data[i - 1] == '\r'));
		}
		smtp_data_writer_init(&w, true);
		smtp_data_write(&w, buf_str(&stored), &sent);
		smtp_data_write_end(&w, &sent);
		smtp_data_reader_init(&r, true);
		assert_int_equal(smtp_data_read(&r, buf_str(&sent), &again, &ended), sent.len);
		assert_true(ended);
		assert_false(r.saw_bare_line_end);
		assert_true(str_eq(buf_str(&again), buf_str(&stored)));
		buf_fini(&stored);
		buf_fini(&sent);
		buf_fini(&again);
	}
}

/* Input made to be slow takes work in proportion to its length all the same. */
static void
test_hostile_input_is_linear(void **state)
{
	enum { LENGTH = 1 << 20 };
	static char text[LENGTH];
	static const char fillings[] = {'\r', '\n', '.'};

	(void)state;
	for (size_t i = 0; i < sizeof(fillings); i++) {
		struct smtp_data_reader r;
		struct buf out = BUF_EMPTY;
		bool ended;
		memset(text, fillings[i], sizeof(text));
		smtp_data_reader_init(&r, true);
		assert_int_equal(smtp_data_read(&r, str_of(text, LENGTH), &out, &ended), LENGTH);
		assert_true(out.len >= LENGTH - 1);
		buf_fini(&out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_write),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_hostile_input_is_linear),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
