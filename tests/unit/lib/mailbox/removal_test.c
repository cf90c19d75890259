/* A deleted folder: all of it goes, some chunks at a time, with one reference each. */
#include "lib/redis/redis.h"
#include "tests/unit/lib/mailbox/mailbox_fixture.h"

enum { PACK = 9, CHUNKS = 5, MESSAGES = CHUNKS * MAILBOX_CHUNK_UIDS - 10 };

static void
file_messages(const char *folder)
{
	static struct mailbox_new_message list[MESSAGES];
	struct mailbox_filing f = {.address = who, .folder = str_c(folder), .messages = list, .count = 900};

	for (uint32_t i = 0; i < MESSAGES; i++)
		list[i] = (struct mailbox_new_message){.body = {PACK, 100 + i, 10}, .digest = {PACK, 100000 + i, 10}};
	for (uint32_t at = 0; at < MESSAGES; at += f.count) {
		f.messages = list + at;
		f.count = MESSAGES - at < f.count ? MESSAGES - at : f.count;
		begin();
		mailbox_file(store, &f, on_filed, NULL);
		assert_int_equal(finish(), ERR_NONE);
	}
}

static void
wait_until_removed(void)
{
	while (redis_pending(redis) != 0)
		event_base_loop(base, EVLOOP_ONCE);
}

/* Each body and digest has three references: two of them are somebody else's. */
static void
test_all_of_a_folder_goes(void **state)
{
	char text[120];

	(void)state;
	begin_anew();
	make_folder("Old");
	file_messages("Old");
	snprintf(text, sizeof(text), "%d", MESSAGES);
	redis_callf(redis, on_number, NULL, "EVAL %s 0 %s",
		    "for i = 0, ARGV[1] - 1 do redis.call('HSET', 'blobrefs:{0000000000000009}', 100 + i, 2, 100000 + "
		    "i, 2) end",
		    text);
	begin();
	mailbox_delete(store, who, STR("Old"), on_done, NULL);
	assert_int_equal(finish(), ERR_NONE);
	wait_until_removed();
	assert_int_equal(command("EXISTS mail:{a@b.test}:doomed mail:{a@b.test}:f:7 mail:{a@b.test}:f:7:chunks "
				 "mail:{a@b.test}:f:7:h:0 mail:{a@b.test}:f:7:c:0 mail:{a@b.test}:f:7:h:4"),
			 0);
	assert_int_equal(command("HGET blobrefs:{0000000000000009} 100"), 1);
	begin();
	redis_callf(redis, on_number, NULL, "EVAL %s 0",
		    "local n = 0 for _, v in ipairs(redis.call('HVALS', 'blobrefs:{0000000000000009}')) do n = n + v "
		    "end return n");
	assert_int_equal(finish(), ERR_NONE);
	assert_int_equal(got.number, 2 * MESSAGES);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_of_a_folder_goes)};

	return cmocka_run_group_tests(tests, setup, teardown);
}
