/* The remembered process id is correct, also in a forked child, and so is what
 * depends on it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/bus/own_pid.h"
#include "lib/spool/id.h"

enum { IDS = 60 };

static void
test_fork(void **state)
{
	char ids[IDS][SPOOL_ID_MAX], child_ids[IDS][SPOOL_ID_MAX];
	int pipes[2], status;
	pid_t child;

	(void)state;
	own_pid_keep();
	own_pid_keep();
	assert_int_equal(getpid(), syscall(SYS_getpid));
	assert_int_equal(getpid(), syscall(SYS_getpid));
	spool_id_new(1, ids[0]);
	assert_int_equal(pipe(pipes), 0);
	child = fork();
	if (child == 0) {
		bool right = getpid() == (pid_t)syscall(SYS_getpid) && getpid() == (pid_t)syscall(SYS_getpid);
		for (unsigned i = 0; i < IDS; i++)
			spool_id_new(1, ids[i]);
		if (write(pipes[1], ids, sizeof(ids)) != (ssize_t)sizeof(ids))
			right = false;
		_exit(right ? 0 : 1);
	}
	assert_int_equal(read(pipes[0], child_ids, sizeof(child_ids)), sizeof(child_ids));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(getpid(), syscall(SYS_getpid));
	/* The random part is never the same: two messages under one id would be one. */
	for (unsigned i = 0; i < IDS; i++) {
		spool_id_new(1, ids[i]);
		for (unsigned k = 0; k < IDS; k++)
			assert_string_not_equal(ids[i] + SPOOL_ID_LEN - 8, child_ids[k] + SPOOL_ID_LEN - 8);
	}
	close(pipes[0]);
	close(pipes[1]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_fork)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
