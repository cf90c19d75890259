/* The directory against a private redis-server. */
#include "tests/unit/lib/directory/directory_fixture.h"

/* ---- Tests ---- */
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
on_bool(void *arg, bool is, const struct err *err)
{
	((struct answer *)arg)->is = is;
	end(arg, err);
}

static bool
is_local(const char *domain)
{
	struct answer a = {.done = false};
	if (!directory_is_local_domain(dir, str_c(domain), &a.is, on_bool, &a))
		wait_for(&a);
	return a.is;
}

static void
on_user(void *arg, const struct directory_user *user, const struct err *err)
{
	struct answer *a = arg;
	a->found = user != NULL;
	if (user != NULL) {
		a->user = *user;
		snprintf(a->password, sizeof(a->password), "%s %s %s", user->address, user->password,
			 user->scram_sha256);
	}
	end(a, err);
}

static struct answer
get_user(const char *address)
{
	struct answer a = {.done = false};
	struct directory_user user;
	if (directory_get_user(dir, str_c(address), &user, &a.found, on_user, &a))
		on_user(&a, a.found ? &user : NULL, NULL);
	else
		wait_for(&a);
	return a;
}

static void
test_domains_and_users(void **state)
{
	(void)state;
	add_domain("example.test");
	add_user("alice@example.test");
	assert_true(is_local("EXAMPLE.test"));
	assert_true(is_local("example.test"));
	assert_false(is_local("example.net"));
	assert_false(is_local("not a domain"));

	for (int round = 0; round < 2; round++) {
		struct answer a = get_user("Alice@example.test");
		assert_true(a.found);
		assert_string_equal(a.password, "alice@example.test $argon2id$x SCRAM-SHA-256$x");
		assert_true(a.user.enabled);
		assert_false(a.user.has_quota);
		assert_true(a.user.created_ms > 0);
		assert_false(get_user("alice+x@example.test").found);
		assert_false(get_user("bob@example.test").found);
		assert_false(get_user("alice@example.net").found);
		assert_false(get_user("alice").found);
	}
	RUN("HSET settings:mailbox default_quota 5M");
	turn(100);
	assert_int_equal(get_user("alice@example.test").user.quota_bytes, 5 << 20);
	/* As an operator may write it. */
	RUN("HSET user:{alice@example.test} quota 7K");
	assert_int_equal(get_user("alice@example.test").user.quota_bytes, 7 << 10);
	RUN("HSET user:{alice@example.test} enabled 0");
	assert_false(get_user("alice@example.test").user.enabled);
	RUN("HSET user:{alice@example.test} enabled 1");
	RUN("HSET domain:{example.test} disabled 1");
	assert_false(get_user("alice@example.test").user.enabled);
	assert_true(is_local("example.test"));
	/* A user that a deleted domain left behind is none. */
	RUN("DEL domain:{example.test}");
	assert_false(get_user("alice@example.test").found);
	assert_false(is_local("example.test"));
}

static void
test_notices(void **state)
{
	(void)state;
	add_domain("example.test");
	turn(50);
	assert_string_equal(resolve("alice@example.test"), "unknown alice@example.test");
	assert_string_equal(resolve_cached("alice@example.test"), "unknown alice@example.test");
	add_user("alice@example.test");
	turn(50);
	assert_string_equal(resolve("alice@example.test"), "user alice@example.test");
	assert_string_equal(resolve_cached("alice@example.test"), "user alice@example.test");
	set_user("alice@example.test", "enabled", "no");
	turn(50);
	assert_string_equal(resolve("alice@example.test"), "disabled alice@example.test");
	RUN("FLUSHALL");
	turn(50);
	assert_string_equal(resolve("alice@example.test"), "not local alice@example.test");
}

/* Who gave an order sees its effect at once, notice or not. */
static void
test_own_orders(void **state)
{
	(void)state;
	add_domain("example.test");
	turn(50);
	assert_string_equal(resolve("alice@example.test"), "unknown alice@example.test");
	struct answer a = {.done = false};
	directory_user_add(dir, STR("alice@example.test"), STR("x"), STR_NONE, NULL, 0, on_done, &a);
	wait_for(&a);
	assert_string_equal(resolve("alice@example.test"), "user alice@example.test");
}

/* What was asked for before a change came is given, but neither cached nor
 * joined by those who ask after it. */
static void
test_race_of_fill_and_notice(void **state)
{
	(void)state;
	add_domain("example.test");
	add_user("alice@example.test");
	turn(50);
	struct answer before = {.done = false}, after = {.done = false};
	assert_false(directory_resolve(dir, STR("alice@example.test"), &before.result, on_resolved, &before));
	directory_forget_key(dir, STR("domain:{example.test}"));
	assert_non_null(dir->detached);
	assert_false(directory_resolve(dir, STR("alice@example.test"), &after.result, on_resolved, &after));
	assert_non_null(dir->fetches);
	wait_for(&before);
	wait_for(&after);
	assert_string_equal(describe(&before), "user alice@example.test");
	assert_string_equal(describe(&after), "user alice@example.test");
	assert_null(dir->detached);
	assert_null(dir->fetches);

	directory_forget_all(dir);
	before = (struct answer){.done = false};
	assert_false(directory_resolve(dir, STR("alice@example.test"), &before.result, on_resolved, &before));
	directory_forget_all(dir);
	wait_for(&before);
	assert_null(cache_find(&dir->cache, STR("domain:{example.test}")));
}

static void
test_cancel(void **state)
{
	(void)state;
	add_domain("example.test");
	turn(50);
	struct answer a = {.done = false}, b = {.done = false};
	directory_resolve(dir, STR("x@example.test"), &a.result, on_resolved, &a);
	directory_resolve(dir, STR("x@example.test"), &b.result, on_resolved, &b);
	directory_cancel(dir, &a);
	wait_for(&b);
	turn(50);
	assert_false(a.done);
	assert_string_equal(describe(&b), "unknown x@example.test");
}

static unsigned watch_count;
static char watched[DIRECTORY_ADDRESS_MAX];

static void
on_watched(void *arg, struct str address)
{
	(void)arg;
	watch_count++;
	str_copy(address, watched, sizeof(watched));
}

static void
test_watch(void **state)
{
	(void)state;
	add_domain("example.test");
	add_user("alice@example.test");
	turn(50);
	directory_watch_users(dir, on_watched, NULL);
	watch_count = 0;
	ORDER(directory_user_passwd, STR("alice@example.test"), STR("new"), STR(""));
	turn(50);
	assert_true(watch_count > 0);
	assert_string_equal(watched, "alice@example.test");
	set_domain("example.test", "disabled", "on");
	turn(50);
	assert_string_equal(watched, "");
}

/* ---- Expanding ---- */
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

/* ---- Trouble ---- */
static void
test_unavailable(void **state)
{
	(void)state;
	add_domain("example.test");
	add_user("alice@example.test");
	turn(50);
	assert_string_equal(resolve("alice@example.test"), "user alice@example.test");
	redis_fixture_kill(&server);
	turn(100);
	assert_string_equal(resolve("bob@example.test"), "unavailable");
	assert_string_equal(expand("bob@example.test"), "unavailable");
	assert_int_equal(add_user("bob@example.test"), ERR_UNAVAILABLE);
	/* What is cached is still answered. */
	assert_string_equal(resolve("alice@example.test"), "user alice@example.test");
	assert_true(redis_fixture_run(&server, false));
	for (int i = 0; i < 100 && strcmp(resolve("bob@example.test"), "unavailable") == 0; i++)
		turn(50);
	turn(500);
	assert_string_equal(resolve("bob@example.test"), "not local bob@example.test");
}

static void
never(void *arg, const struct err *err)
{
	(void)arg;
	(void)err;
	fail();
}

static void
never_resolved(void *arg, const struct directory_result *result, const struct err *err)
{
	(void)arg;
	(void)result;
	(void)err;
	fail();
}

static void
never_expanded(void *arg, const struct directory_target *targets, unsigned count, const struct err *err)
{
	(void)arg;
	(void)targets;
	(void)count;
	(void)err;
	fail();
}

/* Freed with everything under way: nothing is called, orders are carried out. */
static void
test_freed(void **state)
{
	(void)state;
	add_domain("example.test");
	struct directory *d = directory_new(base, redis, NULL, settings);
	struct directory_result result;
	const struct str target = STR("bob@example.test");
	assert_false(directory_resolve(d, STR("x@example.test"), &result, never_resolved, NULL));
	directory_expand(d, STR("y@example.test"), never_expanded, NULL);
	directory_alias_add(d, STR("z@example.test"), &target, 1, never, NULL);
	directory_user_add(d, STR("w@example.test"), STR("x"), STR_NONE, NULL, 0, never, NULL);
	directory_user_add(d, STR("nonsense"), STR("x"), STR_NONE, NULL, 0, never, NULL);
	directory_free(&d);
	assert_null(d);
	turn(100);
	assert_int_equal(number("EXISTS user:{w@example.test}%s", ""), 1);
}

static void
test_cache(void **state)
{
	(void)state;
	struct cache c;
	redisReply none = {.type = REDIS_REPLY_ARRAY, .elements = 0};
	struct record *record = record_new(RECORD_USER, &none);
	cache_init(&c, 3, 50);
	cache_put(&c, STR("a"), record);
	cache_put(&c, STR("b"), record);
	cache_put(&c, STR("c"), record);
	assert_ptr_equal(cache_find(&c, STR("a")), record); /* so b is the oldest */
	cache_put(&c, STR("d"), record);
	assert_null(cache_find(&c, STR("b")));
	assert_non_null(cache_find(&c, STR("a")));
	assert_non_null(cache_find(&c, STR("c")));
	assert_non_null(cache_find(&c, STR("d")));
	cache_drop(&c, STR("a"));
	assert_null(cache_find(&c, STR("a")));
	assert_int_equal(record->references, 3);
	usleep(60000);
	assert_null(cache_find(&c, STR("d")));
	cache_clear(&c);
	assert_int_equal(record->references, 1);
	record_unref(&record);
}

/* ---- The bench ---- */
int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_orders),
		TEST(test_what_belongs_to_logins),
		TEST(test_fields),
		TEST(test_lists),
		TEST(test_large_domain),
		TEST(test_pages),
		TEST(test_versions),
		TEST(test_resolve),
		TEST(test_catch_all_of_itself),
		TEST(test_domains_and_users),
		TEST(test_notices),
		TEST(test_own_orders),
		TEST(test_race_of_fill_and_notice),
		TEST(test_cancel),
		TEST(test_watch),
		TEST(test_expand),
		TEST(test_alias_loops),
		TEST(test_expand_limits),
		TEST(test_unavailable),
		TEST(test_freed),
		cmocka_unit_test(test_cache),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
