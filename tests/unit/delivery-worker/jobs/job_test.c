/* A job as it comes from its broker: checked, with its own recipients alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "delivery-worker/jobs/job.h"

enum { MOST = 8 };

static struct {
	Stagepost__Recipient recipients[MOST], *recipient_list[MOST];
	Stagepost__RecipientStatus status[MOST], *status_list[MOST];
	char addresses[MOST][20], codes[MOST][8];
	Stagepost__Blob body;
	Stagepost__Envelope envelope;
	Stagepost__MessageState state;
	Stagepost__Job job;
} g;

/* With the message's recipients of these indexes in the envelope and the state. */
static void
fill(unsigned count, const uint32_t *indexes)
{
	stagepost__blob__init(&g.body);
	stagepost__envelope__init(&g.envelope);
	stagepost__message_state__init(&g.state);
	stagepost__job__init(&g.job);
	for (unsigned i = 0; i < count; i++) {
		snprintf(g.addresses[i], sizeof(g.addresses[i]), "r%u@x.test", indexes[i]);
		snprintf(g.codes[i], sizeof(g.codes[i]), "5.0.%u", indexes[i]);
		stagepost__recipient__init(&g.recipients[i]);
		stagepost__recipient_status__init(&g.status[i]);
		g.recipients[i].address = g.addresses[i];
		g.status[i].last_code = g.codes[i];
		g.recipient_list[i] = &g.recipients[i];
		g.status_list[i] = &g.status[i];
	}
	g.envelope.id = (char *)"01h00000000000000000";
	g.envelope.body = &g.body;
	g.envelope.recipients = g.recipient_list;
	g.envelope.n_recipients = count;
	g.state.status = g.status_list;
	g.state.n_status = count;
	g.job.kind = STAGEPOST__JOB_KIND__REPORT;
	g.job.envelope = &g.envelope;
	g.job.state = &g.state;
}

static struct job *
receive(uint32_t *recipients, size_t count, uint32_t total)
{
	g.job.recipients = recipients;
	g.job.n_recipients = count;
	g.job.recipient_total = total;
	return job_new(NULL, NULL, NULL, &g.job);
}

static void
check_served(struct job *job)
{
	assert_non_null(job);
	assert_int_equal(job->msg->recipient_total, 6);
	assert_int_equal(job->msg->envelope->n_recipients, 3);
	assert_int_equal(job->msg->state->n_status, 3);
	assert_string_equal(job_recipient(job, 1)->address, "r1@x.test");
	assert_string_equal(job_recipient(job, 4)->address, "r4@x.test");
	assert_string_equal(job_recipient(job, 5)->address, "r5@x.test");
	assert_int_equal(job_position(job, 4), 1);
	assert_string_equal(job->msg->state->status[2]->last_code, "5.0.5");
	job_free(job);
}

static void
test_own_and_all(void **state)
{
	static const uint32_t all[] = {0, 1, 2, 3, 4, 5};
	uint32_t served[] = {1, 4, 5};

	(void)state;
	fill(3, served);
	check_served(receive(served, 3, 6));
	fill(6, all); /* from a broker of an earlier release */
	check_served(receive(served, 3, 0));
}

static void
test_unsound(void **state)
{
	static const uint32_t all[] = {0, 1, 2};
	uint32_t descending[] = {2, 1}, twice[] = {1, 1}, beyond[] = {1, 3}, good[] = {1, 2};

	(void)state;
	fill(3, all);
	assert_null(receive(good, 0, 0));
	assert_null(receive(descending, 2, 0));
	assert_null(receive(twice, 2, 0));
	assert_null(receive(beyond, 2, 0));
	assert_null(receive(good, 2, 3)); /* three in the envelope */
	fill(2, good);
	assert_null(receive(beyond, 2, 3));
	assert_null(receive(good, 2, 2));
	g.job.state = NULL;
	assert_null(receive(good, 2, 3)); /* a report without a state */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own_and_all),
		cmocka_unit_test(test_unsound),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
