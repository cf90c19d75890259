/* Packets of the milter protocol. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "frontend/milter/wire.h"
#include "lib/base/buf.h"

static void
test_byte_by_byte(void **state)
{
	static const char bytes[] = "\0\0\0\4hab\0\0\0\0\1c";
	struct evbuffer *in = evbuffer_new();
	struct milter_packet packet;
	unsigned seen = 0;

	(void)state;
	for (size_t i = 0; i + 1 < sizeof(bytes); i++) {
		evbuffer_add(in, bytes + i, 1);
		if (milter_wire_peek(in, &packet) != MILTER_WIRE_PACKET)
			continue;
		assert_int_equal(packet.kind, seen == 0 ? 'h' : 'c');
		assert_int_equal(packet.data.len, seen == 0 ? 3 : 0);
		milter_wire_drop(in, &packet);
		seen++;
	}
	assert_int_equal(seen, 2);
	assert_int_equal(evbuffer_get_length(in), 0);
	evbuffer_free(in);
}

static void
test_bad_lengths(void **state)
{
	static const char *const heads[] = {"\0\0\0\0", "\xff\xff\xff\xff", "\0\x10\0\1"};
	struct milter_packet packet;

	(void)state;
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		struct evbuffer *in = evbuffer_new();

		evbuffer_add(in, heads[i], 4);
		assert_int_equal(milter_wire_peek(in, &packet), MILTER_WIRE_BAD);
		evbuffer_free(in);
	}
}

static void
test_replies(void **state)
{
	static const struct {
		const char *text, *lines; /* NULL: refused */
	} rows[] = {
		{"550 5.7.1 no", "550 5.7.1 no\r\n"},
		{"450-a\r\n450 b", "450-a\r\n450 b\r\n"},
		{"450-a\n450-b\n", "450-a\r\n450 b\r\n"},
		{"550", "550 \r\n"},
		{"550 a\tb\xc3\xa4", "550 a?b??\r\n"},
		{"250 ok", NULL},
		{"354 go", NULL},
		{"5x0 a", NULL},
		{"550a", NULL},
		{"550-a\r\n551 b", NULL},
		{"550 a\r\nMAIL FROM:<>", NULL},
		{"", NULL},
		{"55", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf out = BUF_EMPTY;
		bool good = milter_wire_reply(str_c(rows[i].text), &out);

		assert_int_equal(good, rows[i].lines != NULL);
		if (good)
			assert_true(str_eq(buf_str(&out), str_c(rows[i].lines)));
		buf_fini(&out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_byte_by_byte),
		cmocka_unit_test(test_bad_lengths),
		cmocka_unit_test(test_replies),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
