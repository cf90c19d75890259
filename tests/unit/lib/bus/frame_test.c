/* Frames: packed and unpacked, spliced, malformed, disproportionate. */
#include "lib/bus/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/mem.h"

static struct arena arena;

static int
setup(void **state)
{
	(void)state;
	arena_init(&arena);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	arena_fini(&arena);
	return 0;
}

static void
fill_envelope(Stagepost__Envelope *e, Stagepost__Recipient *r, Stagepost__Recipient **list)
{
	static char id[] = "0123456789abcdefghjk", address[] = "bob@example.test";

	stagepost__envelope__init(e);
	stagepost__recipient__init(r);
	r->address = address;
	r->local = true;
	list[0] = r;
	e->id = id;
	e->recipients = list;
	e->n_recipients = 1;
	e->received_ms = 1234567890123;
}

static void
test_there_and_back(void **state)
{
	Stagepost__Frame frame = STAGEPOST__FRAME__INIT, *back;
	Stagepost__HandOver hand_over = STAGEPOST__HAND_OVER__INIT;
	Stagepost__Envelope e;
	Stagepost__Recipient r, *list[1];
	struct buf out = BUF_EMPTY;

	(void)state;
	fill_envelope(&e, &r, list);
	hand_over.envelope = &e;
	frame.request = 77;
	frame.body_case = STAGEPOST__FRAME__BODY_HAND_OVER;
	frame.hand_over = &hand_over;
	bus_frame_pack(&frame, &out);
	back = bus_frame_unpack(buf_str(&out), &arena, NULL);
	assert_non_null(back);
	assert_int_equal(back->request, 77);
	assert_string_equal(bus_frame_name(back), "hand_over");
	assert_string_equal(back->hand_over->envelope->recipients[0]->address, "bob@example.test");
	/* Every shorter one is malformed or says less, and harms nobody. */
	for (size_t len = 0; len < out.len; len++)
		bus_frame_unpack(str_of(out.data, len), &arena, NULL);
	buf_fini(&out);
}

static void
test_splice_is_the_same(void **state)
{
	Stagepost__Frame frame = STAGEPOST__FRAME__INIT, *back;
	Stagepost__Job job = STAGEPOST__JOB__INIT;
	Stagepost__Envelope e;
	Stagepost__Recipient r, *list[1];
	struct buf envelope = BUF_EMPTY, whole = BUF_EMPTY, spliced = BUF_EMPTY, again = BUF_EMPTY;

	(void)state;
	fill_envelope(&e, &r, list);
	bus_message_pack(&e.base, &envelope);
	job.job = 5;
	job.recheck = true;
	bus_frame_pack_around(9, STAGEPOST__FRAME__BODY_JOB, &job.base, 3, buf_str(&envelope), &spliced);
	job.envelope = &e;
	frame.request = 9;
	frame.body_case = STAGEPOST__FRAME__BODY_JOB;
	frame.job = &job;
	bus_frame_pack(&frame, &whole);
	assert_int_equal(whole.len, spliced.len);
	back = bus_frame_unpack(buf_str(&spliced), &arena, NULL);
	assert_non_null(back);
	bus_frame_pack(back, &again);
	assert_int_equal(again.len, whole.len);
	assert_memory_equal(again.data, whole.data, whole.len);
	buf_fini(&envelope);
	buf_fini(&whole);
	buf_fini(&spliced);
	buf_fini(&again);
}

static void
test_malformed(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} bad[] = {
		{"", 0},			 /* no body */
		{"\x0a", 1},			 /* a tag without its length */
		{"\x0a\xff\xff\xff\xff\x7f", 6}, /* longer than there is */
		{"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11},
		{"\x79\x01\x02\x03\x04\x05\x06\x07\x08", 9}, /* a request number only */
		{"\xa2\x06\x00", 3},			     /* a member that is not known */
		{"\x08\x01", 2},			     /* a member of another type */
	};
	struct err err;

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		err.code = ERR_NONE;
		assert_null(bus_frame_unpack(str_of(bad[i].bytes, bad[i].len), &arena, &err));
		assert_int_equal(err.code, ERR_INVALID);
	}
}

/* Two bytes a recipient, some hundred bytes in memory each. */
static void
test_out_of_proportion(void **state)
{
	enum { COUNT = 1000000 };
	struct buf envelope = BUF_EMPTY, out = BUF_EMPTY;
	Stagepost__HandOver body = STAGEPOST__HAND_OVER__INIT;
	size_t before;

	(void)state;
	for (unsigned i = 0; i < COUNT; i++)
		buf_add(&envelope, "\x1a\x00", 2); /* recipients = {} */
	bus_frame_pack_around(1, STAGEPOST__FRAME__BODY_HAND_OVER, &body.base, 1, buf_str(&envelope), &out);
	before = arena.total_bytes;
	assert_null(bus_frame_unpack(buf_str(&out), &arena, NULL));
	assert_true(arena.total_bytes - before < 24 * out.len + 1024 * 1024);
	buf_fini(&envelope);
	buf_fini(&out);
}

static void
test_too_long(void **state)
{
	size_t len = 16 * 1024 * 1024 + 1;
	char *bytes = mem_zalloc(len);

	(void)state;
	assert_null(bus_frame_unpack(str_of(bytes, len), &arena, NULL));
	mem_free(bytes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_splice_is_the_same),
		cmocka_unit_test(test_malformed),      cmocka_unit_test(test_out_of_proportion),
		cmocka_unit_test(test_too_long),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
