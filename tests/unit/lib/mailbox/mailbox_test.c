/* Mailboxes against a real server: every call, and a random run against a model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <event2/thread.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/mailbox/mailbox.h"
#include "lib/mailbox/name.h"
#include "tests/unit/redis_fixture.h"

static struct redis_fixture server;
static struct event_base *base;
static struct redis *redis;
static struct blob_store *blobs;
static struct mailbox_store *store;

/* What the last call answered, copied. */
static struct answer {
	volatile bool done;
	enum err_code code;
	struct mailbox_filed filed;
	struct mailbox_folder folder;
	char special[40];
	unsigned folders;
	char names[64][80];
	uint32_t hot_count;
	struct mailbox_hot hot[1000];
	struct mailbox_cold cold[1000];
	uint64_t modseq;
	uint32_t uid_count;
	uint32_t uids[1000], to_uids[1000];
	bool complete, flag, passed;
	unsigned keyword_count;
	char keywords[64][40];
} got;

static void
ended(const struct err *err)
{
	got.done = true;
	got.code = err != NULL ? err->code : ERR_NONE;
	if (got.code == ERR_INVALID)
		print_message("%s\n", err->text);
}

static enum err_code
finish(void)
{
	assert_true(redis_fixture_wait(base, &got.done, 10000));
	return got.code;
}

static void
begin(void)
{
	memset(&got, 0, sizeof(got));
}

static void
on_done(void *arg, const struct err *err)
{
	(void)arg;
	ended(err);
}

static void
on_filed(void *arg, const struct mailbox_filed *filed, const struct err *err)
{
	(void)arg;
	if (filed != NULL)
		got.filed = *filed;
	ended(err);
}

static void
take_keywords(const struct str *names, unsigned count)
{
	got.keyword_count = count;
	for (unsigned i = 0; i < count; i++)
		str_copy(names[i], got.keywords[i], sizeof(got.keywords[i]));
}

static void
on_folder(void *arg, const struct mailbox_folder *folder, const struct err *err)
{
	(void)arg;
	if (folder != NULL) {
		got.folder = *folder;
		str_copy(folder->special_use, got.special, sizeof(got.special));
		take_keywords(folder->keywords, folder->keyword_count);
	}
	ended(err);
}

static void
on_folders(void *arg, const struct mailbox_folder *folders, unsigned count, const struct str *missing,
	   unsigned missing_count, const struct err *err)
{
	(void)arg, (void)missing;
	got.folders = count;
	got.uid_count = missing_count;
	for (unsigned i = 0; i < count && i < 64; i++)
		str_copy(folders[i].name, got.names[i], sizeof(got.names[i]));
	ended(err);
}

static void
take_hot(const char *hot, uint32_t count)
{
	got.hot_count = count;
	for (uint32_t i = 0; i < count && i < 1000; i++)
		mailbox_hot_unpack(hot + (size_t)i * MAILBOX_HOT_BYTES, &got.hot[i]);
}

static void
on_records(void *arg, const struct mailbox_records *r, const struct err *err)
{
	(void)arg;
	if (r != NULL) {
		take_hot(r->hot, r->count);
		got.modseq = r->highest_modseq;
		for (uint32_t i = 0; r->cold != NULL && i < r->count && i < 1000; i++)
			mailbox_cold_unpack(r->cold + (size_t)i * MAILBOX_COLD_BYTES, &got.cold[i]);
	}
	ended(err);
}

static void
take_uids(uint32_t *out, const uint32_t *uids, uint32_t count)
{
	got.uid_count = count;
	for (uint32_t i = 0; i < count && i < 1000; i++)
		out[i] = uids[i];
}

static void
on_changes(void *arg, const struct mailbox_changes *c, const struct err *err)
{
	(void)arg;
	if (c != NULL) {
		take_hot(c->records.hot, c->records.count);
		take_uids(got.uids, c->gone_uids, c->gone_count);
		got.complete = c->complete;
		got.modseq = c->records.highest_modseq;
	}
	ended(err);
}

static void
on_stored(void *arg, const struct mailbox_stored *s, const struct err *err)
{
	(void)arg;
	if (s != NULL) {
		take_hot(s->hot, s->count);
		take_uids(got.uids, s->modified_uids, s->modified_count);
		got.modseq = s->modseq;
		take_keywords(s->keywords, s->keyword_count);
	}
	ended(err);
}

static void
on_expunged(void *arg, const struct mailbox_expunged *e, const struct err *err)
{
	(void)arg;
	if (e != NULL) {
		take_uids(got.uids, e->uids, e->count);
		got.modseq = e->modseq;
	}
	ended(err);
}

static void
on_copied(void *arg, const struct mailbox_copied *c, const struct err *err)
{
	(void)arg;
	if (c != NULL) {
		take_uids(got.uids, c->from_uids, c->count);
		take_uids(got.to_uids, c->to_uids, c->count);
		got.modseq = c->modseq;
	}
	ended(err);
}

static void
on_filed_flag(void *arg, bool filed, bool had_passed, const struct err *err)
{
	(void)arg;
	got.flag = filed;
	got.passed = had_passed;
	ended(err);
}

/* ---- Short forms ---- */

static const struct str who = {"a@b.test", 8};

static enum err_code
file_one(const char *folder, const struct mailbox_delivery *delivery, uint64_t size, uint64_t flags, uint64_t quota)
{
	static const struct str keyword = {"$Label1", 7};
	struct mailbox_new_message m = {.flags = flags & 31,
					.body = {0, 0, size},
					.internal_date = 1700000000,
					.zone_minutes = -90,
					.keywords = &keyword,
					.keyword_count = (flags & 32) != 0};
	struct mailbox_filing f = {.address = who,
				   .folder = str_c(folder),
				   .delivery = delivery,
				   .quota_bytes = quota,
				   .messages = &m,
				   .count = 1};
	begin();
	mailbox_file(store, &f, on_filed, NULL);
	return finish();
}

static enum err_code
open_folder(const char *name)
{
	begin();
	mailbox_open(store, who, str_c(name), on_folder, NULL);
	return finish();
}

static enum err_code
select_folder(const char *name, bool take_recent)
{
	begin();
	mailbox_select(store, who, str_c(name), take_recent, on_folder, NULL);
	return finish();
}

static enum err_code
read_folder(uint32_t id, uint32_t first, uint32_t last, uint64_t since)
{
	begin();
	mailbox_read(store, who, id, first, last, MAILBOX_HOT | MAILBOX_COLD, since, on_records, NULL);
	return finish();
}

static enum err_code
store_flags(uint32_t id, const uint32_t *uids, uint32_t count, enum mailbox_store_mode mode, uint16_t flags,
	    const char *keyword, uint64_t unchanged_since)
{
	struct str k = str_c(keyword);
	struct mailbox_flag_change change = {mode, flags, &k, keyword != NULL, unchanged_since, 0};
	begin();
	mailbox_store_flags(store, who, id, uids, count, &change, on_stored, NULL);
	return finish();
}

static enum err_code
expunge(uint32_t id, const uint32_t *uids, uint32_t count, bool only_deleted)
{
	begin();
	mailbox_expunge(store, who, id, uids, count, only_deleted, on_expunged, NULL);
	return finish();
}

static enum err_code
copy(uint32_t from, const uint32_t *uids, uint32_t count, const char *to, bool move)
{
	begin();
	mailbox_copy(store, who, from, uids, count, str_c(to), move, 0, on_copied, NULL);
	return finish();
}

static enum err_code
changes(uint32_t id, uint64_t since)
{
	begin();
	mailbox_read_changes(store, who, id, since, false, on_changes, NULL);
	return finish();
}

static enum err_code
simple(void (*call)(struct mailbox_store *, struct str, struct str, mailbox_on_done *, void *), const char *name)
{
	begin();
	call(store, who, str_c(name), on_done, NULL);
	return finish();
}

static enum err_code
create(const char *name)
{
	begin();
	mailbox_create(store, who, str_c(name), STR_NONE, on_folder, NULL);
	return finish();
}

static enum err_code
rename_folder(const char *from, const char *to)
{
	begin();
	mailbox_rename(store, who, str_c(from), str_c(to), on_done, NULL);
	return finish();
}

static void
destroy(void)
{
	begin();
	mailbox_destroy(store, who, on_done, NULL);
	assert_int_equal(finish(), ERR_NONE);
}

static void
on_number(void *arg, const redisReply *reply, const struct err *err)
{
	(void)arg;
	got.modseq = (uint64_t)redis_i64(reply, 0);
	ended(err);
}

/* A command whose answer is a number. */
static int64_t
command(const char *text)
{
	begin();
	redis_callf(redis, on_number, NULL, text);
	assert_int_equal(finish(), ERR_NONE);
	return (int64_t)got.modseq;
}

static int
setup(void **state)
{
	char url[128];
	struct err err;
	bool never = false;

	(void)state;
	evthread_use_pthreads();
	if (!redis_fixture_start(&server, false))
		return -1;
	base = event_base_new();
	redis = redis_new(base, server.url, &err);
	snprintf(url, sizeof(url), "file:%s/blobs", server.dir);
	blobs = blob_store_open(base, url, &err);
	store = mailbox_store_new(redis, blobs);
	redis_fixture_wait(base, &never, 200);
	if (!redis_is_connected(redis))
		return -1;
	command("HSET user:{a@b.test} address a@b.test");
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	mailbox_store_free(&store);
	redis_free(&redis);
	blob_store_close(&blobs);
	event_base_free(base);
	redis_fixture_stop(&server);
	return 0;
}

/* ---- Tests ---- */

static void
test_records(void **state)
{
	struct mailbox_hot hot = {UINT32_MAX - 1, 0x1f, 0x8100, (UINT64_C(1) << 47) + 3, 77, 88, UINT64_MAX}, hot2;
	struct mailbox_cold cold = {{1, 2, 3}, {4, 5, 6}, -5, 7, -720}, cold2;
	char packed[MAILBOX_COLD_BYTES], again[MAILBOX_COLD_BYTES];

	(void)state;
	mailbox_hot_pack(&hot, packed);
	mailbox_hot_unpack(packed, &hot2);
	mailbox_hot_pack(&hot2, again);
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

/* ---- The ledger of deliveries ---- */

static const int64_t day_ms = 86400000;

static struct mailbox_delivery
delivery(const char *id, const char *way)
{
	return (struct mailbox_delivery){.spool_id = str_c(id),
					 .way = str_c(way),
					 .spooled_ms = clock_unix_ms(),
					 .begun_ms = clock_unix_ms(),
					 .ledger_life_ms = 12 * day_ms};
}

/* The account as it was at first, its ledgers too. */
static void
begin_anew(void)
{
	command("FLUSHALL");
	command("HSET user:{a@b.test} address a@b.test");
}

static enum err_code
was_filed(const struct mailbox_delivery *d)
{
	begin();
	mailbox_was_filed(store, who, d, on_filed_flag, NULL);
	return finish();
}

static void
make_folder(const char *name)
{
	begin();
	mailbox_create(store, who, str_c(name), STR_NONE, on_folder, NULL);
	assert_int_equal(finish(), ERR_NONE);
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
	assert_string_equal(got.names[0], "INBOX");
	assert_string_equal(got.names[1], "Archive");
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
	assert_int_equal(got.uid_count, 1);
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

/* ---- The random run ---- */

enum { MODEL_FOLDERS = 3, MODEL_MESSAGES = 2000, MODEL_STEPS = 1500 };

struct model_message {
	uint32_t uid;
	uint16_t flags;
	uint64_t size, email, modseq;
};

struct model_folder {
	const char *name;
	uint32_t id, uid_next;
	uint32_t recent_from;
	struct model_message messages[MODEL_MESSAGES];
	unsigned count;
	struct {
		uint32_t uid;
		uint64_t modseq;
	} gone[MODEL_MESSAGES];
	unsigned gone_count;
};

static struct model_folder model[MODEL_FOLDERS] = {{.name = "INBOX"}, {.name = "One"}, {.name = "Two/Three"}};

static void
compare(struct model_folder *f)
{
	unsigned unseen = 0;
	uint64_t bytes = 0;

	assert_int_equal(read_folder(f->id, 1, UINT32_MAX, 0), ERR_NONE);
	assert_int_equal(got.hot_count, f->count);
	for (unsigned i = 0; i < f->count; i++) {
		assert_int_equal(got.hot[i].uid, f->messages[i].uid);
		assert_int_equal(got.hot[i].flags, f->messages[i].flags);
		assert_int_equal(got.hot[i].size, f->messages[i].size);
		assert_int_equal(got.hot[i].email_id, f->messages[i].email);
		assert_int_equal(got.hot[i].modseq, f->messages[i].modseq);
		unseen += (f->messages[i].flags & MAILBOX_SEEN) == 0;
		bytes += f->messages[i].size;
	}
	assert_int_equal(open_folder(f->name), ERR_NONE);
	assert_int_equal(got.folder.messages, f->count);
	assert_int_equal(got.folder.unseen, unseen);
	assert_int_equal(got.folder.bytes, bytes);
	assert_int_equal(got.folder.uid_next, f->uid_next);
}

static void
compare_changes(struct model_folder *f, uint64_t since)
{
	unsigned changed = 0, gone = 0;

	assert_int_equal(changes(f->id, since), ERR_NONE);
	for (unsigned i = 0; i < f->count; i++)
		if (f->messages[i].modseq > since)
			assert_int_equal(got.hot[changed++].uid, f->messages[i].uid);
	assert_int_equal(got.hot_count, changed);
	for (unsigned i = 0; i < f->gone_count; i++)
		gone += f->gone[i].modseq > since;
	assert_int_equal(got.uid_count, gone);
	assert_true(got.complete);
}

static void
model_remove(struct model_folder *f, unsigned at, uint64_t modseq)
{
	f->gone[f->gone_count].uid = f->messages[at].uid;
	f->gone[f->gone_count++].modseq = modseq;
	memmove(&f->messages[at], &f->messages[at + 1], (f->count - at - 1) * sizeof(f->messages[0]));
	f->count--;
}

/* What a session is told that selects it, and what it leaves to the next one. */
static void
compare_selected(struct model_folder *f, bool take_recent)
{
	uint32_t recent = 0, first_unseen = 0;

	for (unsigned i = 0; i < f->count; i++) {
		recent += f->messages[i].uid >= f->recent_from;
		if (first_unseen == 0 && (f->messages[i].flags & MAILBOX_SEEN) == 0)
			first_unseen = i + 1;
	}
	assert_int_equal(select_folder(f->name, take_recent), ERR_NONE);
	assert_int_equal(got.folder.recent, recent);
	assert_int_equal(got.folder.first_recent, f->recent_from);
	assert_int_equal(got.folder.first_unseen, first_unseen);
	if (take_recent)
		f->recent_from = f->uid_next;
}

static void
test_random(void **state)
{
	uint64_t newest = 1;

	(void)state;
	srand(7);
	assert_int_equal(create("One"), ERR_NONE);
	assert_int_equal(create("Two/Three"), ERR_NONE);
	for (unsigned i = 0; i < MODEL_FOLDERS; i++) {
		assert_int_equal(open_folder(model[i].name), ERR_NONE);
		model[i].id = got.folder.id;
		model[i].uid_next = model[i].recent_from = 1;
	}
	for (unsigned step = 0; step < MODEL_STEPS; step++) {
		struct model_folder *f = &model[rand() % MODEL_FOLDERS], *g = &model[rand() % MODEL_FOLDERS];
		unsigned what = (unsigned)rand() % 10, at = f->count != 0 ? (unsigned)rand() % f->count : 0;
		uint16_t flags = (uint16_t)(rand() & 31);
		uint64_t size = (uint64_t)(rand() % 10000);

		if (what < 5 || f->count == 0) {
			assert_int_equal(file_one(f->name, NULL, size, flags, 0), ERR_NONE);
			f->messages[f->count++] = (struct model_message){f->uid_next++, flags, size,
									 got.filed.first_email_id, got.filed.modseq};
		} else if (what < 7) {
			assert_int_equal(
				store_flags(f->id, &f->messages[at].uid, 1, MAILBOX_FLAGS_SET, flags, NULL, UINT64_MAX),
				ERR_NONE);
			if (f->messages[at].flags != flags)
				f->messages[at].modseq = got.modseq;
			f->messages[at].flags = flags;
		} else if (what < 8) {
			assert_int_equal(expunge(f->id, &f->messages[at].uid, 1, false), ERR_NONE);
			model_remove(f, at, got.modseq);
		} else {
			bool move = what == 8;
			struct model_message m = f->messages[at];
			assert_int_equal(copy(f->id, &m.uid, 1, g->name, move), ERR_NONE);
			assert_int_equal(got.uid_count, 1);
			assert_int_equal(got.to_uids[0], g->uid_next);
			if (move)
				model_remove(f, at, got.modseq);
			m.uid = g->uid_next++;
			m.modseq = got.modseq;
			g->messages[g->count++] = m;
		}
		compare_selected(&model[rand() % MODEL_FOLDERS], step % 50 == 0);
		if (step % 100 == 0)
			compare_changes(f, newest - (uint64_t)rand() % newest);
		newest = step + 1;
	}
	for (unsigned i = 0; i < MODEL_FOLDERS; i++) {
		compare(&model[i]);
		for (uint64_t since = 1; since < MODEL_STEPS; since += 97)
			compare_changes(&model[i], since);
	}
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
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_ledger_ways_and_folders),
		cmocka_unit_test(test_ledger_knows_who_has_the_reference),
		cmocka_unit_test(test_ledger_outlives_the_account),
		cmocka_unit_test(test_ledger_life),
		cmocka_unit_test(test_bodies_that_move_are_seen),
		cmocka_unit_test(test_many_go_in_slices),
		cmocka_unit_test(test_broken_rename_of_inbox),
		cmocka_unit_test(test_deleted_folder_is_no_more),
		cmocka_unit_test(test_no_key_outlives_the_account),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
