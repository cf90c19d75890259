/* Reports changes to the client, at the end of its commands and while it idles. This
 * is done in slices, since others may have changed all of a large mailbox.
 *
 * Until it is done, no command of the session continues, so the client's list does
 * not change. The index may change in the meantime, which is reported the next time. */
#include <string.h>

#include "frontend/imap/private.h"
#include "lib/base/check.h"
#include "lib/base/mem.h"

enum { LINES = 64, LINE_WORK = 12, LOOK_WORK = 1 }; /* at a time; for one, in units of lib/base/slice.h */

struct imap_sync {
	void (*then)(struct imap_session *s);
	bool later;			     /* it has returned to the loop: then() will be called */
	bool same;			     /* the client's list is now the index's */
	uint32_t *gone, gone_count, gone_at; /* owner; sequence numbers in the old list */
	struct folder_uids *was;	     /* a reference: the old list */
	uint32_t seq;			     /* the next message to check for changes */
	uint32_t total;			     /* messages in the index when it began */
	uint64_t upto;			     /* the index's modseq then */
	uint32_t told_at;		     /* position in the view's told */
	uint32_t known, recent;		     /* last reported to the client: messages, recent ones */
	struct buf out;			     /* owner */
};

void
imap_view_sync_free(struct imap_view *v)
{
	struct imap_sync *y = v->sync;

	v->sync = NULL;
	if (y == NULL)
		return;
	mem_free(y->gone);
	folder_uids_unref(&y->was);
	buf_fini(&y->out);
	mem_free(y);
}

/* Forgets entries that the view's modseq has overtaken. */
static void
view_sync_forget_told(struct imap_view *v)
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

/* ---- Messages that are gone ---- */

/* Compares the client's list with the index's. False: messages are gone whose removal
 * may not be reported now, and the client's list stays. */
static bool
view_sync_compare(struct imap_view *v, struct imap_sync *y, bool allow_expunge)
{
	const struct folder_index *ix = v->index;
	uint32_t at = 0;

	if (v->uids == ix->uids)
		return true;
	y->gone = mem_alloc(sizeof(*y->gone) * ((size_t)v->count + 1));
	for (uint32_t seq = 1; seq <= v->count; seq++) {
		uint32_t uid = imap_view_uid(v, seq);
		while (at < y->total && ix->uids->uids[at] < uid)
			at++;
		if (at >= y->total || ix->uids->uids[at] != uid)
			y->gone[y->gone_count++] = seq;
	}
	session_spend(&v->session->base, (v->count + y->total) / 4);
	if (y->gone_count != 0 && !allow_expunge) {
		y->gone_count = 0;
		return false;
	}
	y->was = v->uids;
	v->count -= y->gone_count;
	v->uids = ix->uids;
	v->uids->refs++;
	CHECKF(v->count <= y->total, "%u of %u", v->count, y->total);
	return true;
}

/* "* VANISHED 5,7:9", begun with the first UID. */
static void
view_sync_tell_vanished(struct imap_sync *y)
{
	uint32_t first = y->was->uids[y->gone[y->gone_at] - 1], last = first;

	if (y->gone_at == 0)
		buf_add_c(&y->out, "* VANISHED ");
	else
		buf_add_byte(&y->out, ',');
	while (++y->gone_at < y->gone_count && y->was->uids[y->gone[y->gone_at] - 1] == last + 1)
		last++;
	buf_add_decimal(&y->out, first);
	if (last != first) {
		buf_add_byte(&y->out, ':');
		buf_add_decimal(&y->out, last);
	}
	if (y->gone_at == y->gone_count)
		buf_add(&y->out, "\r\n", 2);
}

static void
view_sync_tell_gone(struct imap_session *s, struct imap_sync *y)
{
	for (unsigned n = 0; n < LINES && y->gone_at < y->gone_count; n++) {
		if ((s->enabled & IMAP_QRESYNC) != 0) {
			view_sync_tell_vanished(y);
			continue;
		}
		buf_add(&y->out, "* ", 2);
		buf_add_decimal(&y->out, y->gone[y->gone_at] - y->gone_at);
		buf_add(&y->out, " EXPUNGE\r\n", 10);
		y->gone_at++;
	}
}

/* ---- Messages that have changed ---- */

static void
view_sync_tell_record(struct imap_session *s, uint32_t seq, const struct mailbox_hot *hot, struct buf *out)
{
	buf_add(out, "* ", 2);
	buf_add_decimal(out, seq);
	buf_add_c(out, " FETCH (");
	if ((s->enabled & (IMAP_CONDSTORE | IMAP_REV2)) != 0 || s->by_uid) {
		buf_add_c(out, "UID ");
		buf_add_decimal(out, hot->uid);
		buf_add_byte(out, ' ');
	}
	buf_add_c(out, "FLAGS ");
	imap_print_message_flags(s->view, hot, out);
	if ((s->enabled & IMAP_CONDSTORE) != 0) {
		buf_add_c(out, " MODSEQ (");
		buf_add_decimal(out, hot->modseq);
		buf_add_byte(out, ')');
	}
	buf_add(out, ")\r\n", 3);
}

static bool
view_sync_tell_change(struct imap_session *s, struct imap_sync *y)
{
	struct imap_view *v = s->view;
	const char *record = imap_view_record(v, y->seq);
	struct mailbox_hot hot;

	if (record == NULL || mailbox_hot_modseq(record) <= v->modseq)
		return false;
	mailbox_hot_unpack(record, &hot);
	if (imap_view_knows_next(v, &hot, &y->told_at))
		return false;
	view_sync_tell_record(s, y->seq, &hot, &y->out);
	if (hot.modseq > y->upto)
		imap_view_told(v, &hot);
	return true;
}

/* Checks some of the messages that the client knows of. */
static uint32_t
view_sync_tell_changes(struct imap_session *s, struct imap_sync *y)
{
	struct imap_view *v = s->view;
	uint32_t work = 0;

	for (unsigned n = 0; n < LINES && y->seq <= v->count; n++) {
		uint32_t group = (y->seq - 1) / FOLDER_INDEX_GROUP;
		work += LOOK_WORK;
		/* The positions are the same in both lists: whole groups have not changed. */
		if (v->uids == v->index->uids && folder_index_group_modseq(v->index, group) <= v->modseq) {
			y->seq = (group + 1) * FOLDER_INDEX_GROUP + 1;
			continue;
		}
		work += view_sync_tell_change(s, y) ? LINE_WORK : 0;
		y->seq++;
	}
	return work;
}

/* ---- Step by step ---- */

static void
view_sync_end(struct imap_session *s, struct imap_sync *y)
{
	struct imap_view *v = s->view;
	void (*then)(struct imap_session *) = y->later ? y->then : NULL;

	if (y->same && y->known != y->total) {
		v->count = y->total;
		buf_printf(&y->out, "* %u EXISTS\r\n", v->count);
	}
	imap_view_take_recent(v);
	if ((s->enabled & IMAP_REV2) == 0 && (v->count != y->known || v->recent_count != y->recent))
		buf_printf(&y->out, "* %u RECENT\r\n", v->recent_count);
	/* The flags of new messages, or of those still held back, are fetched with them. */
	v->modseq = y->upto > v->modseq ? y->upto : v->modseq;
	if (v->told_count != 0)
		view_sync_forget_told(v);
	imap_write(s, &y->out);
	imap_view_sync_free(v);
	if (then != NULL)
		then(s);
}

static void
view_sync_go_on(struct imap_session *s)
{
	struct imap_sync *y = s->view->sync;
	bool changed = y->upto > s->view->modseq;
	uint32_t work;

	while (y->gone_at < y->gone_count) {
		view_sync_tell_gone(s, y);
		if (!imap_may_go_on(s, &y->out, LINES * LINE_WORK / 4, view_sync_go_on))
			goto later;
	}
	/* A message that is removed while others are being reported keeps its position in the
	 * list. */
	while (changed && y->seq <= s->view->count) {
		work = view_sync_tell_changes(s, y);
		if (!imap_may_go_on(s, &y->out, work, view_sync_go_on))
			goto later;
	}
	view_sync_end(s, y);
	return;
later:
	y->later = true;
}

bool
imap_view_sync(struct imap_session *s, bool allow_expunge, void (*then)(struct imap_session *s))
{
	struct imap_view *v = s->view;
	struct imap_sync *y;

	if (v == NULL)
		return true;
	CHECK(v->sync == NULL);
	v->sync = y = mem_new(struct imap_sync);
	y->then = then;
	y->seq = 1;
	if (v->uids == NULL || !v->index->loaded) {
		imap_view_tell_keywords(v, &y->out);
		imap_write(s, &y->out);
		imap_view_sync_free(v);
		return true;
	}
	y->total = folder_index_count(v->index);
	y->upto = v->index->folder.highest_modseq;
	y->same = view_sync_compare(v, y, allow_expunge);
	y->known = v->count;
	y->recent = v->recent_count;
	imap_view_tell_keywords(v, &y->out);
	view_sync_go_on(s);
	return v->sync == NULL;
}
