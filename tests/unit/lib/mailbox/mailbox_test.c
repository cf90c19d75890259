/* Mailboxes against a real server: every call, and a random run against a model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/lib/mailbox/hot_pack.h"
#include "tests/unit/lib/mailbox/mailbox_fixture.h"

/* ---- Short forms ---- */

static enum err_code
simple(void (*call)(struct mailbox_store *, struct str, struct str, mailbox_on_done *, void *), const char *name)
{
	begin();
	call(store, who, str_c(name), on_done, NULL);
	return finish();
}

static enum err_code
rename_folder(const char *from, const char *to)
{
	begin();
	mailbox_rename(store, who, str_c(from), str_c(to), on_done, NULL);
	return finish();
}

/* ---- Tests ---- */

static void
test_records(void **state)
{
	struct mailbox_hot hot = {UINT32_MAX - 1, 0x1f, 0x8100, (UINT64_C(1) << 47) + 3, 77, 88, UINT64_MAX}, hot2;
	struct mailbox_cold cold = {{1, 2, 3}, {4, 5, 6}, -5, 7, -720}, cold2;
	char packed[MAILBOX_COLD_BYTES], again[MAILBOX_COLD_BYTES];

	(void)state;
	hot_pack(&hot, packed);
	mailbox_hot_unpack(packed, &hot2);
	hot_pack(&hot2, again);
	assert_memory_equal(packed, again, MAILBOX_HOT_BYTES);
	assert_true(hot2.uid == hot.uid && hot2.flags == hot.flags && hot2.size == hot.size &&
		    hot2.modseq == hot.modseq);
	assert_true(hot2.email_id == hot.email_id && hot2.keywords == hot.keywords);
	mailbox_cold_pack(&cold, packed);
	mailbox_cold_unpack(packed, &cold2);
	assert_memory_equal(&cold.body, &cold2.body, sizeof(cold.body));
	assert_memory_equal(&cold.digest, &cold2.digest, sizeof(cold.digest));
	assert_int_equal(cold2.internal_date, -5);
	assert_int_equal(cold2.zone_minutes, -720);
}

static void
test_filing(void **state)
{
	struct mailbox_delivery d = delivery("06h0jyjwz405xbyt4mne", "");

	(void)state;
	assert_int_equal(file_one("", &d, 100, 0, 0), ERR_NONE);
	assert_int_equal(got.filed.first_uid, 1);
	assert_false(got.filed.duplicate);
	assert_int_equal(file_one("", &d, 100, 0, 0), ERR_NONE);
	assert_true(got.filed.duplicate);
	assert_int_equal(file_one("inbox", NULL, 50, MAILBOX_SEEN | 32, 0), ERR_NONE);
	assert_int_equal(got.filed.first_uid, 2);
	assert_int_equal(file_one("", NULL, 50, 0, 199), ERR_OVER_QUOTA);
	assert_int_equal(file_one("No", NULL, 50, 0, 0), ERR_NOT_FOUND);
	assert_int_equal(file_one("bad//name", NULL, 50, 0, 0), ERR_INVALID);
	begin();
	mailbox_was_filed(store, who, &d, on_filed_flag, NULL);
	assert_int_equal(finish(), ERR_NONE);
	assert_true(got.flag);
	assert_int_equal(open_folder("InBox"), ERR_NONE);
	assert_int_equal(got.folder.messages, 2);
	assert_int_equal(got.folder.unseen, 1);
	assert_int_equal(got.folder.bytes, 150);
	assert_int_equal(got.folder.uid_next, 3);
	assert_string_equal(got.keywords[0], "$Label1");
	assert_int_equal(read_folder(1, 1, UINT32_MAX, 0), ERR_NONE);
	assert_int_equal(got.hot_count, 2);
	assert_int_equal(got.hot[1].keywords, 1);
	assert_int_equal(got.cold[0].internal_date, 1700000000);
	assert_int_equal(got.cold[0].zone_minutes, -90);
	assert_true(got.cold[0].save_date > 1700000000);
	destroy();
}

static void
test_folders(void **state)
{
	(void)state;
	begin();
	mailbox_list(store, who, on_folders, NULL);
	assert_int_equal(finish(), ERR_NONE);
	assert_int_equal(got.folders, 6);
	assert_string_equal(got.seen[0].name, "INBOX");
	assert_string_equal(got.seen[1].name, "Archive");
	assert_int_equal(open_folder("Sent"), ERR_NONE);
	assert_string_equal(got.special, "\\Sent");
	assert_int_equal(create("a/b/c"), ERR_NONE);
	assert_int_equal(create("a/b"), ERR_EXISTS);
	assert_int_equal(open_folder("a"), ERR_NONE);
	assert_int_equal(simple(mailbox_delete, "a/b"), ERR_DENIED);
	assert_int_equal(simple(mailbox_delete, "INBOX"), ERR_DENIED);
	assert_int_equal(simple(mailbox_delete, "nope"), ERR_NOT_FOUND);
	assert_int_equal(rename_folder("a", "x/y"), ERR_NONE);
	assert_int_equal(open_folder("x/y/b/c"), ERR_NONE);
	assert_int_equal(open_folder("a/b"), ERR_NOT_FOUND);
	assert_int_equal(rename_folder("x", "x/y/z"), ERR_DENIED);
	assert_int_equal(rename_folder("x", "Sent"), ERR_EXISTS);
	assert_int_equal(simple(mailbox_delete, "x/y/b/c"), ERR_NONE);
	assert_int_equal(open_folder("x/y/b/c"), ERR_NOT_FOUND);
	assert_int_equal(file_one("", NULL, 10, 0, 0), ERR_NONE);
	assert_int_equal(rename_folder("INBOX", "old"), ERR_NONE);
	assert_int_equal(open_folder("old"), ERR_NONE);
	assert_int_equal(got.folder.messages, 1);
	assert_int_equal(open_folder("INBOX"), ERR_NONE);
	assert_int_equal(got.folder.messages, 0);
	begin();
	mailbox_subscribe(store, who, STR("old"), true, on_done, NULL);
	assert_int_equal(finish(), ERR_NONE);
	assert_int_equal(simple(mailbox_delete, "old"), ERR_NONE);
	begin();
	mailbox_list(store, who, on_folders, NULL);
	assert_int_equal(finish(), ERR_NONE);
	assert_int_equal(got.missing, 1);
	destroy();
}

static void
test_locks(void **state)
{
	(void)state;
	begin();
	mailbox_lock(store, who, STR("one"), 500, on_done, NULL);
	assert_int_equal(finish(), ERR_NONE);
	begin();
	mailbox_lock(store, who, STR("two"), 500, on_done, NULL);
	assert_int_equal(finish(), ERR_EXISTS);
	begin();
	mailbox_lock_renew(store, who, STR("two"), 500, on_done, NULL);
	assert_int_equal(finish(), ERR_FENCED);
	mailbox_unlock(store, who, STR("two"), NULL, NULL);
	mailbox_unlock(store, who, STR("one"), NULL, NULL);
	begin();
	mailbox_lock(store, who, STR("two"), 50, on_done, NULL);
	assert_int_equal(finish(), ERR_NONE);
	usleep(80000);
	begin();
	mailbox_lock(store, who, STR("three"), 50, on_done, NULL);
	assert_int_equal(finish(), ERR_NONE);
	mailbox_unlock(store, who, STR("three"), NULL, NULL);
}

static void
test_flags(void **state)
{
	uint32_t uids[] = {1, 2, 3, 9};
	char name[16];
	uint64_t first;

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(file_one("", NULL, 10, 0, 0), ERR_NONE);
	first = got.filed.modseq;
	assert_int_equal(store_flags(1, uids, 4, MAILBOX_FLAGS_ADD, MAILBOX_SEEN | MAILBOX_DELETED, "Work", UINT64_MAX),
			 ERR_NONE);
	assert_int_equal(got.hot_count, 3);
	assert_true(got.modseq > first);
	assert_int_equal(got.hot[0].flags, MAILBOX_SEEN | MAILBOX_DELETED);
	assert_int_equal(store_flags(1, uids, 1, MAILBOX_FLAGS_ADD, MAILBOX_SEEN, NULL, UINT64_MAX), ERR_NONE);
	assert_int_equal(got.modseq, 0); /* nothing changed */
	assert_int_equal(store_flags(1, uids, 3, MAILBOX_FLAGS_SET, MAILBOX_FLAGGED, NULL, first), ERR_NONE);
	assert_int_equal(got.uid_count, 3); /* all modified since */
	assert_int_equal(store_flags(1, uids + 1, 1, MAILBOX_FLAGS_REMOVE, MAILBOX_DELETED, "work", UINT64_MAX),
			 ERR_NONE);
	assert_int_equal(got.hot[0].flags, MAILBOX_SEEN);
	assert_int_equal(got.hot[0].keywords, 0);
	assert_int_equal(open_folder("INBOX"), ERR_NONE);
	assert_int_equal(got.folder.unseen, 0);
	assert_int_equal(got.folder.deleted, 2);
	assert_int_equal(got.folder.deleted_bytes, 20);
	assert_int_equal(expunge(1, uids, 3, true), ERR_NONE);
	assert_int_equal(got.uid_count, 2);
	assert_int_equal(got.uids[1], 3);
	assert_int_equal(changes(1, first), ERR_NONE);
	assert_int_equal(got.uid_count, 2);
	assert_int_equal(got.hot_count, 1);
	assert_true(got.complete);
	/* 64 keywords fit, those in use stay, others are given up for new ones. */
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "k%d", i);
		assert_int_equal(store_flags(1, uids + 1, 1, MAILBOX_FLAGS_SET, 0, name, UINT64_MAX), ERR_NONE);
	}
	for (int i = 0; i < 63; i++) {
		snprintf(name, sizeof(name), "full%d", i);
		assert_int_equal(store_flags(1, uids + 1, 1, MAILBOX_FLAGS_ADD, 0, name, UINT64_MAX), ERR_NONE);
	}
	assert_int_equal(store_flags(1, uids + 1, 1, MAILBOX_FLAGS_ADD, 0, "onemore", UINT64_MAX), ERR_LIMIT);
	destroy();
}

static void
test_names_in_any_case(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} cases[] = {
		{"News", "news", true},
		{"News", "New", false},
		{"", "", true},
		{"\xc3\x9c"
		 "ber",
		 "\xc3\xbc"
		 "BER",
		 true}, /* Über */
		{"U\xcc\x88"
		 "ber",
		 "\xc3\xbc"
		 "ber",
		 true}, /* decomposed */
		{"Stra\xc3\x9f"
		 "e",
		 "STRASSE", true},
		{"\xce\xa3\xce\x91\xce\xa3", "\xcf\x83\xce\xb1\xcf\x82", true}, /* final sigma */
		{"uber",
		 "\xc3\xbc"
		 "ber",
		 false},
		{"\xff", "\xfe", false}, /* not UTF-8 */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (mailbox_name_eq_any_case(str_c(cases[i].a), str_c(cases[i].b)) != cases[i].same)
			fail_msg("%s, %s", cases[i].a, cases[i].b);
}

/* Files count messages in INBOX. */
static void
file_many(unsigned count)
{
	struct mailbox_new_message *list = mem_alloc(count * sizeof(*list));
	struct mailbox_filing f = {.address = who, .messages = list, .count = count};

	for (unsigned i = 0; i < count; i++)
		list[i] = (struct mailbox_new_message){.body = {0, 0, 10}};
	begin();
	mailbox_file(store, &f, on_filed, NULL);
	assert_int_equal(finish(), ERR_NONE);
	mem_free(list);
}

/* The most messages with one modseq, and how many modseqs there are: each script takes one. */
static uint32_t
most_at_once(unsigned *scripts_out)
{
	uint32_t most = 0, same = 0;

	*scripts_out = 0;
	for (uint32_t i = 0; i < got.hot_count; i++) {
		same = i != 0 && got.hot[i].modseq == got.hot[i - 1].modseq ? same + 1 : 1;
		*scripts_out += same == 1;
		most = same > most ? same : most;
	}
	return most;
}

/* No script changes very many messages, or looks into very many chunks: Redis does
 * nothing else meanwhile. */
static void
test_many_go_in_slices(void **state)
{
	struct mailbox_flag_change flagged = {
		.mode = MAILBOX_FLAGS_ADD, .flags = MAILBOX_FLAGGED, .unchanged_since = UINT64_MAX};
	uint32_t far_apart[40];
	unsigned scripts;

	(void)state;
	begin_anew();
	file_many(900);
	assert_int_equal(rename_folder("INBOX", "old"), ERR_NONE);
	assert_int_equal(open_folder("INBOX"), ERR_NONE);
	assert_int_equal(got.folder.messages, 0);
	assert_int_equal(open_folder("old"), ERR_NONE);
	assert_int_equal(got.folder.messages, 900);
	assert_int_equal(read_folder(got.folder.id, 1, UINT32_MAX, 0), ERR_NONE);
	assert_int_equal(got.hot_count, 900);
	assert_true(most_at_once(&scripts) <= 256);
	for (unsigned i = 0; i < 10; i++)
		file_many(1024);
	for (unsigned i = 0; i < 40; i++)
		far_apart[i] = 901 + i * MAILBOX_CHUNK_UIDS;
	begin();
	mailbox_store_flags(store, who, 1, far_apart, 40, &flagged, on_stored, NULL);
	assert_int_equal(finish(), ERR_NONE);
	assert_int_equal(got.hot_count, 40);
	most_at_once(&scripts);
	assert_true(scripts >= 3);
	destroy();
}

/* What a deleted folder held is counted no more, though it has yet to be reaped:
 * whoever still has it open cannot take it out of the counts once more. */
static void
test_deleted_folder_is_no_more(void **state)
{
	const uint32_t first = 1;
	char text[80];
	uint32_t id;

	(void)state;
	begin_anew();
	make_folder("News");
	assert_int_equal(open_folder("News"), ERR_NONE);
	id = got.folder.id;
	assert_int_equal(file_one("", NULL, 100, 0, 0), ERR_NONE);
	assert_int_equal(file_one("News", NULL, 100, 0, 0), ERR_NONE);
	snprintf(text, sizeof(text), "SADD mail:{a@b.test}:doomed %u", id);
	command(text);
	assert_int_equal(expunge(id, &first, 1, false), ERR_NOT_FOUND);
	assert_int_equal(copy(id, &first, 1, "INBOX", true), ERR_NOT_FOUND);
	assert_int_equal(copy(id, &first, 1, "INBOX", false), ERR_NOT_FOUND);
	assert_int_equal(store_flags(id, &first, 1, MAILBOX_FLAGS_ADD, MAILBOX_SEEN, NULL, UINT64_MAX), ERR_NOT_FOUND);
	assert_int_equal(command("HGET mail:{a@b.test}:meta bytes"), 200);
	destroy();
}

/* An account with a key of every kind: all of them go with it (lib/redis/keys_table.h). */
static void
test_no_key_outlives_the_account(void **state)
{
	struct mailbox_annotation note = {.name = STR("/private/comment"), .value = STR("x")};
	const uint32_t first = 1;

	(void)state;
	begin_anew();
	make_folder("News");
	assert_int_equal(file_one("", NULL, 100, 32, 0), ERR_NONE);
	assert_int_equal(file_one("", NULL, 100, 32, 0), ERR_NONE);
	assert_int_equal(expunge(1, &first, 1, false), ERR_NONE);
	for (uint32_t folder = 0; folder < 2; folder++) {
		begin();
		mailbox_set_metadata(store, who, folder, &note, 1, on_done, NULL);
		assert_int_equal(finish(), ERR_NONE);
	}
	begin();
	mailbox_subscribe(store, who, STR("News"), true, on_done, NULL);
	assert_int_equal(finish(), ERR_NONE);
	assert_int_equal(simple(mailbox_delete, "News"), ERR_NONE);
	begin();
	mailbox_lock(store, who, STR("one"), 60000, on_done, NULL);
	assert_int_equal(finish(), ERR_NONE);
	/* meta, names, fmod, fgone, subs, md, lock; six folders; INBOX: kw, md, chunks, gone, h, c; the user. */
	assert_int_equal(command("DBSIZE"), 7 + 6 + 6 + 1);
	destroy();
	assert_int_equal(command("DBSIZE"), 1);
}

/* ---- A connection that breaks between two slices ---- */

static struct breaker {
	struct redis *redis; /* a connection of its own */
	int64_t at_modseq;
} breaker;

static void
on_modseq(void *arg, const redisReply *reply, const struct err *err)
{
	(void)arg;
	assert_null(err);
	if (redis_i64(reply, 0) >= breaker.at_modseq)
		redis_callf(breaker.redis, NULL, NULL, "CLIENT KILL TYPE normal SKIPME yes");
	else
		redis_callf(breaker.redis, on_modseq, NULL, "HGET mail:{a@b.test}:meta modseq");
}

/* What moved before is there, the rest stayed; none is lost, none is there twice. */
static void
test_broken_rename_of_inbox(void **state)
{
	struct err err;
	uint32_t inbox;

	(void)state;
	begin_anew();
	breaker.redis = redis_new(base, server.url, &err);
	while (!redis_is_connected(breaker.redis))
		event_base_loop(base, EVLOOP_ONCE);
	file_many(900);
	breaker.at_modseq = (int64_t)got.filed.modseq + 3;
	begin();
	mailbox_rename(store, who, STR("INBOX"), STR("old"), on_done, NULL);
	redis_callf(breaker.redis, on_modseq, NULL, "HGET mail:{a@b.test}:meta modseq");
	assert_int_equal(finish(), ERR_UNAVAILABLE);
	while (!redis_is_connected(redis))
		event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(open_folder("INBOX"), ERR_NONE);
	inbox = got.folder.messages;
	assert_int_equal(open_folder("old"), ERR_NONE);
	assert_int_equal(inbox + got.folder.messages, 900);
	assert_true(inbox != 0 && got.folder.messages != 0);
	assert_int_equal(read_folder(got.folder.id, 1, UINT32_MAX, 0), ERR_NONE);
	assert_int_equal(got.hot_count, 900 - inbox);
	for (uint32_t i = 0; i < got.hot_count; i++)
		assert_int_equal(got.hot[i].email_id, i + 1);
	assert_int_equal(read_folder(1, 1, UINT32_MAX, 0), ERR_NONE);
	assert_int_equal(got.hot_count, inbox);
	for (uint32_t i = 0; i < inbox; i++)
		assert_int_equal(got.hot[i].email_id, 900 - inbox + i + 1);
	redis_free(&breaker.redis);
	destroy();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_in_any_case),
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_filing),
		cmocka_unit_test(test_folders),
		cmocka_unit_test(test_locks),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_many_go_in_slices),
		cmocka_unit_test(test_broken_rename_of_inbox),
		cmocka_unit_test(test_deleted_folder_is_no_more),
		cmocka_unit_test(test_no_key_outlives_the_account),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
