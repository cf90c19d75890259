/* Room in the mailboxes of a message's recipients.
 *
 * The client is told of a full mailbox, at RCPT if that is known, and at the
 * message's end according to its size. A bounce would go to a sender address that may
 * be forged. Both checks use the usage at the time of RCPT. Filing decides in the
 * end, and a mailbox that fills up until then still leads to a bounce.
 *
 * A recipient may lead to several mailboxes, and a message may have several
 * recipients: it is accepted if one of them has room, and the failure of the others
 * is reported by mail. Whatever cannot be queried counts as having room. */
#include "frontend/submit/private.h"

#include "lib/base/check.h"
#include "lib/base/mem.h"

/* Longer lists are not examined. */
enum { MAILBOXES_MAX = 50 };

/* One mailbox, while its usage is being queried. */
struct room_target {
	struct submit *submit; /* borrowed: its op is held */
	struct submit_room room;
};

void
submit_room_init(struct submit_room *room)
{
	*room = (struct submit_room){.is_limited = true, .is_final = true};
}

void
submit_room_add(struct submit_room *room, const struct submit_room *other)
{
	room->is_limited &= other->is_limited;
	room->is_final &= other->is_final;
	if (other->free_bytes > room->free_bytes)
		room->free_bytes = other->free_bytes;
	if (other->quota_bytes > room->quota_bytes)
		room->quota_bytes = other->quota_bytes;
}

enum submit_result
submit_room_judge(const struct submit_room *room, uint64_t size_bytes)
{
	/* Of unknown size: at least one byte. */
	uint64_t needed = size_bytes != 0 ? size_bytes : 1;

	if (!room->is_limited || needed <= room->free_bytes)
		return SUBMIT_OK;
	return room->is_final || needed > room->quota_bytes ? SUBMIT_OVER_QUOTA : SUBMIT_MAILBOX_FULL;
}

/* ---- Queries ---- */

/* Once all answers have arrived. */
static void
room_end(struct submit *s)
{
	struct submit_recipient *recipient = s->asked.recipient;

	if (op_waits(&s->op))
		return;
	recipient->room = s->asked.room;
	s->asked.recipient = NULL;
	/* Otherwise submit_ask_room() is still running, and returns the result itself. */
	if (!s->asked.is_starting)
		s->asked.on_room(s->asked.arg);
}

static void
room_on_quota(void *arg, const struct mailbox_quota *used, const struct err *err)
{
	struct room_target *t = arg;
	struct submit *s = t->submit;
	struct submit_room room = t->room;

	mem_free(t);
	if (!op_back(&s->op))
		return;
	if (err != NULL)
		room.is_limited = false;
	else if (used->bytes < room.quota_bytes)
		room.free_bytes = room.quota_bytes - used->bytes;
	submit_room_add(&s->asked.room, &room);
	room_end(s);
}

static int64_t
room_when_full(const struct submit *s, const struct directory_target *target)
{
	return settings_mailbox(frontend_settings(s->frontend), directory_domain_of(target->address))->when_full;
}

static bool
room_must_be_asked(const struct submit *s, const struct directory_target *target)
{
	return target->kind == DIR_USER && target->quota_bytes != 0 && room_when_full(s, target) != WHEN_FULL_REPORT;
}

static void
room_ask(struct submit *s, const struct directory_target *target)
{
	struct room_target *t = mem_new(struct room_target);

	*t = (struct room_target){.submit = s,
				  .room = {.is_limited = true,
					   .is_final = room_when_full(s, target) == WHEN_FULL_REFUSE,
					   .quota_bytes = target->quota_bytes}};
	op_hold(&s->op);
	mailbox_quota_used(s->frontend->mailboxes, target->address, room_on_quota, t);
}

/* Does every mailbox that receives mail here have a limit that must be checked? An
 * unknown or disabled target, which receives no mail, does not count. */
static bool
room_is_limited(const struct submit *s, const struct directory_target *targets, unsigned count)
{
	unsigned limited = 0;

	for (unsigned i = 0; i < count; i++) {
		if (room_must_be_asked(s, &targets[i]))
			limited++;
		else if (targets[i].kind != DIR_UNKNOWN && targets[i].kind != DIR_DISABLED)
			return false;
	}
	return limited != 0 && limited <= MAILBOXES_MAX;
}

static void
room_on_expanded(void *arg, const struct directory_target *targets, unsigned count, const struct err *err)
{
	struct submit *s = arg;

	if (s->op.cancelled || err != NULL || !room_is_limited(s, targets, count)) {
		s->asked.room.is_limited = false;
	} else {
		for (unsigned i = 0; i < count; i++)
			if (room_must_be_asked(s, &targets[i]))
				room_ask(s, &targets[i]);
	}
	if (op_back(&s->op))
		room_end(s);
}

bool
submit_ask_room(struct submit *s, struct submit_recipient *recipient, void (*on_room)(void *arg), void *arg)
{
	CHECK(!op_waits(&s->op));
	s->asked.recipient = recipient;
	s->asked.on_room = on_room;
	s->asked.arg = arg;
	s->asked.is_starting = true;
	submit_room_init(&s->asked.room);
	op_hold(&s->op);
	directory_expand(s->frontend->directory, recipient->address, room_on_expanded, s);
	s->asked.is_starting = false;
	return s->asked.recipient == NULL;
}
