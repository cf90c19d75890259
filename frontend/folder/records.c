/* The known records of a folder. */
#include <string.h>

#include "frontend/folder/private.h"
#include "lib/base/mem.h"

/* ---- Lists of UIDs ---- */

static struct folder_uids *
uids_new(uint32_t capacity)
{
	struct folder_uids *u = mem_alloc(sizeof(*u) + (size_t)capacity * sizeof(u->uids[0]));

	*u = (struct folder_uids){.refs = 1, .capacity = capacity};
	return u;
}

void
folder_uids_unref(struct folder_uids **u)
{
	struct folder_uids *uids = *u;

	*u = NULL;
	if (uids != NULL && --uids->refs == 0)
		mem_free(uids);
}

uint32_t
folder_index_find(const struct folder_index *ix, uint32_t uid, bool *found_out)
{
	uint32_t low = 0, high = folder_index_count(ix);
	const uint32_t *uids = ix->uids != NULL ? ix->uids->uids : NULL;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (uids[middle] < uid)
			low = middle + 1;
		else
			high = middle;
	}
	*found_out = low < folder_index_count(ix) && uids[low] == uid;
	return low;
}

/* ---- Records ---- */

uint64_t
folder_index_group_modseq(const struct folder_index *ix, uint32_t group)
{
	return ix->private->group_modseq[group];
}

static void
records_note_modseq(struct folder_index *ix, uint32_t at)
{
	uint64_t *group = &folder_inside(ix)->group_modseq[at / FOLDER_INDEX_GROUP],
		 modseq = mailbox_hot_modseq(folder_index_record(ix, at));

	if (*group < modseq)
		*group = modseq;
}

/* Of the group of a record, and those behind it. */
static void
records_note_from(struct folder_index *ix, uint32_t at)
{
	struct folder_index_private *p = folder_inside(ix);
	uint32_t group = at / FOLDER_INDEX_GROUP;

	memset(p->group_modseq + group, 0, sizeof(uint64_t) * (p->capacity / FOLDER_INDEX_GROUP + 1 - group));
	for (uint32_t i = group * FOLDER_INDEX_GROUP; i < folder_index_count(ix); i++)
		records_note_modseq(ix, i);
}

static void
records_resize_cold(struct folder_index *ix, uint32_t had, uint32_t capacity)
{
	if (ix->cold == NULL) {
		ix->cold = mem_zalloc((size_t)capacity * MAILBOX_COLD_BYTES);
		return;
	}
	ix->cold = mem_realloc(ix->cold, (size_t)capacity * MAILBOX_COLD_BYTES);
	if (capacity > had)
		memset(ix->cold + (size_t)had * MAILBOX_COLD_BYTES, 0, (size_t)(capacity - had) * MAILBOX_COLD_BYTES);
}

static void
records_resize(struct folder_index *ix, uint32_t capacity)
{
	struct folder_index_private *p = folder_inside(ix);
	size_t had = p->group_modseq != NULL ? p->capacity / FOLDER_INDEX_GROUP + 1 : 0;
	size_t groups = capacity / FOLDER_INDEX_GROUP + 1;

	if (ix->cold != NULL)
		records_resize_cold(ix, p->capacity, capacity);
	folder_texts_resize(ix, p->capacity, capacity);
	p->capacity = capacity;
	ix->hot = mem_realloc(ix->hot, (size_t)capacity * MAILBOX_HOT_BYTES);
	p->group_modseq = mem_realloc(p->group_modseq, groups * sizeof(uint64_t));
	for (size_t i = had; i < groups; i++)
		p->group_modseq[i] = 0;
}

static void
records_reserve(struct folder_index *ix, uint32_t more)
{
	uint32_t count = folder_index_count(ix), need = count + more, room = need + need / 8 + 4;
	struct folder_uids *grown;

	if (folder_inside(ix)->capacity < need)
		records_resize(ix, room);
	if (ix->uids != NULL && ix->uids->capacity >= need)
		return;
	grown = uids_new(room);
	grown->count = count;
	if (ix->uids != NULL)
		memcpy(grown->uids, ix->uids->uids, (size_t)count * sizeof(grown->uids[0]));
	folder_uids_unref(&ix->uids);
	ix->uids = grown;
}

/* The position of a UID. Records come in order, so it is often the one after the last
 * position that was looked up (*at). */
static bool
records_find_next(const struct folder_index *ix, uint32_t uid, uint32_t *at)
{
	bool found;

	if (*at + 1 < folder_index_count(ix) && ix->uids->uids[*at + 1] == uid) {
		(*at)++;
		return true;
	}
	*at = folder_index_find(ix, uid, &found);
	return found;
}

/* Stores a record that is new or changed; a newer one of ours is kept. *at: see
 * records_find_next(). */
static void
records_take(struct folder_index *ix, const char *record, uint32_t *at)
{
	uint32_t uid = mailbox_hot_uid(record), count = folder_index_count(ix);

	if (count == 0 || ix->uids->uids[count - 1] < uid) {
		records_reserve(ix, 1);
		memcpy(ix->hot + (size_t)count * MAILBOX_HOT_BYTES, record, MAILBOX_HOT_BYTES);
		if (ix->cold != NULL)
			memset(ix->cold + (size_t)count * MAILBOX_COLD_BYTES, 0, MAILBOX_COLD_BYTES);
		folder_texts_begin(ix, count);
		ix->uids->uids[ix->uids->count++] = uid;
		records_note_modseq(ix, count);
		return;
	}
	if (!records_find_next(ix, uid, at) ||
	    mailbox_hot_modseq(record) < mailbox_hot_modseq(folder_index_record(ix, *at)))
		return;
	memcpy(ix->hot + (size_t)*at * MAILBOX_HOT_BYTES, record, MAILBOX_HOT_BYTES);
	records_note_modseq(ix, *at);
}

static void
records_move(struct folder_index *ix, uint32_t from, uint32_t to, uint32_t count)
{
	memmove(ix->hot + (size_t)to * MAILBOX_HOT_BYTES, folder_index_record(ix, from),
		(size_t)count * MAILBOX_HOT_BYTES);
	if (ix->cold != NULL)
		memmove(ix->cold + (size_t)to * MAILBOX_COLD_BYTES, ix->cold + (size_t)from * MAILBOX_COLD_BYTES,
			(size_t)count * MAILBOX_COLD_BYTES);
	folder_texts_move(ix, from, to, count);
}

/* The first of the sorted UIDs that is there, and its position; gone_count: none is. */
static uint32_t
records_first_of(const struct folder_index *ix, const uint32_t *gone, uint32_t gone_count, uint32_t *at_out)
{
	bool found = false;

	for (uint32_t i = 0; i < gone_count; i++) {
		*at_out = folder_index_find(ix, gone[i], &found);
		if (found)
			return i;
	}
	return gone_count;
}

/* Sorted UIDs; those that are not there are passed over. What stays between two of
 * them moves as one piece, and what is before the first is not looked at. */
static void
records_drop(struct folder_index *ix, const uint32_t *gone, uint32_t gone_count)
{
	uint32_t count = folder_index_count(ix), first = 0, g = records_first_of(ix, gone, gone_count, &first);
	const uint32_t *uids = ix->uids != NULL ? ix->uids->uids : NULL;
	uint32_t kept = first, at = first;
	struct folder_uids *left;

	if (g == gone_count)
		return;
	left = ix->uids->refs == 1 ? ix->uids : uids_new(count + 4);
	if (left != ix->uids)
		memcpy(left->uids, uids, (size_t)first * sizeof(*uids));
	while (at < count) {
		uint32_t from = at;

		for (; at < count && (g == gone_count || uids[at] < gone[g]); at++)
			continue;
		if (at != from) {
			memmove(left->uids + kept, uids + from, (size_t)(at - from) * sizeof(*uids));
			records_move(ix, from, kept, at - from);
			kept += at - from;
		}
		at += at < count && uids[at] == gone[g];
		g += g < gone_count;
	}
	left->count = kept;
	if (left != ix->uids) {
		folder_uids_unref(&ix->uids);
		ix->uids = left;
	}
	records_note_from(ix, first);
}

/* ---- Cold records ---- */

bool
folder_index_cold(const struct folder_index *ix, uint32_t at, struct mailbox_cold *cold_out)
{
	if (ix->cold == NULL)
		return false;
	mailbox_cold_unpack(ix->cold + (size_t)at * MAILBOX_COLD_BYTES, cold_out);
	return !blob_id_is_none(&cold_out->body);
}

void
folder_index_take_cold(struct folder_index *ix, const struct mailbox_records *records)
{
	uint32_t count = folder_index_count(ix), at = 0;
	bool found;

	if (records->count == 0 || count == 0)
		return;
	if (ix->cold == NULL)
		records_resize_cold(ix, 0, folder_inside(ix)->capacity);
	at = folder_index_find(ix, mailbox_hot_uid(records->hot), &found);
	for (uint32_t i = 0; i < records->count && at < count; i++) { /* both in UID order */
		uint32_t uid = mailbox_hot_uid(records->hot + (size_t)i * MAILBOX_HOT_BYTES);
		while (at < count && ix->uids->uids[at] < uid)
			at++;
		if (at < count && ix->uids->uids[at] == uid)
			memcpy(ix->cold + (size_t)at * MAILBOX_COLD_BYTES,
			       records->cold + (size_t)i * MAILBOX_COLD_BYTES, MAILBOX_COLD_BYTES);
	}
}

void
folder_index_set_digest(struct folder_index *ix, uint32_t uid, const struct blob_id *digest)
{
	struct mailbox_cold cold;
	bool found;
	uint32_t at = folder_index_find(ix, uid, &found);

	if (!found || !folder_index_cold(ix, at, &cold))
		return;
	cold.digest = *digest;
	mailbox_cold_pack(&cold, ix->cold + (size_t)at * MAILBOX_COLD_BYTES);
}

void
folder_index_set_keywords(struct folder_index *ix, const struct str *keywords, unsigned count)
{
	bool changed = false;

	for (unsigned i = 0; i < MAILBOX_KEYWORDS; i++) {
		struct str now = i < count ? keywords[i] : STR_NONE;
		if (str_eq(now, str_c(ix->keywords[i])))
			continue;
		mem_free(ix->keywords[i]);
		ix->keywords[i] = now.len != 0 ? str_dup(now) : NULL;
		changed = true;
	}
	ix->keyword_count = count;
	ix->keywords_version += changed;
}

/* If everything up to the change is known, the index now includes the change. */
static void
records_advance(struct folder_index *ix, uint64_t previous_modseq, uint64_t modseq)
{
	if (!ix->loaded || previous_modseq > ix->folder.highest_modseq || modseq <= ix->folder.highest_modseq)
		return;
	ix->folder.highest_modseq = modseq;
	/* The notice will bring nothing new. */
	folder_follow_push(ix);
}

void
folder_index_take_stored(struct folder_index *ix, const struct mailbox_stored *stored)
{
	uint32_t at = 0, next = 0;

	folder_index_set_keywords(ix, stored->keywords, stored->keyword_count);
	for (uint32_t i = 0; ix->loaded && i < stored->count; i++) {
		const char *record = stored->hot + (size_t)i * MAILBOX_HOT_BYTES;
		if (records_find_next(ix, mailbox_hot_uid(record), &next))
			records_take(ix, record, &at);
	}
	records_advance(ix, stored->previous_modseq, stored->modseq);
}

void
folder_index_take_expunged(struct folder_index *ix, const struct mailbox_expunged *expunged)
{
	if (!ix->loaded || expunged->count == 0)
		return;
	records_drop(ix, expunged->uids, expunged->count);
	records_advance(ix, expunged->previous_modseq, expunged->modseq);
}

void
folder_records_take_counts(struct folder_index *ix, const struct mailbox_folder *folder)
{
	ix->folder = *folder;
	ix->folder.name = STR_NONE;
	ix->folder.special_use = STR_NONE;
	ix->folder.keywords = NULL;
	ix->folder.keyword_count = 0;
}

/* Keeps what was taken for the first watcher that is told of it. */
void
folder_records_note_recent(struct folder_index *ix, const struct mailbox_changes *changes)
{
	if (changes->took_recent)
		folder_recent_add(&ix->recent, changes->folder.first_recent, changes->folder.uid_next - 1);
}

static void
records_forget_all(struct folder_index *ix)
{
	struct folder_index_private *p = folder_inside(ix);

	folder_uids_unref(&ix->uids);
	mem_free(ix->hot);
	mem_free(ix->cold);
	mem_free(p->group_modseq);
	ix->hot = ix->cold = NULL;
	p->group_modseq = NULL;
	p->capacity = 0;
	folder_texts_forget(ix);
}

void
folder_records_replace(struct folder_index *ix)
{
	struct folder_index_private *p = folder_inside(ix);
	struct folder_load *load = p->load;
	const struct mailbox_folder *f = &load->folder;

	records_forget_all(ix);
	ix->uids = load->uids; /* others keep the old list */
	ix->hot = load->hot;
	p->group_modseq = load->group_modseq;
	p->capacity = load->capacity;
	ix->folder.highest_modseq = f->highest_modseq;
	ix->folder.uid_next = f->uid_next;
	ix->folder.uid_validity = f->uid_validity;
	ix->folder.messages = f->messages;
	ix->folder.unseen = f->unseen;
	ix->folder.deleted = f->deleted;
	ix->folder.bytes = f->bytes;
	ix->folder.deleted_bytes = f->deleted_bytes;
	ix->loaded = true;
	load->uids = NULL;
	load->hot = NULL;
	load->group_modseq = NULL;
	folder_load_free(&p->load);
}

void
folder_index_apply(struct folder_index *ix, const struct mailbox_changes *changes)
{
	const struct mailbox_records *records = &changes->records;
	uint32_t at = 0;

	folder_records_note_recent(ix, changes);
	if (!ix->loaded || changes->folder.highest_modseq < ix->folder.highest_modseq)
		return;
	folder_index_set_keywords(ix, changes->folder.keywords, changes->folder.keyword_count);
	for (uint32_t i = 0; i < records->count; i++)
		records_take(ix, records->hot + (size_t)i * MAILBOX_HOT_BYTES, &at);
	records_drop(ix, changes->gone_uids, changes->gone_count);
	folder_records_take_counts(ix, &changes->folder);
}

/* ---- Forgetting ---- */

size_t
folder_records_bytes(const struct folder_index *ix)
{
	size_t each = MAILBOX_HOT_BYTES + sizeof(uint32_t) + (ix->cold != NULL ? MAILBOX_COLD_BYTES : 0);

	return (size_t)folder_index_count(ix) * each + folder_texts_bytes(ix);
}

void
folder_records_forget(struct folder_index *ix)
{
	records_forget_all(ix);
	folder_recent_fini(&ix->recent);
	ix->loaded = false;
	ix->folder.highest_modseq = 0;
}

void
folder_records_free(struct folder_index *ix)
{
	folder_records_forget(ix);
	folder_load_free(&folder_inside(ix)->load);
	for (unsigned i = 0; i < MAILBOX_KEYWORDS; i++)
		mem_free(ix->keywords[i]);
}
