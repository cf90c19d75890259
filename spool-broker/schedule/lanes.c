/* Lanes: created, routed, put where they wait. */
#include <stdint.h>
#include <utlist.h>

#include "lib/base/check.h"
#include "lib/base/mem.h"
#include "spool-broker/schedule/heap.h"
#include "spool-broker/schedule/private.h"
#include "spool-broker/schedule/schedule.h"

/* ---- Where a lane waits ---- */
static struct lane **
parked_list(const struct lane *l)
{
	return l->site != NULL ? &l->site->parked[l->key.priority] : &l->key.destination->waiting;
}

void
lane_join(struct schedule *s, struct lane *l, bool at_front)
{
	struct turn *turn = &l->key.sender->turns[l->key.priority];

	if (l->site == NULL) {
		lane_park(s, l);
		return;
	}
	if (turn->lanes == NULL)
		DL_APPEND(s->rotation[l->key.priority], turn);
	if (at_front)
		DL_PREPEND(turn->lanes, l);
	else
		DL_APPEND(turn->lanes, l);
	l->state = LANE_READY;
}

void
lane_leave(struct schedule *s, struct lane *l)
{
	struct turn *turn = &l->key.sender->turns[l->key.priority];
	struct lane **parked = parked_list(l);

	if (l->state == LANE_READY) {
		if (l->called)
			l->site->called[l->key.priority]--;
		l->called = false;
		DL_DELETE(turn->lanes, l);
		if (turn->lanes == NULL && heap_has(&turn->aside))
			heap_remove(&s->aside[l->key.priority], &turn->aside);
		else if (turn->lanes == NULL)
			/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): lost in utlist */
			DL_DELETE(s->rotation[l->key.priority], turn);
	} else if (l->state == LANE_PARKED)
		DL_DELETE(*parked, l);
	l->state = LANE_EMPTY;
}

void
lane_park(struct schedule *s, struct lane *l)
{
	struct lane **parked = parked_list(l);
	bool called = l->called;

	lane_leave(s, l);
	if (called)
		DL_PREPEND(*parked, l);
	else
		DL_APPEND(*parked, l);
	l->state = LANE_PARKED;
}

void
lane_call(struct schedule *s, struct lane *l)
{
	const struct turn *turn = &l->key.sender->turns[l->key.priority];
	bool may_go = !heap_has(&turn->aside) && share_allows_sender(s, l->key.sender);

	lane_leave(s, l);
	lane_join(s, l, may_go);
	/* No place is kept for a lane that cannot take it: it asks for one in its turn. */
	if (!may_go)
		return;
	l->called = true;
	l->site->called[l->key.priority]++;
}

/* ---- Its site ---- */
static void
move_to(struct schedule *s, struct lane *l, struct site *site)
{
	struct site *old = l->site;

	if (old == site)
		return;
	lane_leave(s, l);
	l->site = site;
	site_join(s, site, l->active);
	if (l->queue != NULL)
		lane_join(s, l, false);
	if (old != NULL)
		site_leave(s, old, l->active);
}

void
lane_route(struct schedule *s, struct lane *l)
{
	struct str destination = str_c(l->key.destination->name);
	char name[SITE_NAME_MAX];
	struct site_limits limits;
	struct site *site;

	if (s->router.find == NULL) {
		site = site_get(s, destination);
		limits = s->limits.site;
	} else if (s->router.find(s->router.arg, destination, str_c(l->key.from->name), name, &limits))
		site = site_get(s, str_c(name));
	else
		return; /* it keeps the one that it has, if any */
	move_to(s, l, site);
	site_set_limits(s, site, &limits);
}

/* ---- Creation and end ---- */
static struct destination *
get_destination(struct schedule *s, struct str name)
{
	struct destination *d = NULL;

	HASH_FIND(hh, s->destinations, name.p, name.len, d);
	if (d != NULL)
		return d;
	d = mem_zalloc(sizeof(*d) + name.len + 1);
	memcpy(d->name, name.p, name.len);
	HASH_ADD_KEYPTR(hh, s->destinations, d->name, name.len, d);
	s->totals.destinations++;
	return d;
}

static void
drop_destination(struct schedule *s, struct destination *d)
{
	CHECKF(d->active == 0 && d->ready == 0 && d->deferred == 0, "destination %s", d->name);
	HASH_DEL(s->destinations, d);
	s->totals.destinations--;
	mem_free(d->answer);
	mem_free(d);
}

static struct sender *
get_sender(struct schedule *s, struct str name)
{
	struct sender *sender = NULL;

	HASH_FIND(hh, s->senders, name.p, name.len, sender);
	if (sender != NULL)
		return sender;
	sender = mem_zalloc(sizeof(*sender) + name.len + 1);
	memcpy(sender->name, name.p, name.len);
	for (unsigned i = 0; i < PRIORITIES; i++)
		sender->turns[i].sender = sender;
	HASH_ADD_KEYPTR(hh, s->senders, sender->name, name.len, sender);
	return sender;
}

static void
drop_sender(struct schedule *s, struct sender *sender)
{
	if (--sender->lanes != 0)
		return;
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): lost in uthash */
	HASH_DEL(s->senders, sender);
	mem_free(sender);
}

struct lane *
lane_get(struct schedule *s, struct str destination, struct str sender, struct str from, unsigned priority)
{
	struct lane_key key = {.destination = get_destination(s, destination),
			       .sender = get_sender(s, sender),
			       .from = get_sender(s, from),
			       .priority = priority};
	struct lane *l = NULL;

	/* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): lost in uthash */
	HASH_FIND(hh, s->lanes, &key, sizeof(key), l);
	if (l != NULL)
		return l;
	l = mem_new(struct lane);
	l->key = key;
	key.sender->lanes++;
	key.from->lanes++;
	DL_APPEND2(key.destination->lanes, l, sibling_prev, sibling_next);
	HASH_ADD(hh, s->lanes, key, sizeof(l->key), l);
	lane_route(s, l);
	return l;
}

void
lane_drop(struct schedule *s, struct lane *l)
{
	struct lane_key key = l->key;
	struct site *site = l->site;

	CHECK(l->state == LANE_EMPTY && l->queue == NULL && l->active == 0);
	DL_DELETE2(key.destination->lanes, l, sibling_prev, sibling_next);
	HASH_DEL(s->lanes, l);
	mem_free(l);
	drop_sender(s, key.sender);
	drop_sender(s, key.from);
	if (key.destination->lanes == NULL)
		drop_destination(s, key.destination);
	if (site != NULL)
		site_leave(s, site, 0);
}
