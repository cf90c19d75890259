/* Claims and the ledger: who has lost his lease writes nothing, however late he wakes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "delivery-worker/retrieve/ledger.h"
#include "lib/base/arena.h"
#include "lib/redis/keys.h"
#include "tests/unit/redis_fixture.h"

#define ADDRESS STR("a@example.test")
#define ID	STR("abcdefghijkl")
#define KEY	"retrieve:{a@example.test}"
#define MEMBER	"a@example.test abcdefghijkl"

static struct redis_fixture fixture;
static struct event_base *base;
static struct redis *redis;

struct answer {
	bool done;
	struct err err;
	int64_t number;
	size_t elements;
	char text[400];
	char parts[4][100];
};

static void
on_answer(void *arg, const redisReply *reply, const struct err *err)
{
	struct answer *a = arg;

	a->done = true;
	a->err = err != NULL ? *err : (struct err){.code = ERR_NONE};
	a->number = redis_i64(reply, -1);
	str_copy(redis_str(reply), a->text, sizeof(a->text));
	if (reply == NULL || reply->type != REDIS_REPLY_ARRAY)
		return;
	a->elements = reply->elements;
	for (size_t i = 0; i < reply->elements && i < 4; i++)
		str_copy(redis_str(reply->element[i]), a->parts[i], sizeof(a->parts[i]));
	if (reply->elements > 1)
		a->number = redis_i64(reply->element[1], -1);
}

static enum err_code
wait_for(struct answer *a)
{
	assert_true(redis_fixture_wait(base, &a->done, 10000));
	return a->err.code;
}

static struct answer
ask(const char *command)
{
	struct answer a = {.done = false};
	struct str words[16], rest = str_c(command), word;
	size_t count = 0;

	while (str_next_word(&rest, "|", &word))
		words[count++] = word;
	redis_call(redis, on_answer, &a, count, words);
	assert_int_equal(wait_for(&a), ERR_NONE);
	return a;
}

static int64_t
begin(const char *worker, enum err_code expected)
{
	struct answer a = {.done = false};

	claim_begin(redis, ADDRESS, ID, worker, on_answer, &a);
	assert_int_equal(wait_for(&a), expected);
	return a.number;
}

/* ---- Writes of messages ---- */
struct written {
	bool done;
	enum err_code code;
};

static void
on_written(void *arg, const struct err *err)
{
	struct written *w = arg;

	w->done = true;
	w->code = err != NULL ? err->code : ERR_NONE;
}

static struct ledger_entry
pending(const char *id, const char *kept, struct written *w)
{
	return (struct ledger_entry){
		.remote_id = str_c(id), .pending = str_c(kept), .on_written = on_written, .arg = w};
}

static struct ledger_entry
done(const char *id, uint64_t hash, struct written *w)
{
	return (struct ledger_entry){.remote_id = str_c(id),
				     .record = {hash, hash + 1, 20000},
				     .has_record = true,
				     .was_pending = true,
				     .counts = true,
				     .bytes = 100,
				     .on_written = on_written,
				     .arg = w};
}

static enum err_code
write_one(struct ledger *l, struct ledger_entry e, struct written *w)
{
	w->done = false;
	ledger_write(l, &e);
	assert_true(redis_fixture_wait(base, &w->done, 10000));
	return w->code;
}

static bool
place(void *arg, struct str *folder_out, struct buf *place_out)
{
	if (arg == NULL)
		return false;
	*folder_out = STR("INBOX");
	buf_add_c(place_out, arg);
	return true;
}

static void
test_a_message_goes_through(void **state)
{
	struct ledger l;
	struct written w, many[300];
	struct ledger_entry entries[300];

	(void)state;
	ledger_init(&l, redis, ADDRESS, ID, begin("one", ERR_NONE));
	l.on_place = place;
	l.arg = (char *)"7 12";
	assert_int_equal(write_one(&l, pending("u1", "envelope", &w), &w), ERR_NONE);
	assert_string_equal(ask("HGET|" KEY ":abcdefghijkl:pending|u1").text, "envelope");
	assert_string_equal(ask("HGET|" KEY ":abcdefghijkl:f|INBOX").text, "7 12");
	assert_int_equal(write_one(&l, done("u1", 5, &w), &w), ERR_NONE);
	assert_int_equal(ask("HLEN|" KEY ":abcdefghijkl:pending").number, 0);
	assert_int_equal(ask("STRLEN|" KEY ":abcdefghijkl:l").number, LEDGER_RECORD);
	assert_string_equal(ask("HGET|" KEY ":abcdefghijkl:st|messages").text, "1");
	assert_string_equal(ask("HGET|" KEY ":abcdefghijkl:st|bytes").text, "100");
	/* A place waits for the write that is on its way, and stays as it was. */
	l.arg = (char *)"7 13";
	many[0] = (struct written){.done = false};
	entries[0] = pending("u3", "envelope", &many[0]);
	ledger_write(&l, &entries[0]);
	l.arg = (char *)"7 14";
	ledger_write_place(&l);
	l.arg = NULL;
	assert_true(redis_fixture_wait(base, &many[0].done, 10000));
	assert_string_equal(ask("HGET|" KEY ":abcdefghijkl:f|INBOX").text, "7 14");
	/* Many at once go in few calls, and all are told. */
	for (unsigned i = 0; i < 300; i++) {
		many[i] = (struct written){.done = false};
		entries[i] = done("u2", i, &many[i]);
		ledger_write(&l, &entries[i]);
	}
	assert_true(redis_fixture_wait(base, &many[299].done, 10000));
	for (unsigned i = 0; i < 300; i++)
		assert_true(many[i].done && many[i].code == ERR_NONE);
	assert_int_equal(ask("STRLEN|" KEY ":abcdefghijkl:l").number, 301 * LEDGER_RECORD);
	ledger_stop(&l);
}

/* ---- The sleeper ---- */
static enum err_code
call_status(struct ledger *l, bool ends)
{
	const struct str fields[] = {STR("last_error"), STR("late")};
	struct answer a = {.done = false};

	ledger_status(l, ends, fields, 2, on_answer, &a);
	return wait_for(&a);
}

static void
test_a_sleeper_changes_nothing(void **state)
{
	struct ledger sleeper, other;
	struct answer kept = {.done = false}, rewritten = {.done = false}, forgotten = {.done = false};
	struct written w;
	struct str id = STR("u1");

	(void)state;
	ledger_init(&sleeper, redis, ADDRESS, ID, begin("one", ERR_NONE));
	assert_int_equal(write_one(&sleeper, pending("u1", "of one", &w), &w), ERR_NONE);
	begin("two", ERR_EXISTS); /* its lease has not ended */
	ask("HSET|" KEY ":abcdefghijkl:st|until_ms|1");
	ledger_init(&other, redis, ADDRESS, ID, begin("two", ERR_NONE));
	assert_true(other.fence > sleeper.fence);
	assert_int_equal(write_one(&sleeper, pending("u2", "late", &w), &w), ERR_FENCED);
	assert_int_equal(write_one(&sleeper, done("u1", 77, &w), &w), ERR_FENCED);
	assert_int_equal(call_status(&sleeper, false), ERR_FENCED);
	assert_int_equal(call_status(&sleeper, true), ERR_FENCED);
	ledger_keep(&sleeper, on_answer, &kept);
	assert_int_equal(wait_for(&kept), ERR_FENCED);
	ledger_rewrite(&sleeper, 0, STR("x"), on_answer, &rewritten);
	assert_int_equal(wait_for(&rewritten), ERR_FENCED);
	ledger_forget(&sleeper, &id, 1, STR_NONE, STR_NONE, on_answer, &forgotten);
	assert_int_equal(wait_for(&forgotten), ERR_FENCED);
	assert_string_equal(ask("HGET|" KEY ":abcdefghijkl:pending|u1").text, "of one");
	assert_int_equal(ask("HLEN|" KEY ":abcdefghijkl:pending").number, 1);
	assert_int_equal(ask("EXISTS|" KEY ":abcdefghijkl:l").number, 0);
	/* Whoever has the account goes on. */
	assert_int_equal(write_one(&other, done("u1", 1, &w), &w), ERR_NONE);
	assert_int_equal(ask("STRLEN|" KEY ":abcdefghijkl:l").number, LEDGER_RECORD);
}

/* The account was deleted meanwhile: nothing of it comes back. */
static void
test_a_deleted_account_stays_away(void **state)
{
	struct ledger l;
	struct written w;

	(void)state;
	ledger_init(&l, redis, ADDRESS, ID, begin("one", ERR_NONE));
	ask("DEL|" KEY "|" KEY ":abcdefghijkl:st");
	assert_int_equal(write_one(&l, pending("u1", "late", &w), &w), ERR_FENCED);
	assert_int_equal(ask("EXISTS|" KEY ":abcdefghijkl:pending").number, 0);
	begin("one", ERR_NOT_FOUND);
}

static void
test_a_rewrite_needs_the_ledger_as_it_was_read(void **state)
{
	struct ledger l;
	struct answer a = {.done = false}, b = {.done = false};
	struct written w;

	(void)state;
	ledger_init(&l, redis, ADDRESS, ID, begin("one", ERR_NONE));
	assert_int_equal(write_one(&l, done("u1", 1, &w), &w), ERR_NONE);
	ledger_rewrite(&l, 0, STR("short"), on_answer, &a);
	assert_int_equal(wait_for(&a), ERR_NONE);
	assert_int_equal(ask("STRLEN|" KEY ":abcdefghijkl:l").number, LEDGER_RECORD);
	ledger_rewrite(&l, LEDGER_RECORD, STR("short"), on_answer, &b);
	assert_int_equal(wait_for(&b), ERR_NONE);
	assert_string_equal(ask("GET|" KEY ":abcdefghijkl:l").text, "short");
}

/* ---- What is due ---- */
static struct answer
claim(unsigned most)
{
	struct answer a = {.done = false};

	claim_due(redis, most, on_answer, &a);
	assert_int_equal(wait_for(&a), ERR_NONE);
	return a;
}

static void
test_a_claim_is_one_workers(void **state)
{
	struct answer first, second, moved = {.done = false}, ignored = {.done = false};

	(void)state;
	ask("ZADD|retrieve:due|5|" MEMBER "|8000000000000000|b@example.test mnopqrstuvwx");
	first = claim(10);
	assert_int_equal(first.elements, 2);
	assert_string_equal(first.parts[0], MEMBER);
	second = claim(10);
	assert_int_equal(second.elements, 0);
	/* Somebody wants it now: the claim's end does not move that. */
	ask("ZADD|retrieve:due|6|" MEMBER);
	claim_put_off(redis, STR(MEMBER), str_c(first.parts[1]), 60000, on_answer, &ignored);
	assert_int_equal(wait_for(&ignored), ERR_NONE);
	assert_string_equal(ask("ZSCORE|retrieve:due|" MEMBER).text, "6");
	second = claim(10);
	assert_int_equal(second.elements, 2);
	claim_put_off(redis, STR(MEMBER), str_c(second.parts[1]), 60000, on_answer, &moved);
	assert_int_equal(wait_for(&moved), ERR_NONE);
	assert_string_equal(ask("ZSCORE|retrieve:due|" MEMBER).text, moved.text);
	assert_int_equal(claim(10).elements, 0);
}

static int64_t
connect_to(const char *who)
{
	struct answer a = {.done = false};

	claim_host(redis, "pop.example.net", str_c(who), on_answer, &a);
	assert_int_equal(wait_for(&a), ERR_NONE);
	return a.number;
}

static void
test_few_connections_to_a_host(void **state)
{
	(void)state;
	assert_int_equal(connect_to("a"), 1);
	assert_int_equal(connect_to("b"), 1);
	assert_int_equal(connect_to("c"), 1);
	assert_int_equal(connect_to("d"), 0);
	assert_int_equal(connect_to("a"), 1); /* keeps it */
	claim_host_free(redis, "pop.example.net", STR("b"));
	assert_int_equal(connect_to("d"), 1);
	assert_true(ask("PTTL|retrieve:host:pop.example.net").number > 0);
}

static int
setup_each(void **state)
{
	(void)state;
	ask("FLUSHALL");
	ask("HSET|" KEY "|abcdefghijkl|packed");
	return 0;
}

static int
setup(void **state)
{
	struct answer a = {.done = false};

	(void)state;
	assert_true(redis_fixture_start(&fixture, false));
	base = event_base_new();
	redis = redis_new(base, fixture.url, NULL);
	while (!redis_is_connected(redis))
		event_base_loop(base, EVLOOP_ONCE);
	redis_call(redis, on_answer, &a, 1, (const struct str[]){STR("PING")});
	return wait_for(&a) == ERR_NONE ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	redis_free(&redis);
	event_base_free(base);
	redis_fixture_stop(&fixture);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_a_message_goes_through, setup_each),
		cmocka_unit_test_setup(test_a_sleeper_changes_nothing, setup_each),
		cmocka_unit_test_setup(test_a_deleted_account_stays_away, setup_each),
		cmocka_unit_test_setup(test_a_rewrite_needs_the_ledger_as_it_was_read, setup_each),
		cmocka_unit_test_setup(test_a_claim_is_one_workers, setup_each),
		cmocka_unit_test_setup(test_few_connections_to_a_host, setup_each),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
