/* Results of recipients. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "delivery-worker/jobs/job.h"
#include "lib/base/clock.h"

static void
test_results(void **state)
{
	Stagepost__Recipient recipients[2], *list[2];
	Stagepost__Envelope envelope = STAGEPOST__ENVELOPE__INIT;
	Stagepost__Job msg = STAGEPOST__JOB__INIT;
	Stagepost__RecipientResult *results[2] = {NULL}, *r;
	uint32_t served[2] = {1, 3};
	struct job job = {.msg = &msg, .results = results, .started_ms = clock_monotonic_ms() - 1000};
	char text[5000];

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		stagepost__recipient__init(&recipients[i]);
		list[i] = &recipients[i];
	}
	envelope.recipients = list;
	envelope.n_recipients = 2;
	msg.envelope = &envelope;
	msg.recipients = served;
	msg.n_recipients = 2;
	msg.recipient_total = 4;
	arena_init(&job.arena);
	assert_ptr_equal(job_recipient(&job, 1), list[0]);
	assert_ptr_equal(job_recipient(&job, 3), list[1]);
	assert_false(job_has_result(&job, 1) || job_has_result(&job, 3));
	r = job_result(&job, 3, STAGEPOST__RECIPIENT_RESULT__OUTCOME__FAILED, "5.1.1", STR("no\r\nsuch user"));
	assert_int_equal(r->recipient, 3);
	assert_string_equal(r->text, "no  such user");
	assert_true(r->duration_ms >= 1000);
	assert_true(job_has_result(&job, 3) && !job_has_result(&job, 1));
	/* Once more gives the same, filled anew. */
	memset(text, 'x', sizeof(text));
	assert_ptr_equal(
		job_result(&job, 3, STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED, "4.0.0", str_of(text, 5000)), r);
	assert_string_equal(r->code, "4.0.0");
	assert_int_equal(strlen(r->text), 4096);
	/* The rest: only those that have none yet. */
	job_result_rest(&job, STAGEPOST__RECIPIENT_RESULT__OUTCOME__DELIVERED, "2.0.0", STR("fine"));
	assert_string_equal(results[0]->code, "2.0.0");
	assert_int_equal(results[0]->recipient, 1);
	assert_string_equal(r->code, "4.0.0");
	job_set_trouble(&job, STR("ill\n"));
	assert_string_equal(job.destination_trouble, "ill ");
	job_set_trouble(&job, str_of(text, 5000));
	assert_int_equal(strlen(job.destination_trouble), 400);
	arena_fini(&job.arena);
}

/* The texts of a message with many recipients share a limit. */
static void
test_text_of_many(void **state)
{
	static const struct {
		size_t recipients, text;
	} cases[] = {{1, 4096}, {63, 4096}, {64, 4032}, {255, 1024}, {1000, 400}, {50000, 400}, {UINT32_MAX, 400}};
	static char text[5000];

	(void)state;
	memset(text, 'x', sizeof(text));
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		Stagepost__Envelope envelope = STAGEPOST__ENVELOPE__INIT;
		Stagepost__Job msg = STAGEPOST__JOB__INIT;
		Stagepost__RecipientResult *results[1] = {NULL}, *r;
		uint32_t served[1] = {0};
		struct job job = {.msg = &msg, .results = results, .started_ms = clock_monotonic_ms()};

		msg.recipient_total = (uint32_t)cases[i].recipients;
		msg.envelope = &envelope;
		msg.recipients = served;
		msg.n_recipients = 1;
		arena_init(&job.arena);
		r = job_result(&job, 0, STAGEPOST__RECIPIENT_RESULT__OUTCOME__FAILED, "5.0.0", str_of(text, 5000));
		assert_int_equal(strlen(r->text), cases[i].text);
		arena_fini(&job.arena);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_results),
		cmocka_unit_test(test_text_of_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
