/* The tool's questions to brokers, one of which is lost between two of them. */
#include "ctl/brokers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/mman.h>

#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/bus/names.h"
#include "lib/bus/server.h"
#include "lib/spool/spool.h"
#include "tests/unit/redis_fixture.h"

static struct redis_fixture server;
static struct ctl ctl;
static struct bus_server *bus; /* of the broker */

static void
turn(int ms)
{
	bool never = false;
	redis_fixture_wait(ctl.base, &never, ms);
}

/* Says yes to pings, and to questions about the queue that nothing is there. */
static void
on_frame(void *arg, struct str peer, const Stagepost__Frame *frame)
{
	Stagepost__Frame answer = STAGEPOST__FRAME__INIT;
	Stagepost__Pong pong = STAGEPOST__PONG__INIT;
	Stagepost__QueuePage page = STAGEPOST__QUEUE_PAGE__INIT;

	(void)arg;
	answer.request = frame->request;
	if (frame->body_case == STAGEPOST__FRAME__BODY_PING) {
		answer.body_case = STAGEPOST__FRAME__BODY_PONG;
		answer.pong = &pong;
	} else {
		answer.body_case = STAGEPOST__FRAME__BODY_QUEUE_PAGE;
		answer.queue_page = &page;
	}
	bus_server_send(bus, peer, &answer, NULL);
}

static int
setup(void **state)
{
	static const struct bus_server_events events = {.on_frame = on_frame};
	struct err err;

	(void)state;
	setenv("STAGEPOST_LOG_LEVEL", "error", 0);
	log_init("test");
	unsetenv("STAGEPOST_CLUSTER_KEY");
	if (!redis_fixture_start(&server, false))
		return -1;
	str_copy(str_c(server.url), ctl.layout.redis_url, sizeof(ctl.layout.redis_url));
	assert_int_equal(ctl_connect(&ctl, &err), 0);
	bus = bus_server_new(ctl.base, "tcp://127.0.0.1:*", NULL, &events, NULL, &err);
	assert_non_null(bus);
	redis_callf(ctl.redis, NULL, NULL, "SET " SPOOL_SHARD_COUNT_KEY " 1");
	redis_callf(ctl.redis, NULL, NULL, "SADD " BUS_BROKERS_KEY " one");
	redis_callf(ctl.redis, NULL, NULL, "HSET " BUS_BROKER_KEY "one endpoint %s boot one", bus_server_endpoint(bus));
	redis_callf(ctl.redis, NULL, NULL, "HSET " BUS_SHARDS_KEY " 0 one");
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	bus_server_free(&bus);
	ctl_disconnect(&ctl);
	redis_fixture_stop(&server);
	return 0;
}

/* What goes to standard error meanwhile. */
static int saved_stderr, caught;

static void
catch_stderr(void)
{
	fflush(stderr);
	saved_stderr = dup(STDERR_FILENO);
	caught = memfd_create("stderr", MFD_CLOEXEC);
	dup2(caught, STDERR_FILENO);
}

static void
release_stderr(char *text, size_t size)
{
	ssize_t len;

	fflush(stderr);
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	len = pread(caught, text, size - 1, 0);
	text[len > 0 ? len : 0] = '\0';
	close(caught);
}

static void
ask(struct brokers *b)
{
	Stagepost__Frame frame = STAGEPOST__FRAME__INIT;
	Stagepost__QueueQuery query = STAGEPOST__QUEUE_QUERY__INIT;

	frame.body_case = STAGEPOST__FRAME__BODY_QUEUE_QUERY;
	frame.queue_query = &query;
	brokers_ask(b, 0, &frame);
	brokers_wait(b);
}

/* Whoever ends with 1 has said why, and once. */
static void
test_lost_between_two_questions(void **state)
{
	struct brokers *b;
	struct err err;
	char said[1000];

	(void)state;
	b = brokers_new(&ctl, &err);
	assert_non_null(b);
	assert_int_equal(brokers_count(b), 1);
	ask(b);
	assert_non_null(brokers_answer(b, 0));
	assert_true(brokers_are_whole(b));
	/* It is gone, and known to be so, before the next question. */
	bus_server_free(&bus);
	redis_callf(ctl.redis, NULL, NULL, "DEL " BUS_BROKER_KEY "one");
	redis_callf(ctl.redis, NULL, NULL, "SREM " BUS_BROKERS_KEY " one");
	turn(7000);
	catch_stderr();
	ask(b);
	ask(b);
	release_stderr(said, sizeof(said));
	assert_false(brokers_are_whole(b));
	assert_null(brokers_answer(b, 0));
	assert_string_equal(said, "stagepost: a broker was lost: its messages are passed over\n");
	brokers_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_lost_between_two_questions, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
