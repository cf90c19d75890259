/* Sites, the permits of all brokers, and shares of the slots. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/spool-broker/schedule/schedule_fixture.h"

static void
test_destinations_of_one_site_count_together(void **state)
{
	struct part *taken[100], *p;
	char name[16];

	(void)state;
	use_router((struct site_limits){.at_once = 5});
	for (unsigned i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "d%u", i);
		add(name, "a", 0);
		add(name, "b", 0);
	}
	assert_int_equal(take_all(taken, 0), 5);
	assert_int_equal(ops->counts(s).sites, 1);
	p = add("other", "a", 0);
	assert_ptr_equal(ops->take(s, 0), p);
	/* Trouble with one is trouble with all. */
	for (unsigned i = 0; i < 5; i++)
		end(taken[i], TRY_TROUBLE, 0);
	assert_null(ops->take(s, 0));
	p = add("d0", "relayed", 0);
	assert_ptr_equal(ops->take(s, 0), p);
	assert_string_equal(part_site(p)->name, "relay");
}

static void
test_waits_for_its_site(void **state)
{
	struct part *p, *q;

	(void)state;
	use_router((struct site_limits){.at_once = 5});
	mx_of_d = NULL;
	p = add("d1", "a", 0);
	q = add("d2", "a", 0);
	assert_null(ops->take(s, 0));
	assert_null(part_site(p));
	mx_of_d = "mx";
	ops->reroute(s, STR("d2"));
	assert_ptr_equal(ops->take(s, 0), q);
	assert_null(ops->take(s, 0));
	ops->withdraw(s, p);
	ops->ready(s, p);
	ops->reroute(s, STR("d1"));
	assert_ptr_equal(ops->take(s, 0), p);
}

/* What is in flight counts where it is now. */
static void
test_moves_to_another_site(void **state)
{
	struct part *taken[100];

	(void)state;
	use_router((struct site_limits){.at_once = 5});
	for (unsigned i = 0; i < 10; i++)
		add("d1", "a", 0);
	assert_int_equal(take_all(taken, 0), 5);
	mx_of_d = "mx2";
	ops->reroute(s, STR_NONE);
	assert_int_equal(part_site(taken[0])->active, 5);
	assert_null(ops->take(s, 0));
	end(taken[0], TRY_ANSWERED, 0);
	assert_non_null(ops->take(s, 0));
}

/* A place that a lane was called back for, and that it has no use for any more,
 * is another's: nothing else would ever wake those that wait. */
static void
test_place_that_is_not_wanted_any_more(void **state)
{
	struct part *first, *second, *third;

	(void)state;
	set_at_once(1);
	first = add("d", "a", 0);
	second = add("d", "b", 0);
	third = add("d", "c", 0);
	assert_ptr_equal(ops->take(s, 0), first);
	assert_null(ops->take(s, 0));
	end(first, TRY_ANSWERED, 0);
	ops->defer(s, second, 1000000);
	assert_ptr_equal(ops->take(s, 0), third);
	/* The same of a dead one's probe, by time or by an operator's word. */
	for (unsigned i = 0; i < 3; i++) {
		end(third, TRY_TROUBLE, 0);
		ops->ready(s, third);
		assert_true((ops->take(s, 0) == third) == (i < 2));
	}
	ops->ready(s, second);
	assert_null(ops->take(s, 0));
	ops->hasten(s, second);
	ops->withdraw(s, second);
	assert_ptr_equal(ops->take(s, 0), third);
}

/* Those that wait for a busy site get its places in the order in which they
 * came, also when several get free at once and lanes end. */
static void
test_places_are_given_in_order(void **state)
{
	struct part *taken[100];
	unsigned order[60], served = 0, count;
	char name[16], sender[16];

	(void)state;
	use_router((struct site_limits){.at_once = 5});
	for (unsigned i = 0; i < 60; i++) {
		snprintf(name, sizeof(name), "d%u", i);
		snprintf(sender, sizeof(sender), "a%u", i);
		add(name, sender, 0);
	}
	while ((count = take_all(taken, 0)) != 0)
		for (unsigned i = 0; i < count; i++) {
			for (unsigned k = 0; k < made_count; k++)
				if (made[k] == taken[i])
					order[served++] = k;
			end(taken[i], TRY_ANSWERED, 0);
			ops->dismiss(s, taken[i]);
		}
	assert_int_equal(served, 60);
	for (unsigned i = 0; i < 60; i++)
		assert_int_equal(order[i], i);
}

static void
test_quota_of_all_brokers(void **state)
{
	struct permit_wish wish;
	struct part *taken[100];

	(void)state;
	use_router((struct site_limits){.at_once = 3, .at_once_all = 3});
	for (unsigned i = 0; i < 10; i++)
		add("d1", "a", 0);
	assert_null(ops->take(s, 0));
	assert_int_equal(ops->next_ms(s), 0);
	assert_true(ops->next_wish(s, 0, &wish));
	assert_string_equal(wish.site, "mx");
	assert_int_equal(wish.active, 0);
	assert_int_equal(wish.wanted, 3);
	assert_false(ops->next_wish(s, 0, &wish)); /* one at a time */
	grant("mx", 2, 0, 200, 10);
	assert_int_equal(take_all(taken, 10), 2);
	assert_true(site_is_throttled(part_site(taken[0])));
	assert_false(ops->next_wish(s, 100, &wish));
	assert_int_equal(ops->next_ms(s), 210);
	assert_true(ops->next_wish(s, 210, &wish));
	assert_int_equal(wish.active, 2);
	assert_int_equal(wish.wanted, 1);
	/* A place that gets free is used again without asking. */
	end(taken[0], TRY_ANSWERED, 220);
	assert_non_null(ops->take(s, 220));
	grant("mx", 1, 0, 200, 230);
	end(taken[1], TRY_ANSWERED, 240);
	assert_null(ops->take(s, 240));
	/* The store is silent: the quota ends. */
	assert_true(ops->next_wish(s, 430, &wish));
	ops->permit(s, STR("mx"), &(struct permit){.valid_ms = 0}, 500);
	end(made[2], TRY_ANSWERED, 8300);
	assert_null(ops->take(s, 8300));
}

static void
test_rate_of_all_brokers(void **state)
{
	struct permit_wish wish;
	struct part *taken[100];

	(void)state;
	use_router((struct site_limits){.at_once = 20, .per_minute = 60});
	for (unsigned i = 0; i < 10; i++)
		add("d1", "a", 0);
	assert_null(ops->take(s, 0));
	assert_true(ops->next_wish(s, 0, &wish));
	assert_int_equal(wish.wanted, 5);
	grant("mx", 0, 2, 1000, 0);
	assert_int_equal(take_all(taken, 0), 2);
	end(taken[0], TRY_ANSWERED, 10);
	assert_null(ops->take(s, 10));
	assert_false(ops->next_wish(s, 999, &wish));
	assert_true(ops->next_wish(s, 1000, &wish));
	grant("mx", 0, 3, 1000, 1000);
	assert_non_null(ops->take(s, 1000));
	/* Those that are not used go back. */
	for (unsigned i = 0; i < 10; i++)
		if (made[i]->state == PART_READY)
			ops->withdraw(s, made[i]);
	assert_true(ops->next_wish(s, 2000, &wish));
	assert_int_equal(wish.returned, 2);
	assert_int_equal(wish.wanted, 0);
}

static void
test_limits_lifted(void **state)
{
	struct part *taken[100];

	(void)state;
	use_router((struct site_limits){.at_once = 20, .per_minute = 1});
	for (unsigned i = 0; i < 4; i++)
		add("d1", "a", 0);
	assert_null(ops->take(s, 0));
	use_router((struct site_limits){.at_once = 20});
	assert_int_equal(take_all(taken, 0), 4);
}

/* What is in flight when a limit comes to hold is told to the others. */
static void
test_limit_of_all_brokers_comes(void **state)
{
	struct permit_wish wish;
	struct part *taken[100];

	(void)state;
	use_router((struct site_limits){.at_once = 20});
	for (unsigned i = 0; i < 4; i++)
		add("d1", "a", 0);
	assert_int_equal(take_all(taken, 0), 4);
	assert_false(ops->next_wish(s, 10, &wish));
	use_router((struct site_limits){.at_once = 4, .at_once_all = 4});
	assert_true(ops->next_wish(s, 10, &wish));
	assert_int_equal(wish.active, 4);
	grant("mx", 4, 0, 0, 20);
	mx_of_d = "mx2";
	ops->reroute(s, STR_NONE);
	assert_true(ops->next_wish(s, 20, &wish));
	assert_string_equal(wish.site, "mx2");
	assert_int_equal(wish.active, 4);
}

/* ---- Shares of the slots ---- */
static unsigned
take_many(struct part **taken, unsigned most)
{
	unsigned count = 0;

	while (count < most && (taken[count] = ops->take(s, 0)) != NULL)
		count++;
	return count;
}

static void
add_bulk(const char *sender, unsigned destinations, unsigned each)
{
	for (unsigned i = 0; i < destinations * each; i++) {
		char name[64];
		snprintf(name, sizeof(name), "%s-%u", sender, i % destinations);
		add(name, sender, 0);
	}
}

/* One sender with mail for many slow destinations leaves a fifth, and the last
 * slot to who has none. */
static void
test_share_of_a_sender(void **state)
{
	struct part *bulk[100], *small[4], *none[1];

	(void)state;
	ops->set_slots(s, 10);
	add_bulk("bulk", 50, 4);
	assert_int_equal(take_many(bulk, 100), 8);
	small[0] = add("elsewhere", "a", 0);
	small[1] = add("elsewhere", "a", 0);
	small[2] = add("elsewhere", "b", 0);
	assert_ptr_equal(ops->take(s, 0), small[0]);
	assert_ptr_equal(ops->take(s, 0), small[2]);
	assert_null(ops->take(s, 0)); /* all slots are taken */
	/* What gets free goes to who has least. */
	end(bulk[0], TRY_ANSWERED, 0);
	assert_null(ops->take(s, 0)); /* the last one is for who has none */
	end(bulk[1], TRY_ANSWERED, 0);
	assert_ptr_equal(ops->take(s, 0), small[1]);
	small[3] = add("elsewhere", "c", 0);
	assert_ptr_equal(ops->take(s, 0), small[3]);
	for (unsigned i = 2; i < 8; i++)
		end(bulk[i], TRY_ANSWERED, 0);
	for (unsigned i = 0; i < 4; i++)
		end(small[i], TRY_ANSWERED, 0);
	assert_int_equal(take_many(bulk, 100), 8);
	assert_int_equal(take_many(none, 1), 0);
	assert_int_equal(ops->counts(s).active, 8);
}

/* Two of them have as much each; one slot alone is anybody's; more slots than
 * there were let them go on. */
static void
test_shares_of_two_senders(void **state)
{
	struct part *taken[200];
	unsigned of_a = 0, count;

	(void)state;
	ops->set_slots(s, 5);
	add_bulk("a", 100, 3);
	assert_int_equal(take_many(taken, 200), 4);
	assert_string_equal(part_destination(taken[0]), "a-0");
	ops->set_slots(s, 90);
	add_bulk("b", 100, 3);
	count = take_many(taken + 4, 196) + 4;
	assert_in_range(count, 78, 82);
	for (unsigned i = 0; i < count; i++)
		of_a += part_destination(taken[i])[0] == 'a';
	assert_in_range(of_a, count / 2 - 1, count / 2 + 1);
}

/* A slow site of many senders leaves a fifth to the others, and goes on as soon as
 * slots get free elsewhere. */
static void
test_share_of_a_site(void **state)
{
	struct part *slow[100], *others[4], *more[100];
	char sender[32];

	(void)state;
	set_at_once(100);
	for (unsigned i = 0; i < 40; i++) {
		add("slow", "grower", 0);
		end(ops->take(s, 0), TRY_ANSWERED, 0);
	}
	ops->set_slots(s, 15);
	for (unsigned i = 0; i < 100; i++) {
		snprintf(sender, sizeof(sender), "sender-%u", i);
		add("slow", sender, i % PRIORITIES);
	}
	assert_int_equal(take_many(slow, 100), 12);
	for (unsigned i = 0; i < 3; i++) {
		snprintf(sender, sizeof(sender), "small-%u", i);
		others[i] = add("fast", sender, 0);
	}
	others[3] = add("fast", "small-3", 0);
	for (unsigned i = 0; i < 3; i++)
		assert_non_null(others[i] = ops->take(s, 0));
	assert_null(ops->take(s, 0));
	for (unsigned i = 0; i < 3; i++)
		end(others[i], TRY_ANSWERED, 0);
	assert_ptr_equal(ops->take(s, 0), others[3]);
	end(others[3], TRY_ANSWERED, 0);
	/* More slots: it is called back though nothing of its own has ended. */
	ops->set_slots(s, 30);
	assert_int_equal(take_many(more, 100), 12);
}

/* A place of a busy site that was kept for a sender is another's when he has his
 * share of the slots by then. */
static void
test_share_and_kept_place(void **state)
{
	struct part *p, *first, *bulk[20];

	(void)state;
	set_at_once(1);
	ops->set_slots(s, 0);
	first = add("busy", "x", 0);
	assert_ptr_equal(ops->take(s, 0), first);
	add("busy", "bulk", 0);
	assert_null(ops->take(s, 0)); /* parked, the first in the line */
	p = add("busy", "small", 0);
	assert_null(ops->take(s, 0));
	add_bulk("bulk", 20, 2);
	ops->set_slots(s, 10);
	assert_int_equal(take_many(bulk, 20), 7); /* with the one of x in flight */
	end(first, TRY_ANSWERED, 0);		  /* the place is his, he has one more to take */
	ops->set_slots(s, 9);			  /* and now has not */
	assert_ptr_equal(ops->take(s, 0), p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(test_share_of_a_sender),
		TEST(test_shares_of_two_senders),
		TEST(test_share_of_a_site),
		TEST(test_share_and_kept_place),
		TEST(test_destinations_of_one_site_count_together),
		TEST(test_waits_for_its_site),
		TEST(test_moves_to_another_site),
		TEST(test_place_that_is_not_wanted_any_more),
		TEST(test_places_are_given_in_order),
		TEST(test_quota_of_all_brokers),
		TEST(test_rate_of_all_brokers),
		TEST(test_limits_lifted),
		TEST(test_limit_of_all_brokers_comes),
#undef TEST
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
