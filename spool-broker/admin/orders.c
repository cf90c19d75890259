/* What an operator may do to a queued message: the verbs, and what each one
 * changes. order_batch.c keeps track of who asked and when to answer. */
#include "spool-broker/admin/orders.h"

#include <string.h>

#include "lib/base/clock.h"
#include "spool-broker/broker.h"
#include "spool-broker/jobs/check.h"
#include "spool-broker/queue/deadlines.h"
#include "spool-broker/queue/message.h"
#include "spool-broker/queue/part.h"
#include "spool-broker/queue/work.h"
#include "spool-broker/schedule/schedule.h"

/* ---- retry ---- */
/* The times of waiting recipients are stored in the spool too, so that a broker
 * that takes the shard over does not wait for the old ones. address: empty:
 * all. */
static void
orders_make_due(struct message *m, struct str address)
{
	uint64_t now_ms = (uint64_t)clock_unix_ms();

	for (unsigned i = 0; i < work_recipient_count(m->work); i++) {
		Stagepost__RecipientStatus *status = work_status(m->work, i);
		if (status->state != STAGEPOST__RECIPIENT_STATE__QUEUED || status->next_try_ms <= now_ms ||
		    (address.len != 0 && !str_eq_ci(address, str_c(work_recipient(m->work, i)->address))))
			continue;
		status->next_try_ms = now_ms;
		m->work->dirty = true;
	}
}

/* Reschedules the waiting parts that serve the recipient (empty: all), to be tried now. */
static unsigned
orders_place_now(struct broker *b, struct message *m, struct str recipient)
{
	unsigned count = 0;

	if (m->work != NULL)
		orders_make_due(m, recipient);
	for (struct part *p = m->parts; p != NULL; p = p->next) {
		struct schedule *s;
		bool concerned = recipient.len == 0;
		for (unsigned i = 0; !concerned && i < work_recipient_count(m->work); i++)
			concerned = str_eq_ci(recipient, str_c(work_recipient(m->work, i)->address)) &&
				    part_serves(p, work_recipient(m->work, i), work_status(m->work, i));
		if (!concerned)
			continue;
		count++;
		if (p->state == PART_ACTIVE)
			continue;
		part_place(b, p, 0);
		if (p->state == PART_READY)
			part_schedule(b, p, &s)->hasten(s, p);
	}
	return count;
}

/* What is due already need not be read for this: nothing in it changes. */
static bool
orders_retry_needs_work(const struct message *m)
{
	for (const struct part *p = m->parts; p != NULL; p = p->next)
		if (p->state == PART_DEFERRED)
			return true;
	return false;
}

static const char *
order_retry(struct broker *b, struct message *m, struct str recipient)
{
	if ((m->flags & MESSAGE_HELD) != 0)
		return NULL;
	return orders_place_now(b, m, recipient) != 0 ? "will be tried now" : NULL;
}

/* ---- hold, release ---- */
static const char *
order_hold(struct broker *b, struct message *m, struct str recipient)
{
	if ((m->flags & MESSAGE_HELD) != 0 || recipient.len != 0)
		return NULL;
	message_hold(b, m, "by the operator");
	return m->active != 0 ? "held, after what is being delivered now" : "held";
}

static const char *
order_release(struct broker *b, struct message *m, struct str recipient)
{
	if ((m->flags & MESSAGE_HELD) == 0 || recipient.len != 0)
		return NULL;
	message_set_held(b, m, false);
	m->work->state->held = false;
	work_add_event(m->work, "released", 0, b->config.id, "by the operator");
	/* Its wait for a spam check may have ended while it was held. */
	check_look(b, m);
	orders_place_now(b, m, STR_NONE);
	deadline_set(b, m);
	return "released";
}

/* ---- delete ---- */
static const char *
order_delete(struct broker *b, struct message *m, struct str recipient)
{
	unsigned count;

	if (recipient.len == 0) {
		m->flags |= MESSAGE_DELETED;
		m->work->state->deleted = true;
		m->work->dirty = true;
	}
	count = parts_delete(b, m, recipient);
	if (m->active != 0)
		return recipient.len == 0 ? "deleted, except for what is being delivered now"
		       : count != 0	  ? "deleted"
					  : NULL;
	return count != 0 ? "deleted" : NULL;
}

static bool
orders_always_needs_work(const struct message *m)
{
	(void)m;
	return true;
}

static const struct order orders[] = {
	/* verb     reads it		run */
	{"retry", orders_retry_needs_work, order_retry},
	{"hold", orders_always_needs_work, order_hold},
	{"release", orders_always_needs_work, order_release},
	{"delete", orders_always_needs_work, order_delete},
};

const struct order *
order_find(const char *verb)
{
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++)
		if (strcmp(orders[i].verb, verb) == 0)
			return &orders[i];
	return NULL;
}
