#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/lib/mailbox/mailbox_fixture.h"

/* ---- The ledger of deliveries ---- */

static enum err_code
was_filed(const struct mailbox_delivery *d)
{
	begin();
	mailbox_was_filed(store, who, d, on_filed_flag, NULL);
	return finish();
}

/* A message comes to a folder once, whichever ways lead there, and by a way once,
 * whichever folder it leads to by then. */
static void
test_ledger_ways_and_folders(void **state)
{
	struct mailbox_delivery plain = delivery("06h0jyjwz405xbyt4mne", ""), a = plain, b = plain, other = plain;

	(void)state;
	begin_anew();
	a.way = STR("a"), b.way = STR("News"), other.spool_id = STR("06h0jyjwz405xbyt4mnf");
	make_folder("News");
	assert_int_equal(file_one("", &a, 100, 0, 0), ERR_NONE);
	assert_false(got.filed.duplicate);
	assert_int_equal(file_one("", &plain, 100, 0, 0), ERR_NONE);
	assert_true(got.filed.duplicate);
	assert_int_equal(file_one("News", &b, 100, 0, 0), ERR_NONE);
	assert_false(got.filed.duplicate);
	/* The folder is gone, or the way leads elsewhere: filed is filed. */
	assert_int_equal(file_one("", &b, 100, 0, 0), ERR_NONE);
	assert_true(got.filed.duplicate);
	assert_int_equal(file_one("News", &plain, 100, 0, 0), ERR_NONE);
	assert_true(got.filed.duplicate);
	assert_int_equal(file_one("", &other, 100, 0, 0), ERR_NONE);
	assert_false(got.filed.duplicate);
	b.way = STR("a");
	assert_int_equal(file_one("News", &b, 100, 0, 0), ERR_NONE);
	assert_true(got.filed.duplicate);
	/* Refusals come behind the ledger: it is there, though the account is full by now. */
	assert_int_equal(file_one("", &plain, 100, 0, 10), ERR_NONE);
	assert_true(got.filed.duplicate);
	assert_int_equal(open_folder("INBOX"), ERR_NONE);
	assert_int_equal(got.folder.messages, 2);
	assert_int_equal(open_folder("News"), ERR_NONE);
	assert_int_equal(got.folder.messages, 1);
	destroy();
}

static void
test_ledger_knows_who_has_the_reference(void **state)
{
	struct mailbox_delivery d = delivery("06h0jyjwz405xbyt4mne", ""), way = d;

	(void)state;
	begin_anew();
	d.passes_reference = true;
	way.way = STR("way");
	assert_int_equal(file_one("", &d, 100, 0, 0), ERR_NONE);
	d.passes_reference = false;
	assert_int_equal(file_one("", &d, 100, 0, 0), ERR_NONE);
	assert_true(got.filed.duplicate && got.filed.had_passed);
	assert_int_equal(file_one("", &way, 100, 0, 0), ERR_NONE);
	assert_true(got.filed.duplicate && got.filed.had_passed);
	assert_int_equal(was_filed(&way), ERR_NONE);
	assert_true(got.flag && got.passed);
	d.spool_id = STR("06h0jyjwz405xbyt4mnf");
	assert_int_equal(was_filed(&d), ERR_NONE);
	assert_false(got.flag);
	assert_int_equal(file_one("", &d, 100, 0, 0), ERR_NONE);
	assert_int_equal(file_one("", &d, 100, 0, 0), ERR_NONE);
	assert_true(got.filed.duplicate && !got.filed.had_passed);
	destroy();
}

/* The account is deleted and made anew between two tries. */
static void
test_ledger_outlives_the_account(void **state)
{
	struct mailbox_delivery d = delivery("06h0jyjwz405xbyt4mne", ""), fresh = delivery("06h0jyjwz405xbyt4mnf", "");

	(void)state;
	begin_anew();
	assert_int_equal(file_one("", &d, 100, 0, 0), ERR_NONE);
	destroy();
	assert_int_equal(file_one("", &d, 100, 0, 0), ERR_NONE);
	assert_true(got.filed.duplicate);
	/* Without an account nothing comes into being; an APPEND does not ask. */
	command("DEL user:{a@b.test}");
	assert_int_equal(file_one("", &fresh, 100, 0, 0), ERR_DENIED);
	command("HSET user:{a@b.test} address a@b.test");
	destroy();
}

/* ---- All bodies, though messages move ---- */

enum { SPREAD = 150 };

/* The bodies that were seen, by their lengths; and the moves that are made while
 * they are read: behind the reader's back, from what it has yet to read to what
 * it has read. */
static struct reading {
	bool seen[SPREAD + 1];
	unsigned moves; /* to be made yet */
	unsigned moved;
	uint32_t from, to; /* folders */
} reading;

static void
on_moved(void *arg, const struct mailbox_copied *copied, const struct err *err)
{
	(void)arg;
	assert_true(err == NULL && copied->count == 1);
	reading.moved++;
}

static void
on_cold(void *arg, struct str cold)
{
	(void)arg;
	for (size_t at = 0; at < cold.len; at += MAILBOX_COLD_BYTES) {
		struct mailbox_cold record;
		mailbox_cold_unpack(cold.p + at, &record);
		if (record.body.length <= SPREAD)
			reading.seen[record.body.length] = true;
	}
	if (reading.moves != 0) {
		uint32_t uid = reading.moves * MAILBOX_CHUNK_UIDS;
		reading.moves--;
		mailbox_copy(store, who, reading.from, &uid, 1, STR("INBOX"), true, 0, on_moved, NULL);
	}
}

/* One message a chunk, so that a reading takes several calls. */
static void
spread(const char *folder, uint32_t id, unsigned count)
{
	for (unsigned i = 1; i <= count; i++) {
		char text[100];
		snprintf(text, sizeof(text), "HSET mail:{a@b.test}:f:%u uidnext %u", id, i * MAILBOX_CHUNK_UIDS);
		command(text);
		assert_int_equal(file_one(folder, NULL, i, 0, 0), ERR_NONE);
	}
}

static void
test_bodies_that_move_are_seen(void **state)
{
	(void)state;
	begin_anew();
	make_folder("Later");
	assert_int_equal(open_folder("Later"), ERR_NONE);
	reading = (struct reading){.moves = SPREAD, .from = got.folder.id, .to = 1};
	spread("Later", reading.from, SPREAD);
	begin();
	mailbox_read_bodies(store, who, on_cold, on_done, NULL);
	assert_int_equal(finish(), ERR_NONE);
	assert_true(reading.moved != 0);
	for (unsigned i = 1; i <= SPREAD; i++)
		if (!reading.seen[i])
			fail_msg("the body of message %u was not seen", i);
	destroy();
}

static void
test_ledger_life(void **state)
{
	struct mailbox_delivery d = delivery("06h0jyjwz405xbyt4mne", "");
	char ttl[80];

	(void)state;
	begin_anew();
	/* A try that began long ago, of whatever age the message is. */
	d.begun_ms -= MAILBOX_TRY_LIFE_MS + 60000;
	assert_int_equal(file_one("", &d, 100, 0, 0), ERR_FENCED);
	d.begun_ms = clock_unix_ms();
	/* Held for weeks, and nobody can have filed it: a first try as any other. */
	d.spooled_ms -= 40 * day_ms;
	d.in_doubt = true;
	assert_int_equal(file_one("", &d, 100, 0, 0), ERR_FENCED);
	d.in_doubt = false;
	assert_int_equal(file_one("", &d, 100, 0, 0), ERR_NONE);
	assert_false(got.filed.duplicate);
	assert_int_equal(file_one("", &d, 100, 0, 0), ERR_NONE);
	assert_true(got.filed.duplicate);
	snprintf(ttl, sizeof(ttl), "TTL mail:{a@b.test}:filed:%lld", (long long)(d.spooled_ms / day_ms));
	assert_in_range(command(ttl), 12 * 86400 - 7200, 12 * 86400);
	destroy();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ledger_ways_and_folders),
		cmocka_unit_test(test_ledger_knows_who_has_the_reference),
		cmocka_unit_test(test_ledger_outlives_the_account),
		cmocka_unit_test(test_ledger_life),
		cmocka_unit_test(test_bodies_that_move_are_seen),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
