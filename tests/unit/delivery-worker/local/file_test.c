/* A job that is disowned before it files ends once, whatever it still had to
 * file: its work is gone after that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "delivery-worker/local/private.h"
#include "lib/base/mem.h"

enum { FILINGS = 3 * LOCAL_FILINGS_AT_ONCE };

static unsigned ended;
static struct worker worker; /* with the defaults of the settings, and no store */

static void
on_filed(struct local_work *w)
{
	ended++;
	for (const struct filing *f = w->filings; f != NULL; f = f->next)
		assert_int_equal(f->state, FILING_POSTPONED);
	op_cancel(&w->op);
	mem_free(w);
}

static void
assert_ends_once(unsigned count)
{
	Stagepost__Envelope envelope = STAGEPOST__ENVELOPE__INIT;
	Stagepost__Job msg = STAGEPOST__JOB__INIT;
	struct job job = {.worker = &worker, .msg = &msg, .disowned = true};
	struct filing filings[FILINGS] = {0};
	struct local_work *w = mem_new(struct local_work);

	msg.envelope = &envelope;
	envelope.id = (char *)"0-0";
	arena_init(&job.arena);
	op_init(&w->op, NULL);
	w->job = &job;
	w->on_filed = on_filed;
	w->filings = filings;
	for (unsigned i = 0; i < count; i++) {
		filings[i] = (struct filing){.work = w, .address = STR("a@example.test")};
		filings[i].next = i + 1 < count ? &filings[i + 1] : NULL;
	}
	ended = 0;
	local_file(w);
	assert_int_equal(ended, 1);
	arena_fini(&job.arena);
}

static void
test_disowned_job_ends_once(void **state)
{
	(void)state;
	assert_ends_once(1);
	assert_ends_once(2);
	assert_ends_once(FILINGS);
}

static int
setup(void **state)
{
	(void)state;
	worker.base = event_base_new();
	worker.redis = redis_new(worker.base, "redis://127.0.0.1:1", NULL);
	worker.settings = settings_live_new(worker.base, worker.redis, NULL, false);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	settings_live_free(&worker.settings);
	redis_free(&worker.redis);
	event_base_free(worker.base);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_disowned_job_ends_once),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
