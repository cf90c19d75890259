/* What an address stands for, and whom it reaches in the end. */
#include "tests/unit/lib/directory/directory_fixture.h"

static void
test_resolve(void **state)
{
	static const struct {
		const char *address, *result;
	} cases[] = {
		{"alice@example.test", "user alice@example.test"},
		{"ALICE@Example.Test", "user alice@example.test"},
		{"\"alice\"@example.test", "user alice@example.test"},
		{"alice+Lists@example.test", "user alice@example.test +Lists"},
		{"alice+a+b@example.test", "user alice@example.test +a+b"},
		{"alice+@example.test", "user alice@example.test"},
		{"+alice@example.test", "unknown +alice@example.test"},
		{"bob+x@example.test", "user bob+x@example.test"}, /* an account of its own */
		{"bob@example.test", "unknown bob@example.test"},
		{"info@example.test", "alias info@example.test > alice@example.test zed@remote.test"},
		{"info+x@example.test", "alias info@example.test +x > alice@example.test zed@remote.test"},
		{"gone@example.test", "disabled gone@example.test"},
		{"gone+x@example.test", "disabled gone@example.test +x"},
		{"{alice}@example.test", "unknown {alice}@example.test"},
		{"alice@remote.test", "not local alice@remote.test"},
		{"alice@[127.0.0.1]", "not local alice@[127.0.0.1]"},
		{"alice", "not local alice"},
		{"", "not local "},
		{"x@catch.test", "catch-all x@catch.test > alice@example.test"},
		{"x+y@catch.test", "catch-all x+y@catch.test > alice@example.test"},
		{"\"x y\"@catch.test", "catch-all \"x y\"@catch.test > alice@example.test"},
		{"postmaster@catch.test", "catch-all postmaster@catch.test > alice@example.test"},
		{"carol@b\xc3\xbc"
		 "cher.test",
		 "user carol@xn--bcher-kva.test"},
		{"carol@xn--bcher-kva.TEST", "user carol@xn--bcher-kva.test"},
		{"x@off.test", "disabled x@off.test (domain)"},
		{"postmaster@example.test", "alias postmaster@example.test > alice@example.test"},
		{"postmaster", "alias postmaster@example.test > alice@example.test"},
		{"PostMaster", "alias postmaster@example.test > alice@example.test"},
		{"postmaster@xn--bcher-kva.test", "unclaimed postmaster@xn--bcher-kva.test"},
		{"Abuse@example.test", "alias abuse@example.test > alice@example.test"},
		{"abuse@catch.test", "catch-all abuse@catch.test > alice@example.test"},
	};
	(void)state;
	add_domain("example.test");
	add_domain("catch.test");
	add_domain("b\xc3\xbc"
		   "cher.test");
	add_domain("off.test");
	add_user("alice@example.test");
	add_user("bob+x@example.test");
	add_user("gone@example.test");
	add_user("carol@xn--bcher-kva.test");
	add_user("x@off.test");
	add_alias("info@example.test", "alice@example.test");
	add_alias("info@example.test", "zed@remote.test");
	set_user("gone@example.test", "enabled", "off");
	set_user("alice@example.test", "roles", "domain_admin");
	set_domain("catch.test", "catch_all", "alice@example.test");
	set_domain("off.test", "disabled", "on");
	directory_set_hostname(dir, STR("mx1.mail.Example.Test"));
	turn(50);
	/* First from the store, then from the cache. */
	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			const char *result = round == 0 ? resolve(cases[i].address) : resolve_cached(cases[i].address);
			if (strcmp(result, cases[i].result) != 0)
				fail_msg("%s: %s, not %s", cases[i].address, result, cases[i].result);
		}

	/* Nothing above the hostname is here: the first domain by name. */
	directory_set_hostname(dir, STR("mx.elsewhere.test"));
	assert_string_equal(resolve("postmaster"), "catch-all postmaster@catch.test > alice@example.test");

	RUN("HSET settings:mailbox:example.test plus_addressing off");
	turn(100);
	assert_string_equal(resolve("alice+lists@example.test"), "unknown alice+lists@example.test");
	assert_string_equal(resolve("bob+x@example.test"), "user bob+x@example.test");
}

static void
test_catch_all_of_itself(void **state)
{
	(void)state;
	add_domain("example.test");
	set_domain("example.test", "catch_all", "nobody@example.test");
	assert_string_equal(resolve("x@example.test"), "catch-all x@example.test > nobody@example.test");
	assert_string_equal(resolve("nobody@example.test"), "unknown nobody@example.test");
}

static void
test_expand(void **state)
{
	(void)state;
	add_domain("e.test");
	add_domain("catch.test");
	add_user("alice@e.test");
	add_user("bob@e.test");
	add_user("off@e.test");
	set_user("off@e.test", "enabled", "off");
	set_domain("catch.test", "catch_all", "staff@e.test");
	add_alias("staff@e.test", "alice@e.test");
	add_alias("staff@e.test", "bob+work@e.test");
	add_alias("staff@e.test", "bob@e.test");
	add_alias("staff@e.test", "zed@remote.test");
	add_alias("all@e.test", "staff@e.test");
	add_alias("lists@e.test", "bob+work@e.test");
	add_alias("lists@e.test", "alice@e.test");
	add_alias("all@e.test", "alice@e.test");
	add_alias("all@e.test", "nobody@e.test");
	add_alias("all@e.test", "off@e.test");
	turn(50);
	for (int round = 0; round < 2; round++) {
		assert_string_equal(expand("alice@e.test"), "u:alice@e.test");
		assert_string_equal(expand("Alice+X@e.test"), "u:alice@e.test+X");
		assert_string_equal(expand("\"Alice+Some Folder\"@e.test"), "u:alice@e.test+Some Folder");
		assert_string_equal(expand("\"alice+a\\\"b\"@e.test"), "u:alice@e.test+a\"b");
		assert_string_equal(expand("\"+x\"@e.test"), "?:+x@e.test");
		assert_string_equal(expand("alice+\xc3\x9c"
					   "ber@e.test"),
				    "u:alice@e.test+\xc3\x9c"
				    "ber");
		/* NFD to NFC */
		assert_string_equal(expand("alice+U\xcc\x88"
					   "ber@e.test"),
				    "u:alice@e.test+\xc3\x9c"
				    "ber");
		/* An alias hands it on to those who have none of their own. */
		assert_string_equal(expand("Staff+News@e.test"),
				    "u:alice@e.test+News u:bob@e.test+News r:zed@remote.test");
		assert_string_equal(expand("lists+News@e.test"), "u:alice@e.test+News u:bob@e.test+work");
		assert_string_equal(expand("x+News@catch.test"), "u:alice@e.test u:bob@e.test r:zed@remote.test");
		assert_string_equal(expand("zed@remote.test"), "r:zed@remote.test");
		assert_string_equal(expand("nobody@e.test"), "?:nobody@e.test");
		assert_string_equal(expand("nonsense"), "r:nonsense");
		assert_string_equal(expand("staff@e.test"), "u:alice@e.test u:bob@e.test r:zed@remote.test");
		assert_string_equal(expand("x@catch.test"), "u:alice@e.test u:bob@e.test r:zed@remote.test");
		assert_string_equal(expand("all@e.test"),
				    "u:alice@e.test ?:nobody@e.test -:off@e.test u:bob@e.test r:zed@remote.test");
	}
}

static void
test_alias_loops(void **state)
{
	(void)state;
	add_domain("e.test");
	add_user("alice@e.test");
	assert_int_equal(add_alias("a@e.test", "a@e.test"), ERR_INVALID);
	assert_int_equal(add_alias("a@e.test", "b@e.test"), ERR_NONE);
	assert_int_equal(add_alias("b@e.test", "c@e.test"), ERR_NONE);
	assert_int_equal(add_alias("c@e.test", "a@e.test"), ERR_INVALID);
	assert_int_equal(add_alias("c@e.test", "A+x@e.test"), ERR_INVALID);
	assert_int_equal(add_alias("c@e.test", "alice@e.test"), ERR_NONE);
	turn(50);
	assert_string_equal(expand("a@e.test"), "u:alice@e.test");
	/* Made past the checks. */
	RUN("SADD alias:{c@e.test} a@e.test");
	assert_string_equal(expand("a@e.test"), "u:alice@e.test");
	RUN("SREM alias:{c@e.test} alice@e.test");
	assert_string_equal(expand("a@e.test"), "");
}

static void
test_expand_limits(void **state)
{
	(void)state;
	add_domain("e.test");
	add_user("alice@e.test");
	for (int i = 0; i < 12; i++)
		freeReplyObject(command("SADD alias:{a%d@e.test} a%d@e.test", i, i + 1));
	freeReplyObject(command("SADD alias:{a12@e.test} alice@e.test"));
	turn(50);
	/* a3 to a12 are ten aliases, a2 is one more. */
	assert_string_equal(expand("a3@e.test"), "u:alice@e.test");
	assert_string_equal(expand("a2@e.test"), "?:a12@e.test");

	for (int i = 0; i < 600; i++) {
		freeReplyObject(command("SADD alias:{b@e.test} x%d@remote.test", i));
		freeReplyObject(command("SADD alias:{c@e.test} y%d@remote.test", i));
	}
	freeReplyObject(command("SADD alias:{d@e.test} b@e.test c@e.test"));
	turn(50);
	assert_string_equal(expand("d@e.test"), "limit");
	struct answer a = {.done = false};
	directory_expand(dir, STR("b@e.test"), on_expanded, &a);
	wait_for(&a);
	assert_int_equal(a.err.code, ERR_NONE);
	buf_fini(&a.names);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_resolve),
		TEST(test_catch_all_of_itself),
		TEST(test_expand),
		TEST(test_alias_loops),
		TEST(test_expand_limits),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
