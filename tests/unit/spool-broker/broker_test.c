/* The broker as its peers see it: a frontend that hands over, workers that do
 * as each test says, brokers that come, go and die. */
#include "spool-broker/broker.h"
#include "spool-broker/admin/status.h"

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
#include "tests/unit/redis_fixture.h"

enum { SHARDS = 8, JOBS_MAX = 25000 };

static struct redis_fixture server;
static struct event_base *base;
static struct redis *redis;
static struct tracking *tracking;
static struct settings_live *live;
static struct broker *brokers[5];
static struct bus_client *frontend;

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

static void
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
static Stagepost__SpamVerdict *verdict; /* that ends the jobs; mostly NULL */
static bool in_doubt;			/* a mailbox did not answer them */

static void
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

static void
end_job(struct given *g, Stagepost__RecipientResult__Outcome outcome, const char *code)
{
	end_job_with(g, outcome, code, "");
}

static void
deliver(struct given *g)
{
	end_job(g, STAGEPOST__RECIPIENT_RESULT__OUTCOME__DELIVERED, "2.0.0");
}

/* What it has in hand of these shards is the asker's now. */
static void
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
static void
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

static void
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

static void
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
	frame.body_case = STAGEPOST__FRAME__BODY_WORKER_HELLO;
	frame.worker_hello = &hello;
	bus_send(w->bus, p, &frame, NULL);
}

static void
set_slots(unsigned slots)
{
	workers[0].slots = slots;
	if (bus_client_owner(workers[0].bus, 0) != NULL)
		say_hello(&workers[0], bus_client_owner(workers[0].bus, 0));
	turn(50);
}

static void
on_peer(void *arg, struct bus_peer *p)
{
	say_hello(arg, p);
}

static void
start_worker(unsigned i, unsigned slots)
{
	static const struct bus_events events = {.on_peer = on_peer, .on_frame = on_frame};
	struct fake_worker *w = &workers[i];

	*w = (struct fake_worker){.slots = slots};
	snprintf(w->name, sizeof(w->name), "worker-%u", i);
	w->bus = bus_client_new(base, redis, tracking, w->name, NULL);
	bus_client_watch(w->bus, &events, w);
}

/* ---- Brokers ---- */
static void
start_broker(unsigned i)
{
	static const char *const ids[] = {"broker-0", "broker-1", "broker-2", "broker-3", "broker-4"};
	struct err err;

	brokers[i] = broker_new(&(struct broker_config){.base = base,
							.redis = redis,
							.tracking = tracking,
							.settings = live,
							.id = ids[i],
							.listen = "tcp://127.0.0.1:*",
							.shards = SHARDS},
				&err);
	assert_non_null(brokers[i]);
}

static double
status_number(unsigned i, const char *group, const char *name)
{
	cJSON *status = cJSON_CreateObject();
	double value;

	status_describe(brokers[i], status);
	value = cJSON_GetNumberValue(
		cJSON_GetObjectItem(group != NULL ? cJSON_GetObjectItem(status, group) : status, name));
	cJSON_Delete(status);
	return value;
}

static unsigned
owned(unsigned i)
{
	cJSON *status = cJSON_CreateObject();
	unsigned count;

	if (brokers[i] == NULL) {
		cJSON_Delete(status);
		return 0;
	}
	status_describe(brokers[i], status);
	count = (unsigned)cJSON_GetArraySize(cJSON_GetObjectItem(status, "shards"));
	cJSON_Delete(status);
	return count;
}

/* ---- Hand-overs ---- */
struct handed {
	volatile bool done;
	enum err_code code;
	char id[SPOOL_ID_MAX];
	int64_t age_ms;	 /* it was received so long ago */
	uint32_t notify; /* of all recipients */
};

static void
on_handed(void *arg, const struct err *err)
{
	struct handed *h = arg;
	h->code = err != NULL ? err->code : ERR_NONE;
	h->done = true;
}

static const char *client_helo; /* mostly NULL */

/* recipients: words; local ones are at "here". */
static void
fill_envelope(struct arena *arena, Stagepost__Envelope *e, const char *id, const char *from, const char *recipients)
{
	struct str rest = str_c(recipients), word;

	stagepost__envelope__init(e);
	e->id = arena_strdup(arena, id);
	e->reverse_path = arena_strdup(arena, from);
	e->frontend = arena_strdup(arena, "frontend-0");
	e->client_helo = arena_strdup(arena, client_helo != NULL ? client_helo : "");
	e->received_ms = (uint64_t)clock_unix_ms();
	e->body = arena_new(arena, Stagepost__Blob);
	stagepost__blob__init(e->body);
	e->body->pack = 1;
	e->body->length = 100;
	e->recipients = arena_array(arena, Stagepost__Recipient *, rest.len / 2 + 1);
	while (str_next_word(&rest, " ", &word)) {
		Stagepost__Recipient *r = arena_new(arena, Stagepost__Recipient);
		stagepost__recipient__init(r);
		r->address = arena_dup(arena, word.p, word.len);
		r->local = str_ends_ci(word, STR("@here"));
		e->recipients[e->n_recipients++] = r;
	}
}

static void
start_hand_over(struct handed *h, const char *from, const char *recipients)
{
	struct arena arena;
	Stagepost__Envelope e;

	arena_init(&arena);
	if (h->id[0] == '\0') {
		int shard = bus_client_pick_shard(frontend);
		assert_true(shard >= 0 && shard < SHARDS);
		spool_id_new((unsigned)shard, h->id);
	}
	fill_envelope(&arena, &e, h->id, from, recipients);
	e.received_ms -= (uint64_t)h->age_ms;
	for (size_t i = 0; i < e.n_recipients; i++)
		e.recipients[i]->notify = h->notify;
	h->done = false;
	bus_hand_over(frontend, &e, 10000, on_handed, h);
	assert_false(h->done);
	arena_fini(&arena);
}

static void
hand_over(struct handed *h, const char *from, const char *recipients)
{
	start_hand_over(h, from, recipients);
	wait_until(h->done, 11000);
	assert_int_equal(h->code, ERR_NONE);
}

/* ---- What the spool has ---- */
struct found {
	volatile bool done;
	enum err_code code;
	struct arena arena;
	Stagepost__Envelope *envelope;
	Stagepost__MessageState *state;
	Stagepost__Trace *trace;
};

static void
on_found(void *arg, const struct spool_entry *entry, const struct err *err)
{
	struct found *f = arg;

	f->code = err != NULL ? err->code : ERR_NONE;
	if (entry != NULL && entry->envelope.len != 0)
		f->envelope = bus_message_unpack(&stagepost__envelope__descriptor, entry->envelope, &f->arena);
	if (entry != NULL && entry->state.len != 0)
		f->state = bus_message_unpack(&stagepost__message_state__descriptor, entry->state, &f->arena);
	if (entry != NULL && entry->trace.len != 0)
		f->trace = bus_message_unpack(&stagepost__trace__descriptor, entry->trace, &f->arena);
	f->done = true;
}

static struct found
find(const char *id)
{
	struct found f = {.done = false};

	arena_init(&f.arena);
	spool_find(redis, str_c(id), on_found, &f);
	wait_until(f.done, 5000);
	return f;
}

static bool
is_finished(const char *id)
{
	struct found f = find(id);
	bool finished = f.trace != NULL && f.envelope == NULL;
	arena_fini(&f.arena);
	return finished;
}

static bool
has_state(const char *id)
{
	struct found f = find(id);
	bool has = f.state != NULL;
	arena_fini(&f.arena);
	return has;
}

/* ---- Orders ---- */
static char order_text[200];
static bool order_done, order_answered;
static unsigned order_count;

static void on_page(const Stagepost__QueuePage *page);

static void
on_order_frame(void *arg, struct bus_peer *p, const Stagepost__Frame *frame)
{
	(void)arg, (void)p;
	if (frame->body_case == STAGEPOST__FRAME__BODY_QUEUE_PAGE)
		on_page(frame->queue_page);
	if (frame->body_case != STAGEPOST__FRAME__BODY_QUEUE_ORDER_REPLY)
		return;
	order_answered = true;
	order_done = frame->queue_order_reply->done;
	order_count = frame->queue_order_reply->count;
	str_copy(str_c(frame->queue_order_reply->text), order_text, sizeof(order_text));
}

static void
send_order(const char *verb, const char *id, char **ids, size_t count)
{
	Stagepost__QueueOrder body = STAGEPOST__QUEUE_ORDER__INIT;
	Stagepost__Frame frame = STAGEPOST__FRAME__INIT;
	unsigned shard;
	bool sent = false;

	assert_true(spool_id_parse(str_c(id), &shard, NULL));
	body.verb = (char *)(uintptr_t)verb;
	body.id = (char *)(uintptr_t)id;
	body.ids = ids;
	body.n_ids = count;
	frame.request = 7;
	frame.body_case = STAGEPOST__FRAME__BODY_QUEUE_ORDER;
	frame.queue_order = &body;
	order_answered = false;
	/* One that has just come may not be connected yet. */
	for (int tries = 0; !sent && tries < 1000; tries++) {
		struct bus_peer *owner = bus_client_owner(frontend, shard);
		sent = owner != NULL && bus_send(frontend, owner, &frame, NULL) == 0;
		if (!sent)
			turn(5);
	}
	assert_true(sent);
}

static bool
order(const char *verb, const char *id)
{
	send_order(verb, id, NULL, 0);
	wait_until(order_answered, 5000);
	return order_done;
}

/* ---- Fixture ---- */
static int
setup(void **state)
{
	static const struct bus_events events = {.on_frame = on_order_frame};

	(void)state;
	setenv("STAGEPOST_LOG_LEVEL", "error", 0);
	log_init("test");
	if (!redis_fixture_start(&server, true))
		return -1;
	base = event_base_new();
	redis = redis_new(base, server.url, NULL);
	tracking = tracking_new(base, server.url, NULL);
	wait_until(redis_is_connected(redis), 5000);
	live = settings_live_new(base, redis, tracking, false);
	wait_until(settings_live_is_read(live), 5000);
	given_count = 0;
	verdict = NULL;
	in_doubt = false;
	start_broker(0);
	frontend = bus_client_new(base, redis, tracking, "frontend-0", NULL);
	bus_client_watch(frontend, &events, NULL);
	start_worker(0, 10);
	wait_until(bus_client_is_ready(frontend) && owned(0) == SHARDS, 5000);
	wait_until(bus_client_owner(workers[0].bus, 0) != NULL, 5000);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	bus_client_free(&frontend);
	for (unsigned i = 0; i < 2; i++)
		bus_client_free(&workers[i].bus);
	for (unsigned i = 0; i < 5; i++)
		broker_free(&brokers[i]);
	settings_live_free(&live);
	tracking_free(&tracking);
	redis_free(&redis);
	event_base_free(base);
	redis_fixture_stop(&server);
	for (unsigned i = 0; i < given_count; i++)
		arena_fini(&given[i].arena);
	return 0;
}

/* ---- Tests ---- */
static void
test_local_delivery(void **state)
{
	struct handed h = {.id = ""};
	struct found f;

	(void)state;
	hand_over(&h, "a@sender.test", "bob@here");
	wait_until(given_count == 1, 5000);
	assert_int_equal(given[0].job->kind, STAGEPOST__JOB_KIND__LOCAL);
	assert_string_equal(given[0].job->envelope->id, h.id);
	assert_int_equal(given[0].job->n_recipients, 1);
	assert_true(given[0].job->pass_reference);
	assert_false(given[0].job->recheck);
	assert_int_equal(given[0].job->attempt, 1);
	assert_int_equal(given[0].job->lease_ms, 30000);
	assert_false(has_state(h.id)); /* nothing to save yet */
	deliver(&given[0]);
	wait_until(is_finished(h.id), 5000);
	f = find(h.id);
	assert_int_equal(f.trace->state->status[0]->state, STAGEPOST__RECIPIENT_STATE__DELIVERED);
	assert_string_equal(f.trace->state->events[0]->kind, "accepted");
	assert_string_equal(f.trace->state->events[1]->kind, "filed");
	assert_string_equal(f.trace->state->events[1]->host, "worker-0");
	arena_fini(&f.arena);
	assert_int_equal(status_number(0, "queue", "messages"), 0);
	/* A resend that comes late is answered, and delivers nothing. */
	hand_over(&h, "a@sender.test", "bob@here");
	turn(100);
	assert_int_equal(given_count, 1);
}

static void
test_resend_while_queued(void **state)
{
	struct handed h = {.id = ""};

	(void)state;
	hand_over(&h, "a@sender.test", "bob@here");
	hand_over(&h, "a@sender.test", "bob@here");
	wait_until(given_count == 1, 5000);
	turn(100);
	assert_int_equal(given_count, 1);
	assert_int_equal(status_number(0, "queue", "messages"), 1);
}

static void
test_parts_by_destination(void **state)
{
	struct handed h = {.id = ""};
	unsigned local = 0, x = 0, y = 0;

	(void)state;
	hand_over(&h, "a@sender.test", "bob@here one@x.test two@y.test alice@here three@x.test");
	wait_until(given_count == 3, 5000);
	for (unsigned i = 0; i < 3; i++) {
		const Stagepost__Job *job = given[i].job;
		assert_false(job->pass_reference);
		assert_int_equal(job->envelope->n_recipients, 5);
		local += job->kind == STAGEPOST__JOB_KIND__LOCAL && job->n_recipients == 2;
		x += strcmp(job->destination, "x.test") == 0 && job->n_recipients == 2 && job->recipients[1] == 4;
		y += strcmp(job->destination, "y.test") == 0 && job->n_recipients == 1;
		deliver(&given[i]);
	}
	assert_int_equal(local + x + y, 3);
	wait_until(is_finished(h.id), 5000);
}

static void
test_retry(void **state)
{
	struct handed h = {.id = ""};
	struct found f;

	(void)state;
	hand_over(&h, "a@sender.test", "one@x.test");
	wait_until(given_count == 1, 5000);
	end_job(&given[0], STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED, "4.2.1");
	wait_until(has_state(h.id), 5000);
	f = find(h.id);
	assert_int_equal(f.state->status[0]->state, STAGEPOST__RECIPIENT_STATE__QUEUED);
	assert_int_equal(f.state->status[0]->attempts, 1);
	assert_string_equal(f.state->status[0]->last_code, "4.2.1");
	assert_true((int64_t)f.state->status[0]->next_try_ms > clock_unix_ms() + 200000);
	arena_fini(&f.arena);
	assert_int_equal(status_number(0, "queue", "deferred"), 1);
	assert_true(order("retry", h.id));
	wait_until(given_count == 2, 5000);
	assert_int_equal(given[1].job->attempt, 2);
	assert_false(given[1].job->recheck);
	deliver(&given[1]);
	wait_until(is_finished(h.id), 5000);
	f = find(h.id);
	assert_int_equal(f.trace->state->n_events, 3);
	assert_string_equal(f.trace->state->events[1]->kind, "deferred");
	assert_string_equal(f.trace->state->events[2]->kind, "sent");
	arena_fini(&f.arena);
}

/* Our own trouble: tried again soon, as if nothing had been; past its age too. */
static void
test_postponed(void **state)
{
	struct handed h = {.id = "", .age_ms = 120000};
	struct found f;

	(void)state;
	redis_callf(redis, NULL, NULL, "HSET settings:spool expire_after 1m delay_warning_after 0");
	wait_until(settings_spool(settings_current(live), STR_NONE)->expire_after == 60000, 5000);
	hand_over(&h, "a@sender.test", "one@x.test");
	wait_until(given_count == 1, 5000);
	turn(1500);
	for (unsigned i = 1; i <= 5; i++) {
		end_job(&given[i - 1], STAGEPOST__RECIPIENT_RESULT__OUTCOME__POSTPONED, "4.3.0");
		wait_until(given_count == i + 1, 3000);
		assert_int_equal(given[i].job->attempt, 1);
		assert_true(given[i].job->recheck);
	}
	f = find(h.id);
	assert_int_equal(f.state->status[0]->attempts, 0);
	assert_string_equal(f.state->status[0]->last_text, "");
	arena_fini(&f.arena);
	end_job(&given[5], STAGEPOST__RECIPIENT_RESULT__OUTCOME__DELIVERED, "2.0.0");
	wait_until(is_finished(h.id), 5000);
	f = find(h.id);
	assert_int_equal(f.trace->state->n_events, 3);
	assert_string_equal(f.trace->state->events[1]->kind, "postponed");
	assert_string_equal(f.trace->state->events[2]->kind, "sent");
	arena_fini(&f.arena);
}

/* Others are served: what is postponed all the same waits longer in the end. */
static void
test_postponed_for_its_own_damage(void **state)
{
	struct handed h = {.id = ""}, other;
	unsigned seen = 0, postponed = 0;

	(void)state;
	hand_over(&h, "a@sender.test", "one@x.test");
	while (postponed < 14) {
		wait_until(given_count > seen, 7000);
		if (strcmp(given[seen].job->destination, "x.test") != 0) {
			deliver(&given[seen++]);
			continue;
		}
		end_job(&given[seen++], STAGEPOST__RECIPIENT_RESULT__OUTCOME__POSTPONED, "4.3.0");
		postponed++;
		other = (struct handed){.id = ""};
		hand_over(&other, "a@sender.test", "two@y.test");
	}
	wait_until(given_count > seen, 4000);
	deliver(&given[seen++]);
	turn(3500);
	assert_int_equal(given_count, seen);
}

/* The destination is ill, and waits; an operator's word wakes it. */
static void
test_retry_of_troubled_destination(void **state)
{
	struct handed h[3] = {{.id = ""}};

	(void)state;
	hand_over(&h[0], "a@sender.test", "one@x.test");
	wait_until(given_count == 1, 5000);
	end_job_with(&given[0], STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED, "4.4.1", "no connection");
	wait_until(has_state(h[0].id), 5000);
	hand_over(&h[1], "a@sender.test", "two@x.test");
	hand_over(&h[2], "b@other.test", "three@x.test");
	turn(200);
	assert_int_equal(given_count, 1);
	assert_true(order("retry", h[2].id));
	wait_until(given_count == 2, 5000);
	assert_string_equal(given[1].job->envelope->id, h[2].id);
	end_job_with(&given[1], STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED, "4.4.1", "no connection");
	turn(200);
	assert_int_equal(given_count, 2);
	assert_true(order("retry", h[0].id));
	wait_until(given_count == 3, 5000);
	assert_string_equal(given[2].job->envelope->id, h[0].id);
	workers[0].obliging = true;
	deliver(&given[2]);
	wait_until(is_finished(h[0].id) && is_finished(h[1].id), 5000);
	assert_true(order("retry", h[2].id));
	wait_until(is_finished(h[2].id), 5000);
}

static void
test_first_wait_of_troubled_destination(void **state)
{
	struct handed h[2] = {{.id = ""}};
	int64_t start_ms;

	(void)state;
	redis_callf(redis, NULL, NULL, "HSET settings:spool retry_first 1s");
	wait_until(settings_spool(settings_current(live), STR_NONE)->retry_first == 1000, 5000);
	hand_over(&h[0], "a@sender.test", "one@x.test");
	wait_until(given_count == 1, 5000);
	end_job_with(&given[0], STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED, "4.4.1", "no connection");
	start_ms = clock_monotonic_ms();
	hand_over(&h[1], "a@sender.test", "two@x.test");
	workers[0].obliging = true;
	wait_until(is_finished(h[0].id) && is_finished(h[1].id), 5000);
	assert_true(clock_monotonic_ms() - start_ms >= 700);
}

static void
test_failure_report(void **state)
{
	struct handed h = {.id = ""}, dsn = {.id = ""};
	char report[SPOOL_ID_MAX];

	(void)state;
	hand_over(&h, "a@sender.test", "one@x.test two@x.test");
	wait_until(given_count == 1, 5000);
	end_job(&given[0], STAGEPOST__RECIPIENT_RESULT__OUTCOME__FAILED, "5.1.1");
	wait_until(given_count == 2, 5000);
	assert_int_equal(given[1].job->kind, STAGEPOST__JOB_KIND__REPORT);
	assert_int_equal(given[1].job->report, STAGEPOST__JOB__REPORT__FAILURE);
	assert_int_equal(given[1].job->n_recipients, 2);
	assert_string_equal(given[1].job->state->status[0]->last_code, "5.1.1");
	assert_true(spool_id_parse(str_c(given[1].job->report_id), NULL, NULL));
	str_copy(str_c(given[1].job->report_id), report, sizeof(report));
	/* It cannot be handed over now: the same again later. */
	end_job(&given[1], STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED, "4.3.0");
	turn(50);
	assert_true(order("retry", h.id));
	wait_until(given_count == 3, 5000);
	assert_string_equal(given[2].job->report_id, report);
	deliver(&given[2]);
	wait_until(is_finished(h.id), 5000);
	/* The report itself fails: nobody is told. */
	hand_over(&dsn, "", "a@sender.test");
	wait_until(given_count == 4, 5000);
	end_job(&given[3], STAGEPOST__RECIPIENT_RESULT__OUTCOME__FAILED, "5.1.1");
	wait_until(is_finished(dsn.id), 5000);
	assert_int_equal(given_count, 4);
}

enum { HOUR_IN_MS = 3600 * 1000 };

static void
test_notify(void **state)
{
	struct handed never = {.notify = NOTIFY_NEVER}, success = {.notify = NOTIFY_SUCCESS};

	(void)state;
	hand_over(&never, "a@sender.test", "one@x.test");
	wait_until(given_count == 1, 5000);
	end_job(&given[0], STAGEPOST__RECIPIENT_RESULT__OUTCOME__FAILED, "5.1.1");
	wait_until(is_finished(never.id), 5000);
	hand_over(&success, "a@sender.test", "bob@here");
	wait_until(given_count == 2, 5000);
	assert_false(given[1].job->pass_reference); /* the report still needs the body */
	deliver(&given[1]);
	wait_until(given_count == 3, 5000);
	assert_int_equal(given[2].job->report, STAGEPOST__JOB__REPORT__SUCCESS);
	deliver(&given[2]);
	wait_until(is_finished(success.id), 5000);
	/* A server that knows DSN reports itself; one that does not leaves it to us. */
	success = (struct handed){.notify = NOTIFY_SUCCESS};
	hand_over(&success, "a@sender.test", "one@x.test");
	wait_until(given_count == 4, 5000);
	deliver(&given[3]);
	wait_until(is_finished(success.id), 5000);
	success = (struct handed){.notify = NOTIFY_SUCCESS};
	hand_over(&success, "a@sender.test", "one@x.test");
	wait_until(given_count == 5, 5000);
	end_job(&given[4], STAGEPOST__RECIPIENT_RESULT__OUTCOME__RELAYED, "2.0.0");
	wait_until(given_count == 6, 5000);
	assert_true(given[5].job->state->status[0]->relayed);
	deliver(&given[5]);
	wait_until(is_finished(success.id), 5000);
}

static void
test_delay_and_expiry(void **state)
{
	struct handed late = {.age_ms = 5 * HOUR_IN_MS}, old = {.age_ms = 6 * 24 * (int64_t)HOUR_IN_MS};

	(void)state;
	hand_over(&late, "a@sender.test", "one@x.test");
	wait_until(given_count == 1, 5000);
	end_job(&given[0], STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED, "4.2.1");
	wait_until(given_count == 2, 5000);
	assert_int_equal(given[1].job->report, STAGEPOST__JOB__REPORT__DELAY);
	deliver(&given[1]);
	wait_until(status_number(0, "queue", "active") == 0, 5000);
	assert_true(order("retry", late.id));
	wait_until(given_count == 3, 5000);
	end_job(&given[2], STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED, "4.2.1");
	turn(1500);
	assert_int_equal(given_count, 3); /* told once */
	hand_over(&old, "a@sender.test", "one@x.test");
	wait_until(given_count == 4, 5000);
	end_job(&given[3], STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED, "4.2.1");
	wait_until(given_count == 5, 5000);
	assert_int_equal(given[4].job->report, STAGEPOST__JOB__REPORT__FAILURE);
	assert_string_equal(given[4].job->state->status[0]->last_code, "5.4.7");
	deliver(&given[4]);
	wait_until(is_finished(old.id), 5000);
}

/* It waits for nobody's slot, and still expires. */
static void
test_expiry_without_a_worker(void **state)
{
	struct handed old = {.age_ms = 6 * 24 * (int64_t)HOUR_IN_MS};

	(void)state;
	workers[0].slots = 0;
	say_hello(&workers[0], bus_client_owner(workers[0].bus, 0));
	turn(50);
	hand_over(&old, "", "one@x.test");
	wait_until(is_finished(old.id), 5000);
	assert_int_equal(given_count, 0);
}

/* The job's first recipient is expanded to this address, named twice. */
static void
expand(struct given *g, const char *address)
{
	Stagepost__JobDone done = STAGEPOST__JOB_DONE__INIT;
	Stagepost__RecipientResult result = STAGEPOST__RECIPIENT_RESULT__INIT, *results[1] = {&result};
	Stagepost__Recipient added[2], *list[2] = {&added[0], &added[1]};
	Stagepost__Frame frame = STAGEPOST__FRAME__INIT;

	for (unsigned i = 0; i < 2; i++) {
		stagepost__recipient__init(&added[i]);
		added[i].address = (char *)(uintptr_t)address; /* the second is there already by then */
	}
	result.outcome = STAGEPOST__RECIPIENT_RESULT__OUTCOME__EXPANDED;
	result.new_recipients = list;
	result.n_new_recipients = 2;
	done.job = g->job->job;
	done.results = results;
	done.n_results = 1;
	frame.body_case = STAGEPOST__FRAME__BODY_JOB_DONE;
	frame.job_done = &done;
	g->ended = true;
	assert_int_equal(bus_send(g->worker->bus, g->peer, &frame, NULL), 0);
}

static void
test_expansion(void **state)
{
	struct handed h = {.id = ""};

	(void)state;
	hand_over(&h, "a@sender.test", "list@here");
	wait_until(given_count == 1, 5000);
	expand(&given[0], "far@x.test");
	wait_until(given_count == 2, 5000);
	assert_true(has_state(h.id)); /* saved before it is tried */
	assert_string_equal(given[1].job->destination, "x.test");
	assert_int_equal(given[1].job->recipients[0], 1);
	assert_int_equal(given[1].job->envelope->n_recipients, 2);
	assert_string_equal(given[1].job->envelope->recipients[1]->address, "far@x.test");
	deliver(&given[1]);
	wait_until(is_finished(h.id), 5000);
}

/* Added while a job for its destination runs: tried as soon as that has ended. */
static void
test_expansion_to_a_busy_destination(void **state)
{
	struct handed h = {.id = ""};
	unsigned list, far;

	(void)state;
	hand_over(&h, "a@sender.test", "list@here one@x.test");
	wait_until(given_count == 2, 5000);
	list = given[0].job->kind == STAGEPOST__JOB_KIND__LOCAL ? 0 : 1;
	far = 1 - list;
	expand(&given[list], "two@x.test");
	wait_until(has_state(h.id), 5000);
	deliver(&given[far]);
	wait_until(given_count == 3, 5000);
	assert_int_equal(given[2].job->n_recipients, 1);
	assert_int_equal(given[2].job->recipients[0], 2);
	assert_false(given[2].job->recheck);
	deliver(&given[2]);
	wait_until(is_finished(h.id), 5000);
}

static void
test_hold_release_delete(void **state)
{
	struct handed h = {.id = ""};
	struct found f;

	(void)state;
	hand_over(&h, "a@sender.test", "one@x.test");
	wait_until(given_count == 1, 5000);
	end_job(&given[0], STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED, "4.2.1");
	wait_until(has_state(h.id), 5000);
	assert_false(order("release", h.id));
	assert_true(order("hold", h.id));
	assert_false(order("retry", h.id));
	assert_int_equal(status_number(0, "queue", "held"), 1);
	assert_true(order("release", h.id));
	wait_until(given_count == 2, 5000);
	assert_true(order("delete", h.id));
	assert_string_equal(order_text, "deleted, but for what is being delivered now");
	end_job(&given[1], STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED, "4.2.1");
	wait_until(is_finished(h.id), 5000);
	f = find(h.id);
	assert_string_equal(f.trace->state->events[f.trace->state->n_events - 1]->kind, "deleted");
	arena_fini(&f.arena);
	turn(50);
	assert_int_equal(given_count, 2); /* no report */
	assert_false(order("retry", h.id));
	assert_false(order("dance", h.id));
}

static bool
is_uncertain(const char *id)
{
	struct found f = find(id);
	const Stagepost__MessageState *s = f.trace != NULL ? f.trace->state : f.state;
	bool uncertain = s != NULL && s->uncertain;
	arena_fini(&f.arena);
	return uncertain;
}

/* A mailbox did not answer: from then on the reference is not passed, whatever
 * comes, the take-over too. */
static void
test_filing_in_doubt(void **state)
{
	struct handed h = {.id = ""}, both = {.id = ""};

	(void)state;
	hand_over(&h, "a@sender.test", "bob@here");
	wait_until(given_count == 1, 5000);
	assert_true(given[0].job->pass_reference && given[0].job->given_ms != 0);
	in_doubt = true;
	end_job(&given[0], STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED, "4.3.0");
	wait_until(is_uncertain(h.id), 5000);
	in_doubt = false;
	assert_true(order("retry", h.id));
	wait_until(given_count == 2, 5000);
	assert_true(given[1].job->recheck && !given[1].job->pass_reference);
	/* What it says now is no word on the earlier try. */
	end_job(&given[1], STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED, "4.3.0");
	wait_until(has_state(h.id), 5000);
	broker_free(&brokers[0]);
	start_broker(1);
	wait_until(owned(1) == SHARDS, 6000);
	turn(1500); /* the frontend hears of the new owner */
	assert_true(order("retry", h.id));
	wait_until(given_count == 3, 5000);
	assert_true(given[2].job->recheck && !given[2].job->pass_reference);
	deliver(&given[2]);
	wait_until(is_finished(h.id), 5000);
	assert_true(is_uncertain(h.id));
	/* Of several recipients alike: a late try might still add a reference. */
	hand_over(&both, "a@sender.test", "bob@here alice@here");
	wait_until(given_count == 4, 5000);
	in_doubt = true;
	end_job(&given[3], STAGEPOST__RECIPIENT_RESULT__OUTCOME__FAILED, "5.0.0");
	wait_until(is_finished(both.id) || given_count == 5, 5000);
	wait_until(is_uncertain(both.id), 5000);
}

static void
test_lost_job_leaves_doubt(void **state)
{
	struct handed h = {.id = ""};

	(void)state;
	hand_over(&h, "a@sender.test", "bob@here");
	wait_until(given_count == 1, 5000);
	bus_client_free(&workers[0].bus);
	start_worker(0, 10);
	wait_until(given_count == 2, 5000);
	assert_true(given[1].job->recheck && !given[1].job->pass_reference);
	deliver(&given[1]);
	wait_until(is_finished(h.id), 5000);
	assert_true(is_uncertain(h.id));
}

/* Held before any worker had it: certain, for however long, through a take-over;
 * held while a worker had it: not. */
static void
test_held_is_certain(void **state)
{
	struct handed held = {.id = ""}, late = {.id = ""};

	(void)state;
	workers[0].slots = 1;
	say_hello(&workers[0], bus_client_owner(workers[0].bus, 0));
	turn(100);
	hand_over(&late, "a@sender.test", "bob@here");
	wait_until(given_count == 1, 5000);
	hand_over(&held, "a@sender.test", "bob@here");
	assert_true(order("hold", held.id) && order("hold", late.id));
	wait_until(is_uncertain(late.id), 5000);
	assert_false(is_uncertain(held.id));
	broker_free(&brokers[0]);
	bus_client_free(&workers[0].bus);
	start_worker(0, 10);
	start_broker(1);
	wait_until(owned(1) == SHARDS, 6000);
	turn(1500); /* the frontend hears of the new owner */
	assert_true(order("release", held.id));
	wait_until(given_count == 2, 5000);
	assert_string_equal(given[1].job->envelope->id, held.id);
	assert_true(given[1].job->pass_reference && !given[1].job->recheck);
	assert_true(order("release", late.id));
	wait_until(given_count == 3, 5000);
	assert_true(!given[2].job->pass_reference && given[2].job->recheck);
}

static void
test_worker_comes_back(void **state)
{
	struct handed h = {.id = ""};

	(void)state;
	hand_over(&h, "a@sender.test", "bob@here");
	wait_until(given_count == 1, 5000);
	bus_client_free(&workers[0].bus);
	start_worker(0, 10);
	wait_until(given_count == 2, 5000);
	assert_true(given[1].job->recheck);
	assert_string_equal(given[1].job->envelope->id, h.id);
	deliver(&given[1]);
	wait_until(is_finished(h.id), 5000);
}

static void
test_silent_worker(void **state)
{
	struct handed h = {.id = ""};

	(void)state;
	hand_over(&h, "a@sender.test", "bob@here");
	wait_until(given_count == 1, 5000);
	bus_client_free(&workers[0].bus);
	start_worker(1, 10);
	turn(1000);
	assert_int_equal(given_count, 1);
	wait_until(given_count == 2, 5000);
	assert_ptr_equal(given[1].worker, &workers[1]);
	assert_true(given[1].job->recheck);
	deliver(&given[1]);
	wait_until(is_finished(h.id), 5000);
}

static void
test_take_over(void **state)
{
	struct handed h[20] = {{.id = ""}}, after = {.id = ""};
	unsigned before;
	int64_t killed_ms;

	(void)state;
	for (unsigned i = 0; i < 20; i++)
		start_hand_over(&h[i], "a@sender.test", i % 2 == 0 ? "bob@here" : "one@x.test");
	for (unsigned i = 0; i < 20; i++)
		wait_until(h[i].done && h[i].code == ERR_NONE, 5000);
	wait_until(given_count != 0, 5000);
	/* Dies: its leases stay until they run out. */
	broker_free(&brokers[0]);
	killed_ms = clock_monotonic_ms();
	before = given_count;
	start_broker(1);
	start_hand_over(&after, "a@sender.test", "bob@here");
	workers[0].obliging = true;
	wait_until(owned(1) == SHARDS, 6000);
	wait_until(after.done, 10000);
	assert_int_equal(after.code, ERR_NONE);
	for (unsigned i = 0; i < 20; i++)
		wait_until(is_finished(h[i].id), 5000);
	assert_true(clock_monotonic_ms() - killed_ms < 5000);
	for (unsigned i = before; i < given_count; i++)
		assert_int_equal(given[i].job->recheck, strcmp(given[i].job->envelope->id, after.id) != 0);
}

/* The worker tells the shard's new owner what it has in hand: it is not given
 * out again, and its result counts, also when the store was away as the message
 * was to be read. */
static void
outlive_broker(bool store_away)
{
	struct handed h = {.id = ""};
	Stagepost__Frame frame = STAGEPOST__FRAME__INIT;
	Stagepost__JobRenew renew = STAGEPOST__JOB_RENEW__INIT;
	Stagepost__RunningJob running = STAGEPOST__RUNNING_JOB__INIT, *list[1] = {&running};

	hand_over(&h, "a@sender.test", "one@x.test");
	wait_until(given_count == 1, 5000);
	broker_free(&brokers[0]);
	start_broker(0);
	wait_until(owned(0) == SHARDS && status_number(0, "queue", "messages") == 1, 5000);
	wait_until(bus_client_owner(workers[0].bus, 0) != NULL && bus_client_owner(workers[0].bus, 0) != given[0].peer,
		   5000);
	given[0].peer = bus_client_owner(workers[0].bus, 0);
	running.job = given[0].job->job;
	running.id = h.id;
	running.kind = STAGEPOST__JOB_KIND__REMOTE;
	running.destination = given[0].job->destination;
	running.recipients = given[0].job->recipients;
	running.n_recipients = given[0].job->n_recipients;
	renew.running = list;
	renew.n_running = 1;
	frame.body_case = STAGEPOST__FRAME__BODY_JOB_RENEW;
	frame.job_renew = &renew;
	if (store_away)
		redis_fixture_kill(&server);
	assert_int_equal(bus_send(workers[0].bus, given[0].peer, &frame, NULL), 0);
	if (store_away) {
		turn(300);
		assert_true(redis_fixture_run(&server, true));
		wait_until(redis_is_connected(redis), 5000);
	}
	deliver(&given[0]); /* before the broker has read the message */
	wait_until(is_finished(h.id), 5000);
	assert_int_equal(given_count, 1);
}

static void
test_job_outlives_its_broker(void **state)
{
	(void)state;
	outlive_broker(false);
}

static void
test_job_outlives_broker_and_store(void **state)
{
	(void)state;
	outlive_broker(true);
}

/* ---- Spam checks ---- */
static void
set_setting(const char *fields)
{
	uint64_t old = settings_version(settings_current(live));

	redis_callf(redis, NULL, NULL, fields);
	wait_until(settings_version(settings_current(live)) != old, 5000);
}

static Stagepost__SpamVerdict spam = STAGEPOST__SPAM_VERDICT__INIT;

static void
say_spam(struct given *g)
{
	spam.is_spam = true;
	spam.engine = (char *)(uintptr_t) "spamd://here";
	spam.score = 7.5;
	verdict = &spam;
	deliver(g);
	verdict = NULL;
}

static void
test_check_comes_first(void **state)
{
	struct handed h = {.id = ""};
	struct found f;
	unsigned local = 0;

	(void)state;
	set_setting("HSET settings:spam engine spamd://here");
	hand_over(&h, "a@sender.test", "bob@here one@x.test");
	wait_until(given_count == 1, 5000);
	turn(50);
	assert_int_equal(given_count, 1);
	assert_int_equal(given[0].job->kind, STAGEPOST__JOB_KIND__CHECK);
	assert_int_equal(given[0].job->n_recipients, 2);
	assert_string_equal(given[0].job->destination, "spam-check");
	say_spam(&given[0]);
	wait_until(given_count == 3, 5000);
	f = find(h.id); /* saved before anything is delivered */
	assert_true(f.state->spam->is_spam && f.state->spam->score > 7);
	arena_fini(&f.arena);
	for (unsigned i = 1; i < 3; i++) {
		local += given[i].job->kind == STAGEPOST__JOB_KIND__LOCAL && given[i].job->verdict->is_spam;
		assert_false(given[i].job->recheck);
		deliver(&given[i]);
	}
	assert_int_equal(local, 1);
	wait_until(is_finished(h.id), 5000);
	f = find(h.id);
	assert_string_equal(f.trace->state->events[1]->kind, "checked");
	assert_string_equal(f.trace->state->events[1]->remote, "spamd://here");
	arena_fini(&f.arena);
}

static void
test_check_fails(void **state)
{
	struct handed h = {.id = ""}, next = {.id = ""};
	struct found f;

	(void)state;
	set_setting("HSET settings:spam engine spamd://here unavailable_after 0");
	hand_over(&h, "a@sender.test", "bob@here");
	wait_until(given_count == 1, 5000);
	end_job_with(&given[0], STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED, "4.3.0", "no connection");
	wait_until(given_count == 2, 5000);
	assert_int_equal(given[1].job->kind, STAGEPOST__JOB_KIND__LOCAL);
	assert_true(given[1].job->pass_reference && given[1].job->attempt == 1);
	deliver(&given[1]);
	wait_until(is_finished(h.id), 5000);
	f = find(h.id);
	assert_string_equal(f.trace->state->events[2]->kind, "unchecked");
	assert_true(f.trace->state->spam->unchecked[0] != '\0' && !f.trace->state->spam->is_spam);
	arena_fini(&f.arena);

	/* It waits for the engine, until that is not asked any more. */
	set_setting("HSET settings:spam unavailable defer");
	hand_over(&next, "a@sender.test", "bob@here");
	wait_until(given_count == 3, 5000);
	assert_int_equal(given[2].job->kind, STAGEPOST__JOB_KIND__CHECK);
	end_job_with(&given[2], STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED, "4.3.0", "no connection");
	turn(700); /* it is asked again after two seconds */
	assert_int_equal(given_count, 3);
	set_setting("HDEL settings:spam engine");
	wait_until(given_count == 4, 5000);
	assert_int_equal(given[3].job->kind, STAGEPOST__JOB_KIND__LOCAL);
	deliver(&given[3]);
	wait_until(is_finished(next.id), 5000);
}

/* Nobody is asked any more when checks were turned off while it was held. */
static void
test_release_with_checks_off(void **state)
{
	struct handed h = {.id = ""}, other = {.id = ""};

	(void)state;
	set_setting("HSET settings:spam engine spamd://here unavailable defer");
	hand_over(&h, "a@sender.test", "bob@here");
	hand_over(&other, "a@sender.test", "bob@here");
	wait_until(given_count == 2, 5000);
	assert_true(order("hold", h.id));
	assert_true(order("hold", other.id));
	for (unsigned i = 0; i < 2; i++)
		end_job_with(&given[i], STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED, "4.3.0", "no connection");
	wait_until(status_number(0, "queue", "held") == 2, 5000);
	set_setting("HDEL settings:spam engine");
	turn(2500);
	assert_int_equal(given_count, 2);
	assert_true(order("release", h.id));
	wait_until(given_count == 3, 500);
	assert_int_equal(given[2].job->kind, STAGEPOST__JOB_KIND__LOCAL);
	deliver(&given[2]);
	wait_until(is_finished(h.id), 5000);
	assert_true(order("release", other.id));
	wait_until(given_count == 4, 5000);
	assert_int_equal(given[3].job->kind, STAGEPOST__JOB_KIND__LOCAL);
	deliver(&given[3]);
	wait_until(is_finished(other.id), 5000);
}

/* Checks that were turned off are not made by the next owner either. */
static void
test_take_over_with_checks_off(void **state)
{
	struct handed h = {.id = ""};

	(void)state;
	set_slots(0);
	set_setting("HSET settings:spam engine spamd://here unavailable defer");
	hand_over(&h, "a@sender.test", "bob@here");
	/* Before its deadline, a second from then: the next owner sees to it. */
	set_setting("HDEL settings:spam engine");
	broker_free(&brokers[0]);
	set_slots(10);
	start_broker(0);
	wait_until(given_count == 1, 8000);
	assert_int_equal(given[0].job->kind, STAGEPOST__JOB_KIND__LOCAL);
	deliver(&given[0]);
	wait_until(is_finished(h.id), 5000);
}

/* A worker that cannot read the body says nothing of the engines. */
static void
test_check_without_the_store(void **state)
{
	struct handed h = {.id = ""};

	(void)state;
	set_setting("HSET settings:spam engine spamd://here unavailable_after 0");
	hand_over(&h, "a@sender.test", "bob@here");
	wait_until(given_count == 1, 5000);
	end_job(&given[0], STAGEPOST__RECIPIENT_RESULT__OUTCOME__POSTPONED, "4.3.0");
	wait_until(given_count == 2, 3000);
	assert_int_equal(given[1].job->kind, STAGEPOST__JOB_KIND__CHECK);
	say_spam(&given[1]);
	wait_until(given_count == 3, 5000);
	assert_true(given[2].job->verdict->is_spam);
	deliver(&given[2]);
	wait_until(is_finished(h.id), 5000);
}

/* A check that outlived its broker is made again; a verdict that is saved is
 * not asked for again. */
static void
test_check_and_take_over(void **state)
{
	struct handed h = {.id = ""};

	(void)state;
	workers[0].faithful = true;
	set_setting("HSET settings:spam engine spamd://here");
	hand_over(&h, "a@sender.test", "one@x.test");
	wait_until(given_count == 1, 5000);
	broker_free(&brokers[0]);
	start_broker(0);
	wait_until(given_count == 2, 5000);
	assert_int_equal(given[1].job->kind, STAGEPOST__JOB_KIND__CHECK);
	given[0].ended = true;
	say_spam(&given[1]);
	wait_until(given_count == 3, 5000);
	assert_int_equal(given[2].job->kind, STAGEPOST__JOB_KIND__REMOTE);
	broker_free(&brokers[0]);
	start_broker(0);
	wait_until(owned(0) == SHARDS && status_number(0, "queue", "active") == 1, 5000);
	deliver(&given[2]);
	wait_until(is_finished(h.id), 5000);
	assert_int_equal(given_count, 3);
}

/* Of a worker that was lost: done again, and nothing is known of a filing. */
static void
test_check_is_lost(void **state)
{
	struct handed h = {.id = ""};

	(void)state;
	set_setting("HSET settings:spam engine spamd://here");
	hand_over(&h, "a@sender.test", "bob@here");
	wait_until(given_count == 1, 5000);
	bus_client_free(&workers[0].bus);
	start_worker(1, 10);
	wait_until(given_count == 2, 10000);
	assert_int_equal(given[1].job->kind, STAGEPOST__JOB_KIND__CHECK);
	say_spam(&given[1]);
	wait_until(given_count == 3, 5000);
	assert_true(given[2].job->kind == STAGEPOST__JOB_KIND__LOCAL && !given[2].job->recheck);
	deliver(&given[2]);
	wait_until(is_finished(h.id), 5000);
}

static void
test_outbound_spam_is_held(void **state)
{
	struct handed h = {.id = ""};

	(void)state;
	set_setting("HSET settings:spam engine spamd://here outbound_spam hold");
	hand_over(&h, "a@sender.test", "one@x.test");
	wait_until(given_count == 1, 5000);
	say_spam(&given[0]);
	wait_until(status_number(0, "queue", "held") == 1, 5000);
	turn(100);
	assert_int_equal(given_count, 1);
	assert_true(order("release", h.id));
	wait_until(given_count == 2, 5000);
	deliver(&given[1]);
	wait_until(is_finished(h.id), 5000);
}

/* ---- What operators see and do ---- */
struct told {
	volatile bool done;
	const char *text;
	unsigned count;
};

static void
on_events(void *arg, const struct spool_event *events, size_t count, const struct err *err)
{
	struct told *t = arg;

	assert_null(err);
	for (size_t i = 0; i < count; i++)
		t->count += strncmp(events[i].json.p, "{", 1) == 0 &&
			    memmem(events[i].json.p, events[i].json.len, t->text, strlen(t->text)) != NULL;
	t->done = true;
}

/* How many of the shard's events say so. */
static unsigned
count_events(const char *id, const char *text)
{
	struct told t = {.text = text};
	unsigned shard;

	assert_true(spool_id_parse(str_c(id), &shard, NULL));
	spool_read_events(redis, shard, "0", 1000, on_events, &t);
	wait_until(t.done, 5000);
	return t.count;
}

/* The trace keeps only so many; subscribers are told of all. */
static void
test_every_event_is_told(void **state)
{
	struct handed h = {.id = ""};
	struct buf to = BUF_EMPTY;

	(void)state;
	for (int i = 0; i < 100; i++)
		buf_printf(&to, "a%d@here ", i);
	workers[0].obliging = true;
	hand_over(&h, "a@sender.test", to.data);
	buf_fini(&to);
	wait_until(is_finished(h.id), 5000);
	assert_int_equal(count_events(h.id, "\"event\":\"accepted\""), 1);
	assert_int_equal(count_events(h.id, "\"event\":\"delivered\""), 100);
}

static void
test_take_over_is_told_once(void **state)
{
	struct handed h = {.id = ""};

	(void)state;
	hand_over(&h, "a@sender.test", "one@x.test");
	wait_until(given_count == 1, 5000);
	for (int i = 0; i < 2; i++) {
		broker_free(&brokers[0]);
		start_broker(0);
		wait_until(given_count == (unsigned)i + 2, 5000);
	}
	deliver(&given[2]);
	wait_until(is_finished(h.id), 5000);
	assert_int_equal(count_events(h.id, "\"event\":\"taken-over\""), 1);
	assert_int_equal(count_events(h.id, "\"event\":\"delivered\""), 1);
}

/* Of its own try, whatever became of the recipient before it was told. */
static void
test_deferred_event_has_its_own_code(void **state)
{
	struct handed old = {.age_ms = 6 * 24 * (int64_t)HOUR_IN_MS};

	(void)state;
	hand_over(&old, "", "one@x.test");
	wait_until(given_count == 1, 5000);
	end_job(&given[0], STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED, "4.2.1");
	wait_until(is_finished(old.id), 5000);
	assert_int_equal(count_events(old.id, "\"event\":\"deferred\""), 1);
	assert_int_equal(count_events(old.id, "\"code\":\"4.2.1\",\"attempt\":1"), 1);
	assert_int_equal(count_events(old.id, "\"event\":\"expired\""), 1);
	assert_int_equal(count_events(old.id, "\"code\":\"5.4.7\""), 1);
}

/* What is deleted while a worker has it is not given out again, whoever is lost. */
static void
test_deleted_and_worker_lost(void **state)
{
	struct handed h = {.id = ""};

	(void)state;
	hand_over(&h, "a@sender.test", "one@x.test");
	wait_until(given_count == 1, 5000);
	assert_true(order("delete", h.id));
	bus_client_free(&workers[0].bus);
	start_worker(1, 10);
	wait_until(is_finished(h.id), 10000);
	assert_int_equal(given_count, 1);
	assert_int_equal(count_events(h.id, "\"event\":\"deleted\""), 1);
}

static void
test_deleted_and_broker_lost(void **state)
{
	struct handed h = {.id = ""};

	(void)state;
	hand_over(&h, "a@sender.test", "bob@here one@x.test");
	wait_until(given_count == 2, 5000);
	assert_true(order("delete", h.id));
	wait_until(has_state(h.id), 5000);
	broker_free(&brokers[0]);
	start_broker(0);
	wait_until(is_finished(h.id), 10000);
	assert_int_equal(given_count, 2);
}

/* As the check of it is under way: nothing is delivered then. */
static void
test_deleted_while_checked(void **state)
{
	struct handed h[2] = {{.id = ""}, {.id = ""}};

	(void)state;
	set_setting("HSET settings:spam engine spamd://here");
	hand_over(&h[0], "a@sender.test", "bob@here");
	hand_over(&h[1], "a@sender.test", "bob@here");
	wait_until(given_count == 2, 5000);
	assert_true(order("delete", h[0].id));
	assert_true(order("delete", h[1].id));
	say_spam(&given[0]);
	end_job(&given[1], STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED, "4.3.0");
	wait_until(is_finished(h[0].id) && is_finished(h[1].id), 5000);
	assert_int_equal(given_count, 2);
}

static char page_ids[200][SPOOL_ID_MAX], page_next[SPOOL_ID_MAX];
static unsigned page_count;
static bool page_came;

static void
on_page(const Stagepost__QueuePage *page)
{
	for (size_t i = 0; i < page->n_entries; i++)
		if (page_count < 200)
			str_copy(str_c(page->entries[i]->id), page_ids[page_count++], SPOOL_ID_MAX);
	str_copy(str_c(page->next_after), page_next, sizeof(page_next));
	page_came = true;
}

/* How many pages it takes to have all. */
static unsigned
ask_pages(Stagepost__QueueFilter *filter)
{
	Stagepost__Frame frame = STAGEPOST__FRAME__INIT;
	Stagepost__QueueQuery query = STAGEPOST__QUEUE_QUERY__INIT;
	unsigned pages = 0;

	frame.request = 8;
	frame.body_case = STAGEPOST__FRAME__BODY_QUEUE_QUERY;
	frame.queue_query = &query;
	query.filter = filter;
	query.after = page_next;
	query.limit = 100;
	page_count = 0;
	page_next[0] = '\0';
	do {
		page_came = false;
		assert_int_equal(bus_send(frontend, bus_client_owner(frontend, 0), &frame, NULL), 0);
		wait_until(page_came, 5000);
		pages++;
	} while (page_next[0] != '\0');
	return pages;
}

/* A page fits a frame, whatever the messages are like. */
static void
test_pages_of_large_messages(void **state)
{
	struct handed h = {.id = ""};
	struct buf helo = BUF_EMPTY;

	(void)state;
	workers[0].slots = 0;
	say_hello(&workers[0], bus_client_owner(workers[0].bus, 0));
	for (int i = 0; i < 400000; i++)
		buf_add_byte(&helo, 'x');
	client_helo = helo.data;
	for (int i = 0; i < 60; i++) {
		h.id[0] = '\0';
		hand_over(&h, "a@sender.test", "one@x.test");
	}
	client_helo = NULL;
	buf_fini(&helo);
	assert_true(ask_pages(NULL) > 1);
	assert_int_equal(page_count, 60);
	for (unsigned i = 1; i < page_count; i++)
		assert_true(strcmp(page_ids[i - 1], page_ids[i]) < 0);
}

/* The engine's trouble is found by its words, of one recipient or several, and
 * by the next broker too. */
static void
test_answers_of_checks(void **state)
{
	struct handed h[2] = {{.id = ""}, {.id = ""}};
	Stagepost__QueueFilter says = STAGEPOST__QUEUE_FILTER__INIT, other = STAGEPOST__QUEUE_FILTER__INIT;
	const struct bus_peer *old;

	(void)state;
	says.answer = (char *)(uintptr_t) "the TEST says";
	other.answer = (char *)(uintptr_t) "nobody says";
	set_setting("HSET settings:spam engine spamd://here");
	hand_over(&h[0], "a@sender.test", "bob@here");
	hand_over(&h[1], "a@sender.test", "bob@here one@x.test");
	wait_until(given_count == 2, 5000);
	for (int i = 0; i < 2; i++)
		end_job(&given[i], STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED, "4.3.0");
	wait_until(has_state(h[0].id) && has_state(h[1].id), 5000);
	for (int i = 0; i < 2; i++) {
		ask_pages(&says);
		assert_int_equal(page_count, 2);
		ask_pages(&other);
		assert_int_equal(page_count, 0);
		old = bus_client_owner(frontend, 0);
		workers[0].slots = 0;
		broker_free(&brokers[0]);
		start_broker(0);
		wait_until(owned(0) == SHARDS && status_number(0, "queue", "messages") == 2, 5000);
		wait_until(bus_client_owner(frontend, 0) != NULL && bus_client_owner(frontend, 0) != old, 5000);
	}
}

static volatile bool drained;

static void
on_drained(void *arg)
{
	(void)arg;
	drained = true;
}

/* 20 messages, each in the hands of a worker that takes its time. */
static void
hand_over_slow_ones(struct handed *h)
{
	workers[0].slots = 50;
	workers[0].faithful = true;
	say_hello(&workers[0], bus_client_owner(workers[0].bus, 0));
	for (unsigned i = 0; i < 20; i++) {
		char to[40];
		snprintf(to, sizeof(to), "a@x%u.test", i);
		h[i] = (struct handed){.id = ""};
		hand_over(&h[i], "a@sender.test", to);
	}
	wait_until(given_count == 20, 5000);
}

static void
end_slow_ones(const struct handed *h)
{
	renew_all(&workers[0]);
	turn(100);
	assert_int_equal(workers[0].revoked, 0);
	for (unsigned i = 0; i < 20; i++)
		deliver(&given[i]);
	for (unsigned i = 0; i < 20; i++)
		wait_until(is_finished(h[i].id), 5000);
	assert_int_equal(given_count, 20);
}

/* Shards go to another broker for balance: the jobs of slow deliveries with
 * them, and nothing is given out twice. */
static void
test_balance_takes_slow_jobs_along(void **state)
{
	struct handed h[20];

	(void)state;
	hand_over_slow_ones(h);
	start_broker(1);
	wait_until(owned(0) == 4, 12000);
	renew_all(&workers[0]); /* some with an owner that has none of them any more */
	wait_until(owned(1) == 4, 5000);
	turn(1500);
	end_slow_ones(h);
}

static void
test_drain_leaves_slow_jobs_to_the_next(void **state)
{
	struct handed h[20];

	(void)state;
	hand_over_slow_ones(h);
	start_broker(1);
	turn(700);
	drained = false;
	broker_drain(brokers[0], on_drained, NULL);
	wait_until(drained, 5000);
	broker_free(&brokers[0]);
	wait_until(owned(1) == SHARDS, 5000);
	turn(1500);
	end_slow_ones(h);
}

static void
test_restart_takes_its_own_at_once(void **state)
{
	int64_t start_ms;

	(void)state;
	broker_free(&brokers[0]);
	start_ms = clock_monotonic_ms();
	start_broker(0);
	wait_until(owned(0) == SHARDS, 5000);
	assert_true(clock_monotonic_ms() - start_ms < 1500);
}

static void
test_even_spread_and_drain(void **state)
{
	int64_t start_ms;

	(void)state;
	start_broker(1);
	wait_until(owned(0) == 4 && owned(1) == 4, 8000);
	start_broker(2);
	wait_until(owned(0) <= 3 && owned(1) <= 3 && owned(2) <= 3 && owned(0) + owned(1) + owned(2) == SHARDS, 8000);
	drained = false;
	start_ms = clock_monotonic_ms();
	broker_drain(brokers[0], on_drained, NULL);
	wait_until(owned(1) + owned(2) == SHARDS, 3000);
	assert_true(clock_monotonic_ms() - start_ms < 1500);
	wait_until(drained, 1000);
}

/* Also when they cannot be divided evenly: nobody is left without. */
static void
test_even_spread_over_five(void **state)
{
	unsigned least = SHARDS, most = 0, sum = 0;

	(void)state;
	for (unsigned i = 1; i < 5; i++)
		start_broker(i);
	for (int64_t until = clock_monotonic_ms() + 8000;
	     clock_monotonic_ms() < until && (least != 1 || most != 2 || sum != SHARDS);) {
		turn(50);
		least = SHARDS;
		most = sum = 0;
		for (unsigned i = 0; i < 5; i++) {
			unsigned count = owned(i);
			least = count < least ? count : least;
			most = count > most ? count : most;
			sum += count;
		}
	}
	assert_int_equal(sum, SHARDS);
	assert_int_equal(least, 1);
	assert_int_equal(most, 2);
	for (unsigned i = 0; i < 5; i++)
		assert_true(broker_is_ready(brokers[i]));
	broker_free(&brokers[3]); /* one dies */
	wait_until(owned(0) + owned(1) + owned(2) + owned(4) == SHARDS, 6000);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(owned(i), i == 3 ? 0 : 2);
}

static void
test_stolen_lease(void **state)
{
	struct handed h = {.id = ""};
	char text[100];
	unsigned shard;

	(void)state;
	hand_over(&h, "a@sender.test", "bob@here");
	wait_until(given_count == 1, 5000);
	assert_true(spool_id_parse(str_c(h.id), &shard, NULL));
	/* As if this broker had slept and another had come. */
	snprintf(text, sizeof(text), "SET spool:{%u}:lease another-broker-9 PX 60000", shard);
	redis_callf(redis, NULL, NULL, text);
	deliver(&given[0]);
	wait_until(owned(0) == SHARDS - 1, 5000);
	assert_int_equal(status_number(0, "queue", "messages"), 0);
	assert_false(is_finished(h.id)); /* it is the other's */
}

static void
test_redis_away(void **state)
{
	struct handed h[10] = {{.id = ""}}, during = {.id = ""};

	(void)state;
	set_slots(13); /* one sender has ten of them */
	for (unsigned i = 0; i < 10; i++)
		hand_over(&h[i], "a@sender.test", "bob@here");
	wait_until(given_count == 10, 5000);
	redis_fixture_kill(&server);
	turn(100);
	start_hand_over(&during, "a@sender.test", "bob@here");
	for (unsigned i = 0; i < 10; i++)
		deliver(&given[i]);
	turn(500);
	assert_false(during.done);
	assert_true(redis_fixture_run(&server, true));
	workers[0].obliging = true;
	wait_until(during.done, 10000);
	assert_int_equal(during.code, ERR_NONE);
	for (unsigned i = 0; i < 10; i++)
		wait_until(is_finished(h[i].id), 5000);
	wait_until(is_finished(during.id), 5000);
	assert_int_equal(given_count, 11);
	assert_int_equal(owned(0), SHARDS);
}

/* The frontend asks again while the store is slow: one write all the same. */
static void
test_resend_while_written(void **state)
{
	struct handed h = {.id = ""};

	(void)state;
	workers[0].obliging = true;
	kill(server.pid, SIGSTOP);
	start_hand_over(&h, "a@sender.test", "bob@here");
	turn(2500);
	assert_false(h.done);
	assert_int_equal(brokers[0]->writes_waiting, 1);
	kill(server.pid, SIGCONT);
	wait_until(h.done, 5000);
	assert_int_equal(h.code, ERR_NONE);
	wait_until(is_finished(h.id), 5000);
	assert_int_equal(brokers[0]->writes_waiting, 0);
	assert_int_equal(given_count, 1);
}

/* ---- Orders are durable before they are answered ---- */
static void
test_order_waits_for_the_store(void **state)
{
	struct handed h = {.id = ""};
	struct found f;

	(void)state;
	set_slots(0);
	hand_over(&h, "a@sender.test", "one@x.test");
	kill(server.pid, SIGSTOP);
	send_order("hold", h.id, NULL, 0);
	turn(700);
	assert_false(order_answered);
	assert_int_equal(status_number(0, "queue", "held"), 1);
	kill(server.pid, SIGCONT);
	wait_until(order_answered, 5000);
	assert_true(order_done);
	assert_string_equal(order_text, "held");
	f = find(h.id);
	assert_true(f.state->held);
	arena_fini(&f.arena);

	/* A broker that dies before has said nothing. */
	kill(server.pid, SIGSTOP);
	send_order("release", h.id, NULL, 0);
	turn(300);
	redis_fixture_kill(&server); /* with what it was sent */
	broker_free(&brokers[0]);
	turn(300);
	assert_false(order_answered && order_done);
	assert_true(redis_fixture_run(&server, true));
	start_broker(0);
	wait_until(owned(0) == SHARDS && status_number(0, "queue", "held") == 1, 10000);
}

/* Each by itself, without a look at the store before: what was answered is there. */
static void
test_answered_orders_are_in_the_spool(void **state)
{
	struct handed h = {.id = ""};
	struct found f;

	(void)state;
	set_setting("HSET settings:spool retry_first 1h retry_longest 1h");
	hand_over(&h, "a@sender.test", "one@x.test two@x.test");
	wait_until(given_count == 1, 5000);
	end_job(&given[0], STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED, "4.2.1");
	wait_until(has_state(h.id), 5000);
	set_slots(0);
	assert_true(order("retry", h.id));
	broker_free(&brokers[0]);
	set_slots(10);
	start_broker(0);
	wait_until(given_count == 2, 5000); /* in an hour, were the order lost */
	end_job(&given[1], STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED, "4.2.1");
	wait_until(status_number(0, "queue", "deferred") == 1, 5000);
	assert_true(order("hold", h.id));
	f = find(h.id);
	assert_true(f.state->held);
	arena_fini(&f.arena);
	assert_true(order("release", h.id));
	f = find(h.id);
	assert_false(f.state->held);
	arena_fini(&f.arena);
	wait_until(given_count == 3, 5000);
	end_job(&given[2], STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED, "4.2.1");
	wait_until(status_number(0, "queue", "deferred") == 1, 5000);
	assert_true(order("delete", h.id));
	assert_true(is_finished(h.id));
}

/* How long the loop was away from it at most. */
static int64_t looked_ms, longest_ms;

static void
on_look(evutil_socket_t fd, short what, void *arg)
{
	int64_t now_ms = clock_monotonic_ms();

	(void)fd, (void)what, (void)arg;
	if (looked_ms != 0 && now_ms - looked_ms > longest_ms)
		longest_ms = now_ms - looked_ms;
	looked_ms = now_ms;
}

static void
start_looking(struct event **look)
{
	struct timeval tv = clock_timeval(1);

	looked_ms = longest_ms = 0;
	*look = event_new(base, -1, EV_PERSIST, on_look, NULL);
	event_add(*look, &tv);
}

static void
test_order_to_many(void **state)
{
	enum { MANY = 20000 };
	struct handed *h = mem_zalloc(MANY * sizeof(*h));
	char **ids = mem_zalloc((MANY + 1) * sizeof(*ids));
	struct event *look;
	int64_t begun_ms;

	(void)state;
	set_slots(0);
	for (unsigned i = 0; i < MANY; i++) {
		start_hand_over(&h[i], "a@sender.test", "one@x.test");
		ids[i] = h[i].id;
		if (i % 500 == 499)
			wait_until(h[i].done, 5000);
	}
	wait_until(status_number(0, "queue", "messages") == MANY, 10000);
	/* As after a while: none is in memory as a whole. */
	broker_free(&brokers[0]);
	start_broker(0);
	wait_until(owned(0) == SHARDS && status_number(0, "queue", "messages") == MANY, 20000);
	turn(1500);
	start_looking(&look);
	begun_ms = clock_monotonic_ms();
	send_order("hold", h[0].id, ids, MANY);
	wait_until(order_answered, 60000);
	printf("hold of %d messages in %lld ms, the loop away for %lld ms at most\n", MANY,
	       (long long)(clock_monotonic_ms() - begun_ms), (long long)longest_ms);
	assert_int_equal(order_count, MANY);
	assert_int_equal(status_number(0, "queue", "held"), MANY);
	event_free(look);
	/* Too many at once are refused, not cut. */
	ids[MANY] = h[0].id;
	send_order("release", h[0].id, ids, MANY + 1);
	wait_until(order_answered, 5000);
	assert_false(order_done);
	mem_free(ids);
	mem_free(h);
}

/* Each recipient of the job is expanded to so many addresses. */
static void
expand_all(struct given *g, unsigned each, unsigned domains, int digits)
{
	Stagepost__JobDone done = STAGEPOST__JOB_DONE__INIT;
	Stagepost__Frame frame = STAGEPOST__FRAME__INIT;

	done.job = g->job->job;
	done.results = arena_array(&g->arena, Stagepost__RecipientResult *, g->job->n_recipients);
	for (size_t i = 0; i < g->job->n_recipients; i++) {
		Stagepost__RecipientResult *r = arena_new(&g->arena, Stagepost__RecipientResult);
		stagepost__recipient_result__init(r);
		r->recipient = g->job->recipients[i];
		r->outcome = STAGEPOST__RECIPIENT_RESULT__OUTCOME__EXPANDED;
		r->new_recipients = arena_array(&g->arena, Stagepost__Recipient *, each);
		for (unsigned k = 0; k < each; k++) {
			Stagepost__Recipient *added = arena_new(&g->arena, Stagepost__Recipient);
			stagepost__recipient__init(added);
			added->address = arena_printf(&g->arena, "user%zu.%0*u@d%u.test", i, digits, k,
						      domains != 0 ? (unsigned)(i * each + k) % domains : 0);
			r->new_recipients[r->n_new_recipients++] = added;
		}
		done.results[done.n_results++] = r;
	}
	frame.body_case = STAGEPOST__FRAME__BODY_JOB_DONE;
	frame.job_done = &done;
	g->ended = true;
	assert_int_equal(bus_send(g->worker->bus, g->peer, &frame, NULL), 0);
}

static void
name_many(struct buf *to, unsigned count, const char *at)
{
	for (unsigned i = 0; i < count; i++)
		buf_printf(to, "list%u%s ", i, at);
}

/* Twenty lists of a thousand, in a thousand domains. */
static void
test_expansion_to_many(void **state)
{
	enum { LISTS = 20, EACH = 1000, DOMAINS = 1000 };
	struct handed h = {.id = ""};
	struct buf to = BUF_EMPTY;
	struct found f;
	struct event *look;
	int64_t begun_ms;

	(void)state;
	name_many(&to, LISTS, "@here");
	hand_over(&h, "a@sender.test", to.data);
	wait_until(given_count == 1, 60000);
	set_slots(0);
	expand_all(&given[0], EACH, DOMAINS, 1);
	start_looking(&look);
	begun_ms = clock_monotonic_ms();
	wait_until(status_number(0, "queue", "queued") == DOMAINS, 120000);
	printf("expanded to %d in %lld ms, the loop away for %lld ms at most\n", LISTS * EACH,
	       (long long)(clock_monotonic_ms() - begun_ms), (long long)longest_ms);
	wait_until(has_state(h.id), 60000);
	f = find(h.id);
	assert_int_equal(f.state->n_added, LISTS * EACH);
	arena_fini(&f.arena);
	begun_ms = clock_monotonic_ms();
	send_order("delete", h.id, NULL, 0);
	wait_until(order_answered, 60000);
	assert_string_equal(order_text, "deleted");
	assert_int_equal(count_events(h.id, "\"event\":\"deleted\""), 1000); /* the first page of them */
	printf("deleted in %lld ms\n", (long long)(clock_monotonic_ms() - begun_ms));
	wait_until(is_finished(h.id), 60000);
	event_free(look);
}

/* What does not fit into one message any more is told to the sender, not lost. */
static void
test_expansion_to_too_many(void **state)
{
	struct handed h = {.id = ""};
	struct buf to = BUF_EMPTY;

	(void)state;
	name_many(&to, 30, "@here");
	hand_over(&h, "a@sender.test", to.data);
	wait_until(given_count == 1, 60000);
	set_slots(0);
	expand_all(&given[0], 1000, 1, 230); /* 7 MB */
	wait_until(has_state(h.id), 60000);
	set_slots(10);
	wait_until(given_count == 3, 60000); /* those that fit, and a report */
	buf_fini(&to);
	for (unsigned i = 1; i < 3; i++)
		if (given[i].job->kind == STAGEPOST__JOB_KIND__REPORT) {
			assert_string_equal(given[i].job->state->status[given[i].job->recipients[0]]->last_code,
					    "5.2.4");
			return;
		}
	fail();
}

/* A state whose recipients say nothing yet is small, and large once unpacked. */
static void
test_hold_of_many_recipients(void **state)
{
	struct handed h = {.id = ""};
	struct buf to = BUF_EMPTY;

	(void)state;
	set_slots(0);
	name_many(&to, 20000, "@x.test");
	hand_over(&h, "a@sender.test", to.data);
	buf_fini(&to);
	assert_true(order("hold", h.id));
	broker_free(&brokers[0]);
	start_broker(0);
	wait_until(owned(0) == SHARDS && status_number(0, "queue", "held") == 1, 60000);
	assert_true(order("release", h.id));
	set_slots(10);
	wait_until(given_count == 1, 60000);
	/* One job has no more results than a frame takes; the others come next. */
	assert_int_equal(given[0].job->n_recipients, 10000);
	deliver(&given[0]);
	wait_until(given_count == 2, 60000);
	assert_int_equal(given[1].job->n_recipients, 10000);
	assert_int_equal(given[1].job->recipients[0], 10000);
	deliver(&given[1]);
	wait_until(is_finished(h.id), 60000);
}

static unsigned
count_ended(const struct handed *h, unsigned count, enum err_code code)
{
	unsigned ended = 0;

	for (unsigned i = 0; i < count; i++)
		ended += h[i].done && h[i].code == code;
	return ended;
}

/* What waits for the store is bounded: the frontends are told so. */
static void
test_slow_store_is_not_given_more(void **state)
{
	enum { MOST = 20000, MORE = 100 };
	struct handed *h = mem_zalloc((MOST + MORE) * sizeof(*h));

	(void)state;
	workers[0].obliging = true;
	workers[0].slots = 1000;
	say_hello(&workers[0], bus_client_owner(workers[0].bus, 0));
	kill(server.pid, SIGSTOP);
	for (unsigned i = 0; i < MOST + MORE; i++) {
		start_hand_over(&h[i], "a@sender.test", "bob@here");
		if (i % 1000 == 999)
			turn(1);
	}
	wait_until(count_ended(h, MOST + MORE, ERR_LIMIT) == MORE, 30000);
	assert_int_equal(brokers[0]->writes_waiting, MOST);
	kill(server.pid, SIGCONT);
	wait_until(count_ended(h, MOST + MORE, ERR_NONE) == MOST, 60000);
	wait_until(status_number(0, "queue", "messages") == 0, 60000);
	mem_free(h);
}

/* Mail that waits for its next try, as there always is some, hides no stall. */
static void
test_stall_beside_deferred_mail(void **state)
{
	struct handed h[3] = {{.id = ""}};
	const struct watch *watch = &brokers[0]->queue_watches[STAGEPOST__JOB_KIND__REMOTE];

	(void)state;
	set_setting("HSET settings:spool stall_after 1s");
	hand_over(&h[0], "a@sender.test", "one@x.test");
	wait_until(given_count == 1, 5000);
	end_job(&given[0], STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED, "4.2.1");
	wait_until(status_number(0, "queue", "deferred") == 1, 5000);
	/* What waits for a dead destination alone is none. */
	hand_over(&h[1], "a@sender.test", "two@dead.test");
	wait_until(given_count == 2, 5000);
	end_job_with(&given[1], STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED, "4.4.1", "no connection");
	wait_until(status_number(0, "queue", "deferred") == 2, 5000);
	hand_over(&h[2], "b@sender.test", "three@dead.test");
	turn(2500);
	assert_false(watch->told);
	workers[0].slots = 0;
	say_hello(&workers[0], bus_client_owner(workers[0].bus, 0));
	h[2] = (struct handed){.id = ""};
	hand_over(&h[2], "a@sender.test", "four@y.test");
	wait_until(watch->told, 4000);
	workers[0].slots = 10;
	say_hello(&workers[0], bus_client_owner(workers[0].bus, 0));
	wait_until(given_count == 3, 1000);
	wait_until(!watch->told, 2000);
}

/* While the leases are in doubt nothing is given, and the queue is let alone:
 * it may be long. */
static void
test_queue_rests_while_leases_are_in_doubt(void **state)
{
	enum { MESSAGES = 500 };
	static struct handed h[MESSAGES];

	(void)state;
	workers[0].slots = 0;
	say_hello(&workers[0], bus_client_owner(workers[0].bus, 0));
	for (unsigned i = 0; i < MESSAGES; i++)
		start_hand_over(&h[i], "a@sender.test", "one@x.test");
	wait_until(status_number(0, "queue", "messages") == MESSAGES, 5000);
	kill(server.pid, SIGSTOP);
	wait_until(status_number(0, NULL, "shards_suspended") == SHARDS, 5000);
	workers[0].slots = 10;
	say_hello(&workers[0], bus_client_owner(workers[0].bus, 0));
	turn(300);
	assert_int_equal(given_count, 0);
	assert_int_equal(status_number(0, "queue", "deferred"), 0);
	workers[0].obliging = true;
	kill(server.pid, SIGCONT);
	wait_until(status_number(0, "queue", "messages") == 0, 5000);
	assert_int_equal(given_count, MESSAGES);
}

static void
test_many(void **state)
{
	enum { MESSAGES = 5000 };
	struct handed *h = mem_zalloc(MESSAGES * sizeof(*h));
	int64_t start_ms = clock_monotonic_ms();

	(void)state;
	workers[0].obliging = true;
	workers[0].slots = 200;
	for (unsigned shard = 0; shard < 1; shard++)
		say_hello(&workers[0], bus_client_owner(workers[0].bus, shard));
	for (unsigned i = 0; i < MESSAGES; i++) {
		start_hand_over(&h[i], "a@sender.test", "bob@here");
		if (i % 100 == 99)
			turn(1);
	}
	for (unsigned i = 0; i < MESSAGES; i++)
		wait_until(h[i].done && h[i].code == ERR_NONE, 10000);
	wait_until(status_number(0, "queue", "messages") == 0, 10000);
	assert_int_equal(given_count, MESSAGES);
	print_message("%d messages in %lld ms\n", MESSAGES, (long long)(clock_monotonic_ms() - start_ms));
	mem_free(h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(test_local_delivery),
		TEST(test_resend_while_queued),
		TEST(test_parts_by_destination),
		TEST(test_retry),
		TEST(test_postponed),
		TEST(test_postponed_for_its_own_damage),
		TEST(test_retry_of_troubled_destination),
		TEST(test_failure_report),
		TEST(test_notify),
		TEST(test_delay_and_expiry),
		TEST(test_expiry_without_a_worker),
		TEST(test_expansion),
		TEST(test_expansion_to_a_busy_destination),
		TEST(test_first_wait_of_troubled_destination),
		TEST(test_hold_release_delete),
		TEST(test_filing_in_doubt),
		TEST(test_lost_job_leaves_doubt),
		TEST(test_held_is_certain),
		TEST(test_worker_comes_back),
		TEST(test_silent_worker),
		TEST(test_take_over),
		TEST(test_job_outlives_its_broker),
		TEST(test_job_outlives_broker_and_store),
		TEST(test_check_comes_first),
		TEST(test_check_fails),
		TEST(test_check_without_the_store),
		TEST(test_check_and_take_over),
		TEST(test_check_is_lost),
		TEST(test_outbound_spam_is_held),
		TEST(test_every_event_is_told),
		TEST(test_take_over_is_told_once),
		TEST(test_deferred_event_has_its_own_code),
		TEST(test_release_with_checks_off),
		TEST(test_take_over_with_checks_off),
		TEST(test_order_waits_for_the_store),
		TEST(test_answered_orders_are_in_the_spool),
		TEST(test_order_to_many),
		TEST(test_expansion_to_many),
		TEST(test_expansion_to_too_many),
		TEST(test_hold_of_many_recipients),
		TEST(test_deleted_and_worker_lost),
		TEST(test_deleted_and_broker_lost),
		TEST(test_deleted_while_checked),
		TEST(test_pages_of_large_messages),
		TEST(test_answers_of_checks),
		TEST(test_balance_takes_slow_jobs_along),
		TEST(test_drain_leaves_slow_jobs_to_the_next),
		TEST(test_restart_takes_its_own_at_once),
		TEST(test_even_spread_and_drain),
		TEST(test_even_spread_over_five),
		TEST(test_stolen_lease),
		TEST(test_redis_away),
		TEST(test_stall_beside_deferred_mail),
		TEST(test_queue_rests_while_leases_are_in_doubt),
		TEST(test_resend_while_written),
		TEST(test_slow_store_is_not_given_more),
		TEST(test_many),
#undef TEST
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
