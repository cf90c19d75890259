/* VANISHED (EARLIER) of a FETCH (RFC 7162, 3.2.6): which of the UIDs asked for
 * are gone since. */
#include "frontend/imap/fetch/fetch.h"

struct vanished {
	struct fetch *fetch;
	struct imap_set asked; /* not resolved */
	fetch_on_vanished_told *then;
};

static void
vanished_print_range(uint32_t first, uint32_t last, struct buf *out)
{
	if (out->data[out->len - 1] != ' ')
		buf_add_byte(out, ',');
	imap_print_u64(first, out);
	if (first == last)
		return;
	buf_add_byte(out, ':');
	imap_print_u64(last, out);
}

/* The first UID that is new to the client, or that will be given next. */
static uint32_t
vanished_first_new_uid(const struct imap_view *v)
{
	const struct folder_index *ix = v->index;
	uint32_t last = v->count != 0 ? imap_view_uid(v, v->count) : 0, at;
	bool found;

	at = folder_index_find(ix, last < v->uid_next ? v->uid_next : last + 1, &found);
	return at < folder_index_count(ix) ? ix->uids->uids[at] : ix->folder.uid_next;
}

/* The UIDs of the set that are not there: the log does not reach back so far
 * (RFC 7162, 3.2.6 allows to name too many). */
static void
vanished_print_missing(const struct imap_view *v, const struct imap_set *asked, struct buf *out)
{
	uint32_t seq = 1, next = vanished_first_new_uid(v);

	for (uint32_t i = 0; i < asked->count; i++) {
		uint32_t uid = asked->ranges[i].first, last = asked->ranges[i].last;
		last = last < next ? last : next - 1;
		while (seq <= v->count && imap_view_uid(v, seq) < uid)
			seq++;
		while (uid <= last) {
			uint32_t there = seq <= v->count ? imap_view_uid(v, seq) : UINT32_MAX;
			uint32_t end = there <= last ? there : last + 1;
			if (uid < end)
				vanished_print_range(uid, end - 1, out);
			uid = end + 1;
			seq++;
		}
	}
}

static void
vanished_tell(struct fetch *f, const struct imap_set *asked, const struct mailbox_changes *c)
{
	uint32_t *gone = arena_array(&f->session->command.arena, uint32_t, c->gone_count + 1), count = 0;
	struct buf uids = BUF_EMPTY;

	buf_add_byte(&uids, ' ');
	/* What the client has in its list still is told when it goes from there. */
	for (uint32_t i = 0; i < c->gone_count; i++)
		if (imap_set_has(asked, c->gone_uids[i]) && imap_view_seq(f->session->view, c->gone_uids[i]) == 0)
			gone[count++] = c->gone_uids[i];
	if (c->complete)
		imap_set_print_numbers(gone, count, &uids);
	else
		vanished_print_missing(f->session->view, asked, &uids);
	if (uids.len > 1) {
		buf_add_c(&f->line, "* VANISHED (EARLIER)");
		buf_add_str(&f->line, buf_str(&uids));
		buf_add_c(&f->line, "\r\n");
	}
	buf_fini(&uids);
}

static void
vanished_on_changes(void *arg, const struct mailbox_changes *c, const struct err *err)
{
	struct vanished *v = arg;
	struct fetch *f = v->fetch;

	if (!session_back(&f->session->base))
		return;
	if (err == NULL) {
		/* Of what is gone "*" is the last UID that was ever given: the last
		 * messages may be those that went. */
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
