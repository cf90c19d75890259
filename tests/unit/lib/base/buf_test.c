/* The growing buffer, and the byte order of stored data. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/buf.h"
#include "lib/base/bytes.h"

static void
test_adding(void **state)
{
	struct buf b = BUF_EMPTY;

	(void)state;
	assert_true(buf_str(&b).len == 0);
	buf_add_c(&b, "ab");
	buf_add_byte(&b, '\0');
	buf_add_str(&b, STR("cd"));
	buf_add_str(&b, STR_NONE);
	buf_add(&b, NULL, 0);
	buf_printf(&b, "%s=%d", "n", 7);
	assert_true(str_eq(buf_str(&b), STR("ab\0cdn=7")));
	assert_int_equal(b.data[b.len], '\0');
	buf_clear(&b);
	assert_string_equal(b.data, "");
	buf_printf(&b, "%s", "");
	assert_int_equal(b.len, 0);
	buf_fini(&b);
	assert_null(b.data);
	buf_clear(&b);
	buf_fini(&b);
	/* Usable again. */
	buf_add_c(&b, "x");
	assert_string_equal(b.data, "x");
	buf_fini(&b);
}

static void
test_growing(void **state)
{
	struct buf b = BUF_EMPTY, copy = BUF_EMPTY;

	(void)state;
	for (unsigned i = 0; i < 100000; i++) {
		buf_add_byte(&b, (char)('a' + i % 26));
		assert_true(b.capacity > b.len);
	}
	assert_int_equal(b.data[99999], 'a' + 99999 % 26);
	/* Doubling: no more than twice what is needed. */
	assert_true(b.capacity <= 2 * 100001);
	memcpy(buf_reserve(&copy, b.len), b.data, b.len);
	copy.len += b.len;
	assert_true(str_eq(buf_str(&copy), buf_str(&b)));
	buf_clear(&b);
	buf_printf(&b, "%0*d", 5000, 1);
	assert_int_equal(b.len, 5000);
	assert_int_equal(b.data[4999], '1');
	buf_fini(&b);
	buf_fini(&copy);
}

static void
test_byte_order(void **state)
{
	struct buf b = BUF_EMPTY;
	char six[8] = {0};

	(void)state;
	buf_add_u16(&b, 0x0102);
	buf_add_u32(&b, 0x01020304);
	buf_add_u64(&b, 0x0102030405060708);
	assert_int_equal(b.len, 14);
	assert_memory_equal(b.data, "\2\1\4\3\2\1\10\7\6\5\4\3\2\1", 14);
	assert_int_equal(bytes_get_u16(b.data), 0x0102);
	assert_int_equal(bytes_get_u32(b.data + 2), 0x01020304);
	assert_true(bytes_get_u64(b.data + 6) == 0x0102030405060708);
	bytes_put_u48(six + 1, 0xf1f2f3f4f5f6);
	assert_true(bytes_get_u48(six + 1) == 0xf1f2f3f4f5f6);
	assert_int_equal(six[0] | six[7], 0);
	buf_fini(&b);
}

/* A length that wraps around is a bug that stops the process, not a small
 * allocation that is then written past. */
static void
test_overflow_stops(void **state)
{
	static const size_t lengths[] = {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 3};

	(void)state;
	for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		int status;
		pid_t pid = fork();
		if (pid == 0) {
			struct buf b = BUF_EMPTY;
			close(STDERR_FILENO);
			buf_add_c(&b, "abc");
			buf_reserve(&b, lengths[i]);
			_exit(0);
		}
		assert_true(waitpid(pid, &status, 0) == pid);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGABRT);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_adding),
		cmocka_unit_test(test_growing),
		cmocka_unit_test(test_byte_order),
		cmocka_unit_test(test_overflow_stops),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
