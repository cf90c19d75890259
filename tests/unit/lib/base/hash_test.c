/* Hashes: the same within a process, others in another one. */
#include "lib/base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void
test_parts(void **state)
{
	(void)state;
	assert_true(hash_str(STR("a.test"), 1) == hash_str(STR("a.test"), 1));
	assert_true(hash_str(STR("a.test"), 1) != hash_str(STR("a.test"), 2));
	assert_true(hash_str(STR("a.test"), 1) != hash_str(STR("b.test"), 1));
	assert_true(hash_str(STR_NONE, 0) == hash_str(STR(""), 0));
}

/* What another process, which has not hashed anything before, makes of it. */
static uint64_t
hash_elsewhere(struct str text)
{
	uint64_t hash = 0;
	int ends[2];
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		hash = hash_str(text, 0);
		_exit(write(ends[1], &hash, sizeof(hash)) == (ssize_t)sizeof(hash) ? 0 : 1);
	}
	assert_int_equal(read(ends[0], &hash, sizeof(hash)), sizeof(hash));
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(ends[0]);
	close(ends[1]);
	return hash;
}

/* First of all, before this process has drawn its seed. */
static void
test_each_process_has_its_own(void **state)
{
	(void)state;
	assert_true(hash_elsewhere(STR("a.test")) != hash_elsewhere(STR("a.test")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_process_has_its_own),
		cmocka_unit_test(test_parts),
	};
	return cmocka_run_group_tests_name("base/hash", tests, NULL, NULL);
}
