/* Server and client on one loop: keys, garbage, floods, finding each other. */
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <zmq.h>

#include "lib/base/mem.h"
#include "lib/bus/curve.h"
#include "lib/bus/names.h"
#include "tests/unit/lib/bus/bus_fixture.h"

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
		BUS_TEST(test_peers_come_and_go),
		BUS_TEST(test_flood),
		BUS_TEST(test_garbage),
		cmocka_unit_test(test_keys),
		BUS_TEST(test_curve),
		BUS_TEST(test_announced_by_name),
		BUS_TEST(test_both_families),
		BUS_TEST(test_wrong_client_key),
		BUS_TEST(test_curve_ping),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
