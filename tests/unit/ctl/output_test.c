/* Lists and records, for people and for scripts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <unistd.h>

#include "ctl/output.h"

/* Standard output goes to a file meanwhile. */
static FILE *capture;
static int real_stdout;

static void
capture_begin(void)
{
	fflush(stdout);
	capture = tmpfile();
	real_stdout = dup(STDOUT_FILENO);
	dup2(fileno(capture), STDOUT_FILENO);
}

static const char *
capture_end(void)
{
	static char text[4096];

	fflush(stdout);
	dup2(real_stdout, STDOUT_FILENO);
	close(real_stdout);
	rewind(capture);
	text[fread(text, 1, sizeof(text) - 1, capture)] = '\0';
	fclose(capture);
	return text;
}

static void
test_names(void **state)
{
	const struct str names[] = {STR("a@b"), STR("say \"x\""), STR("j\xc3\xb6")};
	struct ctl people = {.json = false}, script = {.json = true};

	(void)state;
	capture_begin();
	output_names(&people, names, 3);
	output_names(&people, names, 0);
	assert_string_equal(capture_end(), "a@b\nsay \"x\"\nj\xc3\xb6\n");
	capture_begin();
	output_names(&script, names, 3);
	assert_string_equal(capture_end(), "[\"a@b\", \"say \\\"x\\\"\", \"j\xc3\xb6\"]\n");
	capture_begin();
	output_names(&script, names, 0);
	assert_string_equal(capture_end(), "[]\n");
}

static cJSON *
a_record(void)
{
	cJSON *o = cJSON_CreateObject(), *list = cJSON_CreateArray();

	output_add_str(o, "name", str_of("alice-and-more", 5));
	output_add_str(o, "empty", STR_NONE);
	cJSON_AddNumberToObject(o, "count", 12);
	cJSON_AddBoolToObject(o, "enabled", true);
	cJSON_AddItemToArray(list, cJSON_CreateString("x"));
	cJSON_AddItemToObject(o, "list", list);
	return o;
}

static void
test_record(void **state)
{
	struct ctl people = {.json = false}, script = {.json = true};
	cJSON *back;

	(void)state;
	capture_begin();
	output_record(&people, a_record());
	assert_string_equal(capture_end(), "name: alice\nempty: \ncount: 12\nenabled: true\nlist: [\"x\"]\n");
	capture_begin();
	output_record(&script, a_record());
	back = cJSON_Parse(capture_end());
	assert_non_null(back);
	assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(back, "name")), "alice");
	assert_int_equal(cJSON_GetObjectItem(back, "count")->valueint, 12);
	cJSON_Delete(back);
}

static void
test_fields(void **state)
{
	static const struct {
		const char *arg, *name, *value; /* name NULL: none */
	} cases[] = {
		{"quota=2G", "quota", "2G"}, {"a=", "a", ""},	 {"a=b=c", "a", "b=c"},
		{"a", NULL, NULL},	     {"=b", NULL, NULL}, {"", NULL, NULL},
	};
	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str name, value;
		assert_int_equal(output_cut_field(cases[i].arg, &name, &value), cases[i].name != NULL);
		if (cases[i].name != NULL)
			assert_true(str_eq(name, str_c(cases[i].name)) && str_eq(value, str_c(cases[i].value)));
	}
}

static void
test_members(void **state)
{
	cJSON *o = a_record();

	(void)state;
	assert_string_equal(output_text(o, "name"), "alice");
	assert_string_equal(output_text(o, "empty"), "");
	assert_string_equal(output_text(o, "nothing"), "");
	assert_string_equal(output_text(o, "count"), "");
	assert_string_equal(output_text(NULL, "name"), "");
	assert_true(output_number(o, "count") == 12);
	assert_true(output_number(o, "nothing") == 0);
	assert_true(output_number(o, "name") == 0);
	assert_true(output_number(NULL, "count") == 0);
	cJSON_Delete(o);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_record),
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_fields),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
