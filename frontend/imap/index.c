/* Folders' records in this process. */
#include "frontend/imap/index.h"

#include <stdio.h>
#include <string.h>

#include <uthash.h>
#include <utlist.h>

#include "frontend/imap/push.h"
#include "frontend/imap/view.h"
#include "lib/base/bytes.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"

enum { POLL_S = 30, KEY_MAX = 360 };

struct waiter {
	imap_index_on_fresh *cb;
	void *arg;
	struct waiter *next;
};

struct imap_index_private {
	struct imap_index index; /* first: found from it */
	char key[KEY_MAX];
	unsigned refs;				    /* views, and calls of the store under way */
	bool reading;				    /* a read is under way */
	bool spare;				    /* in the list of those that nobody has selected */
	struct waiter *served;			    /* owner; whom the read under way serves */
	struct waiter *next;			    /* owner; whom the next one will */
	uint32_t capacity;			    /* records of hot */
	uint64_t *group_modseq;			    /* owner; for each group of records */
	unsigned poll_turn;			    /* seconds of POLL_S */
	struct tracking_subscription *subscription; /* owner; while it has views */
	struct imap_index_private *spare_prev, *spare_next;
	UT_hash_handle hh;
};

static struct {
	struct imap_index_private *table;
	struct imap_index_private *spare; /* the oldest first */
	size_t spare_bytes;
	struct event *poll; /* owner; once the first index is there */
	unsigned turn, made;
} all;

static void start_read(struct imap_index *ix);

static struct imap_index_private *
inside(struct imap_index *ix)
{
	return ix->private;
}

/* ---- Lists of UIDs ---- */

static struct imap_uids *
uids_new(uint32_t capacity)
{
	struct imap_uids *u = mem_alloc(sizeof(*u) + (size_t)capacity * sizeof(u->uids[0]));

	*u = (struct imap_uids){.refs = 1, .capacity = capacity};
	return u;
}

void
imap_uids_unref(struct imap_uids **u)
{
	struct imap_uids *uids = *u;

	*u = NULL;
	if (uids != NULL && --uids->refs == 0)
		mem_free(uids);
}

uint32_t
imap_index_find(const struct imap_index *ix, uint32_t uid, bool *found_out)
{
	uint32_t low = 0, high = imap_index_count(ix);
	const uint32_t *uids = ix->uids != NULL ? ix->uids->uids : NULL;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (uids[middle] < uid)
			low = middle + 1;
		else
			high = middle;
	}
	*found_out = low < imap_index_count(ix) && uids[low] == uid;
	return low;
}

/* ---- Records ---- */

uint64_t
imap_index_group_modseq(const struct imap_index *ix, uint32_t group)
{
	return ix->private->group_modseq[group];
}

static void
note_modseq(struct imap_index *ix, uint32_t at)
{
	uint64_t *group = &inside(ix)->group_modseq[at / IMAP_INDEX_GROUP],
		 modseq = bytes_get_u48(imap_index_record(ix, at) + 12);

	if (*group < modseq)
		*group = modseq;
}

static void
note_all(struct imap_index *ix)
{
	memset(inside(ix)->group_modseq, 0, sizeof(uint64_t) * (inside(ix)->capacity / IMAP_INDEX_GROUP + 1));
	for (uint32_t i = 0; i < imap_index_count(ix); i++)
		note_modseq(ix, i);
}

static void
resize_cold(struct imap_index *ix, uint32_t had, uint32_t capacity)
{
	ix->cold = mem_realloc(ix->cold, (size_t)capacity * MAILBOX_COLD_BYTES);
	if (capacity > had)
		memset(ix->cold + (size_t)had * MAILBOX_COLD_BYTES, 0, (size_t)(capacity - had) * MAILBOX_COLD_BYTES);
}

static void
resize(struct imap_index *ix, uint32_t capacity)
{
	struct imap_index_private *p = inside(ix);
	size_t had = p->group_modseq != NULL ? p->capacity / IMAP_INDEX_GROUP + 1 : 0;
	size_t groups = capacity / IMAP_INDEX_GROUP + 1;

	if (ix->cold != NULL)
		resize_cold(ix, p->capacity, capacity);
	p->capacity = capacity;
	ix->hot = mem_realloc(ix->hot, (size_t)capacity * MAILBOX_HOT_BYTES);
	p->group_modseq = mem_realloc(p->group_modseq, groups * sizeof(uint64_t));
	for (size_t i = had; i < groups; i++)
		p->group_modseq[i] = 0;
}

static void
reserve(struct imap_index *ix, uint32_t more)
{
	uint32_t count = imap_index_count(ix), need = count + more, room = need + need / 8 + 4;
	struct imap_uids *grown;

	if (inside(ix)->capacity < need)
		resize(ix, room);
	if (ix->uids != NULL && ix->uids->capacity >= need)
		return;
	grown = uids_new(room);
	grown->count = count;
	if (ix->uids != NULL)
		memcpy(grown->uids, ix->uids->uids, (size_t)count * sizeof(grown->uids[0]));
	imap_uids_unref(&ix->uids);
	ix->uids = grown;
}

/* A record that is new or changed; what we know to be newer stays. */
static void
take_record(struct imap_index *ix, const char *record)
{
	uint32_t uid = bytes_get_u32(record), count = imap_index_count(ix), at;
	bool found;

	if (count == 0 || ix->uids->uids[count - 1] < uid) {
		reserve(ix, 1);
		memcpy(ix->hot + (size_t)count * MAILBOX_HOT_BYTES, record, MAILBOX_HOT_BYTES);
		if (ix->cold != NULL)
			memset(ix->cold + (size_t)count * MAILBOX_COLD_BYTES, 0, MAILBOX_COLD_BYTES);
		ix->uids->uids[ix->uids->count++] = uid;
		note_modseq(ix, count);
		return;
	}
	at = imap_index_find(ix, uid, &found);
	if (!found || bytes_get_u48(record + 12) < bytes_get_u48(imap_index_record(ix, at) + 12))
		return;
	memcpy(ix->hot + (size_t)at * MAILBOX_HOT_BYTES, record, MAILBOX_HOT_BYTES);
	note_modseq(ix, at);
}

static void
move_record(struct imap_index *ix, uint32_t from, uint32_t to)
{
	memcpy(ix->hot + (size_t)to * MAILBOX_HOT_BYTES, imap_index_record(ix, from), MAILBOX_HOT_BYTES);
	if (ix->cold != NULL)
		memcpy(ix->cold + (size_t)to * MAILBOX_COLD_BYTES, ix->cold + (size_t)from * MAILBOX_COLD_BYTES,
		       MAILBOX_COLD_BYTES);
}

/* Sorted UIDs; those that are not there are passed over. */
static void
drop_records(struct imap_index *ix, const uint32_t *gone, uint32_t gone_count)
{
	uint32_t count = imap_index_count(ix), kept = 0, g = 0;
	struct imap_uids *left;
	bool any = false, found;

	for (uint32_t i = 0; i < gone_count && !any; i++) {
		imap_index_find(ix, gone[i], &found);
		any = found;
	}
	if (!any)
		return;
	left = ix->uids->refs == 1 ? ix->uids : uids_new(count + 4);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t uid = ix->uids->uids[i];
		while (g < gone_count && gone[g] < uid)
			g++;
		if (g < gone_count && gone[g] == uid)
			continue;
		if (kept != i)
			move_record(ix, i, kept);
		left->uids[kept++] = uid;
	}
	left->count = kept;
	if (left != ix->uids) {
		imap_uids_unref(&ix->uids);
		ix->uids = left;
	}
	note_all(ix);
}

/* ---- Cold records ---- */

bool
imap_index_cold(const struct imap_index *ix, uint32_t at, struct mailbox_cold *cold_out)
{
	if (ix->cold == NULL)
		return false;
	mailbox_cold_unpack(ix->cold + (size_t)at * MAILBOX_COLD_BYTES, cold_out);
	return !blob_id_is_none(&cold_out->body);
}

void
imap_index_take_cold(struct imap_index *ix, const struct mailbox_records *records)
{
	uint32_t count = imap_index_count(ix), at = 0;
	bool found;

	if (records->count == 0 || count == 0)
		return;
	if (ix->cold == NULL)
		resize_cold(ix, 0, inside(ix)->capacity);
	at = imap_index_find(ix, bytes_get_u32(records->hot), &found);
	for (uint32_t i = 0; i < records->count && at < count; i++) { /* both in order of UID */
		uint32_t uid = bytes_get_u32(records->hot + (size_t)i * MAILBOX_HOT_BYTES);
		while (at < count && ix->uids->uids[at] < uid)
			at++;
		if (at < count && ix->uids->uids[at] == uid)
			memcpy(ix->cold + (size_t)at * MAILBOX_COLD_BYTES,
			       records->cold + (size_t)i * MAILBOX_COLD_BYTES, MAILBOX_COLD_BYTES);
	}
}

void
imap_index_set_digest(struct imap_index *ix, uint32_t uid, const struct blob_id *digest)
{
	struct mailbox_cold cold;
	bool found;
	uint32_t at = imap_index_find(ix, uid, &found);

	if (!found || !imap_index_cold(ix, at, &cold))
		return;
	cold.digest = *digest;
	mailbox_cold_pack(&cold, ix->cold + (size_t)at * MAILBOX_COLD_BYTES);
}

void
imap_index_set_keywords(struct imap_index *ix, const struct str *keywords, unsigned count)
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

/* Everything up to the change is known: so it is with the change. */
static void
advance(struct imap_index *ix, uint64_t previous_modseq, uint64_t modseq)
{
	if (!ix->loaded || previous_modseq > ix->folder.highest_modseq || modseq <= ix->folder.highest_modseq)
		return;
	ix->folder.highest_modseq = modseq;
	/* The notice will bring nothing new. */
	imap_push(ix);
}

void
imap_index_take_stored(struct imap_index *ix, const struct mailbox_stored *stored)
{
	imap_index_set_keywords(ix, stored->keywords, stored->keyword_count);
	for (uint32_t i = 0; ix->loaded && i < stored->count; i++) {
		const char *record = stored->hot + (size_t)i * MAILBOX_HOT_BYTES;
		bool found;
		imap_index_find(ix, bytes_get_u32(record), &found);
		if (found)
			take_record(ix, record);
	}
	advance(ix, stored->previous_modseq, stored->modseq);
}

void
imap_index_take_expunged(struct imap_index *ix, const struct mailbox_expunged *expunged)
{
	if (!ix->loaded || expunged->count == 0)
		return;
	drop_records(ix, expunged->uids, expunged->count);
	advance(ix, expunged->previous_modseq, expunged->modseq);
}

/* Name and keywords are borrowed in what the store gives. */
static void
take_counts(struct imap_index *ix, const struct mailbox_folder *folder)
{
	ix->folder = *folder;
	ix->folder.name = STR_NONE;
	ix->folder.special_use = STR_NONE;
	ix->folder.keywords = NULL;
	ix->folder.keyword_count = 0;
}

/* ---- Reading ---- */

static void release(struct imap_index *ix);

static void
answer(struct imap_index *ix, const struct err *err)
{
	struct imap_index_private *p = inside(ix);

	while (p->served != NULL) {
		struct waiter *w = p->served;
		p->served = w->next;
		w->cb(w->arg, err);
		mem_free(w);
	}
}

/* A read has ended: whoever waited is told, then those who are pushed to. */
static void
end_read(struct imap_index *ix, const struct err *err)
{
	struct imap_index_private *p = inside(ix);

	p->reading = false;
	if (err != NULL && err->code == ERR_NOT_FOUND)
		ix->gone = true;
	answer(ix, err);
	if (err == NULL || ix->gone)
		imap_push(ix);
	if (p->next != NULL && !p->reading && ix->frontend->mailboxes != NULL)
		start_read(ix);
	release(ix);
}

static void
count_records(struct imap_index *ix)
{
	struct mailbox_folder *f = &ix->folder;

	f->messages = imap_index_count(ix);
	f->unseen = f->deleted = 0;
	f->bytes = f->deleted_bytes = 0;
	for (uint32_t i = 0; i < f->messages; i++) {
		struct mailbox_hot hot;
		mailbox_hot_unpack(imap_index_record(ix, i), &hot);
		f->unseen += (hot.flags & MAILBOX_SEEN) == 0;
		f->bytes += hot.size;
		if ((hot.flags & MAILBOX_DELETED) == 0)
			continue;
		f->deleted++;
		f->deleted_bytes += hot.size;
	}
}

static void
on_loaded(void *arg, const struct mailbox_records *records, const struct err *err)
{
	struct imap_index *ix = arg;

	if (err != NULL) {
		end_read(ix, err);
		return;
	}
	/* Views keep the old list. */
	imap_uids_unref(&ix->uids);
	mem_free(ix->cold);
	ix->cold = NULL;
	ix->uids = uids_new(records->count + 4);
	resize(ix, records->count + 4);
	memcpy(ix->hot, records->hot, (size_t)records->count * MAILBOX_HOT_BYTES);
	for (uint32_t i = 0; i < records->count; i++)
		ix->uids->uids[i] = bytes_get_u32(imap_index_record(ix, i));
	ix->uids->count = records->count;
	ix->folder.highest_modseq = records->highest_modseq;
	ix->folder.uid_next = records->uid_next;
	ix->folder.uid_validity = records->uid_validity;
	note_all(ix);
	count_records(ix);
	ix->loaded = true;
	end_read(ix, NULL);
}

bool
imap_index_takes_recent(const struct imap_index *ix)
{
	const struct imap_view *v;

	DL_FOREACH (ix->views, v)
		if (imap_view_takes_recent(v))
			return true;
	return false;
}

/* What was taken waits for the first session that is told of it. */
static void
note_recent(struct imap_index *ix, const struct mailbox_changes *changes)
{
	if (changes->took_recent)
		imap_recent_add(&ix->recent, changes->folder.first_recent, changes->folder.uid_next - 1);
}

static void
on_changes(void *arg, const struct mailbox_changes *changes, const struct err *err)
{
	struct imap_index *ix = arg;

	if (err == NULL && !changes->complete && changes->folder.highest_modseq != ix->folder.highest_modseq) {
		/* The log does not reach back to us: all anew. */
		note_recent(ix, changes);
		mailbox_read(ix->frontend->mailboxes, str_c(ix->address), ix->folder_id, 1, UINT32_MAX, MAILBOX_HOT, 0,
			     on_loaded, ix);
		return;
	}
	if (err == NULL)
		imap_index_apply(ix, changes);
	end_read(ix, err);
}

void
imap_index_apply(struct imap_index *ix, const struct mailbox_changes *changes)
{
	const struct mailbox_records *records = &changes->records;

	note_recent(ix, changes);
	if (!ix->loaded || changes->folder.highest_modseq < ix->folder.highest_modseq)
		return;
	imap_index_set_keywords(ix, changes->folder.keywords, changes->folder.keyword_count);
	for (uint32_t i = 0; i < records->count; i++)
		take_record(ix, records->hot + (size_t)i * MAILBOX_HOT_BYTES);
	drop_records(ix, changes->gone_uids, changes->gone_count);
	take_counts(ix, &changes->folder);
}

static void
start_read(struct imap_index *ix)
{
	struct imap_index_private *p = inside(ix);
	struct mailbox_store *store = ix->frontend->mailboxes;

	CHECK(!p->reading && p->served == NULL);
	p->reading = true;
	p->refs++;
	p->served = p->next;
	p->next = NULL;
	if (!ix->loaded)
		mailbox_read(store, str_c(ix->address), ix->folder_id, 1, UINT32_MAX, MAILBOX_HOT, 0, on_loaded, ix);
	else
		mailbox_read_changes(store, str_c(ix->address), ix->folder_id, ix->folder.highest_modseq,
				     imap_index_takes_recent(ix), on_changes, ix);
}

void
imap_index_refresh(struct imap_index *ix, imap_index_on_fresh *cb, void *arg)
{
	struct imap_index_private *p = inside(ix);
	struct waiter *w = mem_new(struct waiter);

	*w = (struct waiter){.cb = cb, .arg = arg};
	LL_APPEND(p->next, w);
	if (!p->reading)
		start_read(ix);
}

/* ---- Notices ---- */

static void
on_pushed(void *arg, const struct err *err)
{
	(void)arg, (void)err; /* end_read() pushes */
}

static void
look_again(struct imap_index *ix)
{
	if (!ix->loaded)
		imap_push(ix); /* those who wait for news load it */
	else if (inside(ix)->next == NULL)
		imap_index_refresh(ix, on_pushed, NULL);
}

/* "<folder id> <modseq>" */
static void
on_notice(void *arg, struct str channel, struct str payload)
{
	struct imap_index *ix = arg;
	struct str id_text, modseq_text;
	uint64_t id, modseq;

	(void)channel;
	if (str_cut(payload, ' ', &id_text, &modseq_text) && str_to_u64(id_text, &id) &&
	    str_to_u64(modseq_text, &modseq) &&
	    (id != ix->folder_id || (ix->loaded && modseq <= ix->folder.highest_modseq)))
		return;
	look_again(ix);
}

static void
on_lost(void *arg)
{
	look_again(arg);
}

static void
on_poll(evutil_socket_t fd, short what, void *arg)
{
	struct imap_index_private *p, *next;

	(void)fd, (void)what, (void)arg;
	/* Each in its own second, so that the store is not asked all at once. */
	all.turn = (all.turn + 1) % POLL_S;
	HASH_ITER (hh, all.table, p, next)
		if (p->poll_turn == all.turn && !p->spare && p->index.views != NULL)
			look_again(&p->index);
}

static void
begin_poll(struct frontend *f)
{
	struct timeval every = clock_timeval(1000);

	if (all.poll != NULL)
		return;
	all.poll = event_new(f->service->base, -1, EV_PERSIST, on_poll, NULL);
	event_add(all.poll, &every);
}

/* ---- Life ---- */

static size_t
bytes_of(const struct imap_index *ix)
{
	size_t each = MAILBOX_HOT_BYTES + sizeof(uint32_t) + (ix->cold != NULL ? MAILBOX_COLD_BYTES : 0);

	return sizeof(struct imap_index_private) + (size_t)imap_index_count(ix) * each;
}

static void
destroy(struct imap_index_private *p)
{
	struct imap_index *ix = &p->index;

	CHECK(p->refs == 0 && ix->views == NULL && p->served == NULL);
	while (p->next != NULL) { /* only at the end of the process */
		struct waiter *w = p->next;
		p->next = w->next;
		mem_free(w);
	}
	tracking_unsubscribe(&p->subscription);
	HASH_DEL(all.table, p);
	imap_uids_unref(&ix->uids);
	mem_free(ix->hot);
	mem_free(ix->cold);
	mem_free(p->group_modseq);
	for (unsigned i = 0; i < MAILBOX_KEYWORDS; i++)
		mem_free(ix->keywords[i]);
	imap_recent_fini(&ix->recent);
	mem_free(ix->address);
	mem_free(p);
}

static void
unspare(struct imap_index_private *p)
{
	DL_DELETE2(all.spare, p, spare_prev, spare_next);
	all.spare_bytes -= bytes_of(&p->index);
	p->spare = false;
}

static void
release(struct imap_index *ix)
{
	struct imap_index_private *p = inside(ix);

	CHECK(p->refs != 0);
	if (--p->refs != 0)
		return;
	if (ix->gone || !ix->loaded) {
		destroy(p);
		return;
	}
	/* Nobody listens now; who comes next asks what has changed. */
	tracking_unsubscribe(&p->subscription);
	p->spare = true;
	DL_APPEND2(all.spare, p, spare_prev, spare_next);
	all.spare_bytes += bytes_of(ix);
	while (all.spare_bytes > IMAP_INDEX_SPARE_BYTES) {
		struct imap_index_private *oldest = all.spare;
		unspare(oldest);
		destroy(oldest);
	}
}

static struct imap_index_private *
make(struct frontend *f, struct str address, const struct mailbox_folder *folder, const char *key)
{
	struct imap_index_private *p = mem_new(struct imap_index_private);

	p->index.private = p;
	p->index.frontend = f;
	p->index.address = str_dup(address);
	p->index.folder_id = folder->id;
	p->poll_turn = all.made++ % POLL_S;
	take_counts(&p->index, folder);
	imap_index_set_keywords(&p->index, folder->keywords, folder->keyword_count);
	snprintf(p->key, sizeof(p->key), "%s", key);
	HASH_ADD_STR(all.table, key, p);
	begin_poll(f);
	return p;
}

static void
forget_records(struct imap_index *ix)
{
	imap_uids_unref(&ix->uids);
	mem_free(ix->cold);
	ix->cold = NULL;
	imap_recent_fini(&ix->recent);
	ix->loaded = false;
	ix->folder.highest_modseq = 0;
}

struct imap_index *
imap_index_get(struct frontend *f, struct str address, const struct mailbox_folder *folder)
{
	struct imap_index_private *p;
	char key[KEY_MAX], channel[MAILBOX_CHANNEL_MAX];

	snprintf(key, sizeof(key), "%u %.*s", folder->id, STR_ARG(address));
	HASH_FIND_STR(all.table, key, p);
	if (p == NULL)
		p = make(f, address, folder, key);
	else if (p->spare)
		unspare(p);
	if (p->refs == 0 && folder->uid_validity != p->index.folder.uid_validity)
		forget_records(&p->index); /* another folder under the same number: the account is a new one */
	p->refs++;
	if (p->subscription == NULL) {
		mailbox_channel(address, channel);
		p->subscription =
			tracking_subscribe(f->service->tracking, str_c(channel), on_notice, on_lost, &p->index);
	}
	if (!p->index.loaded && folder->highest_modseq >= p->index.folder.highest_modseq)
		take_counts(&p->index, folder);
	return &p->index;
}

void
imap_index_put(struct imap_index **ix)
{
	struct imap_index *index = *ix;

	*ix = NULL;
	if (index != NULL)
		release(index);
}
