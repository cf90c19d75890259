/* The format of packs: records, their headers, names of blobs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"
#include "lib/blob/pack.h"

#define U48_MAX ((UINT64_C(1) << 48) - 1)

static void
test_id_forms(void **state)
{
	static const struct {
		struct blob_id id;
		const char *text;
	} cases[] = {
		{{1, 96, 0}, "1-60-0"},
		{{0x6553f10012345678, 0x1234, 4096}, "6553f10012345678-1234-1000"},
		{{UINT64_MAX, U48_MAX, U48_MAX}, "ffffffffffffffff-ffffffffffff-ffffffffffff"},
	};
	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char packed[BLOB_ID_PACKED], text[BLOB_ID_TEXT];
		struct blob_id back, parsed;

		blob_id_pack(&cases[i].id, packed);
		back = blob_id_unpack(packed);
		assert_memory_equal(&back, &cases[i].id, sizeof(back));
		blob_id_text(&cases[i].id, text);
		assert_string_equal(text, cases[i].text);
		assert_true(blob_id_parse(str_c(text), &parsed));
		assert_memory_equal(&parsed, &cases[i].id, sizeof(parsed));
	}
}

static void
test_id_malformed(void **state)
{
	static const struct str cases[] = {
		STR(""),
		STR("1"),
		STR("1-2"),
		STR("1-2-"),
		STR("-2-3"),
		STR("1--3"),
		STR("1-2-3-4"),
		STR("1-2-3 "),
		STR(" 1-2-3"),
		STR("1-2-g"),
		STR("A-2-3"),
		STR("0x1-2-3"),
		STR("1-2-\0"),
		STR("10000000000000000-2-3"),
		STR("1-1000000000000-3"),
		STR("1-2-1000000000000"),
	};
	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct blob_id id;
		assert_false(blob_id_parse(cases[i], &id));
	}
}

static void
test_record_header(void **state)
{
	static const struct record cases[] = {
		{.length = 0, .unix_ms = 0, .crc = 0, .class = BLOB_BODY, .released = false},
		{.length = 4096, .unix_ms = 1795450201123, .crc = 0xdeadbeef, .class = BLOB_DIGEST, .released = false},
		{.length = U48_MAX, .unix_ms = INT64_MAX, .crc = UINT32_MAX, .class = 255, .released = true},
	};
	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char header[RECORD_HEADER_BYTES];
		struct record back;

		record_encode(&cases[i], header);
		assert_true(record_decode(header, &back));
		assert_int_equal(back.length, cases[i].length);
		assert_int_equal(back.unix_ms, cases[i].unix_ms);
		assert_int_equal(back.crc, cases[i].crc);
		assert_int_equal(back.class, cases[i].class);
		assert_int_equal(back.released, cases[i].released);
		/* The state is a byte that is patched in place; all others are covered. */
		for (unsigned byte = 0; byte < RECORD_HEADER_BYTES; byte++) {
			char damaged[RECORD_HEADER_BYTES];
			memcpy(damaged, header, sizeof(damaged));
			damaged[byte] ^= 0x10;
			assert_int_equal(record_decode(damaged, &back), byte == 4);
		}
	}
}

static void
test_record_too_long(void **state)
{
	struct record r = {.length = U48_MAX + 1}, back;
	char header[RECORD_HEADER_BYTES], zeros[RECORD_HEADER_BYTES] = {0};

	(void)state;
	record_encode(&r, header);
	assert_false(record_decode(header, &back));
	assert_false(record_decode(zeros, &back));
}

static void
test_span(void **state)
{
	static const struct {
		uint64_t length, span;
	} cases[] = {{0, 32}, {1, 40}, {8, 40}, {9, 48}, {4096, 4128}, {U48_MAX, U48_MAX + 1 + 32}};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(record_span(cases[i].length), cases[i].span);
}

/* ---- Walking over a pack ---- */

static bool
read_memory(void *arg, uint64_t offset, char *out, size_t bytes)
{
	const struct buf *b = arg;

	if (offset > b->len || bytes > b->len - offset)
		return false;
	memcpy(out, b->data + offset, bytes);
	return true;
}

static void
add_record(struct buf *b, const char *body)
{
	struct record r = {.length = strlen(body), .unix_ms = 5};
	static const char zeros[RECORD_ALIGN];
	char header[RECORD_HEADER_BYTES];
	size_t padding = record_span(r.length) - RECORD_HEADER_BYTES - r.length;

	record_encode(&r, header);
	buf_add(b, header, sizeof(header));
	buf_add_c(b, body);
	buf_add(b, zeros, padding);
}

/* A header, and records of these bodies. */
static void
make_pack(struct buf *b, const char *const *bodies)
{
	static const char zeros[PACK_HEADER_BYTES];

	buf_add(b, zeros, sizeof(zeros));
	for (unsigned i = 0; bodies[i] != NULL; i++)
		add_record(b, bodies[i]);
}

static unsigned
count_records(struct buf *b, uint64_t size, uint64_t *end_out)
{
	uint64_t offset = PACK_HEADER_BYTES, at;
	unsigned count = 0;
	struct record r;

	while (pack_next_record(&offset, size, read_memory, b, &r, &at)) {
		assert_true(at % RECORD_ALIGN == 0 && offset == at + record_span(r.length));
		count++;
	}
	*end_out = offset;
	return count;
}

static const char *const three[] = {"", "a body", "another body, which is longer than the first", NULL};

/* Cut anywhere, a pack has the records that are whole. */
static void
test_torn_anywhere(void **state)
{
	struct buf b = BUF_EMPTY;
	uint64_t end, ends[4] = {PACK_HEADER_BYTES};
	unsigned whole = 0;

	(void)state;
	make_pack(&b, three);
	for (unsigned i = 0; i < 3; i++)
		ends[i + 1] = ends[i] + record_span(strlen(three[i]));
	for (size_t size = 0; size <= b.len; size++) {
		/* The padding behind a body is no part of it. */
		while (whole < 3 && size >= ends[whole] + RECORD_HEADER_BYTES + strlen(three[whole]))
			whole++;
		assert_int_equal(count_records(&b, size, &end), whole);
		assert_int_equal(end, ends[whole]);
	}
	buf_fini(&b);
}

static void
test_zeros_behind(void **state)
{
	struct buf b = BUF_EMPTY;
	uint64_t end, from;

	(void)state;
	make_pack(&b, three);
	memset(buf_reserve(&b, 100000), 0, 100000);
	b.len += 100000;
	assert_int_equal(count_records(&b, b.len, &end), 3);
	from = end;
	assert_false(pack_find_record(&from, b.len, read_memory, &b));
	assert_int_equal(from, end);
	buf_fini(&b);
}

/* A damaged header hides what follows only from those who do not search. */
static void
test_found_behind_damage(void **state)
{
	struct buf b = BUF_EMPTY;
	uint64_t end, at;
	struct record r;
	char *filler = malloc(40001);

	(void)state;
	memset(filler, 'x', 40000);
	filler[40000] = '\0';
	make_pack(&b, (const char *const[]){"first", filler, "third", NULL});
	b.data[PACK_HEADER_BYTES + record_span(5) + 9] ^= 1;
	assert_int_equal(count_records(&b, b.len, &end), 1);
	assert_true(pack_find_record(&end, b.len, read_memory, &b));
	assert_int_equal(end, PACK_HEADER_BYTES + record_span(5) + record_span(40000));
	assert_true(pack_next_record(&end, b.len, read_memory, &b, &r, &at));
	assert_int_equal(r.length, 5);
	/* One that does not fit into the file is none. */
	end = at;
	assert_false(pack_find_record(&end, at + RECORD_HEADER_BYTES + 4, read_memory, &b));
	assert_true(pack_find_record(&end, at + RECORD_HEADER_BYTES + 5, read_memory, &b));
	free(filler);
	buf_fini(&b);
}

/* Zeros go only where nothing stands, and no further than the file. */
static void
test_zero_ahead(void **state)
{
	char dir[] = "/tmp/stagepost-blob-XXXXXX", path[PACK_PATH_MAX], back[8];
	struct iovec iov = {(void *)(uintptr_t) "a record", 8};
	struct pack p;
	struct err err;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(pack_create(&p, dir, &err), 0);
	pack_zero_ahead(&p, 100); /* nothing is allocated yet */
	assert_int_equal(p.zeroed, 0);
	assert_int_equal(pack_allocate(&p, 100, &err), 0);
	assert_int_equal(pack_write(&p, &iov, 1, p.end, &err), 0);
	p.end += 8;
	pack_zero_ahead(&p, 100);
	assert_int_equal(p.zeroed, PACK_HEADER_BYTES + 8 + PACK_ZERO_BYTES);
	pack_zero_ahead(&p, 100); /* they are there already */
	assert_int_equal(p.zeroed, PACK_HEADER_BYTES + 8 + PACK_ZERO_BYTES);
	assert_int_equal(pread(p.fd, back, 8, PACK_HEADER_BYTES), 8);
	assert_memory_equal(back, "a record", 8);
	p.end = p.allocated - 16;
	pack_zero_ahead(&p, 16);
	assert_int_equal(p.zeroed, p.allocated);
	assert_int_equal(lseek(p.fd, 0, SEEK_END), p.allocated);
	pack_path(dir, p.id, path);
	pack_close(&p);
	unlink(path);
	rmdir(dir);
}

static void
test_file_names(void **state)
{
	static const struct {
		const char *name;
		uint64_t id;
	} cases[] = {
		{"0000018c5a3b7f21.pack", 0x0000018c5a3b7f21},
		{"ffffffffffffffff.pack", UINT64_MAX},
		{"18c5a3b7f21.pack", 0},
		{"0000018c5a3b7f21.pack.new", 0},
		{"0000018c5a3b7f21", 0},
		{"0000018c5a3b7fzz.pack", 0},
		{".", 0},
		{"", 0},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(pack_id_of(cases[i].name), cases[i].id);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file_names),	    cmocka_unit_test(test_id_forms),
		cmocka_unit_test(test_id_malformed),	    cmocka_unit_test(test_record_header),
		cmocka_unit_test(test_record_too_long),	    cmocka_unit_test(test_span),
		cmocka_unit_test(test_torn_anywhere),	    cmocka_unit_test(test_zeros_behind),
		cmocka_unit_test(test_found_behind_damage), cmocka_unit_test(test_zero_ahead),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
