/* Questions to brokers that answer, answer late, do not answer, leave, or do
 * not exist at all: what the result contains, and which brokers it names for
 * what is missing. */
#include "lib/base/mem.h"
#include "tests/unit/lib/admin/fake_brokers.h"

/* ---- Answers ---- */
struct outcome {
	bool done;
	unsigned calls;
	cJSON *result;
	struct err err;
};

static void
on_result(void *arg, cJSON *result, const struct err *err)
{
	struct outcome *o = arg;

	o->done = true;
	o->calls++;
	o->result = result;
	if (err != NULL)
		o->err = *err;
}

static void
await(struct outcome *o)
{
	redis_fixture_wait(base, &o->done, 30000);
	assert_true(o->done);
}

static const Stagepost__QueueFilter any = STAGEPOST__QUEUE_FILTER__INIT;

static struct outcome
ask_list(const char *after, uint64_t limit)
{
	struct outcome o = {.done = false};

	admin_queue_list(brokers, &any, after, limit, on_result, &o);
	await(&o);
	assert_non_null(o.result);
	return o;
}

static const char *
text_of(const cJSON *o, const char *name)
{
	return cJSON_GetStringValue(cJSON_GetObjectItem(o, name));
}

static int
size_of(const cJSON *o, const char *name)
{
	return cJSON_GetArraySize(cJSON_GetObjectItem(o, name));
}

/* This broker alone is missing, with these words. */
static void
check_missing(const cJSON *result, const char *broker, const char *problem)
{
	const cJSON *missing = cJSON_GetObjectItem(result, "missing");

	assert_int_equal(cJSON_GetArraySize(missing), 1);
	if (broker == NULL)
		assert_null(text_of(cJSON_GetArrayItem(missing, 0), "broker"));
	else
		assert_string_equal(text_of(cJSON_GetArrayItem(missing, 0), "broker"), broker);
	assert_string_equal(text_of(cJSON_GetArrayItem(missing, 0), "problem"), problem);
}

static void
check_is_whole(const cJSON *result)
{
	assert_int_equal(size_of(result, "missing"), 0);
	assert_int_equal(size_of(result, "messages"), IDS_MAX);
}

/* ---- All are there ---- */

/* Each page goes on where the one before ended, whatever its size. */
static void
test_pages(void **state)
{
	(void)state;
	for (uint64_t limit = 1; limit <= IDS_MAX + 1; limit++) {
		char after[SPOOL_ID_MAX] = "";
		unsigned n = 0;
		do {
			struct outcome o = ask_list(after, limit);
			const cJSON *m;
			assert_true(size_of(o.result, "messages") <= (int)limit);
			assert_int_equal(size_of(o.result, "missing"), 0);
			cJSON_ArrayForEach (m, cJSON_GetObjectItem(o.result, "messages")) {
				assert_string_equal(text_of(m, "id"), fakes[n % BROKERS].ids[n / BROKERS]);
				n++;
			}
			str_copy(str_c(text_of(o.result, "next")), after, sizeof(after));
			cJSON_Delete(o.result);
		} while (after[0] != '\0');
		assert_int_equal(n, IDS_MAX);
	}
}

static void
test_summary(void **state)
{
	struct outcome o = {.done = false};
	const cJSON *lines, *first;

	(void)state;
	admin_queue_summary(brokers, &any, 2, on_result, &o);
	await(&o);
	lines = cJSON_GetObjectItem(o.result, "destinations");
	assert_int_equal(cJSON_GetArraySize(lines), 2);
	assert_int_equal((int)cJSON_GetNumberValue(cJSON_GetObjectItem(o.result, "count")), 3);
	first = cJSON_GetArrayItem(lines, 0);
	assert_string_equal(text_of(first, "destination"), "shared.test");
	assert_int_equal((int)cJSON_GetNumberValue(cJSON_GetObjectItem(first, "queued")), IDS_MAX);
	cJSON_Delete(o.result);
}

static void
test_orders(void **state)
{
	const char *const ids[] = {fakes[0].ids[0], fakes[1].ids[0], "nonsense"};
	struct outcome o = {.done = false}, all = {.done = false};
	const cJSON *messages;

	(void)state;
	admin_queue_order(brokers, "hold", ids, 3, on_result, &o);
	admin_queue_order_all(brokers, "hold", &any, on_result, &all);
	await(&o);
	await(&all);
	messages = cJSON_GetObjectItem(o.result, "messages");
	assert_int_equal(cJSON_GetArraySize(messages), 3);
	assert_true(cJSON_IsTrue(cJSON_GetObjectItem(cJSON_GetArrayItem(messages, 1), "done")));
	assert_string_equal(text_of(cJSON_GetArrayItem(messages, 2), "text"), "not a message's id");
	assert_int_equal((int)cJSON_GetNumberValue(cJSON_GetObjectItem(all.result, "count")), IDS_MAX);
	assert_int_equal(fakes[0].ordered, IDS_MAX / BROKERS); /* each once, in several pages */
	assert_int_equal(fakes[1].ordered, IDS_MAX / BROKERS);
	cJSON_Delete(o.result);
	cJSON_Delete(all.result);
}

/* ---- One is not ---- */

/* What the others have is told, the silent one named, and the loop goes on
 * meanwhile: a second call waits beside the first and not behind it. */
static void
test_silent(void **state)
{
	struct outcome first = {.done = false}, second = {.done = false};
	int64_t start_ms;

	(void)state;
	cJSON_Delete(ask_list("", 100).result);
	fakes[1].conduct = SILENT;
	start_ms = clock_monotonic_ms();
	admin_queue_list(brokers, &any, "", 100, on_result, &first);
	admin_queue_list(brokers, &any, "", 100, on_result, &second);
	while (fakes[1].asked != 3)
		turn(5);
	assert_false(first.done);
	await(&first);
	await(&second);
	assert_true(clock_monotonic_ms() - start_ms >= ANSWER_MS);
	check_missing(first.result, "two", "a broker did not answer: its messages are not listed");
	check_missing(second.result, "two", "a broker did not answer: its messages are not listed");
	assert_int_equal(size_of(first.result, "messages"), IDS_MAX / BROKERS);
	cJSON_Delete(first.result);
	cJSON_Delete(second.result);
}

/* An answer that comes when nobody waits for it any more is not taken for one to
 * the next question. */
static void
test_late(void **state)
{
	struct outcome o;

	(void)state;
	fakes[1].conduct = LATE;
	o = ask_list("", 100);
	check_missing(o.result, "two", "a broker did not answer: its messages are not listed");
	cJSON_Delete(o.result);
	fakes[1].conduct = SILENT;
	o = ask_list("", 100); /* meanwhile it comes */
	check_missing(o.result, "two", "a broker did not answer: its messages are not listed");
	assert_int_equal(size_of(o.result, "messages"), IDS_MAX / BROKERS);
	cJSON_Delete(o.result);
	fakes[1].conduct = ANSWERS;
	o = ask_list("", 100);
	check_is_whole(o.result);
	cJSON_Delete(o.result);
}

/* Its loss ends the waiting. */
static void
test_lost_while_asked(void **state)
{
	struct outcome o = {.done = false};
	int64_t start_ms;

	(void)state;
	cJSON_Delete(ask_list("", 100).result);
	admin_brokers_set_limits(brokers, OWNERS_MS, 600000);
	fakes[1].conduct = SILENT;
	admin_queue_list(brokers, &any, "", 100, on_result, &o);
	while (fakes[1].asked != 2)
		turn(5);
	start_ms = clock_monotonic_ms();
	leave(&fakes[1]);
	await(&o);
	assert_true(clock_monotonic_ms() - start_ms < 25000);
	check_missing(o.result, "two", "a broker was lost: its messages are not listed");
	assert_int_equal(size_of(o.result, "messages"), IDS_MAX / BROKERS);
	cJSON_Delete(o.result);
}

static void
test_lost_between_two_questions(void **state)
{
	struct outcome o;

	(void)state;
	o = ask_list("", 100);
	check_is_whole(o.result);
	cJSON_Delete(o.result);
	leave(&fakes[1]);
	turn(7000); /* its announcement is seen to have gone */
	for (unsigned i = 0; i < 2; i++) {
		o = ask_list("", 100);
		check_missing(o.result, "two", "a broker was lost: its messages are not listed");
		assert_int_equal(size_of(o.result, "messages"), IDS_MAX / BROKERS);
		cJSON_Delete(o.result);
	}
	/* Another takes its shard over: then nothing is missing, without a new start. */
	redis_callf(admin.redis, NULL, NULL, "HSET cluster:shards 1 one");
	for (int64_t until = clock_monotonic_ms() + 20000; clock_monotonic_ms() < until;) {
		int missing;
		o = ask_list("", 100);
		missing = size_of(o.result, "missing");
		cJSON_Delete(o.result);
		if (missing == 0)
			return;
	}
	fail_msg("the shard's new owner is not found");
}

static void
test_shard_without_owner(void **state)
{
	struct outcome o;

	(void)state;
	announce(&fakes[0]);
	o = ask_list("", 100);
	check_missing(o.result, NULL, "1 of 2 shards have no broker: their messages are not listed");
	assert_int_equal(size_of(o.result, "messages"), IDS_MAX / BROKERS);
	cJSON_Delete(o.result);
}

/* As when a shard is taken over: its owner is waited for. */
static void
test_owner_comes(void **state)
{
	struct outcome o = {.done = false};

	(void)state;
	admin_brokers_set_limits(brokers, 600000, ANSWER_MS);
	announce(&fakes[0]);
	admin_queue_list(brokers, &any, "", 100, on_result, &o);
	turn(500);
	assert_false(o.done);
	announce(&fakes[1]);
	await(&o);
	check_is_whole(o.result);
	cJSON_Delete(o.result);
}

static void
test_no_broker_was_ever_here(void **state)
{
	struct outcome o = {.done = false};

	(void)state;
	redis_callf(admin.redis, NULL, NULL, "DEL cluster:shard-count");
	admin_queue_list(brokers, &any, "", 100, on_result, &o);
	await(&o);
	assert_null(o.result);
	assert_int_equal(o.err.code, ERR_NOT_FOUND);
	/* One that comes later is found. */
	redis_callf(admin.redis, NULL, NULL, "SET cluster:shard-count %u", BROKERS);
	announce(&fakes[0]);
	announce(&fakes[1]);
	o = ask_list("", 100);
	check_is_whole(o.result);
	cJSON_Delete(o.result);
}

/* ---- Nobody waits any more ---- */
static void
test_cancelled(void **state)
{
	struct outcome waiting = {.done = false}, asked = {.done = false};
	struct admin_call *call;

	(void)state;
	/* While owners are waited for ... */
	call = admin_queue_list(brokers, &any, "", 100, on_result, &waiting);
	admin_cancel(&call);
	assert_null(call);
	announce(&fakes[0]);
	announce(&fakes[1]);
	cJSON_Delete(ask_list("", 100).result);
	/* ... and while answers are. */
	fakes[1].conduct = SILENT;
	call = admin_queue_list(brokers, &any, "", 100, on_result, &asked);
	while (fakes[1].asked != 2)
		turn(5);
	admin_cancel(&call);
	turn(ANSWER_MS + 300);
	/* One is under way when the brokers are let go. */
	admin_queue_list(brokers, &any, "", 100, on_result, &asked);
	turn(100);
	admin_brokers_free(&brokers);
	turn(100);
	assert_int_equal(waiting.calls + asked.calls, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_pages, setup_announced, teardown),
		cmocka_unit_test_setup_teardown(test_summary, setup_announced, teardown),
		cmocka_unit_test_setup_teardown(test_orders, setup_announced, teardown),
		cmocka_unit_test_setup_teardown(test_silent, setup_announced, teardown),
		cmocka_unit_test_setup_teardown(test_late, setup_announced, teardown),
		cmocka_unit_test_setup_teardown(test_lost_while_asked, setup_announced, teardown),
		cmocka_unit_test_setup_teardown(test_lost_between_two_questions, setup_announced, teardown),
		cmocka_unit_test_setup_teardown(test_shard_without_owner, setup, teardown),
		cmocka_unit_test_setup_teardown(test_owner_comes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_broker_was_ever_here, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancelled, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
