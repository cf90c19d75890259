/* Shares of the workers' slots: nobody has them all.
 *
 * A slow destination holds its slots for minutes, and taking turns does not help
 * who waits until one of them ends. So a sender domain, and a site, may begin
 * another part only while it has fewer in flight than SHARE times the slots that
 * are free; and the last free one is for a sender who has none in flight at all.
 *
 * With S slots, and n senders that want more than they get, each has a when
 *
 *     a = SHARE (S - n a),   a = S SHARE / (1 + n SHARE),   free: S / (1 + n SHARE)
 *
 * With SHARE 4 one alone gets 4/5 of the slots and leaves 1/5; two get 4/9 each and
 * leave 1/9; some stay free as long as there are fewer greedy ones than a quarter
 * of the slots. Nobody's share has to be set, it follows from how many want one,
 * and whoever comes anew finds a slot at once.
 *
 * Why a fifth: it is what Postfix keeps for others. Its qmgr lets one destination
 * have 20 of 100 processes (default_destination_concurrency_limit,
 * default_process_limit), and lets a small mail go before a big one for every five
 * slots that the big one has had (default_delivery_slot_cost). A limit as its 20
 * of 100 leaves slots idle that nobody else wants, though, and five slow
 * destinations of one sender use them up all the same. A fifth costs a lone sender
 * little: what limits him are his sites' windows, long before the slots.
 *
 * Who is over his share waits in a heap by what he has in flight, so that the one
 * with least comes first, and each end of a part costs no more than a look at the
 * top. */
#include <stdint.h>
#include <utlist.h>

#include "lib/base/check.h"
#include "spool-broker/schedule_private.h"

/* Of fewer slots than FEW a fifth is not even one, and an operator who sets two
 * threads means two: there are no shares then. */
enum { SHARE = 4, FEW = SHARE + 1 };

static int64_t
unused_slots(const struct schedule *s)
{
	int64_t unused = (int64_t)s->slots - s->totals.active;

	return unused > 0 ? unused : 0;
}

/* Who has less than this in flight may begin another part; who has none, in any
 * case. Until somebody has told how many slots there are, nobody has a share. */
static int64_t
sender_limit(const struct schedule *s)
{
	int64_t unused = unused_slots(s);

	if (s->slots < FEW)
		return INT64_MAX;
	return unused > 1 ? SHARE * (unused - 1) : 0;
}

/* The last slot is not kept from a site: the sender who has none may need it for
 * one that is busy. */
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
	/* Places of sites that were kept for its lanes are others' meanwhile. Lanes
	 * that were called are the first ones. */
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
