/* Sequence numbers, and what the client is told. */
#include "frontend/imap/view/view.h"

#include <string.h>

#include "frontend/imap/private.h"
#include "lib/base/check.h"
#include "lib/base/mem.h"

/* ---- Looking things up ---- */

uint32_t
imap_view_seq(const struct imap_view *v, uint32_t uid)
{
	uint32_t low = 0, high = v->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (v->uids->uids[middle] < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low < v->count && v->uids->uids[low] == uid ? low + 1 : 0;
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

/* First sequence number whose UID is not below uid; count + 1: none. */
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

/* Not when it is read-only, nor in IMAP4rev2. */
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
view_add_uid_range(const struct imap_view *v, struct imap_range r, struct imap_messages *out)
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
		return "there is no message of that number";
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
	/* Grows by doubling: powers of two. */
	if ((v->told_count & (v->told_count - 1)) == 0)
		v->told = mem_realloc(v->told, sizeof(*v->told) * (v->told_count == 0 ? 1 : (size_t)v->told_count * 2));
	memmove(v->told + at + 1, v->told + at, sizeof(*v->told) * (v->told_count - at));
	v->told[at] = (struct imap_told){hot->uid, hot->modseq};
	v->told_count++;
}

/* What lies before the view's modseq need not be remembered. */
static void
view_forget_told(struct imap_view *v)
{
	uint32_t kept = 0;
	struct imap_told *left = NULL;

	for (uint32_t i = 0; i < v->told_count; i++)
		kept += v->told[i].modseq > v->modseq;
	if (kept != 0) {
		size_t room = 1;
		while (room < kept)
			room *= 2;
		left = mem_alloc(sizeof(*left) * room);
		kept = 0;
		for (uint32_t i = 0; i < v->told_count; i++)
			if (v->told[i].modseq > v->modseq)
				left[kept++] = v->told[i];
	}
	mem_free(v->told);
	v->told = left;
	v->told_count = kept;
}

static void
view_tell_expunged(struct imap_session *s, const uint32_t *seqs, uint32_t count, struct buf *out)
{
	const struct imap_view *v = s->view;
	uint32_t *uids;

	if ((s->enabled & IMAP_QRESYNC) == 0) {
		for (uint32_t i = 0; i < count; i++)
			buf_printf(out, "* %u EXPUNGE\r\n", seqs[i] - i);
		return;
	}
	uids = mem_alloc(sizeof(*uids) * count);
	for (uint32_t i = 0; i < count; i++)
		uids[i] = imap_view_uid(v, seqs[i]);
	buf_add_c(out, "* VANISHED ");
	imap_set_print_numbers(uids, count, out);
	buf_add(out, "\r\n", 2);
	mem_free(uids);
}

/* Compares the client's list with the index's. False: messages are gone that
 * may not be told now, and the client's list stays. */
static bool
view_sync_list(struct imap_session *s, bool allow_expunge, struct buf *out)
{
	struct imap_view *v = s->view;
	const struct folder_index *ix = v->index;
	uint32_t *gone, gone_count = 0, at = 0, total = folder_index_count(ix);

	if (v->uids == ix->uids)
		return true;
	gone = mem_alloc(sizeof(*gone) * ((size_t)v->count + 1));
	for (uint32_t seq = 1; seq <= v->count; seq++) {
		uint32_t uid = imap_view_uid(v, seq);
		while (at < total && ix->uids->uids[at] < uid)
			at++;
		if (at >= total || ix->uids->uids[at] != uid)
			gone[gone_count++] = seq;
	}
	if (gone_count != 0 && !allow_expunge) {
		mem_free(gone);
		return false;
	}
	if (gone_count != 0)
		view_tell_expunged(s, gone, gone_count, out);
	mem_free(gone);
	v->count -= gone_count;
	folder_uids_unref(&v->uids);
	v->uids = ix->uids;
	v->uids->refs++;
	CHECKF(v->count <= total, "%u of %u", v->count, total);
	return true;
}

void
imap_view_tell_keywords(struct imap_view *v, struct buf *out)
{
	if (v->keywords_told == v->index->keywords_version)
		return;
	v->keywords_told = v->index->keywords_version;
	imap_print_folder_flags(v, out);
}

static void
view_tell_record(struct imap_session *s, uint32_t seq, const struct mailbox_hot *hot, struct buf *out)
{
	buf_add(out, "* ", 2);
	imap_print_u64(seq, out);
	buf_add_c(out, " FETCH (");
	if ((s->enabled & (IMAP_CONDSTORE | IMAP_REV2)) != 0 || s->by_uid) {
		buf_add_c(out, "UID ");
		imap_print_u64(hot->uid, out);
		buf_add_byte(out, ' ');
	}
	buf_add_c(out, "FLAGS ");
	imap_print_message_flags(s->view, hot, out);
	if ((s->enabled & IMAP_CONDSTORE) != 0) {
		buf_add_c(out, " MODSEQ (");
		imap_print_u64(hot->modseq, out);
		buf_add_byte(out, ')');
	}
	buf_add(out, ")\r\n", 3);
}

static void
view_tell_change(struct imap_session *s, uint32_t seq, uint64_t since, struct buf *out)
{
	struct imap_view *v = s->view;
	const char *record = imap_view_record(v, seq);
	struct mailbox_hot hot;

	if (record == NULL || mailbox_hot_modseq(record) <= since)
		return;
	mailbox_hot_unpack(record, &hot);
	if (imap_view_knows(v, &hot))
		return;
	view_tell_record(s, seq, &hot, out);
	if (hot.modseq > v->index->folder.highest_modseq)
		imap_view_told(v, &hot);
}

/* Of the messages that the client knows of. */
static void
view_tell_changes(struct imap_session *s, struct buf *out)
{
	struct imap_view *v = s->view;
	uint64_t since = v->modseq;

	for (uint32_t seq = 1; seq <= v->count;) {
		uint32_t group = (seq - 1) / FOLDER_INDEX_GROUP, end = (group + 1) * FOLDER_INDEX_GROUP;
		/* The same positions in both: whole groups have not changed. */
		if (v->uids == v->index->uids && folder_index_group_modseq(v->index, group) <= since) {
			seq = end + 1;
			continue;
		}
		for (; seq <= end && seq <= v->count; seq++)
			view_tell_change(s, seq, since, out);
	}
}

void
imap_view_sync(struct imap_session *s, bool allow_expunge)
{
	struct imap_view *v = s->view;
	struct buf out = BUF_EMPTY;
	uint32_t known;
	uint32_t recent;
	bool same;

	if (v == NULL)
		return;
	if (v->uids == NULL || !v->index->loaded) {
		imap_view_tell_keywords(v, &out);
		imap_write(s, &out);
		buf_fini(&out);
		return;
	}
	same = view_sync_list(s, allow_expunge, &out);
	known = v->count;
	recent = v->recent_count;
	imap_view_tell_keywords(v, &out);
	if (v->index->folder.highest_modseq > v->modseq)
		view_tell_changes(s, &out);
	if (same && known != v->uids->count) {
		v->count = v->uids->count;
		buf_printf(&out, "* %u EXISTS\r\n", v->count);
	}
	imap_view_take_recent(v);
	if ((s->enabled & IMAP_REV2) == 0 && (v->count != known || v->recent_count != recent))
		buf_printf(&out, "* %u RECENT\r\n", v->recent_count);
	/* The flags of what is new, or held back still, are fetched with it. */
	v->modseq = v->index->folder.highest_modseq;
	if (v->told_count != 0)
		view_forget_told(v);
	imap_write(s, &out);
	buf_fini(&out);
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
		/* Read-only, nothing is taken: so is what comes later. */
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
	folder_uids_unref(&view->uids);
	folder_recent_fini(&view->recent);
	mem_free(view->told);
	mem_free(view->saved);
	folder_index_put(&view->index, &view->watcher);
	mem_free(view);
}
