/* The broker: its frames, its timer, its start and end. */
#include "spool-broker/run.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/bus/frame.h"
#include "lib/bus/names.h"
#include "spool-broker/admin/history.h"
#include "spool-broker/admin/order_batch.h"
#include "spool-broker/admin/query.h"
#include "spool-broker/admin/summary.h"
#include "spool-broker/admin/watchdog.h"
#include "spool-broker/broker.h"
#include "spool-broker/jobs/give.h"
#include "spool-broker/jobs/jobs.h"
#include "spool-broker/jobs/workers.h"
#include "spool-broker/queue/deadlines.h"
#include "spool-broker/queue/message.h"
#include "spool-broker/schedule/heap.h"
#include "spool-broker/schedule/permits.h"
#include "spool-broker/schedule/routing.h"
#include "spool-broker/schedule/schedule.h"
#include "spool-broker/spool/announce.h"
#include "spool-broker/spool/intake.h"
#include "spool-broker/spool/peers.h"
#include "spool-broker/spool/scan.h"
#include "spool-broker/spool/shards.h"
#include "spool-broker/spool/take_over.h"
#include "spool-broker/spool/writer.h"

enum {
	TICK_MS = 500,
	QUICK_TICK_MS = 20, /* at the start and at the end */
	NOTICE_GAP_MS = 30,
	DRAIN_JOBS_MS = 2000, /* for jobs in progress at the end */
	DRAIN_MOST_MS = 4000,
	WAIT_MOST_MS = 1000,	/* the wall clock may be set: checked this often */
	PROBE_FIRST_MS = 30000, /* of a dead destination; sooner when retries are */
	PROBE_LONGEST_MS = 15 * 60 * 1000,
};

struct run {
	struct event *pump_timer;		    /* owner: when time alone makes something ready */
	struct event *tick;			    /* owner: leases, announcements, lost workers */
	struct tracking_subscription *subscription; /* owner */
	unsigned routed_brokers;		    /* number of brokers when limits were last divided */
	int64_t next_full_tick_ms;		    /* monotonic: the tick is faster while draining */
	void (*on_drained)(void *arg);
	void *on_drained_arg;
};

/* ---- Frames ---- */
static void
run_on_ping(struct broker *b, struct str peer, const Stagepost__Frame *frame)
{
	Stagepost__Frame answer = STAGEPOST__FRAME__INIT;
	Stagepost__Pong pong = STAGEPOST__PONG__INIT;

	pong.sent_ms = frame->ping->sent_ms;
	pong.draining = b->draining;
	answer.request = frame->request;
	answer.body_case = STAGEPOST__FRAME__BODY_PONG;
	answer.pong = &pong;
	bus_server_send(b->bus, peer, &answer, NULL);
}

static const struct {
	Stagepost__Frame__BodyCase body;
	void (*handle)(struct broker *b, struct str peer, const Stagepost__Frame *frame);
} frame_handlers[] = {
	{STAGEPOST__FRAME__BODY_HAND_OVER, intake_on_hand_over},
	{STAGEPOST__FRAME__BODY_WORKER_HELLO, workers_on_hello},
	{STAGEPOST__FRAME__BODY_JOB_RENEW, workers_on_renew},
	{STAGEPOST__FRAME__BODY_JOB_DONE, workers_on_done},
	{STAGEPOST__FRAME__BODY_PING, run_on_ping},
	{STAGEPOST__FRAME__BODY_QUEUE_ORDER, orders_on_order},
	{STAGEPOST__FRAME__BODY_QUEUE_QUERY, query_on_query},
	{STAGEPOST__FRAME__BODY_QUEUE_SUMMARY_QUERY, summary_on_query},
};

static void
run_on_frame(void *arg, struct str peer, const Stagepost__Frame *frame)
{
	struct broker *b = arg;

	workers_on_heard(b, peer);
	for (size_t i = 0; i < sizeof(frame_handlers) / sizeof(frame_handlers[0]); i++)
		if (frame_handlers[i].body == frame->body_case) {
			frame_handlers[i].handle(b, peer, frame);
			return;
		}
	log_warning(NULL, "frame not for a broker", F_C("frame", bus_frame_name(frame)), F_STR("peer", peer));
}

/* ---- Time ---- */
static int64_t
run_least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static void
run_schedule_next(struct broker *b, int64_t waiting_ms)
{
	int64_t now_ms = clock_unix_ms(), next_ms = now_ms + WAIT_MOST_MS, wait_ms;
	const struct heap_node *deadline = heap_first(&b->deadlines->heap);
	struct timeval tv;

	for (unsigned i = 0; i < BROKER_KINDS; i++) {
		int64_t kind_ms = b->ops->next_ms(b->schedules[i]);
		if (kind_ms < next_ms)
			next_ms = kind_ms;
	}
	if (deadline != NULL && deadline->time_ms < next_ms)
		next_ms = deadline->time_ms;
	/* What is due already waits for credit, not for the clock. */
	wait_ms = next_ms > now_ms + 5 ? next_ms - now_ms : 50;
	if (b->writes->due_ms != 0)
		wait_ms = run_least(wait_ms, b->writes->due_ms - clock_monotonic_ms());
	if (waiting_ms != INT64_MAX)
		wait_ms = run_least(wait_ms, waiting_ms - clock_monotonic_ms());
	tv = clock_timeval(wait_ms > 0 ? wait_ms : 0);
	event_add(b->run->pump_timer, &tv);
}

/* Everything that came in this turn of the loop is sent together. */
static void
run_on_pump(evutil_socket_t fd, short what, void *arg)
{
	struct broker *b = arg;
	int64_t waiting_ms = take_over_look(b);

	(void)fd, (void)what;
	deadlines_run(b, clock_unix_ms());
	jobs_give(b);
	permits_ask(b);
	b->writes->due_ms = 0;
	for (unsigned i = 0; i < b->shards->count; i++)
		writer_flush(&b->shards->list[i]);
	shards_look_at_leaving(b);
	run_schedule_next(b, waiting_ms);
}

/* Settings have changed, or the number of brokers among which limits are divided. */
static void
run_set_limits(struct broker *b)
{
	const struct settings_spool *spool = settings_spool(broker_settings(b), STR_NONE);
	/* Trouble of our own: a resource that is back is used within three seconds. */
	struct schedule_limits none = {.dead_first_ms = 1000, .dead_longest_ms = 2400};
	struct schedule_limits remote = {.dead_first_ms = run_least(PROBE_FIRST_MS, spool->retry_first),
					 .dead_longest_ms = run_least(PROBE_LONGEST_MS, spool->retry_longest)};
	struct schedule_router router = routing_router(b->routing);

	for (unsigned i = 0; i < BROKER_KINDS; i++) {
		bool is_remote = i == STAGEPOST__JOB_KIND__REMOTE;
		b->ops->set_limits(b->schedules[i], is_remote ? &remote : &none, is_remote ? &router : NULL);
	}
	b->ops->reroute(b->schedules[STAGEPOST__JOB_KIND__REMOTE], STR_NONE);
	b->run->routed_brokers = b->brokers;
	if (b->config.dns != NULL)
		dns_set_caching(b->config.dns, settings_smtp_out(broker_settings(b), STR_NONE)->enable_dns_caching);
}

static void
run_on_shard_count(void *arg, int64_t count, const struct err *err)
{
	struct broker *b = arg;

	if (!op_back(&b->op))
		return;
	b->shards->counting = false;
	if (err != NULL) {
		log_warning(NULL, "the number of shards is not known yet", F_ERR(err));
		return;
	}
	log_info(NULL, "spool opened", F_I64("shards", count));
	shards_init(b, (unsigned)count);
	shards_tick(b);
	peers_look(b);
}

static void
run_end_drain(struct broker *b)
{
	void (*on_drained)(void *arg) = b->run->on_drained;

	b->run->on_drained = NULL;
	history_tick(b, true);
	announce_end(b);
	on_drained(b->run->on_drained_arg);
}

static void
run_on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct broker *b = arg;
	struct timeval tv = clock_timeval(b->draining || b->shards->list == NULL ? QUICK_TICK_MS : TICK_MS);

	(void)fd, (void)what;
	event_add(b->run->tick, &tv);
	if (b->shards->list == NULL && !b->draining) {
		if (redis_is_connected(b->config.redis) && !b->shards->counting) {
			b->shards->counting = true;
			op_hold(&b->op);
			spool_init_shard_count(b->config.redis, b->config.shards, run_on_shard_count, b);
		}
		return;
	}
	if (b->draining && b->run->on_drained == NULL)
		return;
	if (b->brokers != b->run->routed_brokers)
		run_set_limits(b);
	routing_tick(b->routing);
	workers_tick(b);
	orders_tick(b);
	deadlines_look(b);
	watchdog_tick(b);
	history_tick(b, false);
	if (!b->draining || clock_monotonic_ms() >= b->run->next_full_tick_ms) {
		b->run->next_full_tick_ms = clock_monotonic_ms() + TICK_MS;
		shards_tick(b);
		peers_look(b);
	}
	if (b->draining &&
	    (shards_all_left(b) || clock_monotonic_ms() >= b->drain_until_ms + DRAIN_MOST_MS - DRAIN_JOBS_MS)) {
		run_end_drain(b);
		return;
	}
	broker_wake(b);
}

static void
run_tick_soon(struct broker *b)
{
	struct timeval tv = clock_timeval(NOTICE_GAP_MS);
	event_add(b->run->tick, &tv);
}

static void
run_on_notice(void *arg, struct str channel, struct str payload)
{
	struct broker *b = arg;

	(void)channel;
	if (!str_eq(payload, str_c(b->config.id)))
		run_tick_soon(b);
}

static void
run_on_settings(void *arg, const struct settings *s)
{
	struct broker *b = arg;

	(void)s;
	run_set_limits(b);
	deadlines_look(b);
	broker_wake(b);
}

/* ---- Life ---- */
static const struct spool_events spool_events = {
	.on_entry = intake_take_entry,
	.on_forgotten = jobs_on_forgotten,
	.on_added = intake_on_written,
	.on_refused = intake_on_refused,
	.on_saved = message_on_saved,
	.on_finished = message_on_finished,
	.on_fenced = shard_drop,
	.on_doubt = shard_read_again,
};

static void
run_open_schedules(struct broker *b)
{
	b->ops = &schedule_fair;
	for (unsigned i = 0; i < BROKER_KINDS; i++)
		b->schedules[i] = b->ops->create();
	b->routing = routing_new(b, b->config.dns);
	run_set_limits(b);
}

/* Has ended, and the last answer of Redis has arrived. */
static void
run_end(struct op *op)
{
	struct broker *b = OP_OWNER(op, struct broker, op);

	writes_end(&b->writes);
	mem_free(b);
}

struct broker *
broker_new(const struct broker_config *config, struct err *err)
{
	static const struct bus_server_events events = {.on_frame = run_on_frame};
	struct broker *b = mem_new(struct broker);
	uint64_t random;

	op_init(&b->op, run_end);
	b->config = *config;
	b->spool_events = &spool_events;
	b->run = mem_new(struct run);
	b->on_message_news = orders_on_news;
	b->brokers = 1;
	b->started_ms = clock_monotonic_ms();
	b->bus = bus_server_new(config->base, config->listen, config->announce_host, &events, b, err);
	if (b->bus == NULL) {
		mem_free(b->run);
		mem_free(b);
		return NULL;
	}
	CHECK(getrandom(&random, sizeof(random), 0) == (ssize_t)sizeof(random));
	snprintf(b->boot, sizeof(b->boot), "%llx-%016llx", (unsigned long long)clock_unix_ms(),
		 (unsigned long long)random);
	run_open_schedules(b);
	b->shards = shards_new();
	b->writes = writes_new();
	b->messages = messages_new();
	b->deadlines = deadlines_new(b);
	b->jobs = jobs_new(random);
	b->watchdog = watchdog_new();
	b->history = history_new();
	b->pump = event_new(config->base, -1, 0, run_on_pump, b);
	b->run->pump_timer = evtimer_new(config->base, run_on_pump, b);
	b->run->tick = evtimer_new(config->base, run_on_tick, b);
	CHECK(b->pump != NULL && b->run->pump_timer != NULL && b->run->tick != NULL);
	if (config->tracking != NULL)
		b->run->subscription =
			tracking_subscribe(config->tracking, STR(BUS_BROKERS_CHANNEL), run_on_notice, NULL, b);
	if (config->settings != NULL)
		settings_live_watch(config->settings, run_on_settings, b);
	log_info(NULL, "broker listens", F_C("endpoint", bus_server_endpoint(b->bus)));
	event_active(b->run->tick, EV_TIMEOUT, 0);
	return b;
}

bool
broker_is_ready(const struct broker *b)
{
	return b->shards->list != NULL && !b->draining && shards_count(b, SHARD_ACQUIRING) == 0 &&
	       (shards_count(b, SHARD_OWNED) != 0 || b->brokers > b->shards->count);
}

void
broker_drain(struct broker *b, void (*on_drained)(void *arg), void *arg)
{
	b->draining = true;
	b->run->on_drained = on_drained;
	b->run->on_drained_arg = arg;
	b->drain_until_ms = clock_monotonic_ms() + DRAIN_JOBS_MS;
	shards_leave_all(b, b->drain_until_ms);
	event_active(b->run->tick, EV_TIMEOUT, 0);
}

void
broker_free(struct broker **broker)
{
	struct broker *b = *broker;

	*broker = NULL;
	if (b == NULL)
		return;
	scans_free(b);
	queries_free(b);
	shards_forget(b);
	jobs_free(b);
	orders_free(b);
	for (unsigned i = 0; i < BROKER_KINDS; i++)
		b->ops->destroy(&b->schedules[i]);
	routing_free(&b->routing);
	deadlines_free(&b->deadlines);
	messages_free(&b->messages);
	shards_free(&b->shards);
	watchdog_free(&b->watchdog);
	history_free(&b->history);
	if (b->config.settings != NULL)
		settings_live_unwatch(b->config.settings, run_on_settings, b);
	if (b->run->subscription != NULL)
		tracking_unsubscribe(&b->run->subscription);
	event_free(b->pump);
	event_free(b->run->pump_timer);
	event_free(b->run->tick);
	b->pump = NULL;
	bus_server_free(&b->bus);
	mem_free(b->run);
	b->run = NULL;
	op_cancel(&b->op);
}
