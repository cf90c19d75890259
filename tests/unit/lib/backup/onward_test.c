/* What a snapshot that is damaged may hold where numbers move on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "lib/backup/onward.h"
#include "lib/backup/rdb_private.h"

static struct backup_onward onward;
static struct str got_field, got_value;
static char got_text[200];

static void
on_field(void *arg, struct str field, struct str value)
{
	(void)arg;
	if (!str_eq(field, got_field))
		return;
	assert_true(value.len < sizeof(got_text));
	memcpy(got_text, value.p, value.len);
	got_value = str_of(got_text, value.len);
}

/* The hash of one field goes through; its value then is in got_value. */
static int
move(const char *key, const char *field, const char *value)
{
	struct buf packed = BUF_EMPTY;
	struct rdb_entry entry = {.version = RDB_VERSION_LEAST, .key = str_c(key), .type = RDB_TYPE_HASH};
	struct err err = {.code = ERR_NONE};
	bool drop;
	int result;

	rdb_put_length(&packed, 1);
	rdb_put_string(&packed, str_c(field));
	rdb_put_string(&packed, str_c(value));
	entry.value = buf_str(&packed);
	result = backup_onward_take(&onward, &entry, &drop, &err);
	got_field = str_c(field);
	got_value = STR_NONE;
	if (result == 0)
		assert_int_equal(rdb_hash(&entry, on_field, NULL, &err), 0);
	else
		assert_int_equal(err.code, ERR_CORRUPT);
	buf_fini(&packed);
	return result;
}

static void
test_numbers_move_on(void **state)
{
	(void)state;
	assert_int_equal(move("mail:{a@b.test}:meta", "modseq", "7"), 0);
	assert_true(str_eq(got_value, STR("4294967303")));
	assert_int_equal(move("mail:{a@b.test}:f:1", "uidnext", "7"), 0);
	assert_true(str_eq(got_value, STR("100007")));
	assert_int_equal(move("mail:{a@b.test}:f:1", "uidnext", "4294967290"), 0);
	assert_true(str_eq(got_value, STR("4294967290")));
	assert_int_equal(move("mail:{a@b.test}:f:1:chunks", "0", "256 7"), 0);
	assert_true(str_eq(got_value, STR("256 4294967303")));
	assert_int_equal(move("posix:numbers", "next", "10007"), 0);
	assert_true(str_eq(got_value, STR("11007")));
	assert_int_equal(move("posix:numbers", "a@b.test", "10006"), 0);
	assert_true(str_eq(got_value, STR("10006")));
}

static void
test_damaged_numbers(void **state)
{
	char chunk[200];

	(void)state;
	assert_int_equal(move("mail:{a@b.test}:meta", "modseq", "many"), -1);
	assert_int_equal(move("mail:{a@b.test}:meta", "modseq", "9223372036854775807"), -1);
	assert_int_equal(move("mail:{a@b.test}:f:1:chunks", "0", "256 9223372036854775807"), -1);
	assert_int_equal(move("posix:numbers", "next", "many"), -1);
	memset(chunk, '1', sizeof(chunk));
	strcpy(chunk + 150, " 7");
	assert_int_equal(move("mail:{a@b.test}:f:1:chunks", "0", chunk), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers_move_on),
		cmocka_unit_test(test_damaged_numbers),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	backup_onward_fini(&onward);
	return failed;
}
