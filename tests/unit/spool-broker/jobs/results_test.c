/* Results that add recipients. */
#include "tests/unit/spool-broker/fixture.h"

/* The job's first recipient is expanded to this address, named twice. */
static void
expand(struct given *g, const char *address)
{
	Stagepost__JobDone done = STAGEPOST__JOB_DONE__INIT;
	Stagepost__RecipientResult result = STAGEPOST__RECIPIENT_RESULT__INIT, *results[1] = {&result};
	Stagepost__Recipient added[2], *list[2] = {&added[0], &added[1]};
	Stagepost__Frame frame = STAGEPOST__FRAME__INIT;

	for (unsigned i = 0; i < 2; i++) {
		stagepost__recipient__init(&added[i]);
		added[i].address = (char *)(uintptr_t)address; /* the second is there already by then */
	}
	result.outcome = STAGEPOST__RECIPIENT_RESULT__OUTCOME__EXPANDED;
	result.new_recipients = list;
	result.n_new_recipients = 2;
	done.job = g->job->job;
	done.results = results;
	done.n_results = 1;
	frame.body_case = STAGEPOST__FRAME__BODY_JOB_DONE;
	frame.job_done = &done;
	g->ended = true;
	assert_int_equal(bus_send(g->worker->bus, g->peer, &frame, NULL), 0);
}

static void
test_expansion(void **state)
{
	struct handed h = {.id = ""};

	(void)state;
	hand_over(&h, "a@sender.test", "list@here");
	wait_until(given_count == 1, 20000);
	expand(&given[0], "far@x.test");
	wait_until(given_count == 2, 20000);
	assert_true(has_state(h.id)); /* saved before it is tried */
	assert_string_equal(given[1].job->destination, "x.test");
	assert_int_equal(given[1].job->recipients[0], 1);
	assert_int_equal(given[1].job->envelope->n_recipients, 1);
	assert_string_equal(given[1].job->envelope->recipients[0]->address, "far@x.test");
	deliver(&given[1]);
	wait_until(is_finished(h.id), 20000);
}

/* Added while a job for its destination runs: tried as soon as that has ended. */
static void
test_expansion_to_a_busy_destination(void **state)
{
	struct handed h = {.id = ""};
	unsigned list, far;

	(void)state;
	hand_over(&h, "a@sender.test", "list@here one@x.test");
	wait_until(given_count == 2, 20000);
	list = given[0].job->kind == STAGEPOST__JOB_KIND__LOCAL ? 0 : 1;
	far = 1 - list;
	expand(&given[list], "two@x.test");
	wait_until(has_state(h.id), 20000);
	deliver(&given[far]);
	wait_until(given_count == 3, 20000);
	assert_int_equal(given[2].job->n_recipients, 1);
	assert_int_equal(given[2].job->recipients[0], 2);
	assert_false(given[2].job->recheck);
	deliver(&given[2]);
	wait_until(is_finished(h.id), 20000);
}

/* Each recipient of the job is expanded to so many addresses. */
static void
expand_all(struct given *g, unsigned each, unsigned domains, int digits)
{
	Stagepost__JobDone done = STAGEPOST__JOB_DONE__INIT;
	Stagepost__Frame frame = STAGEPOST__FRAME__INIT;

	done.job = g->job->job;
	done.results = arena_array(&g->arena, Stagepost__RecipientResult *, g->job->n_recipients);
	for (size_t i = 0; i < g->job->n_recipients; i++) {
		Stagepost__RecipientResult *r = arena_new(&g->arena, Stagepost__RecipientResult);
		stagepost__recipient_result__init(r);
		r->recipient = g->job->recipients[i];
		r->outcome = STAGEPOST__RECIPIENT_RESULT__OUTCOME__EXPANDED;
		r->new_recipients = arena_array(&g->arena, Stagepost__Recipient *, each);
		for (unsigned k = 0; k < each; k++) {
			Stagepost__Recipient *added = arena_new(&g->arena, Stagepost__Recipient);
			stagepost__recipient__init(added);
			added->address = arena_printf(&g->arena, "user%zu.%0*u@d%u.test", i, digits, k,
						      domains != 0 ? (unsigned)(i * each + k) % domains : 0);
			r->new_recipients[r->n_new_recipients++] = added;
		}
		done.results[done.n_results++] = r;
	}
	frame.body_case = STAGEPOST__FRAME__BODY_JOB_DONE;
	frame.job_done = &done;
	g->ended = true;
	assert_int_equal(bus_send(g->worker->bus, g->peer, &frame, NULL), 0);
}

/* Twenty lists of a thousand, in a thousand domains. */
static void
test_expansion_to_many(void **state)
{
	enum { LISTS = 20, EACH = 1000, DOMAINS = 1000 };
	struct handed h = {.id = ""};
	struct buf to = BUF_EMPTY;
	struct found f;
	struct event *look;
	int64_t begun_ms;

	(void)state;
	name_many(&to, LISTS, "@here");
	hand_over(&h, "a@sender.test", to.data);
	wait_until(given_count == 1, 60000);
	set_slots(0);
	expand_all(&given[0], EACH, DOMAINS, 1);
	start_looking(&look);
	begun_ms = clock_monotonic_ms();
	wait_until(status_number(0, "queue", "queued") == DOMAINS, 120000);
	printf("expanded to %d in %lld ms, the loop away for %lld ms at most\n", LISTS * EACH,
	       (long long)(clock_monotonic_ms() - begun_ms), (long long)longest_ms);
	wait_until(has_state(h.id), 60000);
	f = find(h.id);
	assert_int_equal(f.state->n_added, LISTS * EACH);
	arena_fini(&f.arena);
	begun_ms = clock_monotonic_ms();
	send_order("delete", h.id, NULL, 0);
	wait_until(order_answered, 60000);
	assert_string_equal(order_text, "deleted");
	assert_int_equal(count_events(h.id, "\"event\":\"deleted\""), 1000); /* the first page of them */
	printf("deleted in %lld ms\n", (long long)(clock_monotonic_ms() - begun_ms));
	wait_until(is_finished(h.id), 60000);
	event_free(look);
	buf_fini(&to);
}

/* What does not fit into one message any more is told to the sender, not lost. */
static void
test_expansion_to_too_many(void **state)
{
	struct handed h = {.id = ""};
	struct buf to = BUF_EMPTY;

	(void)state;
	name_many(&to, 30, "@here");
	hand_over(&h, "a@sender.test", to.data);
	wait_until(given_count == 1, 60000);
	set_slots(0);
	expand_all(&given[0], 1000, 1, 230); /* 7 MB */
	wait_until(has_state(h.id), 60000);
	set_slots(10);
	wait_until(given_count == 3, 60000); /* those that fit, and a report */
	buf_fini(&to);
	for (unsigned i = 1; i < 3; i++)
		if (given[i].job->kind == STAGEPOST__JOB_KIND__REPORT) {
			assert_string_equal(given[i].job->state->status[0]->last_code, "5.2.4");
			return;
		}
	fail();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BROKER_TEST(test_expansion),
		BROKER_TEST(test_expansion_to_a_busy_destination),
		BROKER_TEST(test_expansion_to_many),
		BROKER_TEST(test_expansion_to_too_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
