/* A secret in a file of the cluster's folder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/secret_file.h"

static char dir[64], path[100];

static int
setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/stagepost-secret-XXXXXX");
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/secret.key", dir);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

static void
put(const char *text)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void
test_read(void **state)
{
	static const struct {
		const char *content;
		enum err_code code;
		const char *line;
	} cases[] = {
		{"1234567\n", ERR_NONE, "1234567"},
		{"123456\r\n", ERR_NONE, "123456"},
		{"1234567", ERR_NONE, "1234567"},
		{"12\nmore text\n", ERR_NONE, "12"},
		{"12345678\n", ERR_CORRUPT, NULL},
		{"12345678", ERR_CORRUPT, NULL},
		{"", ERR_CORRUPT, NULL},
	};
	char out[8];
	struct err err;

	(void)state;
	assert_int_equal(secret_file_read(path, out, sizeof(out), &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		put(cases[i].content);
		err.code = ERR_NONE;
		assert_int_equal(secret_file_read(path, out, sizeof(out), &err), cases[i].line != NULL ? 0 : -1);
		assert_int_equal(err.code, cases[i].code);
		if (cases[i].line != NULL)
			assert_string_equal(out, cases[i].line);
	}
}

static void
test_key(void **state)
{
	char made[SECRET_FILE_KEY_MAX], again[SECRET_FILE_KEY_MAX], list[SECRET_FILE_KEY_MAX * 2] = "";
	struct stat st;
	struct err err;

	(void)state;
	assert_int_equal(secret_file_ensure_key(path, made, &err), 0);
	/* "k12ab34cd:" and 32 bytes in base64 */
	assert_int_equal(strlen(made), 10 + 44);
	assert_int_equal(strspn(made + 1, "0123456789abcdef"), 8);
	assert_true(made[0] == 'k' && made[9] == ':');
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(secret_file_ensure_key(path, again, &err), 0);
	assert_string_equal(made, again);
	/* A list, as long as the key is being changed. */
	for (unsigned i = 0; i < 20; i++)
		snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s", i != 0 ? "," : "", made);
	put(list);
	assert_int_equal(secret_file_ensure_key(path, again, &err), 0);
	assert_string_equal(list, again);
	/* Another one has another id. */
	unlink(path);
	assert_int_equal(secret_file_ensure_key(path, again, &err), 0);
	assert_memory_not_equal(made, again, 10);
	/* Part of a list is no list, and what is there is not replaced. */
	memset(list, 'x', sizeof(list) - 1);
	put(list);
	assert_int_equal(secret_file_ensure_key(path, again, &err), -1);
	assert_int_equal(err.code, ERR_CORRUPT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_read, setup, teardown),
		cmocka_unit_test_setup_teardown(test_key, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
