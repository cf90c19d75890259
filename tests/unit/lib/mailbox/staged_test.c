/* The result of a copy that took several steps: keywords, UIDs, chunks. */
#include "tests/unit/lib/mailbox/staging_fixture.h"

/* ---- Keywords ---- */

/* Bits that only messages on their way have are not given to others. */
static void
test_keywords_on_the_way(void **state)
{
	char names[63][8];
	const char *list[63];

	(void)state;
	for (unsigned i = 0; i < 63; i++) {
		snprintf(names[i], sizeof(names[i]), "k%u", i);
		list[i] = names[i];
	}
	for (unsigned step = 5; step < STEPS_MAX; step += 3) {
		scene_begin(60000);
		turns(step);
		if (actor.done) {
			actor_finish();
			actor_end();
			break;
		}
		/* With $Label1, which is on its way, all 64 are used; then as many others. */
		for (unsigned round = 0; round < 2; round++) {
			for (unsigned i = 0; i < 62; i++)
				names[i][0] = (char)('k' + round);
			assert_int_equal(keyword(TO, 1, MAILBOX_FLAGS_SET, NULL, 0), ERR_NONE);
			assert_int_equal(keyword(TO, 1, MAILBOX_FLAGS_SET, list, 62), ERR_NONE);
		}
		actor_finish();
		assert_int_equal(actor.code, ERR_NONE);
		assert_int_equal(status(TO), ERR_NONE);
		assert_int_equal(read_folder(TO), ERR_NONE);
		for (uint32_t i = 0; i < MESSAGES; i++)
			assert_string_equal(keyword_of(got.hot[1 + i].keywords), i % 3 == 0 ? "$Label1" : "");
		actor_end();
	}
}

/* Nor are those that one script has just given. */
static void
test_keywords_of_one_call(void **state)
{
	char names[64][8];
	const char *list[64];
	const uint32_t both[] = {1, 2};

	(void)state;
	command("FLUSHALL");
	create("From");
	create("To");
	for (unsigned i = 0; i < 64; i++) {
		snprintf(names[i], sizeof(names[i]), "k%u", i);
		list[i] = names[i];
	}
	/* One bit is free, all others are in use. */
	file_one("To");
	file_one("To");
	file_one("From");
	file_one("From");
	assert_int_equal(keyword(TO, 1, MAILBOX_FLAGS_SET, list, 63), ERR_NONE);
	list[0] = "new1";
	list[1] = "new2";
	assert_int_equal(keyword(TO, 2, MAILBOX_FLAGS_SET, list, 2), ERR_LIMIT);
	assert_int_equal(keyword(FROM, 1, MAILBOX_FLAGS_SET, list, 1), ERR_NONE);
	assert_int_equal(keyword(FROM, 2, MAILBOX_FLAGS_SET, list + 1, 1), ERR_NONE);
	for (unsigned at_once = 1; at_once <= 2; at_once++) {
		actor_begin(60000);
		actor.store->copy_at_once = at_once;
		actor_copy(FROM, both, 2, "To", 0);
		actor_finish();
		assert_int_equal(actor.code, ERR_LIMIT);
		actor_end();
	}
	/* One that no message has any more is given, and neither of them twice. */
	assert_int_equal(keyword(TO, 1, MAILBOX_FLAGS_SET, list + 2, 61), ERR_NONE);
	actor_begin(60000);
	actor_copy(FROM, both, 2, "To", 0);
	actor_finish();
	actor_end();
	assert_int_equal(actor.code, ERR_NONE);
	assert_int_equal(status(TO), ERR_NONE);
	assert_int_equal(read_folder(TO), ERR_NONE);
	assert_string_equal(keyword_of(got.hot[2].keywords), "new1");
	assert_string_equal(keyword_of(got.hot[3].keywords), "new2");
}

/* ---- Many ---- */

static uint32_t many_uids[RECORDS_MAX];

static void
file_many(const char *folder, uint32_t first, uint32_t count)
{
	struct mailbox_new_message list[1000];

	for (uint32_t done = 0; done < count;) {
		uint32_t some = count - done < 1000 ? count - done : 1000;
		for (uint32_t i = 0; i < some; i++)
			list[i] = (struct mailbox_new_message){.flags = (first + done + i) % 31,
							       .body = {0, 0, first + done + i},
							       .internal_date = first + done + i};
		file(folder, list, some);
		done += some;
	}
}

/* All messages of From, in order, are the last of the folder. */
static void
check_many(uint32_t folder, uint32_t count)
{
	assert_int_equal(read_folder(folder), ERR_NONE);
	assert_true(got.count >= count);
	for (uint32_t i = 0; i < count; i++) {
		const struct mailbox_hot *hot = &got.hot[got.count - count + i];
		assert_int_equal(hot->uid, actor.to[i]);
		assert_int_equal(actor.to[i], actor.to[0] + i);
		assert_int_equal(actor.from[i], i + 1);
		assert_int_equal(hot->size, i + 1);
		assert_int_equal(hot->flags, (i + 1) % 31);
		assert_int_equal(hot->modseq, got.modseq);
		assert_int_equal(got.cold[got.count - count + i].internal_date, i + 1);
	}
}

/* Around the ends of chunks, and of what one mask serves; onto itself; one behind
 * the other; and what is filed, flagged and expunged afterwards. */
static void
test_many(void **state)
{
	static const uint32_t counts[] = {3, 255, 256, 257, 511, 513, 4095, 4096, 4097, 5000};

	(void)state;
	for (uint32_t i = 0; i < RECORDS_MAX; i++)
		many_uids[i] = i + 1;
	for (size_t n = 0; n < sizeof(counts) / sizeof(counts[0]); n++) {
		uint32_t count = counts[n];
		command("FLUSHALL");
		command("HSET user:{a@b.test} address a@b.test");
		create("From");
		create("To");
		actor_begin(60000);
		actor.store->copy_at_once = count < 300 ? 100 : 256;
		actor.store->copy_at_once = count < 10 ? 1 : actor.store->copy_at_once;
		file_many("From", 1, count);
		for (unsigned round = 0; round < 2; round++) {
			actor.done = false;
			actor_copy(FROM, many_uids, count, round == 0 ? "To" : "From", 0);
			actor_finish();
			assert_int_equal(actor.code, ERR_NONE);
			assert_int_equal(actor.count, count);
			check_many(round == 0 ? TO : FROM, count);
		}
		actor_end();
		/* It is a folder as any other. */
		file_one("To");
		assert_int_equal(read_folder(TO), ERR_NONE);
		assert_int_equal(got.count, count + 1);
		assert_int_equal(got.hot[count].uid, got.hot[count - 1].uid + 1);
		assert_int_equal(got.hot[count].size, SIZE);
		for (uint32_t i = 0; i < got.count; i++)
			many_uids[i] = got.hot[i].uid;
		mailbox_expunge(store, who, TO, many_uids, count + 1, false, on_expunged, NULL);
		assert_int_equal(finish(), ERR_NONE);
		assert_int_equal(read_folder(TO), ERR_NONE);
		assert_int_equal(got.count, 0);
		assert_int_equal(keys_like("mail:{a@b.test}:f:8:[hc]:*"), 0);
		for (uint32_t i = 0; i < RECORDS_MAX; i++)
			many_uids[i] = i + 1;
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keywords_on_the_way),
		cmocka_unit_test(test_keywords_of_one_call),
		cmocka_unit_test(test_many),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
