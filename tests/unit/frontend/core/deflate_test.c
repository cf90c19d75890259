/* Compression: round trips in pieces of any size; data that expands greatly is
 * produced bit by bit; invalid DEFLATE data is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <zlib.h>

#include "frontend/core/deflate.h"

static void
round_trip(void **state)
{
	struct deflate *here = deflate_new(), *there = deflate_new();
	struct evbuffer *wire = evbuffer_new(), *slow = evbuffer_new();
	struct evbuffer *got = deflate_plain_input(there);
	char text[3000];
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)((i * i / 7) & 0xff);
	for (int round = 0; round < 20; round++) {
		evbuffer_add(deflate_plain_output(here), text, sizeof(text));
		deflate_give(here, wire);
		len = evbuffer_get_length(wire);
		for (size_t i = 0; i < len; i++) {
			evbuffer_remove_buffer(wire, slow, 1);
			assert_int_equal(deflate_take(there, slow), 0);
		}
		/* All of it can be read, although the stream was not ended. */
		assert_int_equal(evbuffer_get_length(got), sizeof(text));
		assert_memory_equal(evbuffer_pullup(got, -1), text, sizeof(text));
		evbuffer_drain(got, sizeof(text));
	}
	evbuffer_free(wire);
	evbuffer_free(slow);
	deflate_free(&here);
	deflate_free(&there);
	assert_null(here);
}

static void
bomb(void **state)
{
	enum { ZEROS = 50 * 1000 * 1000 };
	struct deflate *here = deflate_new(), *there = deflate_new();
	struct evbuffer *wire = evbuffer_new(), *got = deflate_plain_input(there);
	size_t total = 0, most = 0;
	char *zeros = calloc(1, 1000 * 1000);

	(void)state;
	for (int i = 0; i < ZEROS / 1000000; i++)
		evbuffer_add(deflate_plain_output(here), zeros, 1000 * 1000);
	deflate_give(here, wire);
	do {
		assert_int_equal(deflate_take(there, wire), 0);
		most = evbuffer_get_length(got) > most ? evbuffer_get_length(got) : most;
		total += evbuffer_get_length(got);
		evbuffer_drain(got, evbuffer_get_length(got));
	} while (evbuffer_get_length(wire) != 0 || deflate_may_hold_more(there));
	assert_int_equal(total, ZEROS);
	assert_true(most < 2 * DEFLATE_INPUT_MAX);
	free(zeros);
	evbuffer_free(wire);
	deflate_free(&here);
	deflate_free(&there);
}

static void
damaged(void **state)
{
	struct deflate *d = deflate_new();
	struct evbuffer *wire = evbuffer_new();

	(void)state;
	evbuffer_add(wire, "\xff\xff\xff\xff", 4);
	assert_int_equal(deflate_take(d, wire), -1);
	evbuffer_free(wire);
	deflate_free(&d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(bomb),
		cmocka_unit_test(damaged),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
