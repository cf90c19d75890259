/* Short forms of the calls for folders of items. */
#ifndef SP_TESTS_UNIT_ITEMS_FIXTURE_H
#define SP_TESTS_UNIT_ITEMS_FIXTURE_H

#include "tests/unit/lib/mailbox/store_fixture.h"

static inline void
on_folder_changes(void *arg, const struct mailbox_folder_changes *c, const struct err *err)
{
	(void)arg;
	for (uint32_t i = 0; c != NULL && i < c->count; i++) {
		const struct mailbox_folder_change *change = &c->list[i];

		see_folder(&change->folder, change->modseq);
		got.seen[i].id = change->id;
		got.seen[i].class = change->class;
		got.seen[i].gone = change->gone;
	}
	if (c != NULL) {
		got.modseq = c->modseq;
		got.complete = c->complete;
	}
	ended(err);
}

static inline void
on_place(void *arg, const struct mailbox_place *place, const struct err *err)
{
	(void)arg;
	if (place != NULL)
		got.place = *place;
	ended(err);
}

static inline void
on_quota(void *arg, const struct mailbox_quota *used, const struct err *err)
{
	(void)arg;
	if (used != NULL)
		got.quota = *used;
	ended(err);
}

static inline void
on_put(void *arg, const struct mailbox_put_done *put, const struct err *err)
{
	(void)arg;
	if (put != NULL)
		got.put = *put;
	ended(err);
}

static inline void
on_texts(void *arg, const struct str *texts, uint32_t count, const struct err *err)
{
	(void)arg;
	got.texts = count;
	for (uint32_t i = 0; i < count; i++)
		str_copy(texts[i], got.text[i], sizeof(got.text[i]));
	ended(err);
}

static inline void
on_extra_set(void *arg, uint64_t modseq, const struct err *err)
{
	(void)arg;
	got.modseq = modseq;
	ended(err);
}

/* ---- Short forms ---- */

static inline enum err_code
items(unsigned classes, bool make_first)
{
	begin();
	mailbox_items(store, who, classes, make_first, on_folders, NULL);
	return finish();
}

static inline enum err_code
list(void)
{
	begin();
	mailbox_list(store, who, on_folders, NULL);
	return finish();
}

static inline enum err_code
create(enum mailbox_class class, const char *name)
{
	begin();
	if (class == MAILBOX_MAIL)
		mailbox_create(store, who, str_c(name), STR_NONE, on_folder, NULL);
	else
		mailbox_create_items(store, who, class, str_c(name), on_folder, NULL);
	return finish();
}

static inline enum err_code
open_id(uint32_t id)
{
	begin();
	mailbox_status(store, who, id, on_folder, NULL);
	return finish();
}

static inline enum err_code
rename_id(uint32_t id, const char *to)
{
	begin();
	mailbox_rename_id(store, who, id, str_c(to), on_done, NULL);
	return finish();
}

static inline enum err_code
delete_id(uint32_t id)
{
	begin();
	mailbox_delete_id(store, who, id, on_done, NULL);
	return finish();
}

static inline enum err_code
reclass(uint32_t id, enum mailbox_class class)
{
	begin();
	mailbox_reclass(store, who, id, class, on_done, NULL);
	return finish();
}

static inline enum err_code
folders_since(unsigned classes, uint64_t since)
{
	begin();
	mailbox_folders_since(store, who, classes, since, on_folder_changes, NULL);
	return finish();
}

static inline enum err_code
find_email(uint64_t email_id)
{
	begin();
	mailbox_find_email(store, who, email_id, on_place, NULL);
	return finish();
}

static inline enum err_code
file_many(unsigned count)
{
	struct mailbox_new_message *messages = mem_alloc(count * sizeof(*messages));
	struct mailbox_filing f = {.address = who, .messages = messages, .count = count};

	for (unsigned i = 0; i < count; i++)
		messages[i] = (struct mailbox_new_message){.body = {0, 0, 10}, .flags = 0xffff};
	begin();
	mailbox_file(store, &f, on_filed, NULL);
	mem_free(messages);
	return finish();
}

static inline enum err_code
store_flags(uint32_t uid, enum mailbox_store_mode mode, uint16_t flags, uint16_t mask)
{
	struct mailbox_flag_change change = {.mode = mode, .flags = flags, .mask = mask, .unchanged_since = UINT64_MAX};

	begin();
	mailbox_store_flags(store, who, 1, &uid, 1, &change, on_stored, NULL);
	return finish();
}

static inline enum err_code
expunge(uint32_t folder_id, uint32_t uid)
{
	begin();
	mailbox_expunge(store, who, folder_id, &uid, 1, false, on_expunged, NULL);
	return finish();
}

static inline enum err_code
move(uint32_t from, uint32_t uid, const char *to)
{
	begin();
	mailbox_copy(store, who, from, &uid, 1, str_c(to), true, 0, on_copied, NULL);
	return finish();
}

static inline enum err_code
put(const struct mailbox_put *p)
{
	struct mailbox_put one = *p;

	one.address = who;
	if (one.unchanged_since == 0)
		one.unchanged_since = UINT64_MAX;
	begin();
	mailbox_put(store, &one, on_put, NULL);
	return finish();
}

static inline enum err_code
read_all(uint32_t folder_id)
{
	begin();
	mailbox_read(store, who, folder_id, 1, UINT32_MAX, MAILBOX_HOT | MAILBOX_COLD, 0, on_records, NULL);
	return finish();
}

static inline enum err_code
find_item(uint32_t folder_id, const unsigned char *key, const char *name)
{
	begin();
	mailbox_find_item(store, who, folder_id, key, str_c(name), on_place, NULL);
	return finish();
}

/* In got.text. */
static inline void
get_texts(bool names, uint32_t folder_id, uint32_t first_uid, uint32_t count)
{
	uint32_t uids[8];

	for (uint32_t i = 0; i < count; i++)
		uids[i] = first_uid + i;
	begin();
	if (names)
		mailbox_get_names(store, who, folder_id, uids, count, on_texts, NULL);
	else
		mailbox_get_extra(store, who, folder_id, uids, count, on_texts, NULL);
	assert_int_equal(finish(), ERR_NONE);
	assert_int_equal(got.texts, count);
}

static inline enum err_code
set_extra(uint32_t folder_id, uint32_t uid, const char *extra, uint64_t unchanged_since)
{
	begin();
	mailbox_set_extra(store, who, folder_id, uid, str_c(extra), unchanged_since, on_extra_set, NULL);
	return finish();
}

static inline uint32_t
make_calendar(void)
{
	assert_int_equal(create(MAILBOX_CALENDAR, "Mine"), ERR_NONE);
	return got.folder.id;
}

static inline struct mailbox_quota
quota(void)
{
	begin();
	mailbox_quota_used(store, who, on_quota, NULL);
	assert_int_equal(finish(), ERR_NONE);
	return got.quota;
}

#endif
