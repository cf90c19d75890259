/* Server and client on one loop: keys, garbage, floods, finding each other. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <zmq.h>

#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/bus/client_private.h"
#include "lib/bus/curve.h"
#include "lib/bus/names.h"
#include "lib/bus/server.h"
#include "lib/spool/id.h"
#include "tests/unit/redis_fixture.h"

static struct redis_fixture server;
static struct event_base *base;
static struct redis *redis;

static void
turn(int ms)
{
	bool never = false;
	redis_fixture_wait(base, &never, ms);
}

#define wait_until(condition, ms) \
	do { \
		for (int64_t until = clock_monotonic_ms() + (ms); !(condition) && clock_monotonic_ms() < until;) \
			turn(5); \
		assert_true(condition); \
	} while (0)

/* ---- A broker that answers as told ---- */
struct fake_broker {
	struct bus_server *bus;
	const char *id;
	Stagepost__HandOverReply__Status answer;
	bool untaken;
	bool mute;
	unsigned hand_overs, resends, orders, pings;
};

static char last_id[SPOOL_ID_MAX];

static void
answer_ping(struct fake_broker *b, struct str peer)
{
	Stagepost__Frame frame = STAGEPOST__FRAME__INIT;
	Stagepost__Pong pong = STAGEPOST__PONG__INIT;

	frame.body_case = STAGEPOST__FRAME__BODY_PONG;
	frame.pong = &pong;
	bus_server_send(b->bus, peer, &frame, NULL);
}

static void
on_frame(void *arg, struct str peer, const Stagepost__Frame *frame)
{
	struct fake_broker *b = arg;
	Stagepost__Frame out = STAGEPOST__FRAME__INIT;
	Stagepost__HandOverReply reply = STAGEPOST__HAND_OVER_REPLY__INIT;

	if (frame->body_case == STAGEPOST__FRAME__BODY_PING) {
		b->pings++;
		answer_ping(b, peer);
		return;
	}
	b->orders += frame->body_case == STAGEPOST__FRAME__BODY_QUEUE_ORDER;
	if (frame->body_case != STAGEPOST__FRAME__BODY_HAND_OVER)
		return;
	b->hand_overs++;
	/* In all brokers: a hand-over with the id of the last one. */
	b->resends += strcmp(last_id, frame->hand_over->envelope->id) == 0;
	str_copy(str_c(frame->hand_over->envelope->id), last_id, sizeof(last_id));
	if (b->mute)
		return;
	out.request = frame->request;
	out.body_case = STAGEPOST__FRAME__BODY_HAND_OVER_REPLY;
	out.hand_over_reply = &reply;
	reply.status = b->answer;
	reply.untaken = b->untaken;
	bus_server_send(b->bus, peer, &out, NULL);
}

static void
start(struct fake_broker *b, const char *id)
{
	static const struct bus_server_events events = {.on_frame = on_frame};
	struct err err;

	*b = (struct fake_broker){.id = id};
	b->bus = bus_server_new(base, "tcp://127.0.0.1:*", NULL, &events, b, &err);
	assert_non_null(b->bus);
}

static void
announce(struct fake_broker *b)
{
	redis_callf(redis, NULL, NULL, "SADD cluster:brokers %s", b->id);
	redis_callf(redis, NULL, NULL, "HSET cluster:broker:%s endpoint %s boot one", b->id,
		    bus_server_endpoint(b->bus));
}

static void
own(unsigned shard, const char *id)
{
	redis_callf(redis, NULL, NULL, "HSET cluster:shards %u %s", shard, id);
}

/* ---- Hand-overs ---- */
struct handed {
	volatile bool done;
	enum err_code code;
};

static void
on_handed(void *arg, const struct err *err)
{
	struct handed *h = arg;
	h->code = err != NULL ? err->code : ERR_NONE;
	h->done = true;
}

static void
hand_over(struct bus_client *client, struct handed *h, unsigned shard, int64_t timeout_ms)
{
	Stagepost__Envelope e = STAGEPOST__ENVELOPE__INIT;
	char id[SPOOL_ID_MAX];

	*h = (struct handed){.done = false};
	spool_id_new(shard, id);
	e.id = id;
	bus_hand_over(client, &e, timeout_ms, on_handed, h);
	assert_false(h->done);
}

static int
setup(void **state)
{
	(void)state;
	setenv("STAGEPOST_LOG_LEVEL", "error", 0);
	log_init("test");
	unsetenv("STAGEPOST_CLUSTER_KEY");
	if (!redis_fixture_start(&server, false))
		return -1;
	base = event_base_new();
	redis = redis_new(base, server.url, NULL);
	wait_until(redis_is_connected(redis), 20000);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	redis_free(&redis);
	event_base_free(base);
	redis_fixture_stop(&server);
	return 0;
}

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

static unsigned peers, lost;

static void
on_peer(void *arg, struct bus_peer *p)
{
	(void)arg, (void)p;
	peers++;
}

static void
on_peer_lost(void *arg, struct bus_peer *p)
{
	(void)arg, (void)p;
	lost++;
}

static void
test_peers_come_and_go(void **state)
{
	static const struct bus_events events = {.on_peer = on_peer, .on_peer_lost = on_peer_lost};
	struct bus_client *client = bus_client_new(base, redis, NULL, "worker", NULL);
	struct fake_broker a;

	(void)state;
	peers = lost = 0;
	bus_client_watch(client, &events, NULL);
	start(&a, "a");
	announce(&a);
	own(1, "a");
	wait_until(peers == 1 && bus_client_is_ready(client), 3000);
	redis_callf(redis, NULL, NULL, "DEL cluster:broker:a");
	wait_until(lost == 1, 3000);
	assert_false(bus_client_is_ready(client));
	announce(&a);
	wait_until(peers == 2, 3000);
	/* Announced, but dead. */
	bus_server_free(&a.bus);
	wait_until(lost == 2, 8000);
	bus_client_free(&client);
}

/* All come through, in order of nothing lost, however the descriptor's edges fall. */
static void
test_flood(void **state)
{
	enum { COUNT = 50000 };
	struct bus_client *client = bus_client_new(base, redis, NULL, "tool", NULL);
	Stagepost__Frame frame = STAGEPOST__FRAME__INIT;
	Stagepost__QueueOrder order = STAGEPOST__QUEUE_ORDER__INIT;
	struct fake_broker a;
	unsigned sent = 0;

	(void)state;
	start(&a, "a");
	announce(&a);
	own(0, "a");
	wait_until(bus_client_owner(client, 0) != NULL, 3000);
	frame.body_case = STAGEPOST__FRAME__BODY_QUEUE_ORDER;
	frame.queue_order = &order;
	while (sent < COUNT) {
		if (bus_send(client, bus_client_owner(client, 0), &frame, NULL) == 0)
			sent++;
		else
			turn(1);
	}
	wait_until(a.orders == COUNT, 10000);
	bus_client_free(&client);
	bus_server_free(&a.bus);
}

static void
test_garbage(void **state)
{
	struct fake_broker a;
	void *context = zmq_ctx_new(), *dealer = zmq_socket(context, ZMQ_DEALER);
	char junk[500];

	(void)state;
	start(&a, "a");
	assert_int_equal(zmq_connect(dealer, bus_server_endpoint(a.bus)), 0);
	srand(1);
	for (unsigned i = 0; i < 2000; i++) {
		for (unsigned k = 0; k < sizeof(junk); k++)
			junk[k] = (char)rand();
		zmq_send(dealer, junk, (size_t)rand() % sizeof(junk), rand() % 5 == 0 ? ZMQ_SNDMORE : 0);
		if (i % 100 == 0)
			turn(1);
	}
	zmq_send(dealer, "", 0, 0);
	turn(50);
	assert_int_equal(a.hand_overs, 0);
	zmq_close(dealer);
	zmq_ctx_term(context);
	bus_server_free(&a.bus);
}

static void
test_keys(void **state)
{
	struct bus_keys keys, same, other;

	(void)state;
	assert_int_equal(bus_keys_derive(&keys, STR(""), NULL), 0);
	assert_false(keys.enabled);
	assert_true(bus_keys_allow(&keys, "tcp://127.0.0.1:*"));
	assert_true(bus_keys_allow(&keys, "tcp://[::1]:5000"));
	assert_true(bus_keys_allow(&keys, "tcp://localhost:5000"));
	assert_false(bus_keys_allow(&keys, "tcp://0.0.0.0:5000"));
	assert_false(bus_keys_allow(&keys, "tcp://*:5000"));
	assert_false(bus_keys_allow(&keys, "tcp://mail.example.org:5000"));
	assert_int_equal(bus_keys_derive(&keys, STR("short"), NULL), -1);
	assert_int_equal(bus_keys_derive(&keys, STR("replace this by the output of: openssl rand -hex 32"), NULL), -1);
	assert_int_equal(bus_keys_derive(&keys, STR("a key of the whole cluster"), NULL), 0);
	assert_int_equal(bus_keys_derive(&same, STR("a key of the whole cluster"), NULL), 0);
	assert_int_equal(bus_keys_derive(&other, STR("a key of another cluster"), NULL), 0);
	assert_memory_equal(&keys, &same, sizeof(keys));
	assert_string_not_equal(keys.client_secret, other.client_secret);
	assert_string_not_equal(keys.client_secret, keys.server_secret);
	assert_true(bus_keys_allow(&keys, "tcp://0.0.0.0:5000"));
}

static void
test_curve(void **state)
{
	struct fake_broker a;
	struct bus_client *client, *stranger, *naked;
	struct err err;

	(void)state;
	setenv("STAGEPOST_CLUSTER_KEY", "a key of the whole cluster", 1);
	start(&a, "a");
	announce(&a);
	own(0, "a");
	client = bus_client_new(base, redis, NULL, "frontend", NULL);
	setenv("STAGEPOST_CLUSTER_KEY", "a key of another cluster", 1);
	stranger = bus_client_new(base, redis, NULL, "stranger", NULL);
	unsetenv("STAGEPOST_CLUSTER_KEY");
	naked = bus_client_new(base, redis, NULL, "naked", NULL);
	wait_until(bus_client_is_ready(client), 20000);
	turn(500);
	assert_false(bus_client_is_ready(stranger));
	assert_false(bus_client_is_ready(naked));
	bus_client_free(&client);
	bus_client_free(&stranger);
	bus_client_free(&naked);
	bus_server_free(&a.bus);
	assert_null(bus_server_new(base, "tcp://0.0.0.0:*", "host", &(struct bus_server_events){.on_frame = on_frame},
				   &a, &err));
	assert_int_equal(err.code, ERR_DENIED);
}

/* A broker that is announced by its host's name. */
static void
test_announced_by_name(void **state)
{
	struct fake_broker a;
	struct bus_client *client;
	const char *colon;

	(void)state;
	start(&a, "a");
	colon = strrchr(bus_server_endpoint(a.bus), ':');
	redis_callf(redis, NULL, NULL, "SADD cluster:brokers a");
	redis_callf(redis, NULL, NULL, "HSET cluster:broker:a endpoint tcp://localhost%s boot one", colon);
	own(0, "a");
	client = bus_client_new(base, redis, NULL, "frontend", NULL);
	/* If the name's first address is the IPv6 one, the second is tried next. */
	wait_until(bus_client_is_ready(client), 15000);
	assert_int_equal(bus_client_pick_shard(client), 0);
	assert_int_equal(bus_client_pick_shard(client), 0);
	bus_client_free(&client);
	bus_server_free(&a.bus);
}

static bool
host_has_ip6(void)
{
	struct sockaddr_in6 loopback = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool has = fd >= 0 && bind(fd, (struct sockaddr *)&loopback, sizeof(loopback)) == 0;

	if (fd >= 0)
		close(fd);
	return has;
}

/* "*" takes both families; an address of IPv6 is announced in brackets. */
static void
test_both_families(void **state)
{
	static const char *const hosts[][2] = {{"127.0.0.1", "tcp://127.0.0.1:"}, {"::1", "tcp://[::1]:"}};

	(void)state;
	setenv("STAGEPOST_CLUSTER_KEY", "a key of the whole cluster", 1);
	for (unsigned i = 0; i < (host_has_ip6() ? 2 : 1); i++) {
		struct fake_broker a = {.id = "a"};
		struct bus_client *client;
		struct err err;

		a.bus = bus_server_new(base, "tcp://*:*", hosts[i][0],
				       &(struct bus_server_events){.on_frame = on_frame}, &a, &err);
		assert_non_null(a.bus);
		assert_memory_equal(bus_server_endpoint(a.bus), hosts[i][1], strlen(hosts[i][1]));
		announce(&a);
		own(0, "a");
		client = bus_client_new(base, redis, NULL, "frontend", NULL);
		wait_until(bus_client_is_ready(client), 20000);
		bus_client_free(&client);
		bus_server_free(&a.bus);
	}
	unsetenv("STAGEPOST_CLUSTER_KEY");
}

/* The server's own key is right, the client's is not the cluster's. */
static void
test_wrong_client_key(void **state)
{
	struct fake_broker a;
	struct bus_keys keys;
	void *context = zmq_ctx_new(), *dealer = zmq_socket(context, ZMQ_DEALER);
	int linger = 0;
	char public[41], secret[41];

	(void)state;
	setenv("STAGEPOST_CLUSTER_KEY", "a key of the whole cluster", 1);
	start(&a, "a");
	bus_keys_from_env(&keys, NULL);
	unsetenv("STAGEPOST_CLUSTER_KEY");
	assert_int_equal(zmq_curve_keypair(public, secret), 0);
	zmq_setsockopt(dealer, ZMQ_LINGER, &linger, sizeof(linger));
	zmq_setsockopt(dealer, ZMQ_CURVE_SERVERKEY, keys.server_public, 41);
	zmq_setsockopt(dealer, ZMQ_CURVE_PUBLICKEY, public, 41);
	zmq_setsockopt(dealer, ZMQ_CURVE_SECRETKEY, secret, 41);
	assert_int_equal(zmq_connect(dealer, bus_server_endpoint(a.bus)), 0);
	zmq_send(dealer, "\x42\x00", 2, ZMQ_DONTWAIT); /* a ping */
	turn(300);
	assert_int_equal(a.pings, 0);
	zmq_close(dealer);
	zmq_ctx_term(context);
	bus_server_free(&a.bus);
}

static void
test_curve_ping(void **state)
{
	struct fake_broker a;
	struct bus_keys keys;
	void *context = zmq_ctx_new(), *dealer = zmq_socket(context, ZMQ_DEALER);
	int linger = 0;

	(void)state;
	setenv("STAGEPOST_CLUSTER_KEY", "a key of the whole cluster", 1);
	start(&a, "a");
	bus_keys_from_env(&keys, NULL);
	unsetenv("STAGEPOST_CLUSTER_KEY");
	bus_keys_arm_client(&keys, dealer);
	zmq_setsockopt(dealer, ZMQ_LINGER, &linger, sizeof(linger));
	assert_int_equal(zmq_connect(dealer, bus_server_endpoint(a.bus)), 0);
	zmq_send(dealer, "\x42\x00", 2, ZMQ_DONTWAIT);
	wait_until(a.pings == 1, 2000);
	zmq_close(dealer);
	zmq_ctx_term(context);
	bus_server_free(&a.bus);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(test_hand_over),
		TEST(test_shard_moves),
		TEST(test_peers_come_and_go),
		TEST(test_flood),
		TEST(test_garbage),
		cmocka_unit_test(test_keys),
		TEST(test_curve),
		TEST(test_wrong_client_key),
		TEST(test_announced_by_name),
		TEST(test_curve_ping),
		TEST(test_both_families),
		TEST(test_slept_past_its_deadline),
		TEST(test_busy_after_no_answer),
		TEST(test_many_large_ones_wait),
#undef TEST
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
