/* IDLE (RFC 2177): until there is news, or the caller wants something else. Servers may end it
 * after 30 minutes, so it is sent anew before. */
#include "delivery-worker/retrieve/wire/imap.h"

void
imap_start_idle(struct remote_box *b)
{
	struct imap *m = b->imap;

	if (m->selected.uidvalidity == 0) {
		op_refused(b, STR_NONE, "no folder is selected");
		return;
	}
	m->idling = m->idle_end = false;
	if (m->news || b->op.end_wanted) {
		m->news = false;
		op_done(b, NULL);
		return;
	}
	if ((m->caps & IMAP_CAN_IDLE) == 0) {
		op_refused(b, STR_NONE, "the remote offers IDLE no more");
		return;
	}
	imap_command(b, IMAP_STEP_IDLE, "IDLE");
}

static void
idle_leave(struct remote_box *b)
{
	struct imap *m = b->imap;

	if (!m->idling || m->idle_end)
		return;
	m->idle_end = true;
	box_write(b, STR("DONE\r\n"));
	box_set_timer(b);
}

void
imap_idle_continue(struct remote_box *b, const struct imap_response *r)
{
	/* It would set the time limit of IDLE anew, even after DONE. */
	if (b->imap->idling) {
		imap_unwanted_continue(b, r);
		return;
	}
	b->imap->idling = true;
	connection_set_timer(&b->connection, b->options.idle_ms);
	/* It may have come between the command and "+". */
	if (b->op.end_wanted || b->imap->news)
		idle_leave(b);
}

void
imap_idle_news(struct remote_box *b)
{
	b->imap->news = true;
	idle_leave(b);
}

void
imap_leave_idle(struct remote_box *b)
{
	idle_leave(b);
}

void
imap_idle_tagged(struct remote_box *b, const struct imap_response *r)
{
	struct imap *m = b->imap;
	bool was_idling = m->idling, by_us = m->idle_end;

	m->idling = m->idle_end = false;
	if (r->status != IMAP_OK)
		imap_fail_status(b, REMOTE_REFUSED, r, "IDLE");
	else if (!was_idling)
		op_refused(b, r->text, "IDLE ended before it began");
	else if (!by_us)
		op_done(b, NULL); /* the caller looks for news; asking again at once might never end */
	else
		imap_start_idle(b); /* anew, unless there is news */
}
