/* The folder of a cluster on one machine. */
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

#include "ctl/layout.h"
#include "lib/base/str.h"

static char dir[64];

static int
setup(void **state)
{
	(void)state;
	unsetenv("STAGEPOST_REDIS");
	unsetenv("STAGEPOST_BLOBS");
	strcpy(dir, "/tmp/stagepost-layout-XXXXXX");
	return mkdtemp(dir) != NULL ? 0 : -1;
}

static int
teardown(void **state)
{
	char command[100];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command);
}

static void
test_ports(void **state)
{
	static const struct {
		int base, standard, frontend, port;
	} cases[] = {{10000, 25, 0, 10025}, {10000, 25, 2, 12025}, {0, 993, 0, 993}, {20000, 6379, 0, 26379}};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct layout l = {.port_base = cases[i].base};
		assert_int_equal(layout_port(&l, cases[i].standard, cases[i].frontend), cases[i].port);
	}
	assert_int_equal(layout_metrics_port(&(struct layout){.port_base = 10000}, 3), 19093);
}

static void
assert_folder(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(st.st_mode & 07, 0); /* nobody else's business */
}

static void
test_prepare(void **state)
{
	static const char *const folders[] = {"redis", "blobs", "log", "run", "tls"};
	struct layout l = {.port_base = 10000};
	char deep[100], path[LAYOUT_PATH_MAX], url[200], *name;
	struct err err;
	FILE *f;

	(void)state;
	snprintf(deep, sizeof(deep), "%s/a/./b", dir);
	assert_int_equal(layout_prepare(&l, deep, &err), 0);
	snprintf(deep, sizeof(deep), "%s/a/b", dir);
	assert_string_equal(l.dir, deep); /* absolute, and plain */
	assert_string_equal(l.redis_url, "redis://127.0.0.1:16379");
	snprintf(url, sizeof(url), "file:%s/blobs", deep);
	assert_string_equal(l.blobs_url, url);
	for (unsigned i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		layout_path(&l, folders[i], path);
		assert_folder(path);
	}
	assert_int_equal(layout_prepare(&l, deep, &err), 0); /* again does no harm */
	/* A file is in the way; no right to write. */
	layout_path(&l, "file", path);
	f = fopen(path, "w");
	fclose(f);
	assert_int_equal(layout_prepare(&l, path, &err), -1);
	assert_int_equal(layout_prepare(&l, "/proc/nowhere/x", &err), -1);
	/* A path that is too long for what is made from it. */
	name = malloc(1000);
	memset(name, 'a', 999);
	name[999] = '\0';
	for (unsigned i = 200; i < 999; i += 200)
		name[i] = '/';
	snprintf(path, sizeof(path), "%s/%.600s", dir, name);
	assert_int_equal(layout_prepare(&l, path, &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
	free(name);
}

static void
test_save_and_load(void **state)
{
	struct layout l = {.port_base = 30000, .frontends = 2, .brokers = 3, .workers = 4, .up_pid = 4711}, back;
	char path[LAYOUT_PATH_MAX];
	struct err err;

	(void)state;
	assert_int_equal(layout_load(&back, dir, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(layout_prepare(&l, dir, &err), 0);
	strcpy(l.listen, "127.0.0.1");
	strcpy(l.hostname, "mail.example.test");
	assert_int_equal(layout_save(&l, &err), 0);
	assert_int_equal(layout_load(&back, dir, &err), 0);
	assert_string_equal(back.redis_url, l.redis_url);
	assert_string_equal(back.blobs_url, l.blobs_url);
	assert_string_equal(back.listen, "127.0.0.1");
	assert_string_equal(back.hostname, "mail.example.test");
	assert_int_equal(back.port_base, 30000);
	assert_int_equal(back.frontends, 2);
	assert_int_equal(back.brokers, 3);
	assert_int_equal(back.workers, 4);
	assert_int_equal(back.up_pid, 4711);
	/* Nothing half-written is left behind. */
	layout_path(&l, "run/cluster.json.new", path);
	assert_int_not_equal(access(path, F_OK), 0);
}

/* The environment goes before the file, and is enough alone. */
static void
test_environment(void **state)
{
	struct layout l = {.port_base = 10000}, back;
	struct err err;

	(void)state;
	setenv("STAGEPOST_REDIS", "unix:/x", 1);
	assert_int_equal(layout_load(&back, dir, &err), 0);
	assert_string_equal(back.redis_url, "unix:/x");
	assert_int_equal(back.port_base, 10000);
	assert_int_equal(layout_prepare(&l, dir, &err), 0);
	assert_int_equal(layout_save(&l, &err), 0);
	setenv("STAGEPOST_BLOBS", "file:/y", 1);
	assert_int_equal(layout_load(&back, dir, &err), 0);
	assert_string_equal(back.redis_url, "unix:/x");
	assert_string_equal(back.blobs_url, "file:/y");
	setenv("STAGEPOST_REDIS", "", 1); /* as good as none */
	setenv("STAGEPOST_BLOBS", "", 1);
	assert_int_equal(layout_load(&back, dir, &err), 0);
	assert_string_equal(back.redis_url, l.redis_url);
	assert_string_equal(back.blobs_url, l.blobs_url);
}

static void
test_damaged_file(void **state)
{
	static const struct {
		const char *text;
		bool good;
	} cases[] = {
		{"", false},
		{"{", false},
		{"{\"redis\": 5, \"port_base\": \"x\", \"pid\": null}",
		 true}, /* what has not its type is passed over */
		{"[]", true},
		{"{}", true},
	};
	struct layout l = {.port_base = 10000}, back;
	char path[LAYOUT_PATH_MAX];
	struct err err;

	(void)state;
	assert_int_equal(layout_prepare(&l, dir, &err), 0);
	layout_path(&l, "run/cluster.json", path);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		FILE *f = fopen(path, "w");
		fputs(cases[i].text, f);
		fclose(f);
		assert_int_equal(layout_load(&back, dir, &err), cases[i].good ? 0 : -1);
		assert_string_equal(back.redis_url, "");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ports),
		cmocka_unit_test_setup_teardown(test_prepare, setup, teardown),
		cmocka_unit_test_setup_teardown(test_save_and_load, setup, teardown),
		cmocka_unit_test_setup_teardown(test_environment, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged_file, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
