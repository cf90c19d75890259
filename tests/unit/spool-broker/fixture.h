/* The broker as its peers see it: a frontend that hands over, workers that do
 * as each test says, brokers that come, go and die. Header only; every test
 * program has its own. */
#ifndef SP_TESTS_UNIT_BROKER_FIXTURE_H
#define SP_TESTS_UNIT_BROKER_FIXTURE_H

#include "tests/unit/spool-broker/fake_workers.h"

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
