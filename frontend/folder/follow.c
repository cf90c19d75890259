/* Reading the index, and keeping it up to date with the store. */
#include "frontend/folder/private.h"

#include <utlist.h>

#include "lib/base/check.h"
#include "lib/base/mem.h"

static void follow_start(struct folder_index *ix);

void
folder_follow_push(struct folder_index *ix)
{
	struct folder_watcher *w, *next;

	DL_FOREACH_SAFE (folder_inside(ix)->watchers, w, next)
		w->on_change(w);
}

bool
folder_index_takes_recent(const struct folder_index *ix)
{
	const struct folder_watcher *w;

	DL_FOREACH (folder_inside(ix)->watchers, w)
		if (w->takes_recent != NULL && w->takes_recent(w))
			return true;
	return false;
}

/* ---- Reading ---- */

static void
follow_answer(struct folder_index *ix, const struct err *err)
{
	struct folder_index_private *p = folder_inside(ix);

	while (p->served != NULL) {
		struct folder_waiter *w = p->served;
		p->served = w->next;
		w->cb(w->arg, err);
		mem_free(w);
	}
}

/* A read has ended: notifies those who waited for it, then the watchers. */
static void
follow_end(struct folder_index *ix, const struct err *err)
{
	struct folder_index_private *p = folder_inside(ix);

	p->reading = false;
	if (err != NULL && err->code == ERR_NOT_FOUND)
		ix->gone = true;
	follow_answer(ix, err);
	if (err == NULL || ix->gone)
		folder_follow_push(ix);
	if (p->next != NULL && !p->reading && ix->frontend->mailboxes != NULL)
		follow_start(ix);
	folder_index_release(p);
}

static void follow_load(struct folder_index *ix);

/* The pieces are from several states: these changes bring them to the last one. */
static void
follow_on_loaded_changes(void *arg, const struct mailbox_changes *changes, const struct err *err)
{
	struct folder_index *ix = arg;
	struct folder_load **load = &folder_inside(ix)->load;

	if (err != NULL) {
		folder_load_free(load);
		follow_end(ix, err);
		return;
	}
	if (!changes->complete && changes->folder.highest_modseq != (*load)->folder.highest_modseq) {
		folder_records_note_recent(ix, changes);
		folder_load_free(load);
		follow_load(ix);
		return;
	}
	folder_records_replace(ix);
	folder_index_apply(ix, changes);
	follow_end(ix, NULL);
}

static void
follow_on_loaded(struct folder_index *ix, const struct err *err)
{
	const struct folder_load *load = folder_inside(ix)->load;

	if (err == NULL && load->modseq != load->folder.highest_modseq) {
		mailbox_read_changes(ix->frontend->mailboxes, str_c(ix->address), ix->folder_id,
				     load->folder.highest_modseq, folder_index_takes_recent(ix),
				     follow_on_loaded_changes, ix);
		return;
	}
	if (err == NULL)
		folder_records_replace(ix);
	follow_end(ix, err);
}

static void
follow_load(struct folder_index *ix)
{
	folder_load_start(ix, follow_on_loaded);
}

static void
follow_on_changes(void *arg, const struct mailbox_changes *changes, const struct err *err)
{
	struct folder_index *ix = arg;

	if (err == NULL && !changes->complete && changes->folder.highest_modseq != ix->folder.highest_modseq) {
		/* The log does not reach back far enough: read everything again. */
		folder_records_note_recent(ix, changes);
		follow_load(ix);
		return;
	}
	if (err == NULL)
		folder_index_apply(ix, changes);
	follow_end(ix, err);
}

static void
follow_start(struct folder_index *ix)
{
	struct folder_index_private *p = folder_inside(ix);
	struct mailbox_store *store = ix->frontend->mailboxes;

	CHECK(!p->reading && p->served == NULL);
	p->reading = true;
	p->refs++;
	p->served = p->next;
	p->next = NULL;
	if (!ix->loaded)
		follow_load(ix);
	else
		mailbox_read_changes(store, str_c(ix->address), ix->folder_id, ix->folder.highest_modseq,
				     folder_index_takes_recent(ix), follow_on_changes, ix);
}

void
folder_index_refresh(struct folder_index *ix, folder_index_on_fresh *cb, void *arg)
{
	struct folder_index_private *p = folder_inside(ix);
	struct folder_waiter *w = mem_new(struct folder_waiter);

	*w = (struct folder_waiter){.cb = cb, .arg = arg};
	LL_APPEND(p->next, w);
	if (!p->reading)
		follow_start(ix);
}

/* ---- Notices ---- */

static void
follow_on_pushed(void *arg, const struct err *err)
{
	(void)arg, (void)err; /* follow_end() notifies the watchers */
}

void
folder_follow_look(struct folder_index *ix)
{
	if (!ix->loaded)
		folder_follow_push(ix); /* those waiting for news load it */
	else if (folder_inside(ix)->next == NULL)
		folder_index_refresh(ix, follow_on_pushed, NULL);
}

/* "<folder id> <modseq>" */
static void
follow_on_notice(void *arg, struct str channel, struct str payload)
{
	struct folder_index *ix = arg;
	struct str id_text, modseq_text;
	uint64_t id, modseq;

	(void)channel;
	if (str_cut(payload, ' ', &id_text, &modseq_text) && str_to_u64(id_text, &id) &&
	    str_to_u64(modseq_text, &modseq) &&
	    (id != ix->folder_id || (ix->loaded && modseq <= ix->folder.highest_modseq)))
		return;
	folder_follow_look(ix);
}

static void
follow_on_lost(void *arg)
{
	folder_follow_look(arg);
}

void
folder_follow_subscribe(struct folder_index *ix)
{
	char channel[MAILBOX_CHANNEL_MAX];

	mailbox_channel(str_c(ix->address), channel);
	folder_inside(ix)->subscription = tracking_subscribe(ix->frontend->service->tracking, str_c(channel),
							     follow_on_notice, follow_on_lost, ix);
}
