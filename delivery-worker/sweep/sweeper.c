#include "delivery-worker/sweep/sweeper.h"

#include <stdlib.h>

#include "delivery-worker/worker.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/service/metrics.h"
#include "lib/sweep/sweep.h"

/* The store decides whether one is due, by the settings that are sent along. */
enum { LOOK_MS = 5000, AFTER_FAILURE_MS = 10 * 60 * 1000 };

struct sweeper {
	struct worker *worker; /* borrowed */
	struct event *timer;   /* owner */
	struct sweep *sweep;   /* owner; NULL: none is in progress or requested */
	bool has_begun;	       /* it has started, not only been requested */
};

static const struct settings_spool *
sweeper_settings(const struct sweeper *s)
{
	return settings_spool(settings_current(s->worker->settings), STR_NONE);
}

static void
sweeper_arm(struct sweeper *s)
{
	/* So that workers do not all ask at the same moment. */
	struct timeval tv = clock_timeval(LOOK_MS / 2 + (int64_t)arc4random_uniform(LOOK_MS));

	evtimer_add(s->timer, &tv);
}

static void
sweeper_give_up(struct sweeper *s)
{
	sweep_free(&s->sweep);
	s->has_begun = false;
	metrics_set(M_SWEEP_RUNNING, 0);
}

static void
sweeper_count(const struct sweep_figures *f)
{
	metrics_add(M_SWEEP_EXAMINED, (int64_t)f->examined);
	metrics_add(M_SWEEP_RELEASED, (int64_t)f->released);
	metrics_add(M_SWEEP_RELEASED_BYTES, (int64_t)f->released_bytes);
}

static void
sweeper_note_done(const struct sweep_figures *f)
{
	metrics_add(M_SWEEPS_DONE, 1);
	metrics_set(M_SWEEP_LAST_END, clock_unix_ms() / 1000);
	metrics_set(M_SWEEP_IN_DOUBT, (int64_t)f->in_doubt);
	log_info(NULL, "sweep done", F_I64("referred", (int64_t)f->referred), F_I64("examined", (int64_t)f->examined),
		 F_I64("released", (int64_t)f->released), F_I64("released_bytes", (int64_t)f->released_bytes),
		 F_I64("in_doubt", (int64_t)f->in_doubt));
}

static void
sweeper_on_end(void *arg, const struct sweep_figures *figures, const struct err *err)
{
	struct sweeper *s = arg;

	sweeper_count(figures);
	if (err == NULL) {
		sweeper_note_done(figures);
	} else if (err->code == ERR_FENCED) {
		log_info(NULL, "sweep given up: another sweeps now");
	} else if (s->has_begun) {
		metrics_add(M_SWEEPS_FAILED, 1);
		log_warning(NULL, "sweep failed", F_ERR(err));
	}
	sweeper_give_up(s);
}

static void
sweeper_on_begun(void *arg)
{
	struct sweeper *s = arg;

	s->has_begun = true;
	metrics_set(M_SWEEP_RUNNING, 1);
}

static void
sweeper_begin(struct sweeper *s)
{
	const struct settings_spool *settings = sweeper_settings(s);
	const struct worker *w = s->worker;
	const struct sweep_options options = {
		.base = w->base,
		.redis = w->redis,
		.mailboxes = w->mailboxes,
		.blobs = w->blobs,
		.name = w->name,
		.interval_ms = settings->sweep_interval,
		.after_failure_ms =
			settings->sweep_interval < AFTER_FAILURE_MS ? settings->sweep_interval : AFTER_FAILURE_MS,
		.age_ms = settings->sweep_age,
		.suspect_ms = SWEEP_SUSPECT_MS,
		.share = (unsigned)settings->sweep_share,
		.on_begun = sweeper_on_begun,
	};

	s->sweep = sweep_start(&options, sweeper_on_end, s);
}

static void
sweeper_on_look(evutil_socket_t fd, short what, void *arg)
{
	struct sweeper *s = arg;
	bool wanted = sweeper_settings(s)->sweep && redis_is_connected(s->worker->redis);

	(void)fd, (void)what;
	if (s->sweep != NULL && !sweeper_settings(s)->sweep)
		sweeper_give_up(s);
	else if (s->sweep == NULL && wanted)
		sweeper_begin(s);
	sweeper_arm(s);
}

struct sweeper *
sweeper_new(struct worker *w)
{
	struct sweeper *s = mem_new(struct sweeper);

	s->worker = w;
	s->timer = evtimer_new(w->base, sweeper_on_look, s);
	sweeper_arm(s);
	return s;
}

void
sweeper_stop(struct sweeper *s)
{
	sweeper_give_up(s);
	event_del(s->timer);
}

void
sweeper_free(struct sweeper **sweeper)
{
	struct sweeper *s = *sweeper;

	if (s == NULL)
		return;
	*sweeper = NULL;
	sweeper_stop(s);
	event_free(s->timer);
	mem_free(s);
}
