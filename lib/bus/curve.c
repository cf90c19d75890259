/* Keys of the bus, and the handler that checks them. */
#include "lib/bus/curve.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <zmq.h>

#include "lib/base/check.h"
#include "lib/base/ip.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/secret/hkdf.h"

enum { KEY_BYTES = 32, CLUSTER_KEY_LEAST = 16 };

#define BUS_SALT     "stagepost bus 1"
#define ZAP_DOMAIN   "stagepost"
#define ZAP_ENDPOINT "inproc://zeromq.zap.01"

static void
derive_pair(struct str cluster_key, const char *purpose, char public[BUS_KEY_TEXT], char secret[BUS_KEY_TEXT])
{
	unsigned char raw[KEY_BYTES];

	hkdf_sha256(STR(BUS_SALT), cluster_key, str_c(purpose), raw, sizeof(raw));
	CHECK(zmq_z85_encode(secret, raw, sizeof(raw)) != NULL);
	CHECK(zmq_curve_public(public, secret) == 0);
	OPENSSL_cleanse(raw, sizeof(raw));
}

int
bus_keys_derive(struct bus_keys *keys, struct str cluster_key, struct err *err)
{
	*keys = (struct bus_keys){.enabled = false};
	if (cluster_key.len == 0)
		return 0;
	if (cluster_key.len < CLUSTER_KEY_LEAST)
		return err_set(err, ERR_INVALID, "STAGEPOST_CLUSTER_KEY must have at least %d bytes",
			       CLUSTER_KEY_LEAST);
	/* The text from k8s/secrets.example.yaml, which is public. */
	if (str_starts(cluster_key, STR("replace this")))
		return err_set(err, ERR_INVALID,
			       "STAGEPOST_CLUSTER_KEY is the placeholder from the example, not a secret");
	derive_pair(cluster_key, "broker", keys->server_public, keys->server_secret);
	derive_pair(cluster_key, "client", keys->client_public, keys->client_secret);
	keys->enabled = true;
	return 0;
}

int
bus_keys_from_env(struct bus_keys *keys, struct err *err)
{
	return bus_keys_derive(keys, str_c(getenv("STAGEPOST_CLUSTER_KEY")), err);
}

static void
set_key(void *zmq, int option, const char *key)
{
	CHECK(zmq_setsockopt(zmq, option, key, BUS_KEY_TEXT) == 0);
}

void
bus_keys_arm_server(const struct bus_keys *keys, void *zmq)
{
	const int on = 1;

	if (!keys->enabled)
		return;
	CHECK(zmq_setsockopt(zmq, ZMQ_CURVE_SERVER, &on, sizeof(on)) == 0);
	CHECK(zmq_setsockopt(zmq, ZMQ_ZAP_DOMAIN, ZAP_DOMAIN, sizeof(ZAP_DOMAIN) - 1) == 0);
	set_key(zmq, ZMQ_CURVE_SECRETKEY, keys->server_secret);
}

void
bus_keys_arm_client(const struct bus_keys *keys, void *zmq)
{
	if (!keys->enabled)
		return;
	set_key(zmq, ZMQ_CURVE_SERVERKEY, keys->server_public);
	set_key(zmq, ZMQ_CURVE_PUBLICKEY, keys->client_public);
	set_key(zmq, ZMQ_CURVE_SECRETKEY, keys->client_secret);
}

bool
bus_keys_allow(const struct bus_keys *keys, const char *endpoint)
{
	struct str host = str_c(endpoint);
	ptrdiff_t colon;
	struct ip ip;

	if (keys->enabled)
		return true;
	if (!str_starts(host, STR("tcp://")))
		return str_starts(host, STR("ipc://")) || str_starts(host, STR("inproc://"));
	host = str_from(host, 6);
	colon = str_rindex(host, ':');
	if (colon >= 0)
		host = str_first(host, (size_t)colon);
	if (host.len > 2 && host.p[0] == '[' && host.p[host.len - 1] == ']')
		host = str_from(str_first(host, host.len - 1), 1);
	return str_eq_ci(host, STR("localhost")) || (ip_parse(host, &ip) && ip_is_loopback(&ip));
}

/* ---- ZAP ---- */
struct bus_zap {
	void *zmq;		/* owner: REP */
	struct event *readable; /* owner */
	unsigned char client_key[KEY_BYTES];
};

/* version, request id, domain, address, routing id, mechanism, credentials */
enum { ZAP_VERSION, ZAP_REQUEST, ZAP_DOMAIN_PART, ZAP_ADDRESS, ZAP_ROUTING, ZAP_MECHANISM, ZAP_KEY, ZAP_PARTS };

struct zap_part {
	unsigned char data[256];
	size_t len;
};

static unsigned
zap_receive(struct bus_zap *z, struct zap_part parts[ZAP_PARTS])
{
	unsigned count = 0;
	int more = 1;
	size_t size = sizeof(more);

	while (more) {
		struct zap_part extra;
		struct zap_part *part = count < ZAP_PARTS ? &parts[count] : &extra;
		int got = zmq_recv(z->zmq, part->data, sizeof(part->data), ZMQ_DONTWAIT);
		if (got < 0)
			return 0;
		part->len = (size_t)got < sizeof(part->data) ? (size_t)got : sizeof(part->data);
		count++;
		if (zmq_getsockopt(z->zmq, ZMQ_RCVMORE, &more, &size) != 0)
			return 0;
	}
	return count;
}

static bool
zap_admits(const struct bus_zap *z, const struct zap_part parts[ZAP_PARTS], unsigned count)
{
	return count == ZAP_PARTS &&
	       str_eq(str_of((const char *)parts[ZAP_MECHANISM].data, parts[ZAP_MECHANISM].len), STR("CURVE")) &&
	       parts[ZAP_KEY].len == KEY_BYTES && CRYPTO_memcmp(parts[ZAP_KEY].data, z->client_key, KEY_BYTES) == 0;
}

static void
zap_reply(struct bus_zap *z, const struct zap_part *request, bool admitted)
{
	const char *status = admitted ? "200" : "400", *text = admitted ? "OK" : "not of this cluster";

	zmq_send(z->zmq, "1.0", 3, ZMQ_SNDMORE);
	zmq_send(z->zmq, request->data, request->len, ZMQ_SNDMORE);
	zmq_send(z->zmq, status, 3, ZMQ_SNDMORE);
	zmq_send(z->zmq, text, strlen(text), ZMQ_SNDMORE);
	zmq_send(z->zmq, "", 0, ZMQ_SNDMORE);
	zmq_send(z->zmq, "", 0, 0);
}

static void
on_zap(evutil_socket_t fd, short what, void *arg)
{
	struct bus_zap *z = arg;
	struct zap_part parts[ZAP_PARTS];
	int events = 0;
	size_t size = sizeof(events);

	(void)fd, (void)what;
	while (zmq_getsockopt(z->zmq, ZMQ_EVENTS, &events, &size) == 0 && (events & ZMQ_POLLIN) != 0) {
		unsigned count = zap_receive(z, parts);
		bool admitted;
		if (count <= ZAP_REQUEST)
			continue;
		admitted = zap_admits(z, parts, count);
		if (!admitted)
			log_warning(NULL, "bus connection refused: wrong key",
				    F_STR("peer", count > ZAP_ADDRESS ? str_of((const char *)parts[ZAP_ADDRESS].data,
									       parts[ZAP_ADDRESS].len)
								      : STR_NONE));
		zap_reply(z, &parts[ZAP_REQUEST], admitted);
	}
}

struct bus_zap *
bus_zap_new(struct event_base *base, void *context, const struct bus_keys *keys)
{
	struct bus_zap *z = mem_new(struct bus_zap);
	size_t size = sizeof(int);
	int fd = -1, linger = 0;

	z->zmq = zmq_socket(context, ZMQ_REP);
	CHECK(z->zmq != NULL && zmq_bind(z->zmq, ZAP_ENDPOINT) == 0);
	zmq_setsockopt(z->zmq, ZMQ_LINGER, &linger, sizeof(linger));
	CHECK(zmq_z85_decode(z->client_key, keys->client_public) != NULL);
	CHECK(zmq_getsockopt(z->zmq, ZMQ_FD, &fd, &size) == 0);
	z->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_zap, z);
	CHECK(z->readable != NULL && event_add(z->readable, NULL) == 0);
	return z;
}

void
bus_zap_free(struct bus_zap **z)
{
	if (*z == NULL)
		return;
	event_free((*z)->readable);
	zmq_close((*z)->zmq);
	mem_free(*z);
	*z = NULL;
}
