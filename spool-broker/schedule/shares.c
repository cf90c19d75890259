/* Shares of the workers' slots: nobody gets them all.
 *
 * A slow destination holds its slots for minutes, and taking turns does not help
 * those that wait until one of them ends. So a sender domain, or a site, may begin
 * another part only while it has fewer in flight than SHARE times the number of
 * free slots; and the last free slot is for a sender that has none in flight at
 * all.
 *
 * With S slots, and n senders that want more than they get, each has a when
 *
 *     a = SHARE (S - n a),   a = S SHARE / (1 + n SHARE),   free: S / (1 + n SHARE)
 *
 * With SHARE 4 a single one gets 4/5 of the slots and leaves 1/5; two get 4/9 each
 * and leave 1/9; some slots stay free as long as fewer greedy ones compete than a
 * quarter of the slots. No share needs to be configured, since it follows from how
 * many want one, and a newcomer finds a slot at once.
 *
 * Why a fifth: it is what Postfix reserves for others. Its qmgr lets one
 * destination have 20 of 100 processes (default_destination_concurrency_limit,
 * default_process_limit), and lets a small message go before a big one for every
 * five slots that the big one has used (default_delivery_slot_cost). But a limit
 * like its 20 of 100 leaves slots idle that nobody else wants, and five slow
 * destinations of one sender still use them up. A fifth costs a lone sender little:
 * its sites' windows limit it long before the slots do.
 *
 * Senders and sites over their share wait in a heap by what they have in flight, so
 * that the one with the least comes first, and the end of a part costs no more than
 * a look at the top. */
#include <stdint.h>
#include <utlist.h>

#include "lib/base/check.h"
#include "spool-broker/schedule/heap.h"
#include "spool-broker/schedule/private.h"
#include "spool-broker/schedule/schedule.h"

/* A fifth of fewer than FEW slots is less than one, and an operator who sets
 * two threads means two: there are no shares then. */
enum { SHARE = 4, FEW = SHARE + 1 };

static int64_t
unused_slots(const struct schedule *s)
{
	int64_t unused = (int64_t)s->slots - s->totals.active;

	return unused > 0 ? unused : 0;
}

/* One that has less than this in flight may begin another part; one that has
 * none always may. Until the number of slots is known, there are no shares. */
static int64_t
sender_limit(const struct schedule *s)
{
	int64_t unused = unused_slots(s);

	if (s->slots < FEW)
		return INT64_MAX;
	return unused > 1 ? SHARE * (unused - 1) : 0;
}

/* A site may use the last slot: the sender that has none in flight may need it for a busy site. */
static int64_t
site_limit(const struct schedule *s)
{
	return s->slots >= FEW ? SHARE * unused_slots(s) : INT64_MAX;
}

unsigned
share_of_site(const struct schedule *s, unsigned active)
{
	int64_t room = site_limit(s) - active;

	if (room > UINT32_MAX)
		return UINT32_MAX;
	return room > 0 ? (unsigned)room : active == 0 ? 1 : 0;
}

bool
share_allows_sender(const struct schedule *s, const struct sender *sender)
{
	return sender->active == 0 || sender->active < sender_limit(s);
}

void
share_set_aside(struct schedule *s, struct turn *turn, unsigned priority)
{
	struct lane *l;

	CHECK(turn->lanes != NULL && !heap_has(&turn->aside));
	DL_DELETE(s->rotation[priority], turn);
	heap_set(&s->aside[priority], &turn->aside, turn->sender->active);
	/* Places at sites that were kept for its lanes go to others meanwhile.
	 * Lanes that were called are the first ones. */
	while ((l = turn->lanes)->called) {
		l->called = false;
		l->site->called[priority]--;
		DL_DELETE(turn->lanes, l);
		DL_APPEND(turn->lanes, l);
		site_call_back(s, l->site);
	}
}

void
share_sender_changed(struct schedule *s, struct sender *sender)
{
	for (unsigned i = 0; i < PRIORITIES; i++)
		if (heap_has(&sender->turns[i].aside))
			heap_set(&s->aside[i], &sender->turns[i].aside, sender->active);
}

void
share_note_site(struct schedule *s, struct site *site, bool waits)
{
	unsigned all = site->active;

	for (unsigned i = 0; i < PRIORITIES; i++)
		all += site->called[i];
	if (waits)
		heap_set(&s->crowded, &site->crowd, all);
	else
		heap_remove(&s->crowded, &site->crowd);
}

/* The first of a heap by what they have in flight, if that is less than the limit;
 * it is taken out. NULL: none may go on. */
static struct heap_node *
take_first(struct heap *h, int64_t limit)
{
	struct heap_node *node = heap_first(h);

	if (node == NULL || (node->time_ms != 0 && node->time_ms >= limit))
		return NULL;
	heap_remove(h, node);
	return node;
}

void
shares_look(struct schedule *s)
{
	struct heap_node *node;

	for (unsigned i = 0; i < PRIORITIES; i++)
		while ((node = take_first(&s->aside[i], sender_limit(s))) != NULL)
			DL_APPEND(s->rotation[i], heap_owner(node, struct turn, aside));
	while ((node = take_first(&s->crowded, site_limit(s))) != NULL)
		site_call_back(s, heap_owner(node, struct site, crowd));
}
