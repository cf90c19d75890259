/* A message on its way to the spool: with a real blob store, no protocol, and a
 * broker that answers as and when the test says. Header only. */
#ifndef SP_TESTS_UNIT_SUBMIT_FIXTURE_H
#define SP_TESTS_UNIT_SUBMIT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "frontend/submit/submit.h"
#include "tests/unit/lib/blob/blob_fixture.h"

static struct blob_fixture blobs;
static struct service service;
static struct frontend frontend;

/* What was handed over; replaces the bus. */
static struct {
	int shard;
	unsigned count;
	bus_on_handed_over *cb; /* NULL: answered */
	void *arg;
	struct blob_id body;
	char text[512]; /* contents of the envelope */
	unsigned return_path_length;
} broker;

static struct {
	unsigned count;
	enum submit_result result;
} done;

int
bus_client_pick_shard(struct bus_client *b)
{
	(void)b;
	return broker.shard;
}

void
bus_hand_over(struct bus_client *b, const Stagepost__Envelope *e, int64_t timeout_ms, bus_on_handed_over *cb, void *arg)
{
	(void)b, (void)timeout_ms;
	assert_null(broker.cb);
	broker.count++;
	broker.cb = cb;
	broker.arg = arg;
	broker.body = (struct blob_id){e->body->pack, e->body->offset, e->body->length};
	broker.return_path_length = e->return_path_length;
	snprintf(broker.text, sizeof(broker.text),
		 "%s %s %s %s %s[%s] %s n=%zu first=%s orcpt=%s local=%d utf8=%d tls=%d", e->reverse_path,
		 e->client_helo, e->client_ip, e->protocol, e->authenticated_as, e->tls, e->dsn_envid, e->n_recipients,
		 e->recipients[0]->address, e->recipients[0]->orcpt, e->recipients[0]->local, e->smtputf8,
		 e->require_tls);
}

/* code ERR_NONE: durable. */
static inline void
broker_answer(enum err_code code)
{
	bus_on_handed_over *cb = broker.cb;
	struct err err;

	assert_non_null(cb);
	broker.cb = NULL;
	err_set(&err, code, "as the test says");
	cb(broker.arg, code == ERR_NONE ? NULL : &err);
}

static inline void
on_done(void *arg, enum submit_result result)
{
	assert_ptr_equal(arg, &done);
	done.count++;
	done.result = result;
}

static inline int
setup(void **state)
{
	struct err err;

	(void)state;
	memset(&broker, 0, sizeof(broker));
	memset(&done, 0, sizeof(done));
	blob_fixture_start(&blobs);
	service = (struct service){
		.hostname = "mail.example.test", .id = "frontend-1", .base = blobs.base, .blobs = blobs.store};
	/* There is no store: the defaults are in force. */
	service.redis = redis_new(service.base, "unix:/nonexistent/redis", &err);
	service.settings = settings_live_new(service.base, service.redis, NULL, false);
	frontend = (struct frontend){.service = &service};
	return 0;
}

static inline int
teardown(void **state)
{
	(void)state;
	settings_live_free(&service.settings);
	redis_free(&service.redis);
	blob_fixture_stop(&blobs);
	return 0;
}

/* ---- Steps ---- */

static const struct submit_options options = {
	.helo = "client.example",
	.protocol = "ESMTPS",
	.tls = "TLSv1.3 SOME_CIPHER",
	.reverse_path = {"sender@remote.example", 21},
	.utf8 = true,
	.require_tls = true,
	.dsn_envid = {"envid", 5},
};

static inline struct submit *
begin(void)
{
	struct submit_options o = options;
	struct submit *s;

	assert_true(ip_parse(STR("192.0.2.1"), &o.peer));
	s = submit_begin(&frontend, &o);
	assert_non_null(s);
	submit_add_recipient(s, &(struct submit_recipient){
					.address = STR("a@example.test"), .local = true, .orcpt = STR("rfc822;a")});
	submit_begin_data(s, false);
	return s;
}

static inline struct submit *
begin_with(const char *text)
{
	struct submit *s = begin();

	assert_int_equal(submit_data(s, str_c(text), NULL), strlen(text));
	return s;
}

static inline void
turn_loop(void)
{
	struct timeval turn = {.tv_usec = 20000};

	event_base_loopexit(blobs.base, &turn);
	event_base_loop(blobs.base, 0);
}

static inline void
await_hand_over(void)
{
	assert_true(blob_fixture_wait(&blobs, &broker.count, 1));
}

/* Bodies are released outside the loop. */
static inline void
assert_bodies_left(uint64_t wanted)
{
	int64_t until = clock_monotonic_ms() + 10000;
	struct blob_usage usage;

	do {
		turn_loop();
		assert_int_equal(blob_usage(blobs.store, &usage, NULL), 0);
	} while (usage.blobs != wanted && clock_monotonic_ms() < until);
	assert_int_equal(usage.blobs, wanted);
}

static inline const char *
body_text(char out[2048])
{
	int64_t len = blob_read_sync(blobs.store, &broker.body, 0, out, 2047, NULL);

	assert_int_equal(len, broker.body.length);
	out[len] = '\0';
	return out;
}

#endif
