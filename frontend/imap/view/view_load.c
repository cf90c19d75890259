/* Gives a view its list of messages, the first time a command needs it.
 *
 * The client knows the folder as it was at SELECT. Since then messages may have
 * arrived, which is reported as usual, and others may be gone: these are found in the
 * folder's log and stay in the client's list until it is told. */
#include <string.h>

#include "frontend/imap/private.h"
#include "lib/base/check.h"
#include "lib/base/mem.h"

enum { GONE_READS_MAX = 10 };

static void
view_load_ready(struct imap_session *s, const struct err *err)
{
	imap_view_on_ready *cb = s->view->on_ready;

	s->view->on_ready = NULL;
	if (err != NULL && err->code == ERR_NOT_FOUND)
		imap_bye(s, "the selected mailbox was deleted");
	cb(s, err);
}

static void
view_load_fail_attach(struct imap_session *s)
{
	struct err err;

	log_error(conn_log(s->conn), "the index of a mailbox does not match its counts", F_C("account", s->account),
		  F_I64("folder", s->view->index->folder_id), F_I64("expected", s->view->count));
	err_set(&err, ERR_CORRUPT, "the index of the mailbox does not match its counts, select it again");
	imap_bye(s, err.text);
	view_load_ready(s, &err);
}

/* The index is in the state that the client knows. */
static bool
view_load_take_list(struct imap_view *v)
{
	if (v->count != folder_index_count(v->index))
		return false;
	v->uids = v->index->uids;
	v->uids->refs++;
	return true;
}

/* Both are sorted; UIDs from uid_next on are new to the client. */
static struct folder_uids *
view_load_join(const struct imap_view *v, const uint32_t *gone, uint32_t gone_count)
{
	const struct folder_uids *now = v->index->uids;
	struct folder_uids *all = mem_zalloc(sizeof(*all) + ((size_t)now->count + gone_count) * sizeof(all->uids[0]));
	uint32_t i = 0, g = 0;

	all->refs = 1;
	all->capacity = now->count + gone_count;
	while (i < now->count || g < gone_count) {
		uint32_t uid = i < now->count ? now->uids[i] : UINT32_MAX;
		if (g < gone_count && gone[g] < uid)
			uid = gone[g];
		if (uid >= v->uid_next)
			break;
		all->uids[all->count++] = uid;
		i += i < now->count && now->uids[i] == uid;
		g += g < gone_count && gone[g] == uid;
	}
	return all;
}

static void
view_load_on_fresh(void *arg, const struct err *err)
{
	struct imap_session *s = arg;

	if (session_back(&s->base))
		view_load_ready(s, err);
}

static void view_load_read_gone(struct imap_session *s);

static void
view_load_on_gone(void *arg, const struct mailbox_changes *changes, const struct err *err)
{
	struct imap_session *s = arg;
	struct folder_index *ix;

	if (!session_back(&s->base))
		return;
	if (err != NULL) {
		view_load_ready(s, err);
		return;
	}
	ix = s->view->index;
	/* Other sessions have moved the index on: the log that was read ends before it. */
	if (changes->folder.highest_modseq < ix->folder.highest_modseq) {
		view_load_read_gone(s);
		return;
	}
	folder_index_apply(ix, changes);
	s->view->uids = view_load_join(s->view, changes->gone_uids, changes->gone_count);
	if (s->view->uids->count != s->view->count) {
		view_load_fail_attach(s);
		return;
	}
	/* The index takes the recent messages, because it stays for its other sessions if
	 * this one has gone before the answer comes. */
	if (changes->folder.recent != 0 && folder_index_takes_recent(ix)) {
		session_hold(&s->base);
		folder_index_refresh(ix, view_load_on_fresh, s);
		return;
	}
	view_load_ready(s, NULL);
}

/* The log is read again when the index has moved on meanwhile; with a busy mailbox that
 * could go on for ever. */
static void
view_load_read_gone(struct imap_session *s)
{
	struct err busy;

	if (s->view->gone_reads++ == GONE_READS_MAX) {
		err_set(&busy, ERR_UNAVAILABLE, "the mailbox changes too fast to be read");
		view_load_ready(s, &busy);
		return;
	}
	session_hold(&s->base);
	mailbox_read_changes(imap_store(s), imap_address(s), s->view->index->folder_id, s->view->modseq, false,
			     view_load_on_gone, s);
}

static void
view_load_on_index(void *arg, const struct err *err)
{
	struct imap_session *s = arg;

	if (!session_back(&s->base))
		return;
	if (err != NULL)
		view_load_ready(s, err);
	else if (s->view->index->folder.highest_modseq != s->view->modseq)
		view_load_read_gone(s);
	else if (view_load_take_list(s->view))
		view_load_ready(s, NULL);
	else
		view_load_fail_attach(s);
}

static void
view_load_begin_attach(struct imap_session *s)
{
	struct folder_index *ix = s->view->index;

	s->view->gone_reads = 0;
	if (ix->loaded && ix->folder.highest_modseq >= s->view->modseq) {
		view_load_read_gone(s);
		return;
	}
	session_hold(&s->base);
	folder_index_refresh(ix, view_load_on_index, s);
}

static bool
view_load_is_attached(struct imap_view *v)
{
	return v->uids != NULL ||
	       (v->index->loaded && v->index->folder.highest_modseq == v->modseq && view_load_take_list(v));
}

bool
imap_view_attach(struct imap_session *s, imap_view_on_ready *cb)
{
	if (view_load_is_attached(s->view))
		return true;
	CHECK(s->view->on_ready == NULL);
	s->view->on_ready = cb;
	view_load_begin_attach(s);
	return false;
}

/* ---- Up to the store's present state ---- */

/* Nothing has happened since SELECT: there is nothing to load. */
static void
view_load_on_status(void *arg, const struct mailbox_folder *folder, const struct err *err)
{
	struct imap_session *s = arg;

	if (!session_back(&s->base))
		return;
	/* There may be a new keyword that no message has yet. */
	if (err == NULL)
		folder_index_set_keywords(s->view->index, folder->keywords, folder->keyword_count);
	if (err != NULL || folder->highest_modseq == s->view->modseq) {
		view_load_ready(s, err);
	} else if (view_load_is_attached(s->view)) {
		session_hold(&s->base);
		folder_index_refresh(s->view->index, view_load_on_fresh, s);
	} else {
		view_load_begin_attach(s);
	}
}

void
imap_view_refresh(struct imap_session *s, imap_view_on_ready *cb)
{
	struct imap_view *v = s->view;

	CHECK(v->on_ready == NULL);
	v->on_ready = cb;
	session_hold(&s->base);
	if (v->uids != NULL)
		folder_index_refresh(v->index, view_load_on_fresh, s);
	else
		mailbox_status(imap_store(s), imap_address(s), v->index->folder_id, view_load_on_status, s);
}
