/* Postmaster, abuse, and who is responsible for a domain. */
#include "tests/unit/lib/directory/directory_fixture.h"

static const char *
read_text(const char *what, const char *key, const char *field)
{
	static char text[500];
	redisReply *reply = command("%s %s %s", what, key, field);
	str_copy(reply->type == REDIS_REPLY_STRING ? redis_str(reply) : STR("-"), text, sizeof(text));
	freeReplyObject(reply);
	return text;
}

#define ADMINS()       read_text("HGET", "domain:{a.test}", "admins")
#define ROLES_OF(name) read_text("HGET", "user:{" name "@a.test}", "roles")

/* Set at the domain: its list and the users' own records say the same. */
static void
test_admins(void **state)
{
	(void)state;
	add_domain("a.test");
	add_domain("b.test");
	add_user("one@a.test");
	add_user("two@a.test");
	add_user("three@a.test");
	add_user("other@b.test");
	set_user("one@a.test", "roles", "system_admin");
	assert_int_equal(set_domain("a.test", "admins", "One@a.test,two@A.test two@a.test"), ERR_NONE);
	assert_string_equal(ADMINS(), "one@a.test two@a.test");
	assert_string_equal(ROLES_OF("one"), "domain_admin system_admin");
	assert_string_equal(ROLES_OF("two"), "domain_admin");
	assert_int_equal(set_domain("a.test", "admins+", "three@a.test"), ERR_NONE);
	assert_int_equal(set_domain("a.test", "admins-", "one@a.test"), ERR_NONE);
	assert_string_equal(ADMINS(), "two@a.test three@a.test");
	assert_string_equal(ROLES_OF("one"), "system_admin");
	assert_int_equal(set_domain("a.test", "admins", "three@a.test"), ERR_NONE);
	assert_string_equal(ADMINS(), "three@a.test");
	assert_string_equal(ROLES_OF("two"), "-");

	/* All or nothing, as far as can be known before. */
	assert_int_equal(set_domain("a.test", "admins", "one@a.test nobody@a.test"), ERR_NOT_FOUND);
	assert_int_equal(set_domain("a.test", "admins", "other@b.test"), ERR_INVALID);
	assert_int_equal(set_domain("a.test", "admins", "nonsense"), ERR_INVALID);
	assert_int_equal(set_domain("nowhere.test", "admins", "x@nowhere.test"), ERR_NOT_FOUND);
	assert_string_equal(ADMINS(), "three@a.test");
	assert_string_equal(ROLES_OF("one"), "system_admin");

	/* A name in the list without a user is nobody; he goes without being made one. */
	RUN("HSET domain:{a.test} admins ghost@a.test");
	assert_int_equal(set_domain("a.test", "admins", ""), ERR_NONE);
	assert_string_equal(ADMINS(), "-");
	assert_int_equal(set_domain("a.test", "admins-", "three@a.test"), ERR_NONE);
	assert_string_equal(ROLES_OF("three"), "-");
}

/* postmaster and abuse: at every domain, from its creation, by whoever is there. */
static void
test_roles(void **state)
{
	(void)state;
	directory_set_hostname(dir, STR("mx.r.test"));
	assert_string_equal(resolve("postmaster"), "unclaimed postmaster");
	add_domain("r.test");
	assert_string_equal(resolve("POSTMASTER@R.test"), "unclaimed postmaster@r.test");
	assert_string_equal(resolve("abuse@r.test"), "unclaimed abuse@r.test");
	assert_string_equal(resolve("postmaster"), "unclaimed postmaster@r.test");
	assert_string_equal(resolve("hostmaster@r.test"), "unknown hostmaster@r.test");
	assert_string_equal(expand("postmaster@r.test"), "k:postmaster@r.test");

	/* The setting, wherever it leads; not where it leads to nobody. */
	add_domain("ops.test");
	add_user("root@ops.test");
	RUN("HSET settings:mailbox postmaster Root@ops.test");
	turn(100);
	assert_string_equal(resolve("abuse@r.test"), "alias abuse@r.test > root@ops.test");
	assert_string_equal(expand("abuse@r.test"), "u:root@ops.test");
	RUN("HSET settings:mailbox postmaster root+r@ops.test");
	turn(100);
	assert_string_equal(expand("abuse@r.test"), "u:root@ops.test+r");
	RUN("HSET settings:mailbox postmaster boss@remote.test");
	turn(100);
	assert_string_equal(expand("postmaster@r.test"), "r:boss@remote.test");
	RUN("HSET settings:mailbox postmaster nobody@ops.test");
	turn(100);
	assert_string_equal(resolve("abuse@r.test"), "unclaimed abuse@r.test");
	RUN("HSET settings:mailbox postmaster postmaster@ops.test"); /* without an admin */
	turn(100);
	assert_string_equal(resolve("abuse@r.test"), "unclaimed abuse@r.test");
	assert_string_equal(resolve("postmaster@ops.test"), "unclaimed postmaster@ops.test");
	set_user("root@ops.test", "roles", "domain_admin");
	turn(50);
	assert_string_equal(expand("abuse@r.test"), "u:root@ops.test");
	set_user("root@ops.test", "enabled", "off");
	turn(50);
	assert_string_equal(resolve("abuse@r.test"), "unclaimed abuse@r.test");
	set_user("root@ops.test", "enabled", "on");

	/* The catch-all before it, the admins first, all that are enabled. */
	add_user("all@r.test");
	set_domain("r.test", "catch_all", "all@r.test");
	turn(50);
	assert_string_equal(resolve("abuse@r.test"), "catch-all abuse@r.test > all@r.test");
	add_user("one@r.test");
	add_user("two@r.test");
	set_user("one@r.test", "roles", "domain_admin");
	set_user("two@r.test", "roles", "domain_admin");
	turn(50);
	assert_string_equal(expand("postmaster@r.test"), "u:one@r.test u:two@r.test");
	set_user("one@r.test", "enabled", "off");
	turn(50);
	assert_string_equal(expand("postmaster@r.test"), "u:two@r.test");
	set_user("two@r.test", "enabled", "off");
	set_user("all@r.test", "enabled", "off");
	turn(50);
	assert_string_equal(expand("postmaster@r.test"), "u:root@ops.test");

	/* An account or alias of the name wins; a disabled account does not. */
	add_user("abuse@r.test");
	add_alias("postmaster@r.test", "boss@remote.test");
	turn(50);
	assert_string_equal(resolve("abuse@r.test"), "user abuse@r.test");
	assert_string_equal(resolve("postmaster"), "alias postmaster@r.test > boss@remote.test");
	set_user("abuse@r.test", "enabled", "off");
	turn(50);
	assert_string_equal(expand("abuse@r.test"), "u:root@ops.test");

	/* Without a domain of the hostname: the setting, not some domain. */
	directory_set_hostname(dir, STR("mx.elsewhere.test"));
	assert_string_equal(resolve("Postmaster"), "alias Postmaster > postmaster@ops.test");
	assert_string_equal(expand("postmaster"), "u:root@ops.test");
	RUN("HDEL settings:mailbox postmaster");
	turn(100);
	assert_string_equal(expand("postmaster"), "u:root@ops.test"); /* of the first domain */
	directory_set_hostname(dir, STR("mx.e.test"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_roles),
		TEST(test_admins),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
