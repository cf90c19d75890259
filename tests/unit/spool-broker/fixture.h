/* The broker as its peers see it: a frontend that hands over, workers that do
 * as each test says, brokers that come, go and die. Header only; every test
 * program has its own. */
#ifndef SP_TESTS_UNIT_BROKER_FIXTURE_H
#define SP_TESTS_UNIT_BROKER_FIXTURE_H

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

/* ---- Brokers ---- */
static inline void
start_broker(unsigned i)
{
	static const char *const ids[] = {"broker-0", "broker-1", "broker-2", "broker-3", "broker-4"};
	struct err err;

	brokers[i] = broker_new(&(struct broker_config){.base = base,
							.redis = redis,
							.tracking = tracking,
							.settings = live,
							.blobs = blobs,
							.id = ids[i],
							.listen = "tcp://127.0.0.1:*",
							.shards = SHARDS},
				&err);
	assert_non_null(brokers[i]);
}

static inline double
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

static inline unsigned
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

static inline void
on_handed(void *arg, const struct err *err)
{
	struct handed *h = arg;
	h->code = err != NULL ? err->code : ERR_NONE;
	h->done = true;
}

static const char *client_helo; /* mostly NULL */

/* recipients: words; local ones are at "here". */
static inline void
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
	e->body->pack = the_body.pack != 0 ? the_body.pack : 1;
	e->body->offset = the_body.offset;
	e->body->length = the_body.pack != 0 ? the_body.length : 100;
	e->recipients = arena_array(arena, Stagepost__Recipient *, rest.len / 2 + 1);
	while (str_next_word(&rest, " ", &word)) {
		Stagepost__Recipient *r = arena_new(arena, Stagepost__Recipient);
		stagepost__recipient__init(r);
		r->address = arena_dup(arena, word.p, word.len);
		r->local = str_ends_ci(word, STR("@here"));
		e->recipients[e->n_recipients++] = r;
	}
}

static inline void
start_hand_over_for(struct handed *h, const char *from, const char *recipients, int64_t timeout_ms)
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
	bus_hand_over(frontend, &e, timeout_ms, on_handed, h);
	assert_false(h->done);
	arena_fini(&arena);
}

static inline void
start_hand_over(struct handed *h, const char *from, const char *recipients)
{
	start_hand_over_for(h, from, recipients, 10000);
}

static inline void
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

static inline void
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

static inline struct found
find(const char *id)
{
	struct found f = {.done = false};

	arena_init(&f.arena);
	spool_find(redis, str_c(id), on_found, &f);
	wait_until(f.done, 20000);
	return f;
}

static inline bool
is_finished(const char *id)
{
	struct found f = find(id);
	bool finished = f.trace != NULL && f.envelope == NULL;
	arena_fini(&f.arena);
	return finished;
}

static inline bool
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

static char page_ids[200][SPOOL_ID_MAX], page_next[SPOOL_ID_MAX];
static unsigned page_count;
static bool page_came;

static inline void
on_page(const Stagepost__QueuePage *page)
{
	for (size_t i = 0; i < page->n_entries; i++)
		if (page_count < 200)
			str_copy(str_c(page->entries[i]->id), page_ids[page_count++], SPOOL_ID_MAX);
	str_copy(str_c(page->next_after), page_next, sizeof(page_next));
	page_came = true;
}

static inline void
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

static inline void
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

static inline bool
order(const char *verb, const char *id)
{
	send_order(verb, id, NULL, 0);
	wait_until(order_answered, 20000);
	return order_done;
}

/* ---- Fixture ---- */
static inline int
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
	wait_until(redis_is_connected(redis), 20000);
	live = settings_live_new(base, redis, tracking, false);
	wait_until(settings_live_is_read(live), 20000);
	given_count = 0;
	verdict = NULL;
	in_doubt = false;
	start_broker(0);
	frontend = bus_client_new(base, redis, tracking, "frontend-0", NULL);
	bus_client_watch(frontend, &events, NULL);
	start_worker(0, 10);
	wait_until(bus_client_is_ready(frontend) && owned(0) == SHARDS, 20000);
	wait_until(bus_client_owner(workers[0].bus, 0) != NULL, 20000);
	return 0;
}

static inline int
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

enum { HOUR_IN_MS = 3600 * 1000 };

static inline bool
is_uncertain(const char *id)
{
	struct found f = find(id);
	const Stagepost__MessageState *s = f.trace != NULL ? f.trace->state : f.state;
	bool uncertain = s != NULL && s->uncertain;
	arena_fini(&f.arena);
	return uncertain;
}

/* ---- Spam checks ---- */
static inline void
set_setting(const char *fields)
{
	uint64_t old = settings_version(settings_current(live));

	redis_callf(redis, NULL, NULL, fields);
	wait_until(settings_version(settings_current(live)) != old, 20000);
}

/* ---- What operators see and do ---- */
struct told {
	volatile bool done;
	const char *text;
	unsigned count;
};

static inline void
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
static inline unsigned
count_events(const char *id, const char *text)
{
	struct told t = {.text = text};
	unsigned shard;

	assert_true(spool_id_parse(str_c(id), &shard, NULL));
	spool_read_events(redis, shard, "0", 1000, on_events, &t);
	wait_until(t.done, 20000);
	return t.count;
}

/* How many pages it takes to have all. */
static inline unsigned
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
		wait_until(page_came, 20000);
		pages++;
	} while (page_next[0] != '\0');
	return pages;
}

/* How long the loop was away from it at most. */
static int64_t looked_ms, longest_ms;

static inline void
on_look(evutil_socket_t fd, short what, void *arg)
{
	int64_t now_ms = clock_monotonic_ms();

	(void)fd, (void)what, (void)arg;
	if (looked_ms != 0 && now_ms - looked_ms > longest_ms)
		longest_ms = now_ms - looked_ms;
	looked_ms = now_ms;
}

static inline void
start_looking(struct event **look)
{
	struct timeval tv = clock_timeval(1);

	looked_ms = longest_ms = 0;
	*look = event_new(base, -1, EV_PERSIST, on_look, NULL);
	event_add(*look, &tv);
}

static inline void
name_many(struct buf *to, unsigned count, const char *at)
{
	for (unsigned i = 0; i < count; i++)
		buf_printf(to, "list%u%s ", i, at);
}

/* A test of a broker, two workers and a frontend of its own. */
#define BROKER_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
