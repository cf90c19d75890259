#include "lib/sweep/lease.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/check.h"
#include "lib/redis/keys.h"

REDIS_SCRIPT(sweep_lease_script, "lib/sweep/lease.lua");

enum { LEASE_MS = 15 * 1000, NUMBER_MAX = 24, ARGS_MAX = 20 };

struct lease_args {
	struct str list[ARGS_MAX];
	char numbers[ARGS_MAX][NUMBER_MAX];
	size_t count;
};

static void
lease_add(struct lease_args *a, struct str text)
{
	CHECK(a->count < ARGS_MAX);
	a->list[a->count++] = text;
}

static void
lease_add_number(struct lease_args *a, uint64_t number)
{
	char *out = a->numbers[a->count];

	lease_add(a, str_of(out, (size_t)snprintf(out, NUMBER_MAX, "%" PRIu64, number)));
}

static void
lease_add_figures(struct lease_args *a, const struct sweep_figures *f)
{
	const uint64_t values[] = {f->examined, f->referred, f->released, f->released_bytes, f->in_doubt};
	static const char *const names[] = {"examined", "referred", "released", "released_bytes", "in_doubt"};

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		lease_add(a, str_c(names[i]));
		lease_add_number(a, values[i]);
	}
}

static void
lease_call(struct sweep_lease *l, const struct lease_args *a, redis_on_reply *cb, void *arg)
{
	const struct str key = str_c(redis_key_pattern(KEY_SWEEP_STATE));

	redis_eval(l->redis, cb, arg, &sweep_lease_script, 1, &key, a->count, a->list);
}

void
sweep_lease_take(struct sweep_lease *l, const struct sweep_options *o, redis_on_reply *cb, void *arg)
{
	struct lease_args a = {.count = 0};

	*l = (struct sweep_lease){.redis = o->redis};
	snprintf(l->holder, sizeof(l->holder), "%s %08x", o->name, arc4random());
	lease_add(&a, STR("take"));
	lease_add(&a, str_c(l->holder));
	lease_add_number(&a, LEASE_MS);
	lease_add(&a, o->is_manual ? STR("manual") : STR("automatic"));
	lease_add_number(&a, (uint64_t)o->interval_ms);
	lease_add_number(&a, (uint64_t)o->after_failure_ms);
	lease_call(l, &a, cb, arg);
}

void
sweep_lease_keep(struct sweep_lease *l, const struct sweep_figures *figures, redis_on_reply *cb, void *arg)
{
	struct lease_args a = {.count = 0};

	lease_add(&a, STR("keep"));
	lease_add(&a, str_c(l->holder));
	lease_add_number(&a, LEASE_MS);
	lease_add_figures(&a, figures);
	lease_call(l, &a, cb, arg);
}

void
sweep_lease_end(struct sweep_lease *l, const struct sweep_figures *figures, const char *failure, redis_on_reply *cb,
		void *arg)
{
	struct lease_args a = {.count = 0};

	lease_add(&a, STR("end"));
	lease_add(&a, str_c(l->holder));
	lease_add(&a, str_c(failure));
	lease_add_figures(&a, figures);
	lease_call(l, &a, cb, arg);
}

void
sweep_lease_drop(struct sweep_lease *l)
{
	struct lease_args a = {.count = 0};

	lease_add(&a, STR("drop"));
	lease_add(&a, str_c(l->holder));
	lease_call(l, &a, NULL, NULL);
}
