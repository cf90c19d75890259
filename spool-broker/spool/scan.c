/* Walks through all messages. */
#include "spool-broker/spool/scan.h"

#include <utlist.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/base/turn.h"
#include "spool-broker/broker.h"
#include "spool-broker/queue/message.h"
#include "spool-broker/spool/shards.h"

enum {
	SCANS_MAX = 100,
	SLICE_MS = 1,	   /* of the loop, measured in whole ms: two at most */
	BETWEEN_LOOKS = 32 /* messages, between two looks at the clock */
};

struct scan {
	const struct scan_ops *ops;
	void *arg;
	unsigned shard;	      /* this one is running */
	bool entered;	      /* it has started */
	struct message *next; /* borrowed: to be visited next; NULL: the shard is done */
	struct scan *prev_scan, *next_scan;
};

struct scans {
	struct broker *broker; /* borrowed */
	struct scan *list;     /* owner; the first is running */
	unsigned count;
	struct event *turn; /* owner */
};

static void
scan_end(struct scans *all, struct scan *s, bool whole)
{
	DL_DELETE2(all->list, s, prev_scan, next_scan);
	all->count--;
	s->ops->end(s->arg, whole);
	mem_free(s);
}

/* Moves to the next message; NULL: there is none left in this shard. */
static struct message *
scan_step(const struct broker *b, struct scan *s)
{
	struct message *m;

	if (!s->entered)
		s->next = b->shards->list[s->shard].messages;
	s->entered = true;
	m = s->next;
	if (m != NULL)
		s->next = m->hh.next;
	return m;
}

/* false: that was the last message. */
static bool
scan_go_on(const struct broker *b, struct scan *s)
{
	int64_t begun_ms = clock_monotonic_ms();

	for (unsigned i = 1; s->shard < b->shards->count; i++) {
		struct message *m = scan_step(b, s);
		if (m != NULL)
			s->ops->visit(s->arg, m);
		else {
			s->shard++;
			s->entered = false;
		}
		if (i % BETWEEN_LOOKS == 0 && clock_monotonic_ms() - begun_ms >= SLICE_MS)
			return true;
	}
	return false;
}

static void
scan_on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct scans *all = arg;
	struct scan *s = all->list;

	(void)fd, (void)what;
	if (!scan_go_on(all->broker, s))
		scan_end(all, s, true);
	else {
		/* Gives the others, and everything else, their turn. */
		DL_DELETE2(all->list, s, prev_scan, next_scan);
		DL_APPEND2(all->list, s, prev_scan, next_scan);
	}
	if (all->list != NULL)
		event_add(all->turn, NULL);
}

void
scans_leave(struct broker *b, const struct message *m)
{
	struct scan *s;

	if (b->scans == NULL)
		return;
	DL_FOREACH2(b->scans->list, s, next_scan)
	{
		if (s->next == m)
			s->next = m->hh.next;
	}
}

bool
scan_start(struct broker *b, const struct scan_ops *ops, void *arg)
{
	struct scans *all = b->scans;
	struct scan *s;

	if (all == NULL) {
		all = b->scans = mem_new(struct scans);
		all->broker = b;
		all->turn = turn_event_new(b->config.base, scan_on_turn, all);
	}
	if (all->count >= SCANS_MAX)
		return false;
	s = mem_new(struct scan);
	s->ops = ops;
	s->arg = arg;
	DL_APPEND2(all->list, s, prev_scan, next_scan);
	all->count++;
	event_add(all->turn, NULL);
	return true;
}

void
scans_free(struct broker *b)
{
	struct scans *all = b->scans;

	if (all == NULL)
		return;
	while (all->list != NULL)
		scan_end(all, all->list, false);
	event_free(all->turn);
	mem_free(all);
	b->scans = NULL;
}
