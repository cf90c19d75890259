/* Options: the command line takes precedence over the environment, that over the default. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/service/options.h"

static const char *color, *size, *flag, *redis;

static const struct service_option own[] = {
	{"color", "TEST_COLOR", "NAME", "red", "What it looks like.", &color},
	{"size", NULL, "N", NULL, "How large it is.", &size},
	{"flag", NULL, NULL, NULL, "Whether.", &flag},
	{0},
};
static const struct service_option common[] = {
	{"redis", "TEST_REDIS", "URL", "unix:/x", "The store.", &redis},
	{0},
};
static const struct service_description description = {.kind = "tester", .summary = "tests options", .options = own};

static int
parse(const char *const *args, struct err *err)
{
	const char *argv[10] = {"tester"};
	int argc = 1;

	for (; args[argc - 1] != NULL; argc++)
		argv[argc] = args[argc - 1];
	return options_parse(&description, common, argc, (char **)argv, err);
}

static void
test_good(void **state)
{
	static const struct {
		const char *args[6], *environment;
		const char *color, *size, *flag, *redis;
	} cases[] = {
		{{NULL}, NULL, "red", NULL, NULL, "unix:/x"},
		{{NULL}, "blue", "blue", NULL, NULL, "unix:/x"},
		{{NULL}, "", "red", NULL, NULL, "unix:/x"}, /* an empty one is as good as none */
		{{"--color", "green"}, "blue", "green", NULL, NULL, "unix:/x"},
		{{"--color=green"}, NULL, "green", NULL, NULL, "unix:/x"},
		{{"--color="}, "blue", "", NULL, NULL, "unix:/x"},
		{{"--color=a=b"}, NULL, "a=b", NULL, NULL, "unix:/x"},
		{{"--color", "--flag"}, NULL, "--flag", NULL, NULL, "unix:/x"},
		{{"--size", "1", "--size", "2"}, NULL, "red", "2", NULL, "unix:/x"},
		{{"--flag", "--redis", "r"}, NULL, "red", NULL, "on", "r"},
	};
	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err;
		if (cases[i].environment != NULL)
			setenv("TEST_COLOR", cases[i].environment, 1);
		else
			unsetenv("TEST_COLOR");
		assert_int_equal(parse(cases[i].args, &err), 0);
		assert_string_equal(color, cases[i].color);
		assert_string_equal(redis, cases[i].redis);
		assert_true(cases[i].size != NULL ? strcmp(size, cases[i].size) == 0 : size == NULL);
		assert_true(cases[i].flag != NULL ? strcmp(flag, cases[i].flag) == 0 : flag == NULL);
	}
	unsetenv("TEST_COLOR");
}

static void
test_bad(void **state)
{
	static const struct {
		const char *args[4], *words;
	} cases[] = {
		{{"--colour", "red"}, "unknown option '--colour'"},
		{{"--colo"}, "unknown option '--colo'"},
		{{"--"}, "unknown option '--'"},
		{{"--=x"}, "unknown option '--=x'"},
		{{"color"}, "'color' is not an option"},
		{{"-c"}, "'-c' is not an option"},
		{{""}, "'' is not an option"},
		{{"--flag", "on"}, "'on' is not an option"},
		{{"--flag=on"}, "--flag takes no value"},
		{{"--color"}, "--color needs a value"},
		{{"--color", "x", "--size"}, "--size needs a value"},
	};
	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = {0};
		assert_int_equal(parse(cases[i].args, &err), -1);
		assert_int_equal(err.code, ERR_INVALID);
		assert_non_null(strstr(err.text, cases[i].words));
	}
}

/* --help names every option, wherever it stands. */
static void
test_help(void **state)
{
	static const char *const args[] = {"--flag", "--help", NULL};
	static const char *const words[] = {"tester - tests options",
					    "--color NAME",
					    "Default: red.",
					    "--size N",
					    "--flag\n",
					    "--redis URL",
					    "TEST_REDIS",
					    "The store.",
					    "SIGTERM"};
	int real_stdout = dup(STDOUT_FILENO);
	FILE *capture = tmpfile();
	static char text[8192];
	struct err err;

	(void)state;
	fflush(stdout);
	dup2(fileno(capture), STDOUT_FILENO);
	assert_int_equal(parse(args, &err), 1);
	fflush(stdout);
	dup2(real_stdout, STDOUT_FILENO);
	close(real_stdout);
	rewind(capture);
	text[fread(text, 1, sizeof(text) - 1, capture)] = '\0';
	fclose(capture);
	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strstr(text, words[i]) == NULL)
			fail_msg("no \"%s\" in the help", words[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_help),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
