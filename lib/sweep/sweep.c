/* The start and end of a sweep, and its pace. */
#include "lib/sweep/private.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"

/* The lease lasts three times as long. No pause is longer, so that a slow
 * answer does not stop the sweep for hours. */
enum { KEEP_MS = 5000, REST_LONGEST_MS = 5000 };

/* ---- The end ---- */

static void
sweep_on_op_end(struct op *op)
{
	struct sweep *s = OP_OWNER(op, struct sweep, op);
	struct sweep_suspect *suspect, *next;

	places_fini(&s->places);
	HASH_ITER (hh, s->suspects, suspect, next) {
		HASH_DEL(s->suspects, suspect);
		mem_free(suspect);
	}
	arena_fini(&s->keys_arena);
	mem_free(s->packs);
	mem_free(s->leaked);
	mem_free(s);
}

static void
sweep_stop_timers(struct sweep *s)
{
	event_del(s->rest);
	event_del(s->keep);
}

void
sweep_free(struct sweep **sweep)
{
	struct sweep *s = *sweep;

	if (s == NULL)
		return;
	*sweep = NULL;
	if (s->has_lease && !s->has_ended)
		sweep_lease_drop(&s->lease);
	event_free(s->rest);
	event_free(s->keep);
	op_cancel(&s->op);
}

static void
sweep_end(struct sweep *s, const struct err *err)
{
	s->has_ended = true;
	sweep_stop_timers(s);
	s->cb(s->arg, &s->figures, err);
}

static void
sweep_on_failure_told(void *arg, const redisReply *reply, const struct err *err)
{
	struct sweep *s = arg;

	(void)reply, (void)err;
	if (op_back(&s->op))
		sweep_end(s, &s->failure);
}

void
sweep_fail(struct sweep *s, const struct err *err)
{
	if (!s->has_lease || err->code == ERR_FENCED) {
		sweep_end(s, err);
		return;
	}
	s->has_ended = true;
	s->failure = *err;
	sweep_stop_timers(s);
	op_hold(&s->op);
	sweep_lease_end(&s->lease, &s->figures, s->failure.text, sweep_on_failure_told, s);
}

static void
sweep_on_told(void *arg, const redisReply *reply, const struct err *err)
{
	struct sweep *s = arg;

	(void)reply;
	if (op_back(&s->op) && !s->has_ended)
		sweep_end(s, err);
}

void
sweep_finish(struct sweep *s)
{
	sweep_stop_timers(s);
	if (!s->has_lease) {
		sweep_end(s, NULL);
		return;
	}
	op_hold(&s->op);
	sweep_lease_end(&s->lease, &s->figures, NULL, sweep_on_told, s);
}

bool
sweep_back(struct sweep *s, const struct err *err)
{
	if (!op_back(&s->op) || s->has_ended)
		return false;
	if (err != NULL)
		sweep_fail(s, err);
	return err == NULL;
}

/* ---- Pace ---- */

static void
sweep_run(struct sweep *s)
{
	sweep_step *next = s->next;

	s->next = NULL;
	s->step_us = clock_monotonic_us();
	next(s);
}

static void
sweep_on_rested(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	sweep_run(arg);
}

void
sweep_go_on(struct sweep *s, sweep_step *next)
{
	int64_t share = s->options.share;
	int64_t rest_us = (clock_monotonic_us() - s->step_us) * (100 - share) / share;
	struct timeval tv;

	CHECK(s->next == NULL);
	s->next = next;
	if (rest_us > REST_LONGEST_MS * INT64_C(1000))
		rest_us = REST_LONGEST_MS * INT64_C(1000);
	tv = (struct timeval){.tv_sec = rest_us / 1000000, .tv_usec = rest_us % 1000000};
	evtimer_add(s->rest, &tv);
}

static void
sweep_on_kept(void *arg, const redisReply *reply, const struct err *err)
{
	struct sweep *s = arg;

	(void)reply;
	/* While Redis is unreachable, the current step fails by itself. */
	sweep_back(s, err != NULL && err->code == ERR_FENCED ? err : NULL);
}

static void
sweep_on_keep(evutil_socket_t fd, short what, void *arg)
{
	struct sweep *s = arg;

	(void)fd, (void)what;
	op_hold(&s->op);
	sweep_lease_keep(&s->lease, &s->figures, sweep_on_kept, s);
}

/* ---- The start ---- */

static void
sweep_on_taken(void *arg, const redisReply *reply, const struct err *err)
{
	struct sweep *s = arg;
	struct timeval tv = clock_timeval(KEEP_MS);

	(void)reply;
	if (!sweep_back(s, err))
		return;
	s->has_lease = true;
	s->started_ms = clock_unix_ms();
	evtimer_add(s->keep, &tv);
	if (s->options.on_begun != NULL)
		s->options.on_begun(s->arg);
	sweep_read(s);
}

struct sweep *
sweep_start(const struct sweep_options *options, sweep_on_end *cb, void *arg)
{
	struct sweep *s = mem_new(struct sweep);

	CHECK(options->share >= 1 && options->share <= 100);
	op_init(&s->op, sweep_on_op_end);
	arena_init(&s->keys_arena);
	places_init(&s->places);
	s->options = *options;
	s->options.name = arena_strdup(&s->op.arena, options->name);
	s->cb = cb;
	s->arg = arg;
	s->rest = evtimer_new(options->base, sweep_on_rested, s);
	s->keep = event_new(options->base, -1, EV_PERSIST, sweep_on_keep, s);
	s->step_us = clock_monotonic_us();
	s->started_ms = clock_unix_ms();
	if (options->dry_run) {
		sweep_go_on(s, sweep_read);
	} else {
		op_hold(&s->op);
		sweep_lease_take(&s->lease, &s->options, sweep_on_taken, s);
	}
	return s;
}
