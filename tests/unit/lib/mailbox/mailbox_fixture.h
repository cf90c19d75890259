/* Short forms of the calls for mail. */
#ifndef SP_TESTS_UNIT_MAILBOX_FIXTURE_H
#define SP_TESTS_UNIT_MAILBOX_FIXTURE_H

#include "lib/mailbox/name.h"
#include "tests/unit/lib/mailbox/store_fixture.h"

static inline void
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

static inline void
on_filed_flag(void *arg, bool filed, bool had_passed, const struct err *err)
{
	(void)arg;
	got.flag = filed;
	got.passed = had_passed;
	ended(err);
}

/* ---- Short forms ---- */

static inline enum err_code
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

static inline enum err_code
read_folder(uint32_t id, uint32_t first, uint32_t last, uint64_t since)
{
	begin();
	mailbox_read(store, who, id, first, last, MAILBOX_HOT | MAILBOX_COLD, since, on_records, NULL);
	return finish();
}

static inline enum err_code
store_flags(uint32_t id, const uint32_t *uids, uint32_t count, enum mailbox_store_mode mode, uint16_t flags,
	    const char *keyword, uint64_t unchanged_since)
{
	struct str k = str_c(keyword);
	struct mailbox_flag_change change = {mode, flags, &k, keyword != NULL, unchanged_since, 0};
	begin();
	mailbox_store_flags(store, who, id, uids, count, &change, on_stored, NULL);
	return finish();
}

static inline enum err_code
expunge(uint32_t id, const uint32_t *uids, uint32_t count, bool only_deleted)
{
	begin();
	mailbox_expunge(store, who, id, uids, count, only_deleted, on_expunged, NULL);
	return finish();
}

static inline enum err_code
copy(uint32_t from, const uint32_t *uids, uint32_t count, const char *to, bool move)
{
	begin();
	mailbox_copy(store, who, from, uids, count, str_c(to), move, 0, on_copied, NULL);
	return finish();
}

static inline enum err_code
changes(uint32_t id, uint64_t since)
{
	begin();
	mailbox_read_changes(store, who, id, since, false, on_changes, NULL);
	return finish();
}

static inline enum err_code
create(const char *name)
{
	begin();
	mailbox_create(store, who, str_c(name), STR_NONE, on_folder, NULL);
	return finish();
}

/* ---- The ledger of deliveries ---- */

static const int64_t day_ms = 86400000;

static inline struct mailbox_delivery
delivery(const char *id, const char *way)
{
	return (struct mailbox_delivery){.spool_id = str_c(id),
					 .way = str_c(way),
					 .spooled_ms = clock_unix_ms(),
					 .begun_ms = clock_unix_ms(),
					 .ledger_life_ms = 12 * day_ms};
}

/* The account as it was at first, its ledgers too. */
static inline void
begin_anew(void)
{
	command("FLUSHALL");
	command("HSET user:{a@b.test} address a@b.test");
}

static inline void
make_folder(const char *name)
{
	begin();
	mailbox_create(store, who, str_c(name), STR_NONE, on_folder, NULL);
	assert_int_equal(finish(), ERR_NONE);
}

#endif
