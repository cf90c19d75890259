/* Whole messages with BODY.PEEK[], one command each, several sent ahead. Their answers come in
 * the order of the commands; a body whose UID is another's ends the session, as what was
 * passed on may belong to another message. */
#include "delivery-worker/retrieve/wire/imap.h"

#define FETCH_AHEAD 8

static void
imap_fetch_send(struct remote_box *b)
{
	struct imap *m = b->imap;
	struct imap_fetching *f = &m->fetch;

	while (f->sent < b->op.count && f->sent - f->done < FETCH_AHEAD)
		imap_command(b, IMAP_STEP_FETCH, "UID FETCH %u (UID BODY.PEEK[])", b->op.uids[f->sent++]);
}

void
imap_start_fetch(struct remote_box *b)
{
	b->imap->fetch = (struct imap_fetching){0};
	if (b->imap->selected.uidvalidity == 0)
		op_refused(b, STR_NONE, "no folder is selected");
	else if (b->op.count == 0)
		op_done(b, NULL);
	else
		imap_fetch_send(b);
}

/* Is a body awaited, and the first one for this message? */
static bool
imap_fetch_may_begin(struct remote_box *b)
{
	struct imap *m = b->imap;

	if (b->op.kind == OP_FETCH && m->awaited_count > 0 && m->awaited[0].step == IMAP_STEP_FETCH &&
	    !m->fetch.begun && !m->fetch.nothing)
		return true;
	box_fail(b, REMOTE_PROTOCOL, STR_NONE, "the remote sent a message that nobody asked for");
	return false;
}

static void
imap_fetch_begin(struct remote_box *b, uint64_t bytes)
{
	struct imap_fetching *f = &b->imap->fetch;

	f->begun = true;
	f->too_large = bytes > b->options.max_message_bytes;
	if (!f->too_large)
		b->op.fetch->on_message(b->op.arg, b->op.uids[f->done], bytes);
}

void
imap_fetch_body(struct remote_box *b, uint64_t bytes)
{
	if (imap_fetch_may_begin(b))
		imap_fetch_begin(b, bytes);
}

void
imap_fetch_piece(struct remote_box *b, struct str piece)
{
	if (box_is_alive(b) && b->op.kind == OP_FETCH && !b->imap->fetch.too_large)
		b->op.fetch->on_piece(b->op.arg, piece);
}

/* The response that had the body is complete. */
void
imap_fetch_item(struct remote_box *b, const struct imap_fetch *item, bool had_literal)
{
	struct imap_fetching *f = &b->imap->fetch;

	if (!had_literal && !imap_fetch_may_begin(b))
		return;
	if (!item->has_uid || item->uid != b->op.uids[f->done]) {
		box_fail(b, REMOTE_PROTOCOL, STR_NONE, "the remote sent another message than was asked for");
		return;
	}
	if (item->body_is_nil) {
		f->nothing = true;
		return;
	}
	if (!had_literal) {
		imap_fetch_begin(b, item->body.len);
		if (item->body.len > 0)
			imap_fetch_piece(b, item->body);
	}
	f->whole = true;
}

static bool
imap_fetch_judge(struct remote_box *b, const struct imap_response *r, struct remote_failure *failure)
{
	const struct imap_fetching *f = &b->imap->fetch;

	if (r->status != IMAP_OK)
		box_failure_set(failure, REMOTE_REFUSED, r->text, "FETCH is refused");
	else if (f->nothing)
		box_failure_set(failure, REMOTE_REFUSED, STR_NONE, "the remote gives no content for the message");
	else if (!f->whole)
		box_failure_set(failure, REMOTE_REFUSED, STR_NONE, "the message is gone");
	else if (f->too_large)
		box_failure_set(failure, REMOTE_LIMIT, STR_NONE, "the message is larger than %llu bytes",
				(unsigned long long)b->options.max_message_bytes);
	else
		return true;
	return false;
}

void
imap_fetch_tagged(struct remote_box *b, const struct imap_response *r)
{
	struct imap_fetching *f = &b->imap->fetch;
	struct remote_failure failure;
	bool good = imap_fetch_judge(b, r, &failure);
	uint32_t uid = b->op.uids[f->done++];

	f->begun = f->whole = f->too_large = f->nothing = false;
	b->op.fetch->on_message_end(b->op.arg, uid, good ? NULL : &failure);
	if (!box_is_alive(b))
		return;
	if (f->done == b->op.count)
		op_done(b, NULL);
	else
		imap_fetch_send(b);
}
