/* VANISHED (EARLIER) of a FETCH (RFC 7162, 3.2.6): which of the requested UIDs have
 * been expunged since. */
#include "frontend/imap/fetch/fetch.h"
#include "frontend/imap/view/vanished.h"

struct vanished {
	struct fetch *fetch;
	struct imap_set asked; /* not resolved */
	fetch_on_vanished_told *then;
};

/* The first UID that is new to the client, or the next UID to be assigned. */
static uint32_t
vanished_first_new_uid(const struct imap_view *v)
{
	const struct folder_index *ix = v->index;
	uint32_t last = v->count != 0 ? imap_view_uid(v, v->count) : 0, at;
	bool found;

	at = folder_index_find(ix, last < v->uid_next ? v->uid_next : last + 1, &found);
	return at < folder_index_count(ix) ? ix->uids->uids[at] : ix->folder.uid_next;
}

static void
vanished_tell(struct fetch *f, const struct imap_set *asked, const struct mailbox_changes *c)
{
	const struct imap_view *v = f->session->view;
	uint32_t end = c->complete ? UINT32_MAX : vanished_first_new_uid(v);
	struct imap_set gone = imap_vanished(v, c, asked, end, &f->session->command.arena);

	if (gone.count == 0)
		return;
	buf_add_c(&f->line, "* VANISHED (EARLIER) ");
	for (uint32_t i = 0; i < gone.count; i++)
		imap_vanished_print(&gone.ranges[i], i == 0, &f->line);
	buf_add_c(&f->line, "\r\n");
	session_spend(&f->session->base, (c->gone_count + v->count) / 4 + gone.count * 2);
}

static void
vanished_on_changes(void *arg, const struct mailbox_changes *c, const struct err *err)
{
	struct vanished *v = arg;
	struct fetch *f = v->fetch;

	if (!session_back(&f->session->base))
		return;
	if (err == NULL) {
		/* For vanished messages, "*" is the last UID ever assigned: the last messages
		 * may be the ones that are gone. */
		imap_set_resolve(&v->asked, c->folder.uid_next - 1);
		vanished_tell(f, &v->asked, c);
	}
	v->then(f, err);
}

void
fetch_ask_vanished(struct fetch *f, const struct imap_set *asked, fetch_on_vanished_told *then)
{
	struct imap_session *s = f->session;
	struct vanished *v = arena_new(&s->command.arena, struct vanished);

	*v = (struct vanished){f, *asked, then};
	session_hold(&s->base);
	mailbox_read_changes(imap_store(s), imap_address(s), s->view->index->folder_id, f->items.changed_since, false,
			     vanished_on_changes, v);
}
