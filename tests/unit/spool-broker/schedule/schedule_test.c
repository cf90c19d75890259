/* The fair schedule, with a clock of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/spool-broker/schedule/schedule_fixture.h"

static void
test_order_within_a_lane(void **state)
{
	struct part *first = add("d", "a", 0), *second = add("d", "a", 0), *third = add("d", "a", 0);

	(void)state;
	ops->withdraw(s, second);
	assert_ptr_equal(ops->take(s, 0), first);
	assert_ptr_equal(ops->take(s, 0), third);
	assert_null(ops->take(s, 0));
	ops->ready(s, second);
	assert_ptr_equal(ops->take(s, 0), second);
	assert_int_equal(ops->counts(s).active, 3);
	assert_int_equal(ops->counts(s).ready, 0);
}

static void
test_one_message_one_part_a_destination(void **state)
{
	struct part a = {.message = NULL}, b = {.message = NULL};

	(void)state;
	assert_ptr_equal(ops->enlist(s, &a, STR("d"), STR("x"), STR("x"), 0), &a);
	assert_ptr_equal(ops->enlist(s, &b, STR("d"), STR("x"), STR("x"), 0), &a);
	assert_ptr_equal(ops->enlist(s, &b, STR("e"), STR("x"), STR("x"), 0), &b);
	ops->dismiss(s, &a);
	ops->dismiss(s, &b);
}

static void
test_retries_by_time(void **state)
{
	struct part *p = add("d", "a", 0), *q = add("d", "a", 0);

	(void)state;
	ops->defer(s, p, 500);
	ops->defer(s, q, 300);
	assert_int_equal(ops->next_ms(s), 300);
	assert_null(ops->take(s, 299));
	assert_ptr_equal(ops->take(s, 300), q);
	assert_int_equal(ops->next_ms(s), 500);
	assert_null(ops->take(s, 499));
	assert_ptr_equal(ops->take(s, 1000), p);
	assert_int_equal(ops->next_ms(s), INT64_MAX);
}

/* A bulk sender with messages to ten thousand destinations; another's few wait
 * for one turn each. */
static void
test_bulk_sender_delays_nobody(void **state)
{
	char destination[32];
	struct part *few[5];
	unsigned taken = 0, found = 0;

	(void)state;
	for (unsigned i = 0; i < 100000; i++) {
		snprintf(destination, sizeof(destination), "d%u", i % 10000);
		add(destination, "bulk", 0);
	}
	for (unsigned i = 0; i < 5; i++) {
		snprintf(destination, sizeof(destination), "d%u", i);
		few[i] = add(destination, "small", 0);
	}
	while (found < 5) {
		struct part *p = ops->take(s, 0);
		assert_non_null(p);
		taken++;
		for (unsigned i = 0; i < 5; i++)
			found += p == few[i];
	}
	assert_true(taken <= 10);
}

/* Both want one destination that is full; how many of its next 200 places the
 * small sender gets. */
static unsigned
small_share(bool bulk_has_more_elsewhere)
{
	struct part *active[5];
	unsigned small = 0, head = 0;

	set_at_once(5);
	for (unsigned i = 0; i < 1000; i++)
		add("d", "bulk", 0);
	for (unsigned i = 0; i < 5; i++)
		active[i] = ops->take(s, 0);
	assert_null(ops->take(s, 0)); /* the window of a new destination */
	for (unsigned i = 0; i < 1000; i++) {
		char elsewhere[32];
		snprintf(elsewhere, sizeof(elsewhere), "e%u", i);
		add("d", "small", 0);
		if (bulk_has_more_elsewhere)
			add(elsewhere, "bulk", 0);
	}
	for (unsigned i = 0; i < 200; i++) {
		struct part *p;
		end(active[head], TRY_ANSWERED, 0);
		do
			p = ops->take(s, 0);
		while (p != NULL && strcmp(part_destination(p), "d") != 0);
		assert_non_null(p);
		active[head] = p;
		head = (head + 1) % 5;
		/* The small sender's parts were made after the first thousand. */
		for (unsigned k = 1000; k < made_count; k++)
			small += made[k] == p;
	}
	return small;
}

static void
test_busy_destination_is_shared(void **state)
{
	unsigned small = small_share(false);

	(void)state;
	assert_true(small >= 95 && small <= 105);
}

/* The bulk sender's turns go elsewhere too, so the small one has no less. */
static void
test_busy_destination_of_a_busy_sender(void **state)
{
	(void)state;
	assert_true(small_share(true) >= 95);
}

static void
test_priority_goes_first_but_not_alone(void **state)
{
	struct part *normal = add("d", "a", PRIORITY_NORMAL), *p;
	unsigned before = 0;

	(void)state;
	set_at_once(0);
	for (unsigned i = 0; i < 100; i++)
		add("d", "a", PRIORITY_HIGH);
	while ((p = ops->take(s, 0)) != normal) {
		assert_non_null(p);
		before++;
	}
	assert_int_equal(before, 8);
}

static void
test_three_priorities(void **state)
{
	static const unsigned kinds[] = {PRIORITY_LOW, PRIORITY_NORMAL, PRIORITY_HIGH};
	unsigned taken[PRIORITIES] = {0};

	(void)state;
	set_at_once(0);
	for (unsigned i = 0; i < 1000; i++)
		for (unsigned k = 0; k < 3; k++)
			add("d", "a", kinds[k]);
	for (unsigned i = 0; i < 810; i++) {
		const struct part *p = ops->take(s, 0);
		for (unsigned k = 0; k < made_count; k++)
			if (made[k] == p)
				taken[kinds[k % 3]]++;
	}
	assert_int_equal(taken[PRIORITY_HIGH], 720);
	assert_int_equal(taken[PRIORITY_NORMAL], 80);
	assert_int_equal(taken[PRIORITY_LOW], 10);
}

static void
test_window_grows_to_the_limit(void **state)
{
	struct part *taken[100];
	unsigned count, last = 0;

	(void)state;
	for (unsigned i = 0; i < 300; i++)
		add("d", "a", 0);
	for (unsigned round = 0; round < 4; round++) {
		count = take_all(taken, 0);
		assert_true(count >= last && count <= 20);
		last = count;
		for (unsigned i = 0; i < count; i++)
			end(taken[i], TRY_ANSWERED, 0);
	}
	assert_int_equal(last, 20);
}

static void
test_trouble_halves_the_window(void **state)
{
	struct part *taken[100];
	unsigned count;

	(void)state;
	for (unsigned i = 0; i < 300; i++)
		add("d", "a", 0);
	for (unsigned round = 0; round < 4; round++) {
		count = take_all(taken, 0);
		for (unsigned i = 0; i < count; i++)
			end(taken[i], TRY_ANSWERED, 0);
	}
	count = take_all(taken, 0);
	assert_int_equal(count, 20);
	end(taken[0], TRY_TROUBLE, 0);
	for (unsigned i = 1; i < count; i++)
		end(taken[i], TRY_UNKNOWN, 0);
	assert_int_equal(take_all(taken, 0), 10);
}

static void
test_dead_destination_is_probed_by_one(void **state)
{
	struct part *taken[100], *probe;
	unsigned count;
	int64_t now_ms = 0, last_wait = 0;

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		add("d", "a", 0);
	count = take_all(taken, now_ms);
	assert_int_equal(count, 5);
	for (unsigned i = 0; i < count; i++) {
		end(taken[i], TRY_TROUBLE, now_ms);
		ops->defer(s, taken[i], 1000000); /* the broker does so, by the message's own back-off */
	}
	for (unsigned round = 0; round < 5; round++) {
		int64_t wait = ops->next_ms(s) - now_ms;
		assert_true(wait > last_wait); /* longer each time */
		last_wait = wait;
		assert_null(ops->take(s, now_ms + wait - 1));
		now_ms += wait;
		probe = ops->take(s, now_ms);
		assert_non_null(probe);
		assert_null(ops->take(s, now_ms));
		if (round < 4) {
			end(probe, TRY_TROUBLE, now_ms);
			ops->defer(s, probe, 1000000);
		}
	}
	end(probe, TRY_ANSWERED, now_ms);
	assert_int_equal(take_all(taken, now_ms), 5); /* a slow start again */
}

static void
test_dead_one_hinders_no_other(void **state)
{
	struct part *dead = add("dead", "a", 0), *p;

	(void)state;
	for (unsigned i = 0; i < 10; i++)
		add("dead", "a", 0);
	assert_ptr_equal(ops->take(s, 0), dead);
	end(dead, TRY_TROUBLE, 0);
	p = add("alive", "a", 0);
	assert_ptr_equal(ops->take(s, 0), p);
	assert_null(ops->take(s, 0));
	/* An operator's order. */
	ops->hasten(s, made[5]);
	assert_ptr_equal(ops->take(s, 0), made[5]);
	assert_null(ops->take(s, 0));
}

static void
test_lost_probe_is_repeated(void **state)
{
	struct part *p = add("d", "a", 0), *q = add("d", "a", 0), *probe;

	(void)state;
	assert_ptr_equal(ops->take(s, 0), p);
	assert_ptr_equal(ops->take(s, 0), q);
	end(p, TRY_TROUBLE, 0);
	end(q, TRY_TROUBLE, 0);
	ops->ready(s, p);
	ops->ready(s, q);
	probe = ops->take(s, 100000);
	assert_non_null(probe);
	end(probe, TRY_UNKNOWN, 100000);
	ops->ready(s, probe);
	assert_non_null(ops->take(s, 100000));
	assert_null(ops->take(s, 100000));
}

static void
test_put_off_is_a_step_back(void **state)
{
	struct part *taken[100];
	unsigned count;

	(void)state;
	for (unsigned i = 0; i < 300; i++)
		add("d", "a", 0);
	for (unsigned round = 0; round < 4; round++) {
		count = take_all(taken, 0);
		for (unsigned i = 0; i < count; i++)
			end(taken[i], TRY_ANSWERED, 0);
	}
	count = take_all(taken, 0);
	assert_int_equal(count, 20);
	for (unsigned i = 0; i < count; i++)
		end(taken[i], TRY_PUT_OFF, 0);
	count = take_all(taken, 0);
	assert_in_range(count, 18, 19); /* one less for a window's worth of greylisting */
	for (unsigned round = 0; round < 200; round++) {
		for (unsigned i = 0; i < count; i++)
			end(taken[i], TRY_PUT_OFF, 0);
		for (unsigned i = 0; i < count; i++)
			ops->ready(s, taken[i]);
		count = take_all(taken, 0);
	}
	assert_int_equal(count, 1); /* who never wants any is asked by one at a time */
}

/* A queue that runs empty between two messages does not start slowly again. */
static void
test_window_outlives_the_queue(void **state)
{
	struct part *taken[100];
	unsigned count;

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		add("d", "a", 0);
	for (unsigned round = 0; round < 4; round++) {
		count = take_all(taken, 0);
		for (unsigned i = 0; i < count; i++)
			end(taken[i], TRY_ANSWERED, 0);
	}
	teardown_parts();
	assert_int_equal(ops->counts(s).destinations, 0);
	assert_int_equal(ops->counts(s).sites, 0);
	for (unsigned i = 0; i < 100; i++)
		add("d", "a", 0);
	assert_int_equal(take_all(taken, 59000), 20);
	teardown_parts();
	assert_null(ops->take(s, 120000));
	for (unsigned i = 0; i < 100; i++)
		add("d", "a", 0);
	assert_int_equal(take_all(taken, 120000), 5);
}

/* Whatever happens, in whatever order: counts hold, and all come out. */
static void
test_anything(void **state)
{
	static struct part *active[3000];
	unsigned active_count = 0;
	int64_t now_ms = 0;

	(void)state;
	srand(1);
	use_router((struct site_limits){.at_once = 20, .at_once_all = 30, .per_minute = 100000});
	for (unsigned i = 0; i < 3000; i++) {
		char d[8], a[8];
		snprintf(d, sizeof(d), "%c%d", rand() % 2 != 0 ? 'd' : 'e', rand() % 40);
		snprintf(a, sizeof(a), "a%d", rand() % 7);
		add(d, a, (unsigned)rand() % 2);
	}
	for (unsigned step = 0; step < 200000; step++, now_ms += rand() % 20) {
		struct part *p = made[rand() % 3000];
		struct permit_wish wish;
		if (rand() % 1000 == 0) {
			mx_of_d = rand() % 2 != 0 ? "mx" : rand() % 2 != 0 ? "mx2" : NULL;
			ops->reroute(s, STR_NONE);
		}
		if (rand() % 3 == 0 && ops->next_wish(s, now_ms, &wish))
			grant(wish.site, (unsigned)rand() % 30, (unsigned)rand() % 10, rand() % 300, now_ms);
		switch (rand() % 6) {
		case 0:
		case 1:
			if ((p = ops->take(s, now_ms)) != NULL)
				active[active_count++] = p;
			break;
		case 2:
			if (p->state != PART_ACTIVE)
				ops->defer(s, p, now_ms + rand() % 1000);
			break;
		case 3:
			if (p->state != PART_ACTIVE)
				rand() % 4 != 0 ? ops->ready(s, p) : ops->withdraw(s, p);
			break;
		default:
			if (active_count == 0)
				break;
			unsigned at = (unsigned)rand() % active_count;
			end(active[at],
			    (enum try_end)(rand() % 20 == 0   ? TRY_TROUBLE
					   : rand() % 10 == 0 ? TRY_UNKNOWN
							      : TRY_ANSWERED),
			    now_ms);
			active[at] = active[--active_count];
		}
		assert_int_equal(ops->counts(s).active, active_count);
	}
	use_router((struct site_limits){.at_once = 20, .at_once_all = 30});
	for (unsigned i = 0; i < 3000; i++)
		if (made[i]->state != PART_ACTIVE)
			ops->ready(s, made[i]);
	for (unsigned rounds = 0; active_count != 0 || ops->counts(s).ready != 0; rounds++, now_ms += 100000) {
		struct part *p;
		struct permit_wish wish;
		assert_true(rounds < 10000);
		while (ops->next_wish(s, now_ms, &wish))
			grant(wish.site, 20, 0, 0, now_ms);
		while (active_count != 0)
			end(active[--active_count], TRY_ANSWERED, now_ms);
		while ((p = ops->take(s, now_ms)) != NULL)
			active[active_count++] = p;
	}
}

/* ---- Latency beside a backlog, in simulated time ---- */
enum { SLOTS = 20, QUIET_MAIL = 400, BACKLOG = 100000, QUIET_EVERY_MS = 25 };

static int
by_size(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* The 95th percentile of the time from a quiet sender's message being queued to
 * its end, in ms, while another has this many waiting, some of them for the same
 * destination. Each try takes 50 to 149 ms in one of the workers' slots. */
static int
quiet_p95(unsigned backlog)
{
	struct part *running[SLOTS] = {NULL}, *quiet[QUIET_MAIL];
	int64_t ends[SLOTS], queued[QUIET_MAIL];
	int waited[QUIET_MAIL];
	unsigned sent = 0, done = 0, tries = 0;
	char name[32];

	for (unsigned i = 0; i < backlog; i++) {
		snprintf(name, sizeof(name), "d%u", i % 200);
		add(name, "bulk", 0);
	}
	for (int64_t now = 0; done < QUIET_MAIL; now++) {
		assert_true(now < 100000);
		if (now % QUIET_EVERY_MS == 0 && sent < QUIET_MAIL) {
			snprintf(name, sizeof(name), "d%u", sent % 50);
			queued[sent] = now;
			quiet[sent++] = add(name, "quiet", 0);
		}
		for (unsigned i = 0; i < SLOTS; i++) {
			if (running[i] != NULL && ends[i] <= now) {
				end(running[i], TRY_ANSWERED, now);
				for (unsigned q = 0; q < sent; q++)
					if (quiet[q] == running[i])
						waited[done++] = (int)(now - queued[q]);
				running[i] = NULL;
			}
			if (running[i] == NULL && (running[i] = ops->take(s, now)) != NULL)
				ends[i] = now + 50 + (tries++ * 37) % 100;
		}
	}
	qsort(waited, QUIET_MAIL, sizeof(waited[0]), by_size);
	return waited[QUIET_MAIL * 95 / 100];
}

static void
test_backlog_does_not_double_latency(void **state)
{
	int alone = quiet_p95(0), beside;

	teardown(state);
	setup(state);
	beside = quiet_p95(BACKLOG);
	print_message("p95: %d ms alone, %d ms beside %d of another\n", alone, beside, BACKLOG);
	assert_true(beside < 2 * alone);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(test_order_within_a_lane),
		TEST(test_one_message_one_part_a_destination),
		TEST(test_retries_by_time),
		TEST(test_bulk_sender_delays_nobody),
		TEST(test_busy_destination_is_shared),
		TEST(test_busy_destination_of_a_busy_sender),
		TEST(test_priority_goes_first_but_not_alone),
		TEST(test_three_priorities),
		TEST(test_window_grows_to_the_limit),
		TEST(test_trouble_halves_the_window),
		TEST(test_dead_destination_is_probed_by_one),
		TEST(test_dead_one_hinders_no_other),
		TEST(test_lost_probe_is_repeated),
		TEST(test_put_off_is_a_step_back),
		TEST(test_window_outlives_the_queue),
		TEST(test_backlog_does_not_double_latency),
		TEST(test_anything),
#undef TEST
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
