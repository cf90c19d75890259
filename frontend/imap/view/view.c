/* Sequence numbers, and what the client has been told. */
#include "frontend/imap/view/view.h"

#include <string.h>

#include "frontend/imap/private.h"
#include "lib/base/check.h"
#include "lib/base/mem.h"

/* ---- Lookups ---- */

/* The first sequence number whose UID is not below uid; count + 1: none. */
static uint32_t
view_first_from(const struct imap_view *v, uint32_t uid)
{
	uint32_t low = 0, high = v->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (v->uids->uids[middle] < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low + 1;
}

uint32_t
imap_view_seq(const struct imap_view *v, uint32_t uid)
{
	uint32_t seq = view_first_from(v, uid);

	return seq <= v->count && imap_view_uid(v, seq) == uid ? seq : 0;
}

const char *
imap_view_record(const struct imap_view *v, uint32_t seq)
{
	const struct folder_index *ix = v->index;
	uint32_t at;
	bool found;

	if (v->uids == ix->uids)
		return folder_index_record(ix, seq - 1);
	at = folder_index_find(ix, v->uids->uids[seq - 1], &found);
	return found ? folder_index_record(ix, at) : NULL;
}

bool
imap_view_hot(const struct imap_view *v, uint32_t seq, struct mailbox_hot *hot_out)
{
	const char *record = imap_view_record(v, seq);

	if (record != NULL)
		mailbox_hot_unpack(record, hot_out);
	return record != NULL;
}

/* Not if the view is read-only, and not in IMAP4rev2. */
static bool
view_takes_recent(const struct folder_watcher *watcher)
{
	const struct imap_view *v =
		(const struct imap_view *)(const void *)((const char *)watcher - offsetof(struct imap_view, watcher));

	return !v->read_only && (v->session->enabled & IMAP_REV2) == 0;
}

void
imap_view_take_recent(struct imap_view *v)
{
	const struct folder_recent *set = &v->recent;

	if (view_takes_recent(&v->watcher))
		folder_recent_move(&v->index->recent, &v->recent);
	v->recent_count = 0;
	for (uint32_t i = 0; i < set->count; i++) {
		uint32_t end =
			set->ranges[i].last == UINT32_MAX ? v->count + 1 : view_first_from(v, set->ranges[i].last + 1);
		v->recent_count += end - view_first_from(v, set->ranges[i].first);
	}
}

static void
view_add_uid_range(const struct imap_view *v, struct range r, struct imap_messages *out)
{
	for (uint32_t seq = view_first_from(v, r.first); seq <= v->count && v->uids->uids[seq - 1] <= r.last; seq++)
		out->seqs[out->count++] = seq;
}

const char *
imap_view_resolve(const struct imap_view *v, struct imap_set *set, bool by_uid, struct arena *arena,
		  struct imap_messages *out)
{
	uint32_t star = v->count == 0 ? 0 : by_uid ? v->uids->uids[v->count - 1] : v->count;
	uint64_t size;

	*out = (struct imap_messages){NULL, 0};
	if (set->saved) {
		out->seqs = arena_array(arena, uint32_t, v->saved_count + 1);
		for (uint32_t i = 0; i < v->saved_count; i++) {
			uint32_t seq = imap_view_seq(v, v->saved[i]);
			if (seq != 0)
				out->seqs[out->count++] = seq;
		}
		return NULL;
	}
	imap_set_resolve(set, star);
	if (!by_uid && imap_set_max(set) > v->count)
		return "there is no message with that number";
	size = imap_set_size(set);
	out->seqs = arena_array(arena, uint32_t, size < v->count ? (uint32_t)size + 1 : v->count + 1);
	for (uint32_t i = 0; i < set->count; i++) {
		if (by_uid)
			view_add_uid_range(v, set->ranges[i], out);
		for (uint32_t seq = set->ranges[i].first; !by_uid && seq <= set->ranges[i].last; seq++)
			out->seqs[out->count++] = seq;
	}
	return NULL;
}

uint32_t *
imap_view_uids(const struct imap_view *v, const struct imap_messages *m, struct arena *arena)
{
	uint32_t *uids = arena_array(arena, uint32_t, m->count + 1);

	for (uint32_t i = 0; i < m->count; i++)
		uids[i] = imap_view_uid(v, m->seqs[i]);
	return uids;
}

void
imap_view_save(struct imap_view *v, const uint32_t *uids, uint32_t count)
{
	mem_free(v->saved);
	v->saved = NULL;
	v->saved_count = count;
	if (count == 0)
		return;
	v->saved = mem_alloc(sizeof(*uids) * count);
	memcpy(v->saved, uids, sizeof(*uids) * count);
}

/* ---- Telling the client ---- */

static uint32_t
view_find_told(const struct imap_view *v, uint32_t uid)
{
	uint32_t low = 0, high = v->told_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (v->told[middle].uid < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool
view_was_told(const struct imap_view *v, uint32_t uid, uint64_t modseq)
{
	uint32_t at = view_find_told(v, uid);

	return at < v->told_count && v->told[at].uid == uid && v->told[at].modseq >= modseq;
}

bool
imap_view_knows_next(const struct imap_view *v, const struct mailbox_hot *hot, uint32_t *at)
{
	while (*at < v->told_count && v->told[*at].uid < hot->uid)
		(*at)++;
	return hot->modseq <= v->modseq ||
	       (*at < v->told_count && v->told[*at].uid == hot->uid && v->told[*at].modseq >= hot->modseq);
}

bool
imap_view_knows(const struct imap_view *v, const struct mailbox_hot *hot)
{
	return hot->modseq <= v->modseq || view_was_told(v, hot->uid, hot->modseq);
}

void
imap_view_told(struct imap_view *v, const struct mailbox_hot *hot)
{
	uint32_t at = view_find_told(v, hot->uid);

	if (hot->modseq <= v->modseq)
		return;
	if (at < v->told_count && v->told[at].uid == hot->uid) {
		if (v->told[at].modseq < hot->modseq)
			v->told[at].modseq = hot->modseq;
		return;
	}
	/* The size is doubled each time: powers of two. */
	if ((v->told_count & (v->told_count - 1)) == 0)
		v->told = mem_realloc(v->told, sizeof(*v->told) * (v->told_count == 0 ? 1 : (size_t)v->told_count * 2));
	memmove(v->told + at + 1, v->told + at, sizeof(*v->told) * (v->told_count - at));
	v->told[at] = (struct imap_told){hot->uid, hot->modseq};
	v->told_count++;
}

void
imap_view_tell_keywords(struct imap_view *v, struct buf *out)
{
	if (v->keywords_told == v->index->keywords_version)
		return;
	v->keywords_told = v->index->keywords_version;
	imap_print_folder_flags(v, out);
}

/* ---- Life ---- */

struct imap_view *
imap_view_new(struct imap_session *s, const struct mailbox_folder *folder, bool read_only,
	      void (*on_change)(struct folder_watcher *w))
{
	struct imap_view *v = mem_new(struct imap_view);

	v->session = s;
	v->watcher.on_change = on_change;
	v->watcher.takes_recent = view_takes_recent;
	v->index = folder_index_get(conn_frontend(s->conn), imap_address(s), folder, &v->watcher);
	v->read_only = read_only;
	v->count = folder->messages;
	v->modseq = folder->highest_modseq;
	v->uid_next = folder->uid_next;
	v->keywords_told = v->index->keywords_version;
	if ((s->enabled & IMAP_REV2) == 0) {
		/* Read-only: nothing is taken from the store, so messages that arrive later
		 * are recent too. */
		folder_recent_add(&v->recent, folder->first_recent, read_only ? UINT32_MAX : folder->uid_next - 1);
		v->recent_count = folder->recent;
	}
	return v;
}

void
imap_view_free(struct imap_view **v)
{
	struct imap_view *view = *v;

	if (view == NULL)
		return;
	*v = NULL;
	imap_view_sync_free(view);
	folder_uids_unref(&view->uids);
	folder_recent_fini(&view->recent);
	mem_free(view->told);
	mem_free(view->saved);
	folder_index_put(&view->index, &view->watcher);
	mem_free(view);
}
