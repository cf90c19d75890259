/* Messages handed over to brokers: again after no answer, to whoever owns the shard by then. */
#include "lib/base/mem.h"
#include "tests/unit/lib/bus/bus_fixture.h"

static void
test_hand_over(void **state)
{
	struct fake_broker a;
	struct bus_client *client = bus_client_new(base, redis, NULL, "frontend", NULL);
	struct handed h;
	int64_t start_ms;

	(void)state;
	assert_int_equal(bus_client_pick_shard(client), -1);
	hand_over(client, &h, 3, 300);
	wait_until(h.done, 2000);
	assert_int_equal(h.code, ERR_UNAVAILABLE);
	start(&a, "a");
	announce(&a);
	own(3, "a");
	own(5, "gone");
	hand_over(client, &h, 3, 5000); /* waits for the broker to be found */
	wait_until(h.done, 6000);
	assert_int_equal(h.code, ERR_NONE);
	assert_int_equal(a.resends, 0);
	assert_int_equal(bus_client_pick_shard(client), 3);
	assert_int_equal(bus_client_pick_shard(client), 3);
	a.answer = STAGEPOST__HAND_OVER_REPLY__STATUS__BUSY;
	hand_over(client, &h, 3, 5000);
	wait_until(h.done, 1000);
	assert_int_equal(h.code, ERR_LIMIT);
	a.answer = STAGEPOST__HAND_OVER_REPLY__STATUS__FAILED;
	hand_over(client, &h, 3, 700);
	wait_until(h.done, 2000);
	assert_int_equal(h.code, ERR_TIMEOUT);
	assert_true(a.resends >= 1);
	/* No use in waiting for long when it is the store that fails. */
	start_ms = clock_monotonic_ms();
	hand_over(client, &h, 3, 20000);
	wait_until(h.done, 4000);
	assert_int_equal(h.code, ERR_TIMEOUT);
	assert_true(clock_monotonic_ms() - start_ms >= 1900);
	/* Certain: each copy was answered so. */
	a.untaken = true;
	a.resends = 0;
	/* On a busy machine the last copy may be without an answer at the end. */
	for (unsigned i = 0; i < 5 && h.code != ERR_UNAVAILABLE; i++) {
		hand_over(client, &h, 3, 20000);
		wait_until(h.done, 8000);
	}
	assert_int_equal(h.code, ERR_UNAVAILABLE);
	assert_true(a.resends >= 1);
	/* Copies without such an answer leave a doubt. (One of them may be a late one of the
	 * hand-over before.) */
	a.mute = true;
	a.resends = 0;
	hand_over(client, &h, 3, 20000);
	wait_until(a.resends >= 2, 15000);
	a.mute = false;
	wait_until(h.done, 25000);
	assert_int_equal(h.code, ERR_TIMEOUT);
	bus_client_free(&client);
	bus_server_free(&a.bus);
}

/* A process that was stopped for days wakes: the message may have been delivered and
 * forgotten since, so it must not be sent again. */
static void
test_slept_past_its_deadline(void **state)
{
	struct fake_broker a;
	struct bus_client *client = bus_client_new(base, redis, NULL, "frontend", NULL);
	struct handed h;

	(void)state;
	start(&a, "a");
	announce(&a);
	own(3, "a");
	wait_until(bus_client_open_owner(client, 3) != NULL, 3000);
	a.answer = STAGEPOST__HAND_OVER_REPLY__STATUS__FAILED;
	hand_over(client, &h, 3, 1000);
	wait_until(a.hand_overs == 1, 1000);
	turn(50); /* the answer comes */
	usleep(1200 * 1000);
	a.hand_overs = 0;
	hand_over_retry(client);
	wait_until(h.done, 1000);
	assert_int_equal(h.code, ERR_TIMEOUT);
	assert_int_equal(a.hand_overs, 0);
	bus_client_free(&client);
	bus_server_free(&a.bus);
}

static void
test_shard_moves(void **state)
{
	struct fake_broker a, b;
	struct bus_client *client = bus_client_new(base, redis, NULL, "frontend", NULL);
	struct handed h;

	(void)state;
	start(&a, "a");
	start(&b, "b");
	announce(&a);
	announce(&b);
	own(3, "a");
	wait_until(bus_client_owner(client, 3) != NULL, 3000);
	assert_string_equal(bus_peer_id(bus_client_owner(client, 3)), "a");
	/* a does not answer; its shard goes to b. */
	a.mute = true;
	hand_over(client, &h, 3, 8000);
	turn(100);
	assert_int_equal(a.hand_overs, 1);
	own(3, "b");
	wait_until(h.done, 20000);
	assert_int_equal(h.code, ERR_NONE);
	assert_int_equal(b.hand_overs, 1);
	assert_int_equal(b.resends, 1);
	/* The map is old: NOT_MINE, then the right one. */
	b.answer = STAGEPOST__HAND_OVER_REPLY__STATUS__NOT_MINE;
	a.mute = false;
	own(3, "a");
	hand_over(client, &h, 3, 5000);
	wait_until(h.done, 3000);
	assert_int_equal(h.code, ERR_NONE);
	bus_client_free(&client);
	bus_server_free(&a.bus);
	bus_server_free(&b.bus);
}

/* A broker that is too busy for the second copy may have the first one waiting:
 * its body must be kept. */
static void
test_busy_after_no_answer(void **state)
{
	struct fake_broker a;
	struct bus_client *client = bus_client_new(base, redis, NULL, "frontend", NULL);
	struct handed h;

	(void)state;
	start(&a, "a");
	announce(&a);
	own(3, "a");
	wait_until(bus_client_owner(client, 3) != NULL, 3000);
	a.mute = true;
	hand_over(client, &h, 3, 8000);
	wait_until(a.hand_overs == 1, 1000);
	a.mute = false;
	a.answer = STAGEPOST__HAND_OVER_REPLY__STATUS__BUSY;
	wait_until(h.done, 4000);
	assert_int_equal(a.resends, 1);
	assert_int_equal(h.code, ERR_TIMEOUT);
	bus_client_free(&client);
	bus_server_free(&a.bus);
}

/* What waits for an answer is bounded in bytes, too: more is refused at once. */
static void
test_many_large_ones_wait(void **state)
{
	enum { COUNT = 140, LENGTH = 1024 * 1024 };
	struct bus_client *client = bus_client_new(base, redis, NULL, "frontend", NULL);
	static struct handed h[COUNT], last;
	char *path = mem_zalloc(LENGTH), id[SPOOL_ID_MAX];
	unsigned refused = 0;

	(void)state;
	memset(path, 'x', LENGTH - 1);
	for (unsigned i = 0; i < COUNT; i++) {
		Stagepost__Envelope e = STAGEPOST__ENVELOPE__INIT;
		spool_id_new(3, id);
		e.id = id;
		e.reverse_path = path;
		h[i] = (struct handed){.done = false};
		bus_hand_over(client, &e, 5000, on_handed, &h[i]);
	}
	turn(500);
	for (unsigned i = 0; i < COUNT; i++)
		refused += h[i].done && h[i].code == ERR_UNAVAILABLE;
	assert_in_range(refused, COUNT - 128, COUNT - 120);
	for (unsigned i = 0; i < COUNT; i++)
		wait_until(h[i].done, 20000);
	hand_over(client, &last, 3, 1000);
	turn(400);
	assert_false(last.done);
	wait_until(last.done, 2000);
	mem_free(path);
	bus_client_free(&client);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BUS_TEST(test_hand_over),
		BUS_TEST(test_slept_past_its_deadline),
		BUS_TEST(test_shard_moves),
		BUS_TEST(test_busy_after_no_answer),
		BUS_TEST(test_many_large_ones_wait),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
