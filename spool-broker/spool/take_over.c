/* Taking over a shard: what is in its spool, and the jobs that workers hold. */
#include "spool-broker/spool/take_over.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "spool-broker/broker.h"
#include "spool-broker/jobs/jobs.h"
#include "spool-broker/queue/message.h"
#include "spool-broker/queue/part.h"
#include "spool-broker/schedule/schedule.h"
#include "spool-broker/spool/shards.h"

enum {
	PAGE_ENTRIES = 500,
	ADOPT_MS = 1000,     /* workers report the jobs that they hold within this time */
	ACQUAINTED_MS = 5000 /* after the start: all workers are known */
};

/* ---- Jobs that workers hold ---- */
/* Until then nothing is handed out that must not be done twice: part_place(). */
static void
take_over_end_wait(struct shard *s)
{
	struct message *m, *next;

	s->awaits_jobs = false;
	HASH_ITER (hh, s->messages, m, next)
		for (struct part *p = m->parts; p != NULL; p = p->next)
			if (p->kind == STAGEPOST__JOB_KIND__REMOTE && p->state == PART_IDLE)
				part_place(s->broker, p, p->retry.time_ms);
}

int64_t
take_over_look(struct broker *b)
{
	int64_t now_ms = clock_monotonic_ms(), next_ms = INT64_MAX;

	for (unsigned i = 0; i < b->shards->count; i++) {
		struct shard *s = &b->shards->list[i];
		if (!s->awaits_jobs || s->awaits_until_ms == 0)
			continue;
		if (s->awaits_until_ms <= now_ms)
			take_over_end_wait(s);
		else if (s->awaits_until_ms < next_ms)
			next_ms = s->awaits_until_ms;
	}
	return next_ms;
}

static void
take_over_ask(struct broker *b, struct str peer, uint32_t *shards, size_t count)
{
	Stagepost__Frame frame = STAGEPOST__FRAME__INIT;
	Stagepost__ShardsTaken taken = STAGEPOST__SHARDS_TAKEN__INIT;

	taken.shards = shards;
	taken.n_shards = count;
	frame.body_case = STAGEPOST__FRAME__BODY_SHARDS_TAKEN;
	frame.shards_taken = &taken;
	if (b->bus == NULL || count == 0)
		return;
	bus_server_send(b->bus, peer, &frame, NULL);
	for (size_t i = 0; i < count; i++)
		b->shards->list[shards[i]].asked++;
}

/* The last answer ends the wait, unless a worker may not have connected yet. */
void
take_over_on_answer(struct broker *b, const uint32_t *shards, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct shard *s = shards[i] < b->shards->count ? &b->shards->list[shards[i]] : NULL;
		if (s == NULL || !s->awaits_jobs || s->asked == 0 || --s->asked != 0)
			continue;
		if (clock_monotonic_ms() - b->started_ms > ACQUAINTED_MS)
			s->awaits_until_ms = 1; /* by the next look */
	}
	broker_wake(b);
}

void
take_over_ask_worker(struct broker *b, struct str peer)
{
	uint32_t *numbers = mem_alloc((b->shards->count + 1) * sizeof(*numbers));
	size_t count = 0;

	for (unsigned i = 0; i < b->shards->count; i++)
		if (b->shards->list[i].awaits_jobs && b->shards->list[i].awaits_until_ms != 0)
			numbers[count++] = i;
	take_over_ask(b, peer, numbers, count);
	mem_free(numbers);
}

/* The spool is read: it is known what can be adopted. */
static void
take_over_ask_all(struct shard *s)
{
	struct worker *w, *next;

	if (!s->awaits_jobs || s->awaits_until_ms != 0)
		return;
	s->awaits_until_ms = clock_monotonic_ms() + ADOPT_MS;
	s->asked = 0;
	HASH_ITER (hh, s->broker->jobs->workers, w, next)
		take_over_ask(s->broker, str_of(w->peer, w->peer_len), &s->number, 1);
}

/* ---- Reading the spool ---- */
static void take_over_read_page(struct shard *s, uint64_t cursor);

static void
take_over_on_page(void *arg, const struct spool_entry *entries, size_t count, uint64_t next_cursor,
		  const struct err *err)
{
	struct stay *stay = arg;
	struct shard *s = stay->shard;
	struct broker *b;

	if (!op_back(&stay->op))
		return;
	b = s->broker;
	for (size_t i = 0; i < count; i++)
		b->spool_events->on_entry(s, &entries[i]);
	broker_wake(b);
	if (err != NULL) {
		log_warning(NULL, "reading a shard's spool failed", F_I64("shard", s->number), F_ERR(err));
		s->reading = false;
		s->read_again = true; /* by the tick */
	} else if (next_cursor != 0)
		take_over_read_page(s, next_cursor);
	else {
		s->reading = false;
		take_over_ask_all(s);
		if (s->messages != NULL)
			log_info(NULL, "shard read", F_I64("shard", s->number),
				 F_I64("messages", HASH_COUNT(s->messages)));
	}
}

static void
take_over_read_page(struct shard *s, uint64_t cursor)
{
	s->reading = true;
	op_hold(&s->stay->op);
	spool_read_page(s->broker->config.redis, s->number, cursor, PAGE_ENTRIES, take_over_on_page, s->stay);
}

void
take_over_read(struct shard *s)
{
	take_over_read_page(s, 0);
}
