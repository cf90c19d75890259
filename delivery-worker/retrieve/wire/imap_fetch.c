/* Whole messages with BODY.PEEK[], many with one command: then a server sends them in the order of
 * their UIDs, and the time of the way counts once. (Of several commands that are sent ahead Dovecot
 * runs some at the same time, and their bodies come in any order.) Where a command is refused,
 * what has not come is asked for one by one, so that one message does not stand in the way of
 * others. A body whose UID turns out to be another's ends the session, as what was passed on
 * may belong to another message. */
#include "delivery-worker/retrieve/wire/imap.h"

#define SET_BYTES 2000 /* of UIDs in a command */

static void
imap_fetch_send(struct remote_box *b)
{
	struct imap_fetching *f = &b->imap->fetch;
	unsigned end = b->op.count;
	struct buf set = BUF_EMPTY;

	f->from = f->sent;
	if (f->sent < f->single_until)
		end = f->sent + 1;
	f->sent += imap_add_set(&set, b->op.uids + f->from, end - f->from, SET_BYTES);
	imap_command(b, IMAP_STEP_FETCH, "UID FETCH %s (UID BODY.PEEK[])", set.data);
	buf_fini(&set);
}

void
imap_start_fetch(struct remote_box *b)
{
	b->imap->fetch = (struct imap_fetching){.ended = arena_array(&b->op.arena, bool, b->op.count + 1)};
	if (b->imap->selected.uidvalidity == 0)
		op_refused(b, STR_NONE, "no folder is selected");
	else if (b->op.count == 0)
		op_done(b, NULL);
	else
		imap_fetch_send(b);
}

static void
imap_fetch_end(struct remote_box *b, unsigned index, const struct remote_failure *failure)
{
	b->imap->fetch.ended[index] = true;
	b->op.fetch->on_message_end(b->op.arg, b->op.uids[index], failure);
}

/* Those before `index` that have not come do not come any more. */
static void
imap_fetch_pass(struct remote_box *b, unsigned index)
{
	struct imap_fetching *f = &b->imap->fetch;
	struct remote_failure failure;

	box_failure_set(&failure, REMOTE_REFUSED, STR_NONE, "the message is gone");
	for (unsigned i = f->from; i < index && box_is_alive(b); i++)
		if (!f->ended[i])
			imap_fetch_end(b, i, &failure);
}

/* Finds the message among those that are asked for. uid 0: not known yet, it must be the first
 * that is not here. One that was passed and comes after all is thrown away: the caller wants
 * the ends in order. */
static bool
imap_fetch_find(struct remote_box *b, uint32_t uid)
{
	struct imap_fetching *f = &b->imap->fetch;

	for (unsigned i = f->from; b->op.kind == OP_FETCH && !f->begun && i < f->sent; i++) {
		if (uid != 0 ? uid != b->op.uids[i] : f->ended[i])
			continue;
		f->current = i;
		f->stray = f->ended[i];
		if (!f->stray)
			imap_fetch_pass(b, i);
		return box_is_alive(b);
	}
	box_fail(b, REMOTE_PROTOCOL, STR_NONE, "the remote sent a message that nobody asked for");
	return false;
}

static void
imap_fetch_begin(struct remote_box *b, uint64_t bytes)
{
	struct imap_fetching *f = &b->imap->fetch;

	f->begun = true;
	f->too_large = bytes > b->options.max_message_bytes;
	if (!f->too_large && !f->stray)
		b->op.fetch->on_message(b->op.arg, b->op.uids[f->current], bytes);
}

/* The UID mostly stands before the body. */
static uint32_t
imap_fetch_uid_before(struct imap *m)
{
	struct imap_response r;
	const char *text;

	arena_reset(&m->arena);
	text = arena_printf(&m->arena, "%.*s)", STR_ARG(buf_str(&m->reader.text)));
	return imap_response_parse(str_c(text), &m->arena, &r) && r.fetch.has_uid ? r.fetch.uid : 0;
}

void
imap_fetch_body(struct remote_box *b, uint64_t bytes)
{
	if (imap_fetch_find(b, imap_fetch_uid_before(b->imap)))
		imap_fetch_begin(b, bytes);
}

void
imap_fetch_piece(struct remote_box *b, struct str piece)
{
	const struct imap_fetching *f = &b->imap->fetch;

	if (box_is_alive(b) && f->begun && !f->too_large && !f->stray)
		b->op.fetch->on_piece(b->op.arg, piece);
}

/* The body did not come as a literal. */
static void
imap_fetch_quoted(struct remote_box *b, const struct imap_fetch *item)
{
	struct imap_fetching *f = &b->imap->fetch;
	struct remote_failure failure;

	if (!imap_fetch_find(b, item->uid))
		return;
	if (item->body_is_nil && f->stray)
		return;
	if (item->body_is_nil) {
		box_failure_set(&failure, REMOTE_REFUSED, STR_NONE, "the remote gives no content for the message");
		imap_fetch_end(b, f->current, &failure);
		return;
	}
	imap_fetch_begin(b, item->body.len);
	if (item->body.len > 0)
		imap_fetch_piece(b, item->body);
}

/* The response that had the body is complete, and so is the message. */
void
imap_fetch_item(struct remote_box *b, const struct imap_fetch *item, bool had_literal)
{
	struct imap_fetching *f = &b->imap->fetch;
	struct remote_failure failure;

	if (!had_literal)
		imap_fetch_quoted(b, item);
	if (!box_is_alive(b) || !f->begun)
		return;
	f->begun = false;
	if (item->uid != b->op.uids[f->current]) {
		box_fail(b, REMOTE_PROTOCOL, STR_NONE, "the remote sent another message than was asked for");
		return;
	}
	if (f->too_large)
		box_failure_set(&failure, REMOTE_LIMIT, STR_NONE, "the message is larger than %llu bytes",
				(unsigned long long)b->options.max_message_bytes);
	if (!f->stray)
		imap_fetch_end(b, f->current, f->too_large ? &failure : NULL);
	if (box_is_alive(b))
		box_set_timer(b);
}

/* One by one from the first that has not come; if it was asked for alone, it is refused. */
static void
imap_fetch_refused(struct remote_box *b, struct str words)
{
	struct imap_fetching *f = &b->imap->fetch;
	unsigned first = f->from, end = f->sent;
	struct remote_failure failure;

	while (first < end && f->ended[first])
		first++;
	if (first == end)
		return;
	if (end - f->from == 1) {
		box_failure_set(&failure, REMOTE_REFUSED, words, "FETCH is refused");
		imap_fetch_end(b, first, &failure);
		return;
	}
	f->sent = first;
	f->single_until = end;
}

void
imap_fetch_tagged(struct remote_box *b, const struct imap_response *r)
{
	struct imap_fetching *f = &b->imap->fetch;

	if (r->status == IMAP_OK)
		imap_fetch_pass(b, f->sent);
	else
		imap_fetch_refused(b, r->text);
	if (!box_is_alive(b))
		return;
	if (f->sent == b->op.count)
		op_done(b, NULL);
	else
		imap_fetch_send(b);
}
