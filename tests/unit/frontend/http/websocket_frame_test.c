/* Frames of a client: the classes of cases of the Autobahn suite (its sections 1 to 7 and
 * 9), each whole and one byte at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "frontend/http/websocket_frame.h"
#include "lib/base/mem.h"
#include "tests/unit/frontend/http/websocket_client.h"

enum { MESSAGE_MAX = 70000, FRAMES_MAX = 6 };

struct frame {
	unsigned first; /* 0 for the first time: no more frames, but for a continuation */
	const char *payload;
	size_t len;	 /* 0: strlen(payload) */
	unsigned length; /* see frame_add_as() */
	bool is_bare;	 /* without a mask */
};

/* What is read, as a text: "T" message, "B" message, "P" ping, "Q" pong, "C" code reason,
 * "F" fault; "-" a fragment. */
struct frame_case {
	const char *name;
	unsigned count;
	struct frame frames[FRAMES_MAX];
	const char *wanted;
};

static void
read_all(struct str text, size_t piece, struct buf *out)
{
	struct websocket_reader w = {.message_max = MESSAGE_MAX};
	struct websocket_got got = {.event = WEBSOCKET_NOTHING};

	while (text.len != 0 && got.event != WEBSOCKET_FAULT) {
		size_t used = websocket_feed(&w, str_first(text, piece), &got);

		assert_true(used != 0);
		text = str_from(text, used);
		switch (got.event) {
		case WEBSOCKET_NOTHING: continue;
		case WEBSOCKET_FRAGMENT: buf_add_c(out, "-|"); continue;
		case WEBSOCKET_FAULT: buf_printf(out, "F%u|", got.code); continue;
		case WEBSOCKET_CLOSE: buf_printf(out, "C%u ", got.code); break;
		case WEBSOCKET_PING: buf_add_c(out, "P"); break;
		case WEBSOCKET_PONG: buf_add_c(out, "Q"); break;
		case WEBSOCKET_MESSAGE: buf_add_c(out, got.is_text ? "T" : "B"); break;
		}
		if (got.payload.len > 100)
			buf_printf(out, "%zu|", got.payload.len);
		else
			buf_printf(out, "%.*s|", STR_ARG(got.payload));
	}
	websocket_reader_fini(&w);
}

static void
check_case(const struct frame_case *c)
{
	struct buf bytes = BUF_EMPTY;

	for (unsigned i = 0; i < c->count; i++) {
		const struct frame *f = &c->frames[i];
		struct str payload = str_of(f->payload, f->len != 0 ? f->len : f->payload != NULL ? strlen(f->payload) : 0);
		frame_add_as(&bytes, f->first, payload, f->length, !f->is_bare);
	}
	for (size_t piece = 1; piece <= bytes.len; piece = piece < 5 ? piece + 1 : piece * 3) {
		struct buf got = BUF_EMPTY;
		read_all(buf_str(&bytes), piece, &got);
		if (got.data == NULL || strcmp(got.data, c->wanted) != 0)
			fail_msg("%s, %zu bytes at a time: '%s' instead of '%s'", c->name, piece, got.data, c->wanted);
		buf_fini(&got);
	}
	buf_fini(&bytes);
}

static char much[70001]; /* 'x', filled in by main() */

#define KOSME "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"

static const struct frame_case framing_cases[] = {
	/* 1: lengths */
	{"empty text", 1, {{FIN | TEXT, "", 0, 0, 0}}, "T|"},
	{"empty binary", 1, {{FIN | BINARY, "", 0, 0, 0}}, "B|"},
	{"125", 1, {{FIN | TEXT, much, 125, 0, 0}}, "T125|"},
	{"126", 1, {{FIN | BINARY, much, 126, 0, 0}}, "B126|"},
	{"65535", 1, {{FIN | TEXT, much, 65535, 0, 0}}, "T65535|"},
	{"65536", 1, {{FIN | BINARY, much, 65536, 0, 0}}, "B65536|"},
	{"longer than need be, 16 bits", 1, {{FIN | TEXT, "hello", 0, 2, 0}}, "F1002|"},
	{"longer than need be, 64 bits", 1, {{FIN | TEXT, "hello", 0, 8, 0}}, "F1002|"},
	{"longer than need be, 64 bits for 16", 1, {{FIN | TEXT, much, 65535, 8, 0}}, "F1002|"},
	{"without a mask", 1, {{FIN | TEXT, "hello", 0, 0, true}}, "F1002|"},
	{"a ping without a mask", 1, {{FIN | PING, "", 0, 0, true}}, "F1002|"},
	/* 2: pings and pongs */
	{"empty ping", 1, {{FIN | PING, "", 0, 0, 0}}, "P|"},
	{"ping", 1, {{FIN | PING, "Hello, world!", 0, 0, 0}}, "PHello, world!|"},
	{"binary ping", 1, {{FIN | PING, "\xff\xfe\xfd", 0, 0, 0}}, "P\xff\xfe\xfd|"},
	{"ping of 126", 1, {{FIN | PING, much, 126, 0, 0}}, "F1002|"},
	{"unasked pong", 1, {{FIN | PONG, "", 0, 0, 0}}, "Q|"},
	{"unasked pong, then a ping", 2, {{FIN | PONG, "a", 0, 0, 0}, {FIN | PING, "b", 0, 0, 0}}, "Qa|Pb|"},
	/* 3: reserved bits */
	{"RSV3", 1, {{FIN | RSV3 | TEXT, "x", 0, 0, 0}}, "F1002|"},
	{"RSV2", 2, {{FIN | TEXT, "x", 0, 0, 0}, {FIN | RSV2 | TEXT, "x", 0, 0, 0}}, "Tx|F1002|"},
	{"RSV1", 1, {{FIN | RSV1 | TEXT, "x", 0, 0, 0}}, "F1002|"},
	{"RSV1 of a ping", 1, {{FIN | RSV1 | PING, "x", 0, 0, 0}}, "F1002|"},
	{"all of a close", 1, {{FIN | RSV1 | RSV2 | RSV3 | CLOSE, "", 0, 0, 0}}, "F1002|"},
	/* 4: opcodes */
	{"opcode 3", 1, {{FIN | 3, "x", 0, 0, 0}}, "F1002|"},
	{"opcode 4", 1, {{FIN | 4, "", 0, 0, 0}}, "F1002|"},
	{"opcode 5", 2, {{FIN | TEXT, "x", 0, 0, 0}, {FIN | 5, "x", 0, 0, 0}}, "Tx|F1002|"},
	{"opcode 6", 1, {{FIN | 6, "x", 0, 0, 0}}, "F1002|"},
	{"opcode 7", 1, {{FIN | 7, "x", 0, 0, 0}}, "F1002|"},
	{"opcode 11", 1, {{FIN | 11, "x", 0, 0, 0}}, "F1002|"},
	{"opcode 12", 1, {{FIN | 12, "", 0, 0, 0}}, "F1002|"},
	{"opcode 13", 1, {{FIN | 13, "x", 0, 0, 0}}, "F1002|"},
	{"opcode 14", 1, {{FIN | 14, "x", 0, 0, 0}}, "F1002|"},
	{"opcode 15", 1, {{FIN | 15, "x", 0, 0, 0}}, "F1002|"},
	/* 5: fragments */
	{"ping in two", 2, {{PING, "a", 0, 0, 0}, {FIN | 0, "b", 0, 0, 0}}, "F1002|"},
	{"pong in two", 2, {{PONG, "a", 0, 0, 0}, {FIN | 0, "b", 0, 0, 0}}, "F1002|"},
	{"close in two", 2, {{CLOSE, "a", 0, 0, 0}, {FIN | 0, "b", 0, 0, 0}}, "F1002|"},
	{"text in two", 2, {{TEXT, "a", 0, 0, 0}, {FIN | 0, "b", 0, 0, 0}}, "-|Tab|"},
	{"binary in three, two empty", 3, {{BINARY, "", 0, 0, 0}, {0, "mid", 0, 0, 0}, {FIN | 0, "", 0, 0, 0}}, "-|-|Bmid|"},
	{"all empty", 3, {{TEXT, "", 0, 0, 0}, {0, "", 0, 0, 0}, {FIN | 0, "", 0, 0, 0}}, "-|-|T|"},
	{"ping between", 3, {{TEXT, "a", 0, 0, 0}, {FIN | PING, "p", 0, 0, 0}, {FIN | 0, "b", 0, 0, 0}}, "-|Pp|Tab|"},
	{"two pings between", 5, {{TEXT, "a", 0, 0, 0}, {FIN | PING, "p", 0, 0, 0}, {0, "b", 0, 0, 0}, {FIN | PING, "q", 0, 0, 0},
				  {FIN | 0, "c", 0, 0, 0}}, "-|Pp|-|Pq|Tabc|"},
	{"close between", 2, {{TEXT, "a", 0, 0, 0}, {FIN | CLOSE, "\x03\xe8", 0, 0, 0}}, "-|C1000 |"},
	{"nothing to continue, last", 1, {{FIN | 0, "x", 0, 0, 0}}, "F1002|"},
	{"nothing to continue", 1, {{0, "x", 0, 0, 0}}, "F1002|"},
	{"nothing more to continue", 3, {{TEXT, "a", 0, 0, 0}, {FIN | 0, "b", 0, 0, 0}, {FIN | 0, "c", 0, 0, 0}}, "-|Tab|F1002|"},
	{"a new one before the end", 2, {{TEXT, "a", 0, 0, 0}, {FIN | TEXT, "b", 0, 0, 0}}, "-|F1002|"},
	{"binary in a text", 2, {{TEXT, "a", 0, 0, 0}, {BINARY, "b", 0, 0, 0}}, "-|F1002|"},
	{"two messages", 4, {{TEXT, "a", 0, 0, 0}, {FIN | 0, "b", 0, 0, 0}, {BINARY, "c", 0, 0, 0}, {FIN | 0, "d", 0, 0, 0}}, "-|Tab|-|Bcd|"},
	/* 9: limits */
	{"as long as allowed", 1, {{FIN | BINARY, much, 70000, 0, 0}}, "B70000|"},
	{"longer", 1, {{FIN | BINARY, much, 70001, 0, 0}}, "F1009|"},
	{"longer in two", 2, {{BINARY, much, 40000, 0, 0}, {FIN | 0, much, 30001, 0, 0}}, "-|F1009|"},
	{"as long in two, then another", 3, {{BINARY, much, 40000, 0, 0}, {FIN | 0, much, 30000, 0, 0}, {FIN | TEXT, "x", 0, 0, 0}},
	 "-|B70000|Tx|"},
};

static const struct frame_case text_cases[] = {
	{"utf-8", 1, {{FIN | TEXT, KOSME, 0, 0, 0}}, "T" KOSME "|"},
	{"cut between characters", 2, {{TEXT, "\xce\xba", 0, 0, 0}, {FIN | 0, "\xe1\xbd\xb9", 0, 0, 0}}, "-|T\xce\xba\xe1\xbd\xb9|"},
	{"cut in characters", 3, {{TEXT, "\xce", 0, 0, 0}, {0, "\xba\xe1\xbd", 0, 0, 0}, {FIN | 0, "\xb9", 0, 0, 0}},
	 "-|-|T\xce\xba\xe1\xbd\xb9|"},
	{"cut in a character by a ping", 3, {{TEXT, "\xf0\x9f", 0, 0, 0}, {FIN | PING, "\xff", 0, 0, 0}, {FIN | 0, "\x98\x80", 0, 0, 0}},
	 "-|P\xff|T\xf0\x9f\x98\x80|"},
	{"a surrogate", 1, {{FIN | TEXT, KOSME "\xed\xa0\x80" "edited", 0, 0, 0}}, "F1007|"},
	{"wrong in the first of two", 2, {{TEXT, "\xce\xba\xf4\x90", 0, 0, 0}, {FIN | 0, "x", 0, 0, 0}}, "F1007|"},
	{"wrong over the cut", 2, {{TEXT, "\xf4", 0, 0, 0}, {FIN | 0, "\x90\x80\x80", 0, 0, 0}}, "-|F1007|"},
	{"cut at the end", 1, {{FIN | TEXT, "\xce\xba\xe1\xbd", 0, 0, 0}}, "F1007|"},
	{"cut at the end of two", 2, {{TEXT, "\xce", 0, 0, 0}, {FIN | 0, "", 0, 0, 0}}, "-|F1007|"},
	{"overlong", 1, {{FIN | TEXT, "\xc0\xaf", 0, 0, 0}}, "F1007|"},
	{"above U+10FFFF", 1, {{FIN | TEXT, "\xf4\x90\x80\x80", 0, 0, 0}}, "F1007|"},
	{"a lone byte", 1, {{FIN | TEXT, "\x80", 0, 0, 0}}, "F1007|"},
	{"U+FFFF", 1, {{FIN | TEXT, "\xef\xbf\xbf", 0, 0, 0}}, "T\xef\xbf\xbf|"},
	{"the state is that of one message", 2, {{FIN | TEXT, "a", 0, 0, 0}, {FIN | TEXT, "\xba", 0, 0, 0}}, "Ta|F1007|"},
	{"binary may be anything", 1, {{FIN | BINARY, "\xed\xa0\x80\xff", 0, 0, 0}}, "B\xed\xa0\x80\xff|"},
};

static const struct frame_case close_cases[] = {
	{"empty", 1, {{FIN | CLOSE, "", 0, 0, 0}}, "C1005 |"},
	{"1000", 1, {{FIN | CLOSE, "\x03\xe8", 0, 0, 0}}, "C1000 |"},
	{"with a reason", 1, {{FIN | CLOSE, "\x03\xe8" KOSME, 0, 0, 0}}, "C1000 " KOSME "|"},
	{"one byte", 1, {{FIN | CLOSE, "\x03", 0, 0, 0}}, "F1002|"},
	{"too long a reason", 1, {{FIN | CLOSE, much, 126, 0, 0}}, "F1002|"},
	{"a reason that is not UTF-8", 1, {{FIN | CLOSE, "\x03\xe8\xed\xa0\x80", 0, 0, 0}}, "F1007|"},
	{"after a message", 2, {{FIN | TEXT, "a", 0, 0, 0}, {FIN | CLOSE, "\x03\xe9", 0, 0, 0}}, "Ta|C1001 |"},
};

#define CHECK_CASES(cases) \
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) \
		check_case(&(cases)[i])

static void
test_framing(void **state)
{
	(void)state;
	CHECK_CASES(framing_cases);
}

static void
test_text(void **state)
{
	(void)state;
	CHECK_CASES(text_cases);
}

static void
test_close(void **state)
{
	(void)state;
	CHECK_CASES(close_cases);
}

/* Section 7.7 and 7.9 of the suite. */
static void
test_close_codes(void **state)
{
	static const unsigned good[] = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999};
	static const unsigned bad[] = {0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]) + sizeof(bad) / sizeof(bad[0]); i++) {
		bool is_good = i < sizeof(good) / sizeof(good[0]);
		unsigned code = is_good ? good[i] : bad[i - sizeof(good) / sizeof(good[0])];
		const char payload[2] = {(char)(code >> 8), (char)code};
		struct buf bytes = BUF_EMPTY, got = BUF_EMPTY;
		char wanted[16];
		snprintf(wanted, sizeof(wanted), is_good ? "C%u |" : "F1002|", code);
		frame_add(&bytes, FIN | CLOSE, str_of(payload, 2));
		read_all(buf_str(&bytes), bytes.len, &got);
		assert_string_equal(got.data, wanted);
		buf_fini(&bytes);
		buf_fini(&got);
	}
}

/* A length that no message may have is refused before anything of it is kept. */
static void
test_huge_lengths(void **state)
{
	static const struct {
		const char head[14];
		unsigned code;
	} cases[] = {
		{{(char)0x82, (char)0xff, 0, 0, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4}, 1009},
		{{(char)0x82, (char)0xff, 0x7f, -1, -1, -1, -1, -1, -1, -1, 1, 2, 3, 4}, 1009},
		{{(char)0x82, (char)0xff, -1, -1, -1, -1, -1, -1, -1, -1, 1, 2, 3, 4}, 1002},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct websocket_reader w = {.message_max = MESSAGE_MAX};
		struct websocket_got got;
		assert_int_equal(websocket_feed(&w, str_of(cases[i].head, 14), &got), 14);
		assert_int_equal(got.event, WEBSOCKET_FAULT);
		assert_int_equal(got.code, cases[i].code);
		assert_null(w.message.data);
		websocket_reader_fini(&w);
	}
}

static void
test_write(void **state)
{
	static const struct {
		uint64_t len;
		size_t size;
		unsigned char head[10];
	} cases[] = {
		{0, 2, {0x81, 0}},
		{125, 2, {0x81, 125}},
		{126, 4, {0x81, 126, 0, 126}},
		{65535, 4, {0x81, 126, 0xff, 0xff}},
		{65536, 10, {0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0}},
	};
	unsigned char out[WEBSOCKET_HEAD_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(websocket_write_head(out, WEBSOCKET_OP_TEXT, cases[i].len), cases[i].size);
		assert_memory_equal(out, cases[i].head, cases[i].size);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_framing),	    cmocka_unit_test(test_text),	 cmocka_unit_test(test_close),
		cmocka_unit_test(test_close_codes), cmocka_unit_test(test_huge_lengths), cmocka_unit_test(test_write),
	};

	memset(much, 'x', sizeof(much));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
