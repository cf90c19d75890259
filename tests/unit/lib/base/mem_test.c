/* Memory that cannot fail, and what a broken invariant prints. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/mem.h"

static void
test_sizes(void **state)
{
	static const char zero[64];
	char *none = mem_alloc(0), *zeroed = mem_zalloc(64), *grown;

	(void)state;
	assert_non_null(none);
	assert_memory_equal(zeroed, zero, 64);
	memset(zeroed, 'x', 64);
	grown = mem_realloc(zeroed, 100000);
	assert_int_equal(grown[0], 'x');
	assert_int_equal(grown[63], 'x');
	grown = mem_realloc(grown, 0);
	assert_non_null(grown);
	mem_free(grown);
	mem_free(none);
	mem_free(NULL);
	grown = mem_realloc(NULL, 8);
	assert_non_null(grown);
	mem_free(grown);
}

static void
test_copies(void **state)
{
	char *whole = mem_strdup("text"), *part = mem_strndup("a\0bc", 3), *none = mem_strndup(NULL, 0);

	(void)state;
	assert_string_equal(whole, "text");
	assert_memory_equal(part, "a\0b", 4);
	assert_string_equal(none, "");
	mem_free(whole);
	mem_free(part);
	mem_free(none);
}

/* The state is printed, on one line, before the process stops. */
static void
test_check(void **state)
{
	int pipe_fds[2], status;
	char text[512] = "";
	size_t len = 0;
	ssize_t got;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(pipe_fds), 0);
	pid = fork();
	if (pid == 0) {
		int count = 7;
		dup2(pipe_fds[1], STDERR_FILENO);
		signal(SIGABRT, SIG_DFL);
		CHECK(count == 7);
		CHECKF(count < 7, "count=%d", count);
		_exit(0);
	}
	close(pipe_fds[1]);
	while ((got = read(pipe_fds[0], text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)got;
	close(pipe_fds[0]);
	assert_true(waitpid(pid, &status, 0) == pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	assert_non_null(strstr(text, "condition=\"count < 7\" state=\"count=7\"\n"));
	assert_non_null(strstr(text, "mem_test.c:"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_check),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
