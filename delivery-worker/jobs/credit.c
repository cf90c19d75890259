#include "delivery-worker/jobs/credit.h"

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/service/metrics.h"

/* ---- Slots ---- */
static int64_t
credit_share(const struct credit *c, int64_t slots)
{
	int64_t givers = c->givers->count;

	return givers > 1 ? (slots + givers - 1) / givers : slots;
}

static int64_t
credit_slots_now(const struct credit *c, const struct job_kind *k)
{
	const struct settings *s = settings_current(c->worker->settings);

	if (c->is_draining || c->is_cut_off)
		return 0;
	return health_slots(&c->kinds[job_kind_index(k)].health, k->slots(s), clock_monotonic_ms());
}

static void
credit_say_hello(const struct credit *c, struct bus_peer *peer)
{
	Stagepost__Credit credits[JOB_KINDS_MAX];
	Stagepost__Credit *slots[JOB_KINDS_MAX];
	Stagepost__WorkerHello hello = STAGEPOST__WORKER_HELLO__INIT;
	Stagepost__Frame frame = STAGEPOST__FRAME__INIT;

	for (const struct job_kind *k = job_kinds; k->name != NULL; k++) {
		unsigned i = job_kind_index(k);

		CHECK(i < JOB_KINDS_MAX);
		stagepost__credit__init(&credits[i]);
		credits[i].kind = k->kind;
		credits[i].slots = (uint32_t)credit_share(c, c->kinds[i].slots);
		slots[hello.n_slots++] = &credits[i];
	}
	hello.worker = (char *)c->worker->name;
	hello.slots = slots;
	hello.takes_own = true;
	frame.body_case = STAGEPOST__FRAME__BODY_WORKER_HELLO;
	frame.worker_hello = &hello;
	givers_send(c->givers, peer, &frame);
}

void
credit_tell(struct credit *c)
{
	for (const struct job_kind *k = job_kinds; k->name != NULL; k++)
		c->kinds[job_kind_index(k)].slots = credit_slots_now(c, k);
	for (const struct giver *g = c->givers->first; g != NULL; g = g->next)
		credit_say_hello(c, g->peer);
}

void
credit_update(struct credit *c)
{
	bool changed = false;

	for (const struct job_kind *k = job_kinds; k->name != NULL; k++)
		changed |= credit_slots_now(c, k) != c->kinds[job_kind_index(k)].slots;
	if (changed)
		credit_tell(c);
}

void
credit_set_draining(struct credit *c)
{
	c->is_draining = true;
}

bool
credit_has_slot(const struct credit *c, const struct job_kind *k)
{
	int64_t slots = k->slots(settings_current(c->worker->settings));

	return c->kinds[job_kind_index(k)].running < (slots > 1 ? slots : 1);
}

/* ---- Health ---- */
static void
credit_set_rested(struct credit *c)
{
	int64_t now_ms = clock_monotonic_ms(), soonest_ms = INT64_MAX;
	struct timeval tv;

	for (unsigned i = 0; i < JOB_KINDS_MAX; i++) {
		int64_t until_ms = c->kinds[i].health.rest_until_ms;

		if (until_ms > now_ms && until_ms < soonest_ms)
			soonest_ms = until_ms;
	}
	if (soonest_ms == INT64_MAX)
		return;
	tv = clock_timeval(soonest_ms - now_ms + 1);
	event_add(c->rested, &tv);
}

static void
credit_on_rested(evutil_socket_t fd, short what, void *arg)
{
	struct credit *c = arg;

	(void)fd;
	(void)what;
	credit_update(c);
	credit_set_rested(c);
	c->on_rested(c->arg);
}

static void
credit_note_health(struct credit *c, const struct job *job)
{
	struct credit_kind *k = &c->kinds[job_kind_index(job->kind)];
	struct health *h = &k->health;

	/* Trouble with one mailbox or message says nothing about the next. */
	if (job->own_trouble && !job->host_is_ill)
		return;
	if (!health_note(h, str_c(job->msg->envelope->id), job->host_is_ill, clock_monotonic_ms()))
		return;
	/* It rests again after each trial that fails. */
	if (h->rests == 0)
		log_trouble_over(&k->trouble, NULL, "taking jobs again", F_C("kind", job->kind->name));
	else if (log_trouble_note(&k->trouble))
		log_warning(NULL, "jobs fail because a local resource is missing: taking few until one succeeds",
			    F_C("kind", job->kind->name));
	credit_tell(c);
	credit_set_rested(c);
}

void
credit_set_cut_off(struct credit *c, bool cut_off)
{
	c->is_cut_off = cut_off;
	for (const struct job_kind *k = job_kinds; k->name != NULL; k++) {
		struct credit_kind *kind = &c->kinds[job_kind_index(k)];

		health_forget(&kind->health);
		if (!cut_off)
			log_trouble_over(&kind->trouble, NULL, "taking jobs again", F_C("kind", k->name));
	}
}

/* ---- Jobs ---- */
void
credit_begin(struct credit *c, const struct job_kind *k)
{
	c->kinds[job_kind_index(k)].running++;
	metrics_add(M_JOBS_RUNNING, 1);
}

void
credit_end(struct credit *c, const struct job *job)
{
	struct credit_kind *k = &c->kinds[job_kind_index(job->kind)];

	CHECK(k->running > 0);
	credit_note_health(c, job);
	k->running--;
	k->done++;
	metrics_add(M_JOBS_RUNNING, -1);
}

/* ---- Life ---- */
void
credit_init(struct credit *c, struct worker *w, const struct givers *givers, void (*on_rested)(void *arg), void *arg)
{
	*c = (struct credit){.worker = w, .givers = givers, .on_rested = on_rested, .arg = arg};
	c->rested = evtimer_new(w->base, credit_on_rested, c);
}

void
credit_fini(struct credit *c)
{
	event_free(c->rested);
}
