/* The brokers of the cluster, as the tool asks them. */
#include "ctl/brokers.h"

#include <stdio.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/bus/client.h"
#include "lib/bus/frame.h"
#include "lib/spool/id.h"
#include "lib/spool/spool.h"

enum { OWNERS_MS = 5000, ANSWER_MS = 30000, BROKERS_MAX = 1000 };

struct asked {
	struct bus_peer *peer;	  /* borrowed; NULL: lost */
	uint64_t request;	  /* waited for; 0: nothing is */
	Stagepost__Frame *answer; /* in the arena */
};

struct brokers {
	struct ctl *ctl;	/* borrowed */
	struct bus_client *bus; /* owner */
	struct asked asked[BROKERS_MAX];
	unsigned count;
	unsigned shards;
	bool whole;
	bool waiting;
	uint64_t next_request;
	struct arena arena; /* of the answers */
};

/* From now on what is said is not all that there is; why, is told once. */
static void
lose(struct brokers *b, const char *why)
{
	if (b->whole)
		ctl_fail("%s: its messages are passed over", why);
	b->whole = false;
}

static void
on_frame(void *arg, struct bus_peer *p, const Stagepost__Frame *frame)
{
	struct brokers *b = arg;
	struct buf packed = BUF_EMPTY;
	struct err err;

	for (unsigned i = 0; i < b->count; i++) {
		struct asked *a = &b->asked[i];
		if (a->peer != p || a->request != frame->request || a->request == 0)
			continue;
		bus_frame_pack(frame, &packed);
		a->answer = bus_frame_unpack(buf_str(&packed), &b->arena, &err);
		if (a->answer == NULL)
			lose(b, "a broker's answer is malformed");
		a->request = 0;
	}
	buf_fini(&packed);
}

static void
on_peer_lost(void *arg, struct bus_peer *p)
{
	struct brokers *b = arg;

	for (unsigned i = 0; i < b->count; i++)
		if (b->asked[i].peer == p)
			b->asked[i] = (struct asked){.peer = NULL};
}

/* ---- Who there is ---- */
struct count_wait {
	struct ctl_wait wait;
	int64_t count;
};

static void
on_count(void *arg, int64_t count, const struct err *err)
{
	struct count_wait *w = arg;

	w->count = count;
	ctl_wait_end(&w->wait, err);
}

static void
turn(struct brokers *b)
{
	struct timeval tv = clock_timeval(5);

	event_base_loopexit(b->ctl->base, &tv);
	event_base_loop(b->ctl->base, EVLOOP_ONCE);
}

static unsigned
owned_shards(const struct brokers *b)
{
	unsigned count = 0;

	for (unsigned i = 0; i < b->shards; i++)
		count += bus_client_owner(b->bus, i) != NULL;
	return count;
}

static void
find_brokers(struct brokers *b)
{
	int64_t until_ms = clock_monotonic_ms() + OWNERS_MS;

	while (owned_shards(b) < b->shards && clock_monotonic_ms() < until_ms)
		turn(b);
	for (unsigned i = 0; i < b->shards; i++) {
		struct bus_peer *owner = bus_client_owner(b->bus, i);
		bool known = owner == NULL;
		for (unsigned k = 0; k < b->count; k++)
			known |= b->asked[k].peer == owner;
		if (!known && b->count < BROKERS_MAX)
			b->asked[b->count++].peer = owner;
	}
	b->whole = owned_shards(b) == b->shards;
	if (!b->whole)
		ctl_fail("%u of %u shards have no broker: their messages are passed over", b->shards - owned_shards(b),
			 b->shards);
}

struct brokers *
brokers_new(struct ctl *ctl, struct err *err)
{
	static const struct bus_events events = {.on_peer_lost = on_peer_lost, .on_frame = on_frame};
	struct count_wait shards = {.wait = CTL_WAIT};
	struct brokers *b;

	spool_read_shard_count(ctl->redis, on_count, &shards);
	if (ctl_wait(ctl, &shards.wait) != 0) {
		*err = shards.wait.err;
		return NULL;
	}
	b = mem_new(struct brokers);
	b->ctl = ctl;
	b->shards = (unsigned)shards.count;
	arena_init(&b->arena);
	b->bus = bus_client_new(ctl->base, ctl->redis, ctl->tracking, "stagepost-tool", err);
	if (b->bus == NULL) {
		brokers_free(&b);
		return NULL;
	}
	bus_client_watch(b->bus, &events, b);
	find_brokers(b);
	return b;
}

void
brokers_free(struct brokers **brokers)
{
	struct brokers *b = *brokers;

	*brokers = NULL;
	if (b == NULL)
		return;
	bus_client_free(&b->bus);
	arena_fini(&b->arena);
	mem_free(b);
}

unsigned
brokers_count(const struct brokers *b)
{
	return b->count;
}

bool
brokers_are_whole(const struct brokers *b)
{
	return b->whole;
}

int
brokers_find(const struct brokers *b, const char *id)
{
	struct bus_peer *owner;
	unsigned shard;

	if (!spool_id_parse(str_c(id), &shard, NULL) || (owner = bus_client_owner(b->bus, shard)) == NULL)
		return -1;
	for (unsigned i = 0; i < b->count; i++)
		if (b->asked[i].peer == owner)
			return (int)i;
	return -1;
}

/* ---- Questions ---- */
/* The answers to the last ones are not needed any more. */
static void
begin(struct brokers *b)
{
	if (b->waiting)
		return;
	b->waiting = true;
	for (unsigned i = 0; i < b->count; i++) {
		b->asked[i].request = 0;
		b->asked[i].answer = NULL;
	}
	arena_reset(&b->arena);
}

void
brokers_ask(struct brokers *b, unsigned number, Stagepost__Frame *frame)
{
	struct asked *a = &b->asked[number];
	struct err err;

	begin(b);
	frame->request = ++b->next_request;
	if (a->peer == NULL)
		lose(b, "a broker was lost");
	else if (bus_send(b->bus, a->peer, frame, &err) != 0)
		lose(b, "a broker cannot be asked");
	else
		a->request = frame->request;
}

void
brokers_ask_all(struct brokers *b, Stagepost__Frame *frame)
{
	for (unsigned i = 0; i < b->count; i++)
		brokers_ask(b, i, frame);
}

void
brokers_wait(struct brokers *b)
{
	int64_t until_ms = clock_monotonic_ms() + ANSWER_MS;
	bool due = true;

	while (due && clock_monotonic_ms() < until_ms) {
		due = false;
		for (unsigned i = 0; i < b->count; i++)
			due |= b->asked[i].request != 0;
		if (due)
			turn(b);
	}
	b->waiting = false;
	for (unsigned i = 0; i < b->count; i++) {
		if (b->asked[i].request == 0 && b->asked[i].peer != NULL)
			continue;
		lose(b, "a broker did not answer");
		b->asked[i].request = 0;
	}
}

const Stagepost__Frame *
brokers_answer(const struct brokers *b, unsigned number)
{
	return b->asked[number].answer;
}
