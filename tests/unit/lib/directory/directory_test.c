/* The directory against a private redis-server: what it knows, how it hears of changes, what
 * becomes of those who wait. */
#include "tests/unit/lib/directory/directory_fixture.h"

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_domains_and_users),
		TEST(test_notices),
		TEST(test_own_orders),
		TEST(test_race_of_fill_and_notice),
		TEST(test_cancel),
		TEST(test_watch),
		TEST(test_unavailable),
		TEST(test_freed),
		cmocka_unit_test(test_cache),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
