/* The fair schedule: the queues, and whose turn it is; schedule.h explains how it decides. */
#include "spool-broker/schedule/schedule.h"

#include <stdint.h>
#include <utlist.h>

#include "lib/base/check.h"
#include "lib/base/mem.h"
#include "spool-broker/schedule/heap.h"
#include "spool-broker/schedule/private.h"

/* ---- For queries ---- */
const char *
part_destination(const struct part *p)
{
	return p->lane->key.destination->name;
}

const struct destination *
part_destination_of(const struct part *p)
{
	return p->lane->key.destination;
}

const struct site *
part_site(const struct part *p)
{
	return p->lane->site;
}

const struct site *
destination_site(const struct destination *d)
{
	const struct site *site = NULL;
	const struct lane *l;

	DL_FOREACH2(d->lanes, l, sibling_next)
	{
		if (l->site != NULL)
			site = l->site;
		if (site != NULL && (site->trouble != NULL || site_is_throttled(site)))
			break;
	}
	return site;
}

/* ---- Life ---- */
static struct schedule *
fair_create(void)
{
	return mem_new(struct schedule);
}

static void
fair_destroy(struct schedule **s)
{
	if (*s == NULL)
		return;
	CHECK((*s)->lanes == NULL && (*s)->senders == NULL && (*s)->destinations == NULL);
	sites_forget(*s, true);
	heap_fini(&(*s)->retries);
	heap_fini(&(*s)->wakes);
	heap_fini(&(*s)->asks);
	heap_fini(&(*s)->crowded);
	for (unsigned i = 0; i < PRIORITIES; i++)
		heap_fini(&(*s)->aside[i]);
	mem_free(*s);
	*s = NULL;
}

static void
fair_set_limits(struct schedule *s, const struct schedule_limits *limits, const struct schedule_router *router)
{
	s->limits = *limits;
	s->router = router != NULL ? *router : (struct schedule_router){.find = NULL};
}

static void
fair_set_slots(struct schedule *s, unsigned slots)
{
	s->slots = slots;
}

static bool
fair_has(const struct schedule *s, struct str destination)
{
	const struct destination *d = NULL;

	HASH_FIND(hh, s->destinations, destination.p, destination.len, d);
	return d != NULL;
}

static void
reroute_destination(struct schedule *s, struct destination *d)
{
	struct lane *l, *next;

	DL_FOREACH_SAFE2(d->lanes, l, next, sibling_next)
	lane_route(s, l);
}

static void
fair_reroute(struct schedule *s, struct str destination)
{
	struct destination *d = NULL, *next;

	if (destination.len == 0) {
		HASH_ITER (hh, s->destinations, d, next)
			reroute_destination(s, d);
		return;
	}
	HASH_FIND(hh, s->destinations, destination.p, destination.len, d);
	if (d != NULL)
		reroute_destination(s, d);
}

/* ---- Adding and removing parts ---- */
static struct part *
fair_enlist(struct schedule *s, struct part *p, struct str destination, struct str sender, struct str from,
	    unsigned priority)
{
	struct lane *l = lane_get(s, destination, sender, from, priority < PRIORITIES ? priority : PRIORITIES - 1);

	/* Parts of one message come one after another, so looking at the newest
	 * is enough to find the message's own. */
	if (l->newest != NULL && l->newest->message == p->message && l->newest != p)
		return l->newest;
	p->lane = l;
	p->state = PART_IDLE;
	l->parts++;
	l->newest = p;
	return p;
}

/* Removes it from the queue that it is in. */
static void
schedule_unqueue(struct schedule *s, struct part *p)
{
	struct lane *l = p->lane;
	struct destination *d = l->key.destination;

	CHECKF(p->state != PART_ACTIVE, "destination %s", d->name);
	if (p->state == PART_READY) {
		DL_DELETE2(l->queue, p, queue_prev, queue_next);
		l->queued--;
		d->ready--;
		s->totals.ready--;
		if (l->queue == NULL)
			lane_leave(s, l);
	} else if (p->state == PART_DEFERRED) {
		heap_remove(&s->retries, &p->retry);
		d->deferred--;
		s->totals.deferred--;
	}
	p->state = PART_IDLE;
}

static void
fair_withdraw(struct schedule *s, struct part *p)
{
	struct lane *l = p->lane;
	bool was_ready = p->state == PART_READY;

	schedule_unqueue(s, p);
	/* It may have been called back for a place that is another's now. */
	if (was_ready && l->queue == NULL && l->site != NULL)
		site_call_back(s, l->site);
}

static void
fair_dismiss(struct schedule *s, struct part *p)
{
	struct lane *l = p->lane;

	if (l == NULL)
		return;
	fair_withdraw(s, p);
	p->lane = NULL;
	if (l->newest == p)
		l->newest = NULL;
	if (--l->parts == 0)
		lane_drop(s, l);
}

/* ---- Queues ---- */
static void
fair_ready(struct schedule *s, struct part *p)
{
	struct lane *l = p->lane;

	fair_withdraw(s, p);
	DL_APPEND2(l->queue, p, queue_prev, queue_next);
	p->state = PART_READY;
	l->queued++;
	l->key.destination->ready++;
	s->totals.ready++;
	if (l->state == LANE_EMPTY)
		lane_join(s, l, false);
}

static void
fair_defer(struct schedule *s, struct part *p, int64_t until_ms)
{
	fair_withdraw(s, p);
	heap_set(&s->retries, &p->retry, until_ms);
	p->state = PART_DEFERRED;
	p->lane->key.destination->deferred++;
	s->totals.deferred++;
}

static void
make_active(struct schedule *s, struct part *p)
{
	struct lane *l = p->lane;

	schedule_unqueue(s, p);
	p->state = PART_ACTIVE;
	l->active++;
	l->key.sender->active++;
	share_sender_changed(s, l->key.sender);
	l->key.destination->active++;
	s->totals.active++;
	if (l->site != NULL)
		site_begin(s, l->site);
}

/* What becomes ready by time alone: retries, and probes of dead sites. */
static void
pass_time(struct schedule *s, int64_t now_ms)
{
	struct heap_node *node;

	s->now_ms = now_ms;
	sites_forget(s, false);
	while ((node = heap_first(&s->wakes)) != NULL && node->time_ms <= now_ms) {
		struct site *site = heap_owner(node, struct site, wake);
		site_probe(s, site);
		site_call_back(s, site);
	}
	while ((node = heap_first(&s->retries)) != NULL && node->time_ms <= now_ms)
		fair_ready(s, heap_owner(node, struct part, retry));
}

/* The next part of one priority. Senders that have used up their share of the
 * slots are set aside on the way, and lanes that find no room are parked, each at
 * most once for each time that it was called. */
static struct part *
take_priority(struct schedule *s, unsigned priority)
{
	struct turn *turn;

	while ((turn = s->rotation[priority]) != NULL) {
		struct lane *l = turn->lanes;
		struct part *p = l->queue;
		if (!share_allows_sender(s, turn->sender)) {
			share_set_aside(s, turn, priority);
			continue;
		}
		if (!site_has_room_for(s, l)) {
			lane_park(s, l);
			site_call_back(s, l->site);
			continue;
		}
		make_active(s, p);
		/* The lane goes behind the sender's others, the sender behind the
		 * other senders. */
		if (l->state == LANE_READY) {
			lane_leave(s, l);
			lane_join(s, l, false);
		}
		if (turn->lanes != NULL) {
			DL_DELETE(s->rotation[priority], turn);
			DL_APPEND(s->rotation[priority], turn);
		}
		return p;
	}
	return NULL;
}

/* The next part of this priority or a lower one. */
static struct part *
take_down_from(struct schedule *s, unsigned priority)
{
	struct part *p = NULL;

	if (priority == PRIORITY_LOW)
		return take_priority(s, priority);
	if (s->in_a_row[priority] < LOWER_TURN)
		p = take_priority(s, priority);
	if (p != NULL) {
		s->in_a_row[priority]++;
		return p;
	}
	s->in_a_row[priority] = 0;
	p = take_down_from(s, priority - 1);
	return p != NULL ? p : take_priority(s, priority);
}

static struct part *
fair_take(struct schedule *s, int64_t now_ms)
{
	pass_time(s, now_ms);
	shares_look(s);
	return take_down_from(s, PRIORITY_HIGH);
}

static void
fair_end(struct schedule *s, struct part *p, enum try_end end, const char *trouble, int64_t retry_after_ms,
	 int64_t now_ms)
{
	struct lane *l = p->lane;
	struct destination *d = l->key.destination;

	CHECKF(p->state == PART_ACTIVE && d->active != 0 && l->active != 0, "state %d", p->state);
	s->now_ms = now_ms;
	p->state = PART_IDLE;
	l->active--;
	l->key.sender->active--;
	share_sender_changed(s, l->key.sender);
	d->active--;
	s->totals.active--;
	if (l->site != NULL)
		site_end(s, l->site, end, trouble, retry_after_ms);
}

static void
fair_note_answer(struct schedule *s, struct part *p, const char *answer)
{
	struct destination *d = p->lane->key.destination;
	struct str whole = str_c(answer), kept = str_first(whole, ANSWER_KEPT_MAX);

	(void)s;
	/* Cut between characters. */
	while (kept.len > 0 && kept.len < whole.len && ((unsigned char)answer[kept.len] & 0xc0) == 0x80)
		kept.len--;
	if (d->answer != NULL && str_eq(str_c(d->answer), kept))
		return;
	mem_free(d->answer);
	d->answer = str_dup(kept);
}

static int64_t
fair_next_ms(const struct schedule *s)
{
	const struct heap *const heaps[] = {&s->retries, &s->wakes, &s->asks};
	int64_t next_ms = INT64_MAX;

	for (size_t i = 0; i < sizeof(heaps) / sizeof(heaps[0]); i++) {
		const struct heap_node *first = heap_first(heaps[i]);
		if (first != NULL && first->time_ms < next_ms)
			next_ms = first->time_ms;
	}
	return next_ms;
}

static struct schedule_counts
fair_counts(const struct schedule *s)
{
	struct schedule_counts counts = s->totals;

	counts.waits = heap_first(&s->wakes) != NULL || heap_first(&s->asks) != NULL;
	for (unsigned i = 0; i < PRIORITIES; i++)
		counts.waits &= s->rotation[i] == NULL;
	return counts;
}

static void
fair_each(struct schedule *s, void (*visit)(void *arg, const struct destination *d), void *arg)
{
	struct destination *d, *next;

	HASH_ITER (hh, s->destinations, d, next)
		visit(arg, d);
}

static void
fair_each_site(struct schedule *s, void (*visit)(void *arg, const struct site *site), void *arg)
{
	struct site *site, *next;

	HASH_ITER (hh, s->sites, site, next)
		if (site->lanes != 0)
			visit(arg, site);
}

static void
fair_hasten(struct schedule *s, struct part *p)
{
	struct lane *l = p->lane;

	CHECKF(p->state == PART_READY, "state %d", p->state);
	if (l->site != NULL && l->site->state == SITE_DEAD)
		site_probe(s, l->site);
	DL_DELETE2(l->queue, p, queue_prev, queue_next);
	DL_PREPEND2(l->queue, p, queue_prev, queue_next);
	if (l->site != NULL)
		lane_call(s, l);
}

const struct schedule_ops schedule_fair = {
	.create = fair_create,
	.destroy = fair_destroy,
	.set_limits = fair_set_limits,
	.set_slots = fair_set_slots,
	.has = fair_has,
	.reroute = fair_reroute,
	.enlist = fair_enlist,
	.dismiss = fair_dismiss,
	.ready = fair_ready,
	.defer = fair_defer,
	.withdraw = fair_withdraw,
	.take = fair_take,
	.adopt = make_active,
	.end = fair_end,
	.next_wish = sites_next_wish,
	.permit = sites_permit,
	.note_answer = fair_note_answer,
	.next_ms = fair_next_ms,
	.counts = fair_counts,
	.each = fair_each,
	.each_site = fair_each_site,
	.hasten = fair_hasten,
};
