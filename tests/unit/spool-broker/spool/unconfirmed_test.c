/* Entries whose bodies are not confirmed: the word that comes, is lost, is late, or
 * goes to a former owner; bodies that are whole, torn, or cannot be looked at. */
#include "spool-broker/spool/unconfirmed.h"

#include <event2/thread.h>
#include <fcntl.h>

#include "tests/unit/spool-broker/fixture.h"

static char blob_folder[64];

static void
on_put(void *arg, const struct blob_id *id, const struct err *err)
{
	assert_null(err);
	*(struct blob_id *)arg = *id;
}

static int
setup_with_bodies(void **state)
{
	char url[80], text[100];
	struct blob_id put = {.pack = 0};

	strcpy(blob_folder, "/tmp/stagepost-unconfirmed-XXXXXX");
	assert_non_null(mkdtemp(blob_folder));
	snprintf(url, sizeof(url), "file:%s", blob_folder);
	evthread_use_pthreads();
	if (setup(state) != 0)
		return -1;
	/* The broker of setup() has none. */
	broker_free(&brokers[0]);
	blobs = blob_store_open(base, url, NULL);
	assert_non_null(blobs);
	memset(text, 'x', sizeof(text));
	assert_int_equal(blob_put(blobs, BLOB_BODY, text, sizeof(text), NULL, on_put, &put, NULL), 0);
	wait_until(put.pack != 0, 5000);
	the_body = put;
	unconfirmed_keep_ms = 0;
	start_broker(0);
	wait_until(owned(0) == SHARDS, 8000);
	wait_until(bus_client_owner(workers[0].bus, 0) != NULL && bus_client_is_ready(frontend), 5000);
	workers[0].obliging = true;
	return 0;
}

static int
teardown_with_bodies(void **state)
{
	char command[100];

	for (unsigned i = 0; i < 5; i++)
		broker_free(&brokers[i]);
	turn(50);
	blob_store_close(&blobs);
	the_body = (struct blob_id){.pack = 0};
	snprintf(command, sizeof(command), "rm -rf '%s'", blob_folder);
	assert_int_equal(system(command), 0);
	return teardown(state);
}

/* Where nothing was ever written. */
static void
tear_body(void)
{
	the_body.offset += 4096;
}

static void
lose_pack(void)
{
	the_body.pack++;
}

static struct hand_over *
start_unsynced(struct handed *h)
{
	struct hand_over *o = NULL;
	struct arena arena;
	Stagepost__Envelope e;

	spool_id_new((unsigned)bus_client_pick_shard(frontend), h->id);
	h->done = false;
	arena_init(&arena);
	fill_envelope(&arena, &e, h->id, "a@sender.test", "bob@here");
	/* A broker that has just come is believed once it has said that it can. */
	for (unsigned tries = 0; o == NULL && tries < 500; tries++) {
		o = bus_hand_over_unsynced(frontend, &e, 10000, on_handed, h);
		turn(o == NULL ? 10 : 0);
	}
	assert_non_null(o);
	arena_fini(&arena);
	return o;
}

static bool
is_in_spool(const char *id)
{
	struct found f = find(id);
	bool is = f.envelope != NULL;
	arena_fini(&f.arena);
	return is;
}

/* Neither in the spool nor known as finished. */
static bool
is_unknown(const char *id)
{
	struct found f = find(id);
	bool is = f.code == ERR_NOT_FOUND;
	arena_fini(&f.arena);
	return is;
}

static void
test_word_confirms(void **state)
{
	struct handed h = {.id = ""};
	struct hand_over *o = start_unsynced(&h);

	(void)state;
	wait_until(is_in_spool(h.id), 5000);
	turn(300);
	assert_false(h.done);
	assert_int_equal(given_count, 0);
	bus_body_synced(frontend, o);
	assert_true(h.done); /* the broker had answered */
	assert_int_equal(h.code, ERR_NONE);
	wait_until(is_finished(h.id), 5000);
	assert_int_equal(given_count, 1);
}

static void
test_word_comes_before_the_write(void **state)
{
	struct handed h = {.id = ""};
	struct hand_over *o;

	(void)state;
	kill(server.pid, SIGSTOP);
	o = start_unsynced(&h);
	turn(100);
	bus_body_synced(frontend, o);
	turn(300);
	assert_false(h.done);
	kill(server.pid, SIGCONT);
	wait_until(h.done, 5000);
	assert_int_equal(h.code, ERR_NONE);
	wait_until(is_finished(h.id), 5000);
	assert_int_equal(given_count, 1);
}

/* The frontend is killed behind its 250, or the word gets lost. */
static void
test_word_is_lost(void **state)
{
	struct handed h = {.id = ""};

	(void)state;
	start_unsynced(&h);
	wait_until(is_in_spool(h.id), 5000);
	bus_client_free(&frontend);
	assert_int_equal(given_count, 0);
	wait_until(is_finished(h.id), 8000);
	assert_int_equal(given_count, 1);
}

/* The frontend is killed before its body is written. */
static void
test_torn(void **state)
{
	struct handed h = {.id = ""};

	(void)state;
	tear_body();
	start_unsynced(&h);
	wait_until(is_in_spool(h.id), 5000);
	bus_client_free(&frontend);
	turn(3500); /* it was looked at twice; an hour has not gone by */
	assert_true(is_in_spool(h.id));
	assert_int_equal(given_count, 0);
}

static void
test_torn_is_taken_back(void **state)
{
	struct handed h = {.id = ""};
	int64_t begun_ms = clock_monotonic_ms();
	struct hand_over *o;

	(void)state;
	brokers[0]->config.unconfirmed_keep_ms = 1500;
	tear_body();
	o = start_unsynced(&h);
	wait_until(is_in_spool(h.id), 5000);
	wait_until(is_unknown(h.id), 10000);
	assert_int_equal(given_count, 0);
	/* Its frontend comes late: it does not trust the old answer. */
	wait_until(clock_monotonic_ms() - begun_ms > 5200, 10000);
	bus_body_synced(frontend, o);
	assert_false(h.done);
	wait_until(h.done, 5000);
	assert_int_equal(h.code, ERR_NONE);
	wait_until(is_finished(h.id), 5000);
	assert_int_equal(given_count, 1);
}

/* Nothing is proved as long as the pack cannot be read. */
static void
test_unreadable(void **state)
{
	struct handed h = {.id = ""};

	(void)state;
	brokers[0]->config.unconfirmed_keep_ms = 1500;
	lose_pack();
	start_unsynced(&h);
	wait_until(is_in_spool(h.id), 5000);
	bus_client_free(&frontend);
	turn(1200);
	assert_int_equal(given_count, 0);
	wait_until(given_count == 1, 10000); /* a message that misses its body by name */
}

static void
test_body_is_lost(void **state)
{
	struct handed h = {.id = ""};
	struct hand_over *o = start_unsynced(&h);

	(void)state;
	wait_until(is_in_spool(h.id), 5000);
	bus_body_lost(frontend, o);
	wait_until(is_unknown(h.id), 5000);
	turn(100);
	assert_false(h.done);
	assert_int_equal(given_count, 0);
	/* The same, before it is written. */
	kill(server.pid, SIGSTOP);
	o = start_unsynced(&h);
	turn(100);
	bus_body_lost(frontend, o);
	turn(100);
	kill(server.pid, SIGCONT);
	wait_until(is_unknown(h.id), 5000);
	turn(1500);
	assert_true(is_unknown(h.id));
	assert_int_equal(given_count, 0);
}

/* The broker dies, another takes over. */
static void
take_over(void)
{
	broker_free(&brokers[0]);
	start_broker(1);
	wait_until(owned(1) == SHARDS, 10000);
}

static void
test_take_over_whole(void **state)
{
	struct handed h = {.id = ""};
	struct hand_over *o = start_unsynced(&h);

	(void)state;
	wait_until(is_in_spool(h.id), 5000);
	turn(100);
	take_over();
	wait_until(is_finished(h.id), 8000);
	assert_int_equal(given_count, 1);
	/* Late, and nobody waits for the word: it is handed over again, and known. */
	turn(2000);
	bus_body_synced(frontend, o);
	wait_until(h.done, 8000);
	assert_int_equal(h.code, ERR_NONE);
	turn(300);
	assert_int_equal(given_count, 1);
}

static void
test_take_over_torn(void **state)
{
	struct handed h = {.id = ""}, other = {.id = ""};

	(void)state;
	unconfirmed_keep_ms = 2000;
	tear_body();
	start_unsynced(&h);
	start_unsynced(&other);
	wait_until(is_in_spool(h.id) && is_in_spool(other.id), 5000);
	bus_client_free(&frontend);
	take_over();
	wait_until(is_unknown(h.id) && is_unknown(other.id), 15000);
	assert_int_equal(given_count, 0);
}

/* A torn body is whole at the next look: its writer was only slow. */
static void
test_becomes_whole(void **state)
{
	struct blob_id good = the_body;
	struct handed h = {.id = ""};
	char path[200], torn[8] = {0}, bytes[8];
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "%s/%016llx.pack", blob_folder, (unsigned long long)good.pack);
	fd = open(path, O_RDWR);
	assert_int_equal(pread(fd, bytes, 8, (off_t)good.offset), 8);
	assert_int_equal(pwrite(fd, torn, 8, (off_t)good.offset), 8);
	start_unsynced(&h);
	wait_until(is_in_spool(h.id), 5000);
	bus_client_free(&frontend);
	take_over();
	turn(1000);
	assert_int_equal(given_count, 0);
	assert_int_equal(pwrite(fd, bytes, 8, (off_t)good.offset), 8);
	close(fd);
	wait_until(is_finished(h.id), 10000);
	assert_int_equal(given_count, 1);
}

/* Once it was confirmed it is held for good, whatever becomes of its body. */
static void
test_confirmed_is_saved(void **state)
{
	struct handed h = {.id = ""};
	struct hand_over *o;

	(void)state;
	set_slots(0);
	o = start_unsynced(&h);
	turn(200);
	bus_body_synced(frontend, o);
	wait_until(h.done, 5000);
	assert_false(has_state(h.id));
	wait_until(has_state(h.id), 8000);
	turn(200);
	assert_true(is_in_spool(h.id));
}

#define UNCONFIRMED_TEST(name) cmocka_unit_test_setup_teardown(name, setup_with_bodies, teardown_with_bodies)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		UNCONFIRMED_TEST(test_word_confirms),	   UNCONFIRMED_TEST(test_word_comes_before_the_write),
		UNCONFIRMED_TEST(test_word_is_lost),	   UNCONFIRMED_TEST(test_torn),
		UNCONFIRMED_TEST(test_torn_is_taken_back), UNCONFIRMED_TEST(test_unreadable),
		UNCONFIRMED_TEST(test_body_is_lost),	   UNCONFIRMED_TEST(test_take_over_whole),
		UNCONFIRMED_TEST(test_take_over_torn),	   UNCONFIRMED_TEST(test_becomes_whole),
		UNCONFIRMED_TEST(test_confirmed_is_saved),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
