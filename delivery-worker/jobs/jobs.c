/* The table of jobs under way, and the talk with the brokers about them. */
#include "delivery-worker/jobs/jobs.h"

#include <stdio.h>
#include <utlist.h>

#include "delivery-worker/jobs/ended.h"
#include "delivery-worker/jobs/health.h"
#include "delivery-worker/jobs/store_watch.h"
#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/crashpoint.h"
#include "lib/base/mem.h"
#include "lib/bus/frame.h"
#include "lib/service/metrics.h"
#include "lib/spool/id.h"

#define RENEW_MIN_MS 100
#define RENEW_MAX_MS 10000
#define KINDS_MAX    8

/* A broker that jobs come from. */
struct giver {
	struct bus_peer *peer; /* borrowed until on_peer_lost */
	struct giver *prev, *next;
};

struct jobs {
	struct worker *worker; /* borrowed */
	struct giver *givers;
	struct job *running;		/* owner of each */
	unsigned running_of[KINDS_MAX]; /* those begun */
	unsigned waiting;		/* those that wait for a slot */
	bool beginning;
	uint64_t done_of[KINDS_MAX];
	int64_t slots_of[KINDS_MAX]; /* in all; each broker is told its share */
	struct health health_of[KINDS_MAX];
	struct event *rested; /* when one that rests has rested */
	struct event *renew;
	struct ended_list ended;
	struct store_watch store;
	bool draining;
	void (*on_empty)(void *arg);
	void *on_empty_arg;
};

static unsigned
kind_index(const struct job_kind *kind)
{
	return (unsigned)(kind - job_kinds);
}

static const struct job_kind *
kind_find(Stagepost__JobKind kind)
{
	for (const struct job_kind *k = job_kinds; k->name != NULL; k++) {
		if (k->kind == kind)
			return k;
	}
	return NULL;
}

static void
send_frame(struct jobs *j, struct bus_peer *peer, const Stagepost__Frame *frame)
{
	struct err err;

	if (bus_send(j->worker->bus, peer, frame, &err) != 0)
		log_warning(NULL, "frame not sent to the broker", F_C("broker", bus_peer_id(peer)),
			    F_C("frame", bus_frame_name(frame)), F_ERR(&err));
}

static void
send_packed(struct jobs *j, struct bus_peer *peer, const struct buf *packed)
{
	struct arena arena;
	Stagepost__Frame *frame;
	struct err err;

	arena_init(&arena);
	frame = bus_frame_unpack(buf_str(packed), &arena, &err);
	if (frame != NULL)
		send_frame(j, peer, frame);
	arena_fini(&arena);
}

/* ---- Credit ----
 * Each broker gets its share of the slots, so that all of them together keep
 * to the limits; told anew whenever a broker comes or goes. */
static int64_t
share_of(const struct jobs *j, int64_t slots)
{
	const struct giver *g;
	int64_t givers = 0;

	DL_COUNT(j->givers, g, givers);
	return givers > 1 ? (slots + givers - 1) / givers : slots;
}

static int64_t
slots_now(const struct jobs *j, const struct job_kind *k)
{
	const struct settings *s = settings_current(j->worker->settings);

	return j->draining || j->store.cut_off
		       ? 0
		       : health_slots(&j->health_of[kind_index(k)], k->slots(s), clock_monotonic_ms());
}

static void
read_slots(struct jobs *j)
{
	for (const struct job_kind *k = job_kinds; k->name != NULL; k++)
		j->slots_of[kind_index(k)] = slots_now(j, k);
}

static void
say_hello(struct jobs *j, struct bus_peer *peer)
{
	Stagepost__Credit credits[KINDS_MAX];
	Stagepost__Credit *slots[KINDS_MAX];
	Stagepost__WorkerHello hello = STAGEPOST__WORKER_HELLO__INIT;
	Stagepost__Frame frame = STAGEPOST__FRAME__INIT;

	for (const struct job_kind *k = job_kinds; k->name != NULL; k++) {
		unsigned i = kind_index(k);

		CHECK(i < KINDS_MAX);
		stagepost__credit__init(&credits[i]);
		credits[i].kind = k->kind;
		credits[i].slots = (uint32_t)share_of(j, j->slots_of[i]);
		slots[hello.n_slots++] = &credits[i];
	}
	hello.worker = (char *)j->worker->name;
	hello.slots = slots;
	frame.body_case = STAGEPOST__FRAME__BODY_WORKER_HELLO;
	frame.worker_hello = &hello;
	send_frame(j, peer, &frame);
}

static void
say_hello_to_all(struct jobs *j)
{
	struct giver *g;

	read_slots(j);
	DL_FOREACH (j->givers, g)
		say_hello(j, g->peer);
}

/* ---- Slots ----
 * Brokers that each have a share of few slots, or have just been told a new one,
 * may together give more than there are: the rest waits here, under its lease. */
static bool
has_slot(const struct jobs *j, const struct job_kind *k)
{
	int64_t slots = k->slots(settings_current(j->worker->settings));

	return j->running_of[kind_index(k)] < (slots > 1 ? slots : 1);
}

static void
begin(struct jobs *j, struct job *job)
{
	if (job->waits)
		j->waiting--;
	job->waits = false;
	job->started_ms = clock_monotonic_ms();
	j->running_of[kind_index(job->kind)]++;
	metrics_add(M_JOBS_RUNNING, 1);
	CRASHPOINT("job-received");
	job->kind->start(job);
}

static struct job *
next_waiting(const struct jobs *j)
{
	struct job *job = j->waiting != 0 ? j->running : NULL;

	while (job != NULL && !(job->waits && has_slot(j, job->kind)))
		job = job->next;
	return job;
}

static void
begin_waiting(struct jobs *j)
{
	struct job *job;

	if (j->beginning)
		return; /* one that ended as it began; the loop goes on */
	j->beginning = true;
	while (!j->store.cut_off && (job = next_waiting(j)) != NULL)
		begin(j, job);
	j->beginning = false;
}

static void
update_slots(struct jobs *j)
{
	bool changed = false;

	for (const struct job_kind *k = job_kinds; k->name != NULL; k++)
		changed |= slots_now(j, k) != j->slots_of[kind_index(k)];
	if (changed)
		say_hello_to_all(j);
	begin_waiting(j);
}

static void
on_settings(void *arg, const struct settings *s)
{
	(void)s;
	update_slots(arg);
}

/* ---- Health ---- */
static void
set_rested(struct jobs *j)
{
	int64_t now_ms = clock_monotonic_ms(), soonest_ms = INT64_MAX;
	struct timeval tv;

	for (unsigned i = 0; i < KINDS_MAX; i++)
		if (j->health_of[i].rest_until_ms > now_ms && j->health_of[i].rest_until_ms < soonest_ms)
			soonest_ms = j->health_of[i].rest_until_ms;
	if (soonest_ms == INT64_MAX)
		return;
	tv = clock_timeval(soonest_ms - now_ms + 1);
	event_add(j->rested, &tv);
}

static void
on_rested(evutil_socket_t fd, short what, void *arg)
{
	struct jobs *j = arg;

	(void)fd;
	(void)what;
	update_slots(j);
	set_rested(j);
}

static void
note_health(struct jobs *j, const struct job *job)
{
	struct health *h = &j->health_of[kind_index(job->kind)];

	/* Trouble with one mailbox or message says nothing of the next. */
	if (job->own_trouble && !job->host_is_ill)
		return;
	if (!health_note(h, str_c(job->msg->envelope->id), job->host_is_ill, clock_monotonic_ms()))
		return;
	if (h->rests != 0)
		log_warning(NULL, "jobs fail for want of something of our own: no more are taken for a while",
			    F_C("kind", job->kind->name), F_I64("ms", h->rest_until_ms - clock_monotonic_ms()));
	else
		log_info(NULL, "jobs are taken again", F_C("kind", job->kind->name));
	say_hello_to_all(j);
	set_rested(j);
}

/* ---- The store ----
 * Without it a worker fails each job at once, and is therefore always free. So it
 * takes none while it is cut off, and gives back what it has not begun. */
static void
give_back_waiting(struct jobs *j)
{
	struct err err;
	struct job *job, *next;

	err_set(&err, ERR_UNAVAILABLE, "the store cannot be reached");
	j->beginning = true; /* one that ends makes room for no other */
	DL_FOREACH_SAFE (j->running, job, next) {
		if (!job->waits)
			continue;
		job_postpone_rest(job, &err);
		job_finish(job);
	}
	j->beginning = false;
}

static void
jobs_on_store(void *arg, bool cut_off)
{
	struct jobs *j = arg;

	for (unsigned i = 0; i < KINDS_MAX; i++)
		health_forget(&j->health_of[i]);
	log_info(NULL, cut_off ? "no jobs are taken without the store" : "the store is there: jobs are taken");
	update_slots(j);
	if (cut_off)
		give_back_waiting(j);
}

/* ---- Leases ---- */
static int64_t
renew_interval(const struct jobs *j)
{
	int64_t shortest = RENEW_MAX_MS;
	struct job *job;

	DL_FOREACH (j->running, job) {
		if (job->msg->lease_ms / 3 < shortest)
			shortest = job->msg->lease_ms / 3;
	}
	return shortest > RENEW_MIN_MS ? shortest : RENEW_MIN_MS;
}

static void
renew_for(struct jobs *j, struct bus_peer *peer)
{
	Stagepost__JobRenew renew = STAGEPOST__JOB_RENEW__INIT;
	Stagepost__Frame frame = STAGEPOST__FRAME__INIT;
	unsigned count = 0;
	struct job *job;

	DL_COUNT(j->running, job, count);
	renew.jobs = mem_alloc(sizeof(*renew.jobs) * (count + 1));
	DL_FOREACH (j->running, job) {
		if (job->peer == peer)
			renew.jobs[renew.n_jobs++] = job->msg->job;
	}
	frame.body_case = STAGEPOST__FRAME__BODY_JOB_RENEW;
	frame.job_renew = &renew;
	if (renew.n_jobs > 0)
		send_frame(j, peer, &frame);
	mem_free(renew.jobs);
}

static void
on_renew(evutil_socket_t fd, short what, void *arg)
{
	struct jobs *j = arg;
	struct timeval interval;
	struct giver *g;

	(void)fd;
	(void)what;
	DL_FOREACH (j->givers, g)
		renew_for(j, g->peer);
	if (j->running == NULL)
		return;
	interval = clock_timeval(renew_interval(j));
	event_add(j->renew, &interval);
}

/* The first renewal comes within a third of the lease, also when the timer
 * was set for jobs with a longer one. */
static void
arm_renewal(struct jobs *j, const struct job *job)
{
	int64_t third = job->msg->lease_ms / 3;
	struct timeval interval = clock_timeval(third > RENEW_MIN_MS ? third : RENEW_MIN_MS);
	struct timeval due, now;

	if (event_pending(j->renew, EV_TIMEOUT, &due)) {
		evutil_gettimeofday(&now, NULL);
		evutil_timeradd(&now, &interval, &now);
		if (!evutil_timercmp(&now, &due, <))
			return;
	}
	event_add(j->renew, &interval);
}

/* ---- Taking jobs ---- */
static bool
job_is_sound(const Stagepost__Job *msg)
{
	size_t total;

	if (msg->envelope == NULL || msg->envelope->body == NULL || msg->n_recipients == 0)
		return false;
	if (msg->kind == STAGEPOST__JOB_KIND__REPORT && msg->state == NULL)
		return false;
	if (!spool_id_parse(str_c(msg->envelope->id), NULL, NULL))
		return false;
	total = msg->envelope->n_recipients;
	for (size_t i = 0; i < total; i++) {
		if (msg->envelope->recipients[i] == NULL)
			return false;
	}
	for (size_t i = 0; i < msg->n_recipients; i++) {
		if (msg->recipients[i] >= total)
			return false;
	}
	return true;
}

/* The broker gives all recipients in the envelope, `added` ones too; where it
 * left those in the state, they are put there. */
static void
merge_added(Stagepost__Job *msg, struct arena *arena)
{
	Stagepost__Envelope *env = msg->envelope;
	size_t highest = 0, count;
	Stagepost__Recipient **all;

	for (size_t i = 0; i < msg->n_recipients; i++) {
		if (msg->recipients[i] > highest)
			highest = msg->recipients[i];
	}
	if (env == NULL || msg->state == NULL || msg->state->n_added == 0 || highest < env->n_recipients)
		return;
	count = env->n_recipients + msg->state->n_added;
	all = arena_array(arena, Stagepost__Recipient *, count);
	memcpy(all, env->recipients, sizeof(*all) * env->n_recipients);
	memcpy(all + env->n_recipients, msg->state->added, sizeof(*all) * msg->state->n_added);
	env->recipients = all;
	env->n_recipients = count;
}

static struct job *
job_new(struct jobs *j, struct bus_peer *peer, const Stagepost__Job *given)
{
	struct job *job = mem_new(struct job);
	struct buf packed = BUF_EMPTY;
	Stagepost__Job *msg;

	arena_init(&job->arena);
	bus_message_pack(&given->base, &packed);
	msg = bus_message_unpack(&stagepost__job__descriptor, buf_str(&packed), &job->arena);
	buf_fini(&packed);
	if (msg != NULL)
		merge_added(msg, &job->arena);
	if (msg == NULL || !job_is_sound(msg)) {
		arena_fini(&job->arena);
		mem_free(job);
		return NULL;
	}
	job->worker = j->worker;
	job->peer = peer;
	job->msg = msg;
	job->results = arena_array(&job->arena, Stagepost__RecipientResult *, msg->n_recipients);
	job->log = (struct log_context){.fields = {F_C("id", msg->envelope->id), F_I64("job", msg->job)}};
	return job;
}

static struct job *
job_find(struct jobs *j, const struct bus_peer *peer, uint64_t number)
{
	struct job *job;

	DL_FOREACH (j->running, job) {
		if (job->peer == peer && job->msg->job == number)
			return job;
	}
	return NULL;
}

static void
on_job(struct jobs *j, struct bus_peer *peer, const Stagepost__Frame *frame)
{
	const struct job_kind *kind = kind_find(frame->job->kind);
	struct job *job;

	if (kind == NULL || (job = job_new(j, peer, frame->job)) == NULL) {
		/* Its lease runs out; the broker then sees what it gave. */
		log_error(NULL, "job not understood", F_C("broker", bus_peer_id(peer)), F_I64("job", frame->job->job),
			  F_I64("kind", frame->job->kind));
		return;
	}
	job->kind = kind;
	DL_APPEND(j->running, job);
	arm_renewal(j, job);
	log_debug(&job->log, "job taken", F_C("kind", kind->name), F_I64("attempt", job->msg->attempt),
		  F_I64("recipients", job->msg->n_recipients));
	if (!j->store.cut_off && has_slot(j, kind)) {
		begin(j, job);
		return;
	}
	job->waits = true;
	j->waiting++;
	if (j->store.cut_off)
		give_back_waiting(j);
}

/* No report is wanted any more. May end the job. */
static void
job_disown(struct job *job)
{
	job->peer = NULL;
	job->disowned = true;
	if (job->waits)
		job_finish(job);
	else if (job->kind->stop != NULL)
		job->kind->stop(job);
}

static void
on_revoked(struct jobs *j, struct bus_peer *peer, const Stagepost__Frame *frame)
{
	for (size_t i = 0; i < frame->job_revoked->n_jobs; i++) {
		struct job *job = job_find(j, peer, frame->job_revoked->jobs[i]);

		if (job == NULL)
			continue;
		log_info(&job->log, "job revoked by its broker");
		job_disown(job);
	}
}

/* ---- Shards that changed their owner ---- */
/* Must it not be done twice? Filing refuses that by itself, and what is put off
 * may as well be tried again. */
static bool
is_worth_keeping(const struct job *job)
{
	if (job->msg->kind != STAGEPOST__JOB_KIND__REMOTE || job->disowned)
		return false;
	for (size_t i = 0; i < job->msg->n_recipients; i++)
		if (job->results[i]->outcome != STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED &&
		    job->results[i]->outcome != STAGEPOST__RECIPIENT_RESULT__OUTCOME__POSTPONED)
			return true;
	return false;
}

static bool
is_of_shards(const char *id, const Stagepost__ShardsTaken *taken)
{
	unsigned shard;

	if (!spool_id_parse(str_c(id), &shard, NULL))
		return false;
	for (size_t i = 0; i < taken->n_shards; i++)
		if (taken->shards[i] == shard)
			return true;
	return false;
}

/* What is under way is the asker's from now on. */
static void
name_running(struct jobs *j, struct bus_peer *peer, const Stagepost__ShardsTaken *taken, struct arena *arena,
	     Stagepost__JobRenew *renew)
{
	struct job *job;

	DL_FOREACH (j->running, job) {
		Stagepost__RunningJob *running;
		if (job->disowned || job->msg->kind == STAGEPOST__JOB_KIND__REPORT ||
		    !is_of_shards(job->msg->envelope->id, taken))
			continue;
		job->peer = peer;
		running = arena_new(arena, Stagepost__RunningJob);
		stagepost__running_job__init(running);
		running->job = job->msg->job;
		running->kind = job->msg->kind;
		running->id = job->msg->envelope->id;
		running->destination = job->msg->destination;
		running->recipients = job->msg->recipients;
		running->n_recipients = job->msg->n_recipients;
		renew->running[renew->n_running++] = running;
	}
}

static void
on_shards_taken(struct jobs *j, struct bus_peer *peer, const Stagepost__Frame *frame)
{
	const Stagepost__ShardsTaken *taken = frame->shards_taken;
	Stagepost__JobRenew renew = STAGEPOST__JOB_RENEW__INIT;
	Stagepost__Frame answer = STAGEPOST__FRAME__INIT;
	unsigned running = 0;
	struct arena arena;
	struct ended *e;
	struct job *job;

	arena_init(&arena);
	DL_COUNT(j->running, job, running);
	renew.running = arena_array(&arena, Stagepost__RunningJob *, running + j->ended.count + 1);
	name_running(j, peer, taken, &arena, &renew);
	DL_FOREACH (j->ended.first, e)
		if (is_of_shards(e->job.id, taken))
			renew.running[renew.n_running++] = &e->job;
	answer.body_case = STAGEPOST__FRAME__BODY_JOB_RENEW;
	answer.job_renew = &renew;
	renew.shards = taken->shards;
	renew.n_shards = taken->n_shards;
	send_frame(j, peer, &answer);
	DL_FOREACH (j->ended.first, e)
		if (is_of_shards(e->job.id, taken))
			send_packed(j, peer, &e->frame);
	arena_fini(&arena);
}

/* ---- The bus ---- */
static const struct {
	Stagepost__Frame__BodyCase body;
	void (*handle)(struct jobs *j, struct bus_peer *peer, const Stagepost__Frame *frame);
} frame_handlers[] = {
	{STAGEPOST__FRAME__BODY_JOB, on_job},
	{STAGEPOST__FRAME__BODY_JOB_REVOKED, on_revoked},
	{STAGEPOST__FRAME__BODY_SHARDS_TAKEN, on_shards_taken},
};

static void
on_frame(void *arg, struct bus_peer *peer, const Stagepost__Frame *frame)
{
	for (size_t i = 0; i < sizeof(frame_handlers) / sizeof(frame_handlers[0]); i++) {
		if (frame_handlers[i].body == frame->body_case) {
			frame_handlers[i].handle(arg, peer, frame);
			return;
		}
	}
	log_debug(NULL, "frame passed over", F_C("frame", bus_frame_name(frame)));
}

static void
on_peer(void *arg, struct bus_peer *peer)
{
	struct jobs *j = arg;
	struct giver *g;

	DL_FOREACH (j->givers, g) {
		if (g->peer == peer)
			break;
	}
	if (g == NULL) {
		g = mem_new(struct giver);
		g->peer = peer;
		DL_APPEND(j->givers, g);
	}
	say_hello_to_all(j);
}

static void
on_peer_lost(void *arg, struct bus_peer *peer)
{
	struct jobs *j = arg;
	struct giver *g, *tmp;
	struct job *job;
	unsigned orphans = 0;

	DL_FOREACH_SAFE (j->givers, g, tmp) {
		if (g->peer != peer)
			continue;
		DL_DELETE(j->givers, g);
		mem_free(g);
	}
	DL_FOREACH (j->running, job) {
		if (job->peer != peer)
			continue;
		job->peer = NULL;
		orphans++;
	}
	if (orphans > 0)
		log_warning(NULL, "broker lost, its jobs go on", F_I64("jobs", orphans));
	say_hello_to_all(j);
}

/* ---- Life ---- */
struct jobs *
jobs_new(struct worker *w)
{
	static const struct bus_events events = {on_peer, on_peer_lost, on_frame};
	struct jobs *j = mem_new(struct jobs);

	j->worker = w;
	j->renew = evtimer_new(w->base, on_renew, j);
	j->rested = evtimer_new(w->base, on_rested, j);
	store_watch_init(&j->store, w->base, w->redis, jobs_on_store, j);
	read_slots(j);
	settings_live_watch(w->settings, on_settings, j);
	bus_client_watch(w->bus, &events, j);
	return j;
}

void
jobs_free(struct jobs **j)
{
	struct giver *g, *tmp;

	if (*j == NULL)
		return;
	CHECK((*j)->running == NULL);
	ended_free(&(*j)->ended);
	DL_FOREACH_SAFE ((*j)->givers, g, tmp)
		mem_free(g);
	event_free((*j)->renew);
	event_free((*j)->rested);
	store_watch_fini(&(*j)->store);
	mem_free(*j);
	*j = NULL;
}

/* Once; a broker may still send a job that crossed our goodbye. */
static void
tell_if_empty(struct jobs *j)
{
	void (*on_empty)(void *arg) = j->on_empty;

	if (!j->draining || j->running != NULL || on_empty == NULL)
		return;
	j->on_empty = NULL;
	on_empty(j->on_empty_arg);
}

void
jobs_drain(struct jobs *j, void (*on_empty)(void *arg), void *arg)
{
	j->draining = true;
	j->on_empty = on_empty;
	j->on_empty_arg = arg;
	say_hello_to_all(j);
	tell_if_empty(j);
}

bool
jobs_are_none(const struct jobs *j)
{
	return j->running == NULL;
}

void
jobs_count(const struct jobs *j, Stagepost__JobKind kind, struct jobs_count *count_out)
{
	const struct job_kind *k = kind_find(kind);

	memset(count_out, 0, sizeof(*count_out));
	if (k == NULL)
		return;
	count_out->running = j->running_of[kind_index(k)];
	count_out->slots = j->slots_of[kind_index(k)];
	count_out->rests = j->store.cut_off || j->health_of[kind_index(k)].rests != 0;
	count_out->done = j->done_of[kind_index(k)];
}

/* ---- The end ---- */
static void
send_done(struct job *job)
{
	Stagepost__JobDone done = STAGEPOST__JOB_DONE__INIT;
	Stagepost__Frame frame = STAGEPOST__FRAME__INIT;

	done.job = job->msg->job;
	done.n_results = job->msg->n_recipients;
	done.results = job->results;
	done.retry_after_ms = job->retry_after_ms;
	done.verdict = job->verdict;
	done.store_trouble = job->host_is_ill;
	if (job->destination_trouble != NULL)
		done.destination_trouble = (char *)job->destination_trouble;
	frame.body_case = STAGEPOST__FRAME__BODY_JOB_DONE;
	frame.job_done = &done;
	if (job->peer != NULL)
		send_frame(job->worker->jobs, job->peer, &frame);
	if (is_worth_keeping(job))
		ended_keep(&job->worker->jobs->ended, job->msg, &frame);
}

static const char *const outcome_names[] = {"delivered", "deferred", "failed", "expanded", "relayed", "postponed"};

static void
log_results(const struct job *job)
{
	for (size_t i = 0; i < job->msg->n_recipients; i++) {
		const Stagepost__RecipientResult *r = job->results[i];

		log_info(&job->log, "recipient served", F_C("kind", job->kind->name),
			 F_C("to", job_recipient(job, r->recipient)->address),
			 F_C("outcome", outcome_names[r->outcome]), F_C("code", r->code), F_C("text", r->text),
			 F_C("remote", r->remote), F_I64("ms", r->duration_ms));
	}
}

void
job_finish(struct job *job)
{
	struct jobs *j = job->worker->jobs;

	job_result_rest(job, STAGEPOST__RECIPIENT_RESULT__OUTCOME__POSTPONED, "4.3.0", STR("not served"));
	if (log_enabled(LOG_INFO) && job->msg->kind != STAGEPOST__JOB_KIND__CHECK)
		log_results(job);
	CRASHPOINT("job-done");
	send_done(job);
	CRASHPOINT("reported");
	DL_DELETE(j->running, job);
	if (job->waits)
		j->waiting--;
	else {
		note_health(j, job);
		j->running_of[kind_index(job->kind)]--;
		j->done_of[kind_index(job->kind)]++;
		metrics_add(M_JOBS_RUNNING, -1);
	}
	arena_fini(&job->arena);
	mem_free(job);
	begin_waiting(j);
	tell_if_empty(j);
}
