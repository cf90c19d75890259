/* Whole messages with BODY.PEEK[], one command each, several sent ahead. A server may hold the
 * tagged answers back and send the bodies of several commands first (Dovecot does), so a body
 * is known by its UID. A body whose UID turns out to be another's ends the session, as what
 * was passed on may belong to another message. */
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
	b->imap->fetch = (struct imap_fetching){
		.ended = arena_array(&b->op.arena, bool, b->op.count + 1),
		.first_tag = b->imap->next_tag + 1,
	};
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

/* Those before `index` that have not come will not come any more. Their answers may still be
 * held back, but the caller wants the ends in order. */
static void
imap_fetch_pass(struct remote_box *b, unsigned index)
{
	struct imap_fetching *f = &b->imap->fetch;
	struct remote_failure failure;

	box_failure_set(&failure, REMOTE_REFUSED, STR_NONE, "the message is gone");
	for (unsigned i = 0; i < index && box_is_alive(b); i++)
		if (!f->ended[i])
			imap_fetch_end(b, i, &failure);
}

/* Finds the message among those that are asked for and not here yet. uid 0: not known yet,
 * it must be the first of them. */
static bool
imap_fetch_find(struct remote_box *b, uint32_t uid)
{
	struct imap_fetching *f = &b->imap->fetch;

	for (unsigned i = 0; b->op.kind == OP_FETCH && !f->begun && i < f->sent; i++) {
		if (f->ended[i] || (uid != 0 && uid != b->op.uids[i]))
			continue;
		f->current = i;
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
	if (!f->too_large)
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
	if (box_is_alive(b) && b->imap->fetch.begun && !b->imap->fetch.too_large)
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
	imap_fetch_end(b, f->current, f->too_large ? &failure : NULL);
	if (box_is_alive(b))
		box_set_timer(b);
}

/* A server that refuses one may say so before it answers those before it. */
static unsigned
imap_fetch_index(struct imap *m, const struct imap_response *r)
{
	uint64_t tag = imap_number(str_from(r->tag, 1));

	return (unsigned)(tag - m->fetch.first_tag);
}

void
imap_fetch_tagged(struct remote_box *b, const struct imap_response *r)
{
	struct imap_fetching *f = &b->imap->fetch;
	unsigned index = imap_fetch_index(b->imap, r);
	struct remote_failure failure;

	f->done++;
	if (!f->ended[index])
		imap_fetch_pass(b, index);
	if (!box_is_alive(b))
		return;

	if (r->status != IMAP_OK)
		box_failure_set(&failure, REMOTE_REFUSED, r->text, "FETCH is refused");
	else
		box_failure_set(&failure, REMOTE_REFUSED, STR_NONE, "the message is gone");
	if (!f->ended[index])
		imap_fetch_end(b, index, &failure);
	if (!box_is_alive(b))
		return;
	if (f->done == b->op.count)
		op_done(b, NULL);
	else
		imap_fetch_send(b);
}
