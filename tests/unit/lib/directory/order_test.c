/* Orders: what may be added, changed and deleted; whoever has seen an older version of a
 * record changes nothing. */
#include "tests/unit/lib/directory/directory_fixture.h"

static void
test_orders(void **state)
{
	(void)state;
	assert_int_equal(add_domain("Example.Test"), ERR_NONE);
	assert_int_equal(add_domain("example.test"), ERR_EXISTS);
	assert_int_equal(add_domain("not a domain"), ERR_INVALID);
	assert_int_equal(add_user("Alice@example.test"), ERR_NONE);
	assert_int_equal(add_user("alice@EXAMPLE.test"), ERR_EXISTS);
	assert_int_equal(add_user("alice@other.test"), ERR_NOT_FOUND);
	assert_int_equal(add_user("alice"), ERR_INVALID);
	assert_int_equal(add_user("{a}@example.test"), ERR_INVALID);
	assert_int_equal(add_user("\"a b\"@example.test"), ERR_INVALID);
	assert_int_equal(add_alias("info@example.test", "alice@example.test"), ERR_NONE);
	assert_int_equal(add_alias("info@example.test", "alice@example.test"), ERR_EXISTS);
	assert_int_equal(add_alias("info@example.test", "bob@remote.test"), ERR_NONE);
	assert_int_equal(add_alias("info@other.test", "bob@remote.test"), ERR_NOT_FOUND);
	assert_int_equal(add_alias("info@example.test", "nonsense"), ERR_INVALID);

	/* An address is a user or an alias, and the index says so. */
	assert_int_equal(add_user("info@example.test"), ERR_DENIED);
	assert_int_equal(number("SISMEMBER domain:{example.test}:users %s", "info@example.test"), 0);
	assert_int_equal(add_alias("alice@example.test", "bob@remote.test"), ERR_DENIED);
	assert_int_equal(number("SISMEMBER domain:{example.test}:aliases %s", "alice@example.test"), 0);
	assert_int_equal(number("SISMEMBER domain:{example.test}:users %s", "alice@example.test"), 1);

	assert_int_equal(delete_alias("info@example.test", "carol@remote.test"), ERR_NOT_FOUND);
	assert_int_equal(delete_alias("info@example.test", "bob@remote.test"), ERR_NONE);
	assert_int_equal(number("SISMEMBER domain:{example.test}:aliases %s", "info@example.test"), 1);
	assert_int_equal(delete_alias("info@example.test", "alice@example.test"), ERR_NONE);
	assert_int_equal(number("SISMEMBER domain:{example.test}:aliases %s", "info@example.test"), 0);
	assert_int_equal(delete_alias("info@example.test", NULL), ERR_NOT_FOUND);

	assert_int_equal(ORDER(directory_domain_delete, STR("example.test"), false), ERR_DENIED);
	assert_int_equal(ORDER(directory_user_delete, STR("alice@example.test")), ERR_NONE);
	assert_int_equal(ORDER(directory_user_delete, STR("alice@example.test")), ERR_NOT_FOUND);
	assert_int_equal(ORDER(directory_domain_delete, STR("example.test"), false), ERR_NONE);
	assert_int_equal(ORDER(directory_domain_delete, STR("example.test"), false), ERR_NOT_FOUND);
	assert_int_equal(number("DBSIZE%s", ""), 0);
}

static int
remove_token(const char *id_or_name)
{
	return ORDER(directory_credential_remove, STR("alice@example.test"), STR("token:"), str_c(id_or_name));
}

/* What the frontends note of a login goes with what it belongs to. */
static void
test_what_belongs_to_logins(void **state)
{
	static const char *const gone[] = {"auth:ok:", "auth:totp:", "auth:totp-new:", "auth:used:", "web:sessions:"};
	static const char user[] = "user:{alice@example.test}", used[] = "auth:used:{alice@example.test}";

	(void)state;
	add_domain("example.test");
	add_user("alice@example.test");
	freeReplyObject(command("HSET %s app:a1 %s token:t1 %s token:t2 %s", user, "h 0 0 - phone", "h 0 0 - one",
				"h 0 0 - two"));
	freeReplyObject(command("HSET %s a1 5 t1 6 t2 7 of-before 1", used));
	assert_int_equal(remove_token("unknown"), ERR_NOT_FOUND);
	assert_int_equal(number("HLEN %s", used), 4);
	assert_int_equal(remove_token("t1"), ERR_NONE);
	assert_int_equal(number("HLEN %s", used), 2);
	assert_int_equal(remove_token("two"), ERR_NONE);
	assert_int_equal(number("HLEN %s", used), 1);
	assert_int_equal(number("HEXISTS %s a1", used), 1);
	for (unsigned i = 0; i < sizeof(gone) / sizeof(gone[0]); i++)
		freeReplyObject(command("HSET %s{alice@example.test} x y", gone[i]));
	assert_int_equal(ORDER(directory_user_delete, STR("alice@example.test")), ERR_NONE);
	for (unsigned i = 0; i < sizeof(gone) / sizeof(gone[0]); i++)
		assert_int_equal(number("EXISTS %s{alice@example.test}", gone[i]), 0);
}

static void
test_fields(void **state)
{
	(void)state;
	add_domain("example.test");
	add_user("alice@example.test");
	assert_int_equal(set_user("alice@example.test", "quota", "2G"), ERR_NONE);
	assert_int_equal(set_user("alice@example.test", "quota", "much"), ERR_INVALID);
	assert_int_equal(set_user("alice@example.test", "display_name", "Alice \xc3\x9c"), ERR_NONE);
	assert_int_equal(set_user("alice@example.test", "display_name", "a\nb"), ERR_INVALID);
	assert_int_equal(set_user("alice@example.test", "password", "x"), ERR_INVALID);
	assert_int_equal(set_user("alice@example.test", "roles", "king"), ERR_INVALID);
	assert_int_equal(set_user("alice@example.test", "roles", "Domain_Admin"), ERR_NONE);
	assert_int_equal(set_user("nobody@example.test", "enabled", "off"), ERR_NOT_FOUND);
	assert_int_equal(set_domain("example.test", "max_users", "1"), ERR_NONE);
	assert_int_equal(set_domain("example.test", "catch_all", "nonsense"), ERR_INVALID);
	assert_int_equal(set_domain("example.test", "catch_all", "Alice@example.test"), ERR_NONE);
	assert_int_equal(set_domain("example.net", "max_users", "1"), ERR_NOT_FOUND);
	assert_int_equal(add_user("bob@example.test"), ERR_LIMIT);
	assert_int_equal(ORDER(directory_user_passwd, STR("alice@example.test"), STR("new"), STR("")), ERR_NONE);

	redisReply *reply = command("HMGET user:{alice@example.test} quota display_name roles password scram_sha256");
	assert_string_equal(reply->element[0]->str, "2147483648");
	assert_string_equal(reply->element[1]->str, "Alice \xc3\x9c");
	assert_string_equal(reply->element[2]->str, "domain_admin");
	assert_string_equal(reply->element[3]->str, "new");
	assert_int_equal(reply->element[4]->type, REDIS_REPLY_NIL);
	freeReplyObject(reply);
}

static void
on_version(void *arg, const struct directory_user *user, const struct err *err)
{
	struct answer *a = arg;

	if (user != NULL)
		buf_printf(&a->names, "%s", user->version);
	end(a, err);
}

static void
on_domain_version(void *arg, const struct directory_domain *domain, const struct err *err)
{
	struct answer *a = arg;

	if (domain != NULL)
		buf_printf(&a->names, "%s", domain->version);
	end(a, err);
}

/* Whoever has seen an older record changes nothing. */
static void
test_versions(void **state)
{
	const struct directory_field name = {STR("display_name"), STR("A")}, most = {STR("max_users"), STR("7")};
	struct answer a = {.done = false}, d = {.done = false};

	(void)state;
	add_domain("a.test");
	add_user("bob@a.test");
	directory_user_show(tool, STR("BOB@a.test"), on_version, &a);
	wait_for(&a);
	assert_int_equal(a.names.len, 40);
	assert_int_equal(ORDER(directory_user_change, STR("bob@a.test"), buf_str(&a.names), &name, 1), ERR_NONE);
	assert_int_equal(ORDER(directory_user_change, STR("bob@a.test"), buf_str(&a.names), &name, 1), ERR_FENCED);
	assert_int_equal(ORDER(directory_user_change, STR("bob@a.test"), STR(""), &name, 1), ERR_NONE);
	buf_fini(&a.names);
	directory_domain_show(tool, STR("a.test"), on_domain_version, &d);
	wait_for(&d);
	assert_int_equal(ORDER(directory_domain_change, STR("a.test"), buf_str(&d.names), &most, 1), ERR_NONE);
	assert_int_equal(ORDER(directory_domain_change, STR("a.test"), buf_str(&d.names), &most, 1), ERR_FENCED);
	buf_fini(&d.names);
	/* A removal that has begun takes no new members. */
	assert_int_equal(ORDER(directory_domain_close, STR("a.test")), ERR_NONE);
	assert_int_equal(add_user("eve@a.test"), ERR_DENIED);
	a = (struct answer){.done = false};
	directory_user_show(tool, STR("nobody@a.test"), on_version, &a);
	wait_for(&a);
	assert_int_equal(a.err.code, ERR_NOT_FOUND);
	buf_fini(&a.names);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_orders),
		TEST(test_what_belongs_to_logins),
		TEST(test_fields),
		TEST(test_versions),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
