/* Remote accounts in the store: what is due, who may change what, what goes with an account. */
#include "tests/unit/lib/retrieve/retrieve_fixture.h"

static void
test_add(void **state)
{
	struct retrieve_account a = account_new(NULL), b = account_new(NULL);
	int64_t before = clock_unix_ms();
	struct answer got;

	(void)state;
	assert_int_equal(add(&a), ERR_NONE);
	assert_true(due_of(a.id) >= before && due_of(a.id) <= clock_unix_ms());
	assert_int_equal(add(&a), ERR_EXISTS);
	b.enabled = false;
	assert_int_equal(add(&b), ERR_NONE);
	/* Disabled: a worker makes it rest. */
	assert_true(due_of(b.id) > before && due_of(b.id) < RETRIEVE_NEVER_MS);
	got = get(a.id);
	assert_int_equal(got.count, 1);
	assert_string_equal(got.accounts[0].host, "pop.remote.test");
	assert_string_equal(got.state, "");
	assert_int_equal(get("aaaaaaaaaaaa").err.code, ERR_NOT_FOUND);
	assert_int_equal(get("*").err.code, ERR_NOT_FOUND);
}

static void
test_whose(void **state)
{
	struct retrieve_account a = account_new(NULL);

	(void)state;
	a.address = "nobody@example.test";
	assert_int_equal(add(&a), ERR_NOT_FOUND);
	/* It is not due either. */
	assert_int_equal(
		ask("EVAL %s 0 %s", "return #redis.call('ZSCAN', 'retrieve:due', '0', 'MATCH', ARGV[1])[2]", "nobody@*")
			.number,
		0);
	ask("HSET user:{%s} enabled off", "off@example.test", NULL);
	a.address = "off@example.test";
	assert_int_equal(add(&a), ERR_DENIED);
	assert_int_equal(ask("EXISTS retrieve:{%s}", "off@example.test", NULL).number, 0);
}

static void
test_limit(void **state)
{
	struct retrieve_account a;

	(void)state;
	ask("HSET user:{%s} address x", "many@example.test", NULL);
	for (int i = 0; i < RETRIEVE_ACCOUNTS_MAX; i++) {
		a = account_new(NULL);
		a.address = "many@example.test";
		assert_int_equal(add(&a), ERR_NONE);
	}
	a = account_new(NULL);
	a.address = "many@example.test";
	assert_int_equal(add(&a), ERR_LIMIT);
}

/* ---- Changes ---- */

struct meddler {
	unsigned times; /* that somebody else is faster */
	bool enables;	/* and enables the account */
	const char *id;
};

static int
edit_interval(void *arg, struct retrieve_account *a, struct arena *edit_arena, struct err *err)
{
	struct meddler *m = arg;
	struct buf packed = BUF_EMPTY;
	struct retrieve_account changed = *a;

	(void)edit_arena, (void)err;
	if (m->times != 0) {
		/* On its way to the store before our own. */
		m->times--;
		changed.interval_ms += 1000;
		changed.enabled |= m->enables;
		retrieve_account_pack(&changed, &packed);
		redis_callf(redis, NULL, NULL, "HSET retrieve:{" FIXTURE_ADDRESS "} %s %b", m->id, packed.data,
			    packed.len);
		buf_fini(&packed);
	}
	a->keep = RETRIEVE_DELETE;
	return 0;
}

static void
test_change(void **state)
{
	struct retrieve_account a = account_new((const char *const[]){"interval", "10s", NULL});
	struct meddler m = {.times = 2, .id = a.id};
	struct answer done = {.done = false}, got;

	(void)state;
	assert_int_equal(add(&a), ERR_NONE);
	retrieve_change(redis, STR(FIXTURE_ADDRESS), str_c(a.id), edit_interval, &m, 12345, on_done, &done);
	assert_int_equal(wait_for(&done), ERR_NONE);
	got = get(a.id);
	/* Neither change is lost. */
	assert_int_equal(got.accounts[0].keep, RETRIEVE_DELETE);
	assert_int_equal(got.accounts[0].interval_ms, 12000);
	assert_true(due_of(a.id) == 12345);
	m.times = 100;
	done = (struct answer){.done = false};
	retrieve_change(redis, STR(FIXTURE_ADDRESS), str_c(a.id), edit_interval, &m, 1, on_done, &done);
	assert_int_equal(wait_for(&done), ERR_UNAVAILABLE);
	/* It is due before it is changed: whoever dies in between leaves it due. */
	assert_true(due_of(a.id) > clock_unix_ms() && due_of(a.id) <= clock_unix_ms() + 60 * 1000);
}

/* Somebody enables it while it is changed. */
static void
test_change_of_a_disabled_one(void **state)
{
	struct retrieve_account a = account_new((const char *const[]){"enabled", "off", NULL});
	struct meddler m = {.times = 1, .id = a.id, .enables = true};
	struct answer done = {.done = false};

	(void)state;
	assert_int_equal(add(&a), ERR_NONE);
	retrieve_change(redis, STR(FIXTURE_ADDRESS), str_c(a.id), edit_interval, &m, 12345, on_done, &done);
	assert_int_equal(wait_for(&done), ERR_NONE);
	assert_true(get(a.id).accounts[0].enabled);
	assert_true(due_of(a.id) == 12345);
}

static enum err_code
enable(const char *id, bool on, struct str why)
{
	struct answer done = {.done = false};

	retrieve_enable(redis, STR(FIXTURE_ADDRESS), str_c(id), on, why, on_done, &done);
	return wait_for(&done);
}

static bool paced;

static enum err_code
now(const char *id)
{
	struct answer done = {.done = false};

	retrieve_now(redis, STR(FIXTURE_ADDRESS), str_c(id), paced, on_done, &done);
	return wait_for(&done);
}

static void
test_orders(void **state)
{
	struct retrieve_account a = account_new(NULL);
	int64_t before;
	struct answer got;

	(void)state;
	assert_int_equal(add(&a), ERR_NONE);
	assert_int_equal(enable(a.id, false, STR("the remote says no")), ERR_NONE);
	got = get(a.id);
	assert_false(got.accounts[0].enabled);
	assert_string_equal(got.last_error, "the remote says no");
	assert_true(due_of(a.id) < RETRIEVE_NEVER_MS);
	assert_int_equal(now(a.id), ERR_DENIED);
	before = clock_unix_ms();
	assert_int_equal(enable(a.id, true, STR_NONE), ERR_NONE);
	assert_true(due_of(a.id) >= before && due_of(a.id) <= clock_unix_ms());
	assert_string_equal(get(a.id).last_error, "");
	/* During a round its score is the worker's lease, which stays. */
	ask("ZADD retrieve:due 5000000000000 %s",
	    retrieve_member_print((char[RETRIEVE_MEMBER_MAX]){0}, FIXTURE_ADDRESS, a.id).p, NULL);
	ask("HSET retrieve:{" FIXTURE_ADDRESS "}:%s:st state %s", a.id, "running");
	assert_int_equal(now(a.id), ERR_NONE);
	assert_true(due_of(a.id) == 5000000000000);
	assert_true(get(a.id).status.wanted >= before);
	ask("HSET retrieve:{" FIXTURE_ADDRESS "}:%s:st state %s", a.id, "idle");
	assert_int_equal(now(a.id), ERR_NONE);
	assert_true(due_of(a.id) <= clock_unix_ms());
	assert_int_equal(now("aaaaaaaaaaaa"), ERR_NOT_FOUND);
	assert_int_equal(enable("aaaaaaaaaaaa", true, STR_NONE), ERR_NOT_FOUND);
}

static void
set_status(const char *id, const char *field, int64_t value)
{
	char command[200];

	snprintf(command, sizeof(command), "HSET retrieve:{" FIXTURE_ADDRESS "}:%s:st %s %lld", id, field,
		 (long long)value);
	ask(command, NULL, NULL);
}

/* Orders of a user come at most so often. */
static void
test_pace(void **state)
{
	struct retrieve_account a = account_new(NULL);
	struct meddler m = {.id = a.id};
	struct answer done = {.done = false};
	int64_t begun = clock_unix_ms(), wanted;

	(void)state;
	assert_int_equal(add(&a), ERR_NONE);
	set_status(a.id, "last_try", begun);
	paced = true;
	assert_int_equal(now(a.id), ERR_NONE);
	assert_true(due_of(a.id) == begun + RETRIEVE_PAUSE_MS);
	retrieve_change(redis, STR(FIXTURE_ADDRESS), str_c(a.id), edit_interval, &m, RETRIEVE_SOON, on_done, &done);
	assert_int_equal(wait_for(&done), ERR_NONE);
	assert_true(due_of(a.id) == begun + RETRIEVE_PAUSE_MS);
	/* During a round: at its end, but not again and again. */
	ask("HSET retrieve:{" FIXTURE_ADDRESS "}:%s:st state %s", a.id, "running");
	assert_int_equal(now(a.id), ERR_NONE);
	wanted = get(a.id).status.wanted;
	assert_true(wanted >= begun && due_of(a.id) == begun + RETRIEVE_PAUSE_MS);
	assert_int_equal(now(a.id), ERR_NONE);
	assert_true(get(a.id).status.wanted == wanted);
	/* Long ago: at once. */
	ask("HSET retrieve:{" FIXTURE_ADDRESS "}:%s:st state %s", a.id, "idle");
	set_status(a.id, "last_try", begun - RETRIEVE_PAUSE_MS);
	assert_int_equal(now(a.id), ERR_NONE);
	assert_true(due_of(a.id) >= begun && due_of(a.id) <= clock_unix_ms());
	paced = false;
}

/* ---- What may be added ---- */

struct guard {
	struct answer answer; /* first: the arg */
	unsigned asked, seen, most;
	bool meddles; /* another one is added before ours, once */
};

static int
may_add(void *arg, const struct retrieve_entry *entries, unsigned count, struct err *err)
{
	struct guard *g = arg;
	struct buf packed = BUF_EMPTY;

	g->asked++;
	g->seen = count;
	if (g->meddles) {
		g->meddles = false;
		retrieve_account_pack(&entries[0].account, &packed);
		redis_callf(redis, NULL, NULL, "HSET retrieve:{guard@example.test} %s %b", "bbbbbbbbbbbb", packed.data,
			    packed.len);
		buf_fini(&packed);
	}
	return count < g->most ? 0 : err_set(err, ERR_EXISTS, "enough");
}

static enum err_code
add_guarded(struct guard *g)
{
	struct retrieve_account a = account_new(NULL);

	a.address = "guard@example.test";
	retrieve_add(redis, &a, may_add, on_done, g);
	return wait_for(&g->answer);
}

static void
test_guard(void **state)
{
	struct guard first = {.most = 1}, second = {.most = 1}, third = {.most = 2, .meddles = true};

	(void)state;
	ask("HSET user:{guard@example.test} address x", NULL, NULL);
	assert_int_equal(add_guarded(&first), ERR_NONE);
	assert_int_equal(add_guarded(&second), ERR_EXISTS);
	/* It sees the one that was added meanwhile. */
	assert_int_equal(add_guarded(&third), ERR_EXISTS);
	assert_int_equal(third.asked, 2);
	assert_int_equal(third.seen, 2);
	assert_int_equal(ask("HLEN %s", "retrieve:{guard@example.test}", NULL).number, 2);
	assert_int_equal(
		ask("EVAL %s 0 %s", "return #redis.call('ZSCAN', 'retrieve:due', '0', 'MATCH', ARGV[1])[2]", "guard@*")
			.number,
		2);
}

/* ---- Removal ---- */

static void
test_delete(void **state)
{
	struct retrieve_account a = account_new(NULL), b = account_new(NULL);
	struct answer done = {.done = false}, gone = {.done = false}, note = {.done = false};
	const struct str fields[] = {STR("access"), STR("x")};

	(void)state;
	assert_int_equal(add(&a), ERR_NONE);
	assert_int_equal(add(&b), ERR_NONE);
	ask("SET retrieve:{" FIXTURE_ADDRESS "}:%s:l %s", a.id, "x");
	ask("HSET retrieve:{" FIXTURE_ADDRESS "}:%s:f INBOX %s", a.id, "x");
	ask("HSET retrieve:{" FIXTURE_ADDRESS "}:%s:st fence %s", a.id, "1");
	ask("HSET retrieve:{" FIXTURE_ADDRESS "}:%s:pending 1 %s", a.id, "x");
	ask("SET retrieve:{" FIXTURE_ADDRESS "}:%s:l %s", b.id, "x");
	retrieve_delete(redis, STR(FIXTURE_ADDRESS), str_c(a.id), on_done, &done);
	assert_int_equal(wait_for(&done), ERR_NONE);
	assert_int_equal(ask("EVAL %s 0 %s", "return #redis.call('KEYS', 'retrieve:*' .. ARGV[1] .. '*')", a.id).number,
			 0);
	assert_int_equal(due_of(a.id), -1);
	assert_int_equal(get(a.id).err.code, ERR_NOT_FOUND);
	assert_int_equal(get(b.id).count, 1);
	assert_int_equal(ask("EXISTS retrieve:{" FIXTURE_ADDRESS "}:%s:l", b.id, NULL).number, 1);
	/* What comes late writes nothing. */
	retrieve_note(redis, STR(FIXTURE_ADDRESS), str_c(a.id), 2, fields, on_done, &note);
	assert_int_equal(wait_for(&note), ERR_NOT_FOUND);
	done = (struct answer){.done = false};
	retrieve_delete(redis, STR(FIXTURE_ADDRESS), str_c(a.id), on_done, &done);
	assert_int_equal(wait_for(&done), ERR_NOT_FOUND);
	retrieve_forget(redis, STR(FIXTURE_ADDRESS), on_done, &gone);
	assert_int_equal(wait_for(&gone), ERR_NONE);
	assert_int_equal(ask("EVAL %s 0", "return #redis.call('KEYS', 'retrieve:{" FIXTURE_ADDRESS "}*')", NULL).number,
			 0);
	assert_int_equal(due_of(b.id), -1);
	gone = (struct answer){.done = false};
	retrieve_forget(redis, STR(FIXTURE_ADDRESS), on_done, &gone);
	assert_int_equal(wait_for(&gone), ERR_NONE);
}

static void
test_list(void **state)
{
	struct retrieve_account one = account_new(NULL), two = account_new(NULL);
	struct answer list = {.done = false};

	(void)state;
	one.created_ms = 2;
	two.created_ms = 1;
	assert_int_equal(add(&one), ERR_NONE);
	assert_int_equal(add(&two), ERR_NONE);
	/* What a later version may have stored. */
	ask("HSET retrieve:{" FIXTURE_ADDRESS "} zzzzzzzzzzzz %s", "rubbish", NULL);
	retrieve_list(redis, STR(FIXTURE_ADDRESS), on_entries, &list);
	assert_int_equal(wait_for(&list), ERR_NONE);
	assert_int_equal(list.count, 2);
	assert_string_equal(list.accounts[0].id, two.id);
	assert_string_equal(list.accounts[1].id, one.id);
}

static unsigned paged;

static void
on_page(void *arg, const struct str *members, unsigned count, struct str next, const struct err *err)
{
	struct answer *a = arg;
	struct str address, id;

	for (unsigned i = 0; i < count; i++)
		paged += retrieve_member_parse(members[i], &address, &id) ? 1 : 1000000;
	str_copy(next, a->text, sizeof(a->text));
	answer_end(a, err);
}

static void
test_pages(void **state)
{
	struct answer page = {.done = false};
	int64_t all = ask("ZCARD %s", "retrieve:due", NULL).number;
	char cursor[32] = "0";

	(void)state;
	do {
		page = (struct answer){.done = false};
		retrieve_page(redis, str_c(cursor), 500, on_page, &page);
		assert_int_equal(wait_for(&page), ERR_NONE);
		str_copy(str_c(page.text), cursor, sizeof(cursor));
	} while (strcmp(cursor, "0") != 0);
	assert_true(paged >= all && all > 10);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_add),
		cmocka_unit_test(test_whose),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_change),
		cmocka_unit_test(test_orders),
		cmocka_unit_test(test_delete),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_pages),
		cmocka_unit_test(test_change_of_a_disabled_one),
		cmocka_unit_test(test_pace),
		cmocka_unit_test(test_guard),
	};

	return cmocka_run_group_tests(tests, fixture_set_up, fixture_tear_down);
}
