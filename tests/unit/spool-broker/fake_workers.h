/* What a test of the broker runs on: a Redis, a loop, settings, and workers that do as the
 * test says. Header only. */
#ifndef SP_TESTS_UNIT_FAKE_WORKERS_H
#define SP_TESTS_UNIT_FAKE_WORKERS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/bus/client.h"
#include "lib/bus/frame.h"
#include "lib/smtp/notify.h"
#include "lib/spool/id.h"
#include "spool-broker/admin/status.h"
#include "spool-broker/run.h"
#include "tests/unit/redis_fixture.h"

enum { SHARDS = 8, JOBS_MAX = 25000 };

static struct redis_fixture server;
static struct event_base *base;
static struct redis *redis;
static struct tracking *tracking;
static struct settings_live *live;
static struct broker *brokers[5];
static struct bus_client *frontend;
/* Mostly none. */
static struct blob_store *blobs;
static struct blob_id the_body;

/* A job that a worker was given. */
struct given {
	struct fake_worker *worker;
	struct bus_peer *peer;
	struct arena arena;
	Stagepost__Job *job;
	bool ended;
};
static struct given given[JOBS_MAX];
static unsigned given_count;

struct fake_worker {
	struct bus_client *bus;
	char name[32];
	bool obliging; /* delivers all at once */
	bool faithful; /* says to a shard's new owner what it has in hand */
	unsigned revoked;
	unsigned slots;
};
static struct fake_worker workers[2];

static inline void
turn(int ms)
{
	bool never = false;
	redis_fixture_wait(base, &never, ms);
}

#define wait_until(condition, ms) \
	do { \
		for (int64_t until = clock_monotonic_ms() + (ms); !(condition) && clock_monotonic_ms() < until;) \
			turn(5); \
		assert_true(condition); \
	} while (0)

/* ---- Fake workers ---- */
static bool old_workers;		/* of an earlier release */
static Stagepost__SpamVerdict *verdict; /* that ends the jobs; mostly NULL */
static bool in_doubt;			/* a mailbox did not answer them */

static inline void
end_job_with(struct given *g, Stagepost__RecipientResult__Outcome outcome, const char *code, const char *trouble)
{
	Stagepost__JobDone done = STAGEPOST__JOB_DONE__INIT;
	Stagepost__Frame frame = STAGEPOST__FRAME__INIT;
	size_t count = g->job->n_recipients;
	Stagepost__RecipientResult *results = arena_array(&g->arena, Stagepost__RecipientResult, count);

	done.results = arena_array(&g->arena, Stagepost__RecipientResult *, count);
	done.n_results = count;
	done.job = g->job->job;
	for (size_t i = 0; i < count; i++) {
		stagepost__recipient_result__init(&results[i]);
		results[i].recipient = g->job->recipients[i];
		results[i].outcome = outcome;
		results[i].code = arena_strdup(&g->arena, code);
		results[i].text = arena_strdup(&g->arena, "as the test says");
		results[i].reference_passed =
			g->job->pass_reference && outcome == STAGEPOST__RECIPIENT_RESULT__OUTCOME__DELIVERED;
		results[i].in_doubt = in_doubt;
		done.results[i] = &results[i];
	}
	frame.body_case = STAGEPOST__FRAME__BODY_JOB_DONE;
	done.destination_trouble = arena_strdup(&g->arena, trouble);
	done.verdict = verdict;
	frame.job_done = &done;
	g->ended = true;
	assert_int_equal(bus_send(g->worker->bus, g->peer, &frame, NULL), 0);
}

static inline void
end_job(struct given *g, Stagepost__RecipientResult__Outcome outcome, const char *code)
{
	end_job_with(g, outcome, code, "");
}

static inline void
deliver(struct given *g)
{
	end_job(g, STAGEPOST__RECIPIENT_RESULT__OUTCOME__DELIVERED, "2.0.0");
}

/* What it has in hand of these shards is the asker's now. */
static inline void
answer_new_owner(struct fake_worker *w, struct bus_peer *p, const Stagepost__ShardsTaken *taken)
{
	Stagepost__Frame frame = STAGEPOST__FRAME__INIT;
	Stagepost__JobRenew renew = STAGEPOST__JOB_RENEW__INIT;
	static Stagepost__RunningJob running[100], *list[100];

	renew.running = list;
	renew.shards = taken->shards;
	renew.n_shards = taken->n_shards;
	for (unsigned i = 0; i < given_count; i++) {
		const Stagepost__Job *job = given[i].job;
		unsigned shard;
		for (size_t k = 0; k < taken->n_shards; k++) {
			assert_true(spool_id_parse(str_c(job->envelope->id), &shard, NULL));
			if (given[i].ended || given[i].worker != w || taken->shards[k] != shard)
				continue;
			assert_true(renew.n_running < 100);
			given[i].peer = p;
			list[renew.n_running] = &running[renew.n_running];
			stagepost__running_job__init(&running[renew.n_running]);
			running[renew.n_running].job = job->job;
			running[renew.n_running].id = job->envelope->id;
			running[renew.n_running].kind = job->kind;
			running[renew.n_running].destination = job->destination;
			running[renew.n_running].recipients = job->recipients;
			running[renew.n_running].n_recipients = job->n_recipients;
			renew.n_running++;
		}
	}
	frame.body_case = STAGEPOST__FRAME__BODY_JOB_RENEW;
	frame.job_renew = &renew;
	assert_int_equal(bus_send(w->bus, p, &frame, NULL), 0);
}

/* As if the leases were about to run out. */
static inline void
renew_all(struct fake_worker *w)
{
	for (unsigned i = 0; i < given_count; i++) {
		Stagepost__Frame frame = STAGEPOST__FRAME__INIT;
		Stagepost__JobRenew renew = STAGEPOST__JOB_RENEW__INIT;
		if (given[i].ended || given[i].worker != w)
			continue;
		renew.jobs = &given[i].job->job;
		renew.n_jobs = 1;
		frame.body_case = STAGEPOST__FRAME__BODY_JOB_RENEW;
		frame.job_renew = &renew;
		assert_int_equal(bus_send(w->bus, given[i].peer, &frame, NULL), 0);
	}
}

static inline void
on_frame(void *arg, struct bus_peer *p, const Stagepost__Frame *frame)
{
	struct fake_worker *w = arg;
	struct buf packed = BUF_EMPTY;
	struct given *g;

	if (frame->body_case == STAGEPOST__FRAME__BODY_JOB_REVOKED)
		w->revoked += (unsigned)frame->job_revoked->n_jobs;
	if (frame->body_case == STAGEPOST__FRAME__BODY_SHARDS_TAKEN && w->faithful)
		answer_new_owner(w, p, frame->shards_taken);
	if (frame->body_case != STAGEPOST__FRAME__BODY_JOB)
		return;
	assert_true(given_count < JOBS_MAX);
	g = &given[given_count++];
	*g = (struct given){.worker = w, .peer = p};
	arena_init(&g->arena);
	bus_message_pack(&frame->job->base, &packed);
	g->job = bus_message_unpack(&stagepost__job__descriptor, buf_str(&packed), &g->arena);
	buf_fini(&packed);
	if (w->obliging)
		deliver(g);
}

static inline void
say_hello(struct fake_worker *w, struct bus_peer *p)
{
	Stagepost__WorkerHello hello = STAGEPOST__WORKER_HELLO__INIT;
	Stagepost__Frame frame = STAGEPOST__FRAME__INIT;
	Stagepost__Credit credits[5], *list[5];

	for (int i = 0; i < 5; i++) {
		stagepost__credit__init(&credits[i]);
		credits[i].kind = (Stagepost__JobKind)i;
		credits[i].slots = w->slots;
		list[i] = &credits[i];
	}
	hello.worker = w->name;
	hello.slots = list;
	hello.n_slots = 5;
	hello.takes_own = !old_workers;
	frame.body_case = STAGEPOST__FRAME__BODY_WORKER_HELLO;
	frame.worker_hello = &hello;
	bus_send(w->bus, p, &frame, NULL);
}

static inline void
set_slots(unsigned slots)
{
	workers[0].slots = slots;
	if (bus_client_owner(workers[0].bus, 0) != NULL)
		say_hello(&workers[0], bus_client_owner(workers[0].bus, 0));
	turn(50);
}

static inline void
on_peer(void *arg, struct bus_peer *p)
{
	say_hello(arg, p);
}

static inline void
start_worker(unsigned i, unsigned slots)
{
	static const struct bus_events events = {.on_peer = on_peer, .on_frame = on_frame};
	struct fake_worker *w = &workers[i];

	*w = (struct fake_worker){.slots = slots};
	snprintf(w->name, sizeof(w->name), "worker-%u", i);
	w->bus = bus_client_new(base, redis, tracking, w->name, NULL);
	bus_client_watch(w->bus, &events, w);
}

#endif
