/* RETR and DELE, several sent ahead if the server has PIPELINING. */
#include "delivery-worker/retrieve/wire/pop.h"

#define RETR_AHEAD 48 /* hides a way of 200 ms, for some hundred messages a second */

/* ---- RETR ---- */
static void
pop_fetch_send(struct remote_box *b)
{
	struct pop *p = b->pop;

	while (p->sent < b->op.count && p->sent - p->done < RETR_AHEAD && pop_room(p) > 0)
		pop_command(b, POP_STEP_RETR, "RETR %u", b->op.uids[p->sent++]);
}

void
pop_start_fetch(struct remote_box *b)
{
	b->pop->sent = b->pop->done = 0;
	if (b->op.count == 0)
		op_done(b, NULL);
	else
		pop_fetch_send(b);
}

static void
pop_fetch_next(struct remote_box *b, const struct remote_failure *failure)
{
	struct pop *p = b->pop;

	b->op.fetch->on_message_end(b->op.arg, b->op.uids[p->done++], failure);
	if (!box_is_alive(b))
		return;
	if (p->done == b->op.count)
		op_done(b, NULL);
	else
		pop_fetch_send(b);
}

void
pop_on_retr(struct remote_box *b, const struct pop_status *s)
{
	struct pop *p = b->pop;
	struct remote_failure failure;

	if (!s->ok) {
		box_failure_set(&failure, REMOTE_REFUSED, s->text, "RETR is refused");
		pop_fetch_next(b, &failure);
		return;
	}
	p->in_message = true;
	p->too_large = false;
	p->message_bytes = 0;
	b->op.fetch->on_message(b->op.arg, b->op.uids[p->done], 0);
}

void
pop_fetch_piece(struct remote_box *b, struct str piece)
{
	struct pop *p = b->pop;

	p->message_bytes += piece.len;
	if (p->message_bytes > b->options.max_message_bytes)
		p->too_large = true; /* the rest is read and thrown away */
	if (!p->too_large && box_is_alive(b))
		b->op.fetch->on_piece(b->op.arg, piece);
}

void
pop_fetch_end(struct remote_box *b)
{
	struct remote_failure failure;

	if (b->pop->too_large)
		box_failure_set(&failure, REMOTE_LIMIT, STR_NONE, "the message is larger than %llu bytes",
				(unsigned long long)b->options.max_message_bytes);
	pop_fetch_next(b, b->pop->too_large ? &failure : NULL);
}

/* ---- DELE ---- */
static void
pop_delete_send(struct remote_box *b)
{
	struct pop *p = b->pop;

	while (p->sent < b->op.count && pop_room(p) > 0)
		pop_command(b, POP_STEP_DELE, "DELE %u", b->op.uids[p->sent++]);
}

void
pop_start_delete(struct remote_box *b)
{
	b->pop->sent = b->pop->done = b->pop->refused = 0;
	if (b->op.count == 0)
		op_deleted(b, true);
	else
		pop_delete_send(b);
}

/* Marked only: what becomes of it is decided at QUIT. */
void
pop_on_dele(struct remote_box *b, const struct pop_status *s)
{
	struct pop *p = b->pop;

	p->refused += !s->ok;
	if (++p->done < b->op.count)
		pop_delete_send(b);
	else if (p->refused > 0)
		op_refused(b, s->ok ? STR_NONE : s->text, "DELE is refused for %u of %u messages", p->refused,
			   b->op.count);
	else
		op_deleted(b, true);
}
