/* Walks through all messages. */
#include "spool-broker/scan.h"

#include <utlist.h>

#include "lib/base/check.h"
#include "lib/base/mem.h"
#include "spool-broker/broker.h"
#include "spool-broker/shards.h"

enum { SCANS_MAX = 100 };

struct scan {
	const struct scan_ops *ops;
	void *arg;
	unsigned shard; /* the next one */
	struct scan *prev, *next;
};

struct scans {
	struct broker *broker; /* borrowed */
	struct scan *list;     /* owner; the first is at work */
	unsigned count;
	struct event *turn; /* owner */
};

static void
end_scan(struct scans *all, struct scan *s, bool whole)
{
	DL_DELETE(all->list, s);
	all->count--;
	s->ops->end(s->arg, whole);
	mem_free(s);
}

static void
on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct scans *all = arg;
	struct broker *b = all->broker;
	struct scan *s = all->list;
	struct message *m, *next;

	(void)fd, (void)what;
	if (s->shard < b->shard_count)
		HASH_ITER (hh, b->shards[s->shard].messages, m, next)
			s->ops->visit(s->arg, m);
	if (++s->shard >= b->shard_count)
		end_scan(all, s, true);
	/* The others' turn, and that of all else. */
	if (all->list == s) {
		DL_DELETE(all->list, s);
		DL_APPEND(all->list, s);
	}
	if (all->list != NULL)
		event_active(all->turn, EV_TIMEOUT, 0);
}

bool
scan_start(struct broker *b, const struct scan_ops *ops, void *arg)
{
	struct scans *all = b->scans;
	struct scan *s;

	if (all == NULL) {
		all = b->scans = mem_new(struct scans);
		all->broker = b;
		all->turn = event_new(b->config.base, -1, 0, on_turn, all);
		CHECK(all->turn != NULL);
	}
	if (all->count >= SCANS_MAX)
		return false;
	s = mem_new(struct scan);
	s->ops = ops;
	s->arg = arg;
	DL_APPEND(all->list, s);
	all->count++;
	event_active(all->turn, EV_TIMEOUT, 0);
	return true;
}

void
scans_free(struct broker *b)
{
	struct scans *all = b->scans;

	if (all == NULL)
		return;
	while (all->list != NULL)
		end_scan(all, all->list, false);
	event_free(all->turn);
	mem_free(all);
	b->scans = NULL;
}
