/* How many jobs are run, and how many are asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "delivery-worker/jobs/credit.h"

static struct worker worker; /* with the defaults of the settings, and no store */
static struct givers givers; /* none */
static struct credit credit;

static void
on_rested(void *arg)
{
	++*(unsigned *)arg;
}

static const struct credit_kind *
kind_of(Stagepost__JobKind kind)
{
	return &credit.kinds[job_kind_index(job_kind_find(kind))];
}

/* One job of the kind, begun and ended. */
static void
run(Stagepost__JobKind kind, const char *id, bool own_trouble, bool host_is_ill)
{
	Stagepost__Envelope envelope = STAGEPOST__ENVELOPE__INIT;
	Stagepost__Job msg = STAGEPOST__JOB__INIT;
	struct job job = {.msg = &msg, .own_trouble = own_trouble, .host_is_ill = host_is_ill};

	msg.envelope = &envelope;
	envelope.id = (char *)id;
	job.kind = job_kind_find(kind);
	credit_begin(&credit, job.kind);
	credit_end(&credit, &job);
}

static unsigned rested;

static int
setup(void **state)
{
	(void)state;
	worker.base = event_base_new();
	worker.redis = redis_new(worker.base, "redis://127.0.0.1:1", NULL);
	worker.settings = settings_live_new(worker.base, worker.redis, NULL, false);
	givers_init(&givers, &worker);
	credit_init(&credit, &worker, &givers, on_rested, &rested);
	credit_tell(&credit);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	credit_fini(&credit);
	givers_fini(&givers);
	settings_live_free(&worker.settings);
	redis_free(&worker.redis);
	event_base_free(worker.base);
	return 0;
}

static void
test_slots(void **state)
{
	const struct job_kind *k = job_kind_find(STAGEPOST__JOB_KIND__REPORT);
	int64_t slots = k->slots(settings_current(worker.settings));

	(void)state;
	assert_int_equal(kind_of(k->kind)->slots, slots);
	for (int64_t i = 0; i < slots; i++) {
		assert_true(credit_has_slot(&credit, k));
		credit_begin(&credit, k);
	}
	assert_false(credit_has_slot(&credit, k));
	assert_true(credit_has_slot(&credit, job_kind_find(STAGEPOST__JOB_KIND__LOCAL)));
}

/* Three messages in a row that fail for want of something of the host's: then it
 * rests, and after that it has one slot, until one job goes well. */
static void
test_ill_kind_rests(void **state)
{
	static const char *const ids[] = {"0-a", "0-b", "0-c"};

	(void)state;
	rested = 0;
	for (unsigned i = 0; i < 3; i++)
		run(STAGEPOST__JOB_KIND__LOCAL, ids[i], true, false); /* of one mailbox */
	assert_true(kind_of(STAGEPOST__JOB_KIND__LOCAL)->slots > 1);
	for (unsigned i = 0; i < 3; i++)
		run(STAGEPOST__JOB_KIND__LOCAL, ids[i], true, true);
	assert_int_equal(kind_of(STAGEPOST__JOB_KIND__LOCAL)->slots, 0);
	assert_true(kind_of(STAGEPOST__JOB_KIND__REMOTE)->slots > 1);
	assert_int_equal(kind_of(STAGEPOST__JOB_KIND__LOCAL)->done, 6);
	while (rested == 0)
		event_base_loop(worker.base, EVLOOP_ONCE);
	assert_int_equal(kind_of(STAGEPOST__JOB_KIND__LOCAL)->slots, 1);
	run(STAGEPOST__JOB_KIND__LOCAL, "0-d", false, false);
	assert_true(kind_of(STAGEPOST__JOB_KIND__LOCAL)->slots > 1);
}

static void
test_no_slots(void **state)
{
	(void)state;
	credit_set_cut_off(&credit, true);
	credit_update(&credit);
	assert_int_equal(kind_of(STAGEPOST__JOB_KIND__LOCAL)->slots, 0);
	credit_set_cut_off(&credit, false);
	credit_update(&credit);
	assert_true(kind_of(STAGEPOST__JOB_KIND__LOCAL)->slots > 1);
	credit_set_draining(&credit);
	credit_update(&credit);
	assert_int_equal(kind_of(STAGEPOST__JOB_KIND__LOCAL)->slots, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_slots, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ill_kind_rests, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_slots, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
