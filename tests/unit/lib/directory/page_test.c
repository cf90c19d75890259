/* Lists, whole and in pages. */
#include "tests/unit/lib/directory/directory_fixture.h"

static void
on_domain(void *arg, const struct directory_domain *domain, const struct err *err)
{
	struct answer *a = arg;
	if (domain != NULL) {
		a->domain = *domain;
		buf_printf(&a->names, "%s %s %s", domain->name, domain->catch_all, domain->admins);
	}
	end(a, err);
}

static void
test_lists(void **state)
{
	(void)state;
	add_domain("b.test");
	add_domain("a.test");
	add_user("zoe@a.test");
	add_user("alice@b.test");
	add_user("bob@a.test");
	add_alias("info@a.test", "zoe@a.test");
	set_user("zoe@a.test", "roles", "domain_admin");
	set_user("bob@a.test", "roles", "domain_admin system_admin");
	set_domain("a.test", "catch_all", "bob@a.test");

	struct answer a = {.done = false};
	directory_domain_list(tool, on_names, &a);
	wait_for(&a);
	assert_string_equal(a.names.data, "a.test b.test");
	buf_fini(&a.names);

	a = (struct answer){.done = false};
	directory_user_list(tool, STR_NONE, on_names, &a);
	wait_for(&a);
	assert_string_equal(a.names.data, "alice@b.test bob@a.test zoe@a.test");
	buf_fini(&a.names);

	a = (struct answer){.done = false};
	directory_user_list(tool, STR("A.test"), on_names, &a);
	wait_for(&a);
	assert_string_equal(a.names.data, "bob@a.test zoe@a.test");
	buf_fini(&a.names);

	a = (struct answer){.done = false};
	directory_user_list(tool, STR("c.test"), on_names, &a);
	wait_for(&a);
	assert_int_equal(a.err.code, ERR_NOT_FOUND);

	a = (struct answer){.done = false};
	directory_alias_list(tool, STR_NONE, on_names, &a);
	wait_for(&a);
	assert_string_equal(a.names.data, "info@a.test");
	buf_fini(&a.names);

	a = (struct answer){.done = false};
	directory_alias_show(tool, STR("INFO@a.test"), on_names, &a);
	wait_for(&a);
	assert_string_equal(a.names.data, "zoe@a.test");
	buf_fini(&a.names);

	a = (struct answer){.done = false};
	directory_domain_show(tool, STR("a.test"), on_domain, &a);
	wait_for(&a);
	assert_string_equal(a.names.data, "a.test bob@a.test zoe@a.test bob@a.test");
	assert_int_equal(a.domain.users, 2);
	assert_int_equal(a.domain.aliases, 1);
	buf_fini(&a.names);

	a = (struct answer){.done = false};
	directory_domain_show(tool, STR("c.test"), on_domain, &a);
	wait_for(&a);
	assert_int_equal(a.err.code, ERR_NOT_FOUND);

	/* Forced: nothing is left of it, and nothing else is touched. */
	assert_int_equal(ORDER(directory_domain_delete, STR("a.test"), true), ERR_NONE);
	assert_int_equal(number("EXISTS user:{bob@a.test} user:{zoe@a.test} alias:{info@a.test} domain:{a.test}%s", ""),
			 0);
	assert_int_equal(number("EXISTS user:{alice@b.test} domain:{b.test}%s", ""), 2);
	assert_int_equal(number("SCARD %s", "domains"), 1);
}

/* How often Redis ran a command, by its own count. */
static long
calls_of(const char *name)
{
	redisReply *reply = command("INFO %s", "commandstats");
	char field[80];
	const char *at;
	long calls;

	snprintf(field, sizeof(field), "cmdstat_%s:calls=", name);
	at = strstr(reply->str, field);
	calls = at != NULL ? strtol(at + strlen(field), NULL, 10) : 0;
	freeReplyObject(reply);
	return calls;
}

/* No command of Redis goes through all accounts of a large domain. */
static void
test_large_domain(void **state)
{
	enum { USERS = 4000 };
	struct answer a = {.done = false};
	unsigned count = 1;

	(void)state;
	add_domain("large.test");
	freeReplyObject(command("EVAL %s 0",
				"for i = 1, 4000 do redis.call('SADD', 'domain:{large.test}:users', 'u' .. i .. "
				"'@large.test') redis.call('HSET', 'user:{u' .. i .. '@large.test}', "
				"'address', 'u' .. i .. '@large.test') end"));
	freeReplyObject(command("CONFIG %s", "RESETSTAT"));
	directory_user_list(tool, STR("large.test"), on_names, &a);
	wait_for(&a);
	for (size_t i = 0; i < a.names.len; i++)
		count += a.names.data[i] == ' ';
	assert_int_equal(count, USERS);
	buf_fini(&a.names);
	assert_true(calls_of("sscan") >= USERS / 1500);
	assert_int_equal(ORDER(directory_domain_delete, STR("large.test"), true), ERR_NONE);
	assert_int_equal(number("EXISTS domain:{large.test} domain:{large.test}:users user:{u1@large.test} %s",
				"user:{u4000@large.test}"),
			 0);
	assert_int_equal(calls_of("smembers"), 0);
	assert_int_equal(calls_of("unlink"), 1);
	assert_true(calls_of("sscan") >= 2 * USERS / 1500);
}

static void
on_page(void *arg, const struct str *names, unsigned count, bool is_last, const struct err *err)
{
	struct answer *a = arg;

	for (unsigned i = 0; i < count; i++)
		buf_printf(&a->names, "%s%.*s", i > 0 ? " " : "", STR_ARG(names[i]));
	buf_add_c(&a->names, is_last ? "." : " ...");
	end(a, err);
}

/* Names of five digits, so that their order is that of their numbers. */
static void
test_pages(void **state)
{
	static const struct {
		struct directory_page page;
		const char *names;
	} cases[] = {
		{{STR(""), STR(""), 2}, "00001@large.test 00002@large.test ..."},
		{{STR("00002@large.test"), STR(""), 1}, "00003@large.test ..."},
		{{STR("03998"), STR(""), 2}, "03998@large.test 03999@large.test ..."},
		{{STR("03998"), STR(""), 3}, "03998@large.test 03999@large.test 04000@large.test."},
		{{STR("zzz"), STR(""), 3}, "."},
		{{STR(""), STR("0099@LARGE"), 5}, "00099@large.test."},
		{{STR(""), STR("99@large"), 2}, "00099@large.test 00199@large.test ..."},
		{{STR("00199@large.test"), STR("99@large"), 1}, "00299@large.test ..."},
		{{STR(""), STR("none"), 1000}, "."},
	};

	(void)state;
	add_domain("large.test");
	add_domain("small.test");
	freeReplyObject(command("EVAL %s 0", "for i = 1, 4000 do redis.call('SADD', 'domain:{large.test}:users', "
					     "string.format('%05d@large.test', i)) end"));
	freeReplyObject(command("CONFIG %s", "RESETSTAT"));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct answer a = {.done = false};
		directory_page(tool, DIRECTORY_USERS, STR("Large.test"), &cases[i].page, on_page, &a);
		wait_for(&a);
		assert_int_equal(a.err.code, ERR_NONE);
		assert_string_equal(a.names.data, cases[i].names);
		buf_fini(&a.names);
	}
	assert_int_equal(calls_of("smembers"), 0);

	struct answer domains = {.done = false}, nothing = {.done = false};
	directory_page(tool, DIRECTORY_DOMAINS, STR_NONE, &cases[0].page, on_page, &domains);
	wait_for(&domains);
	assert_string_equal(domains.names.data, "large.test small.test.");
	buf_fini(&domains.names);
	directory_page(tool, DIRECTORY_ALIASES, STR("none.test"), &cases[0].page, on_page, &nothing);
	wait_for(&nothing);
	assert_int_equal(nothing.err.code, ERR_NOT_FOUND);
	buf_fini(&nothing.names);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_lists),
		TEST(test_large_domain),
		TEST(test_pages),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
