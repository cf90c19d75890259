/* Messages as they come from the remote, in the order of the list. The remote is slowed down while many messages
 * are on their way into the spool, or the blob store has a backlog. */
#include "delivery-worker/retrieve/private.h"
#include "lib/base/check.h"
#include "lib/base/mem.h"

enum { READING_BATCH = 500, READING_CAREFUL = 200 };

static void reading_next(struct round *r);

static struct message *
reading_current(const struct round *r)
{
	struct message *last = r->messages != NULL ? r->messages->prev : NULL;

	return last != NULL && last->state == MESSAGE_READING ? last : NULL;
}

static bool
reading_has_backlog(const struct round *r)
{
	const struct message *m = reading_current(r);

	return m != NULL && m->append != NULL && blob_append_backlog(m->append) > BLOB_BACKLOG_BYTES;
}

static void
reading_on_room(void *arg)
{
	struct round *r = arg;

	if (!op_back(&r->op))
		return;
	r->waits_room = false;
	reading_flow(r);
}

void
reading_forget_room(struct round *r)
{
	if (!r->waits_room)
		return;
	r->waits_room = false;
	op_back(&r->op);
}

void
reading_flow(struct round *r)
{
	bool rests;

	if (!r->is_reading || r->box == NULL)
		return;
	if (!r->waits_room && reading_has_backlog(r)) {
		r->waits_room = true;
		op_hold(&r->op);
		blob_append_wait_room(reading_current(r)->append, reading_on_room, r);
	}
	rests = r->waits_room || r->in_flight >= ROUND_IN_FLIGHT_MAX ||
		(r->is_paused && r->in_flight > ROUND_IN_FLIGHT_MAX / 2);
	if (rests == r->is_paused)
		return;
	r->is_paused = rests;
	if (rests)
		remote_box_pause(r->box);
	else
		remote_box_resume(r->box);
}

/* The row of the list with this UID; those before it are passed. NULL: there is none. */
static const struct listed *
reading_find(struct round *r, uint32_t uid)
{
	while (r->list_at < r->list_count && r->list[r->list_at].uid != uid)
		r->list_at++;
	return r->list_at < r->list_count ? &r->list[r->list_at] : NULL;
}

/* One stays unread, so the next round reads it: the folder's place does not move beyond it. */
void
reading_cap(struct round *r, uint32_t uid)
{
	r->unread++;
	if (r->is_capped && r->cap < uid)
		return;
	r->is_capped = true;
	r->cap = uid - 1;
}

/* Those of the list up to this row have been asked for, and must have ended. */
static void
reading_cap_missing(struct round *r, unsigned upto)
{
	for (; r->list_ended < upto; r->list_ended++)
		reading_cap(r, r->list[r->list_ended].uid);
}

static void
reading_on_message(void *arg, uint32_t uid, uint64_t size)
{
	struct round *r = arg;
	const struct listed *l;

	(void)size;
	if (r->is_ending)
		return;
	l = reading_find(r, uid);
	if (l == NULL) {
		round_fail(r, false, "the remote sent a message that was not asked for");
		return;
	}
	if (reading_current(r) != NULL)
		message_skip(reading_current(r), false);
	message_new(r, l);
}

static void
reading_on_piece(void *arg, struct str piece)
{
	struct round *r = arg;
	struct message *m = reading_current(r);

	if (r->is_ending || m == NULL)
		return;
	message_feed(m, piece);
	reading_flow(r);
}

void
reading_pass_over(struct round *r, uint32_t uid)
{
	reading_cap(r, uid);
	r->unread--;
}

/* The message at which the session has ended: the one that was being sent, or else the next of those that were
 * asked for. If there were several it is only a suspect, for the remote may have lost what it had sent already. */
static const struct listed *
reading_culprit(const struct round *r)
{
	const struct message *m = reading_current(r);

	if (m != NULL)
		return &m->listed;
	return r->list_ended < r->list_from ? &r->list[r->list_ended] : NULL;
}

static void
reading_blame(struct round *r, const struct remote_failure *f)
{
	const struct listed *l = f->trouble != REMOTE_OURS && !r->is_ending ? reading_culprit(r) : NULL;

	r->blames = l != NULL && !stuck_is_remotes_own(&r->stuck);
	if (l != NULL)
		r->puts_aside |= stuck_note(&r->stuck, l->id, f->text, r->asked_for == 1);
}

/* Not read: it is tried again, or is left where it is for good. */
static void
reading_on_unread(struct round *r, uint32_t uid, const struct remote_failure *f)
{
	struct message *m = reading_current(r);

	if (f->trouble == REMOTE_LIMIT) {
		r->too_large++;
		if (m != NULL) {
			message_skip(m, true);
			return;
		}
	} else {
		str_copy(str_c(f->text), r->note, sizeof(r->note));
		if (stuck_note(&r->stuck, r->list[r->list_at].id, f->text, true))
			reading_pass_over(r, uid);
		else
			reading_cap(r, uid);
	}
	if (m != NULL)
		message_skip(m, false);
}

static void
reading_on_message_end(void *arg, uint32_t uid, const struct remote_failure *failure)
{
	struct round *r = arg;
	struct message *m = reading_current(r);

	const struct listed *l;

	if (r->is_ending)
		return;
	l = reading_find(r, uid);
	if (l == NULL) {
		round_fail(r, false, "the remote sent a message that was not asked for");
		return;
	}
	if (failure == NULL && m == NULL) /* an empty one */
		m = message_new(r, l);
	if (failure == NULL && m == NULL)
		return;
	reading_cap_missing(r, r->list_at);
	r->list_ended = r->list_at + 1;
	r->read_upto = uid;
	if (failure != NULL) {
		reading_on_unread(r, uid, failure);
	} else {
		stuck_note_come(&r->stuck, l->id);
		message_end(m);
	}
	reading_flow(r);
	pace_on_message_end(r);
}

static void
reading_on_done(void *arg, const struct remote_failure *failure)
{
	struct round *r = arg;

	r->is_reading = false;
	r->is_paused = false;
	if (failure != NULL) {
		reading_blame(r, failure);
		round_fail_remote(r, failure);
		return;
	}
	if (r->is_ending)
		return;
	if (reading_current(r) != NULL)
		message_skip(reading_current(r), false);
	reading_cap_missing(r, r->list_from);
	reading_next(r);
}

static const struct remote_fetch_events reading_events = {
	.on_message = reading_on_message,
	.on_piece = reading_on_piece,
	.on_message_end = reading_on_message_end,
	.on_done = reading_on_done,
};

/* What to ask for next: many at a time, but from a suspect on one after the other, until it is clear which message
 * it is that the remote does not give. */
static unsigned
reading_choose(struct round *r, uint32_t uids[READING_BATCH])
{
	unsigned count = 0;

	while (r->list_from < r->list_count && count < READING_BATCH) {
		if (stuck_suspects(&r->stuck, r->list[r->list_from].id)) {
			r->careful = READING_CAREFUL;
			if (count > 0)
				break;
		}
		uids[count++] = r->list[r->list_from++].uid;
		if (r->careful > 0) {
			r->careful--;
			break;
		}
	}
	return count;
}

static void
reading_drain(struct round *r, void (*next)(struct round *r))
{
	if (r->messages == NULL)
		next(r);
	else
		r->on_drained = next;
}

static void
reading_next(struct round *r)
{
	uint32_t uids[READING_BATCH];
	unsigned count;

	if (r->list_from > 0 && r->list_from < r->list_count && pace_ends_batch(r)) {
		reading_drain(r, session_rest);
		return;
	}
	count = reading_choose(r, uids);
	r->asked_for = count;
	if (count > 0) {
		r->is_reading = true;
		remote_box_fetch(r->box, uids, count, &reading_events, r);
		reading_flow(r);
	} else {
		reading_drain(r, listing_on_read);
	}
}

void
reading_start(struct round *r)
{
	r->list_at = r->list_from = r->list_ended = 0;
	reading_next(r);
}
