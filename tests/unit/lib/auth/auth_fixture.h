/* Two nodes of a cluster on one private redis-server and one loop, with the
 * accounts alice (password "wonderland") and bob ("builder"), and carol, who is
 * disabled ("closed"). Header only. */
#ifndef SP_TESTS_UNIT_AUTH_FIXTURE_H
#define SP_TESTS_UNIT_AUTH_FIXTURE_H

#include <event2/event.h>
#include <event2/thread.h>

#include "lib/auth/auth.h"
#include "lib/auth/private.h"
#include "lib/base/mem.h"
#include "lib/directory/private.h"
#include "tests/unit/redis_fixture.h"

struct auth_node {
	struct redis *redis;
	struct tracking *tracking;
	struct settings_live *settings;
	struct directory *directory;
	struct auth *auth;
};

struct auth_fixture {
	struct redis_fixture server;
	struct event_base *base;
	struct auth_node nodes[2];
	struct directory *tool; /* without a cache */
};

static inline void
auth_fixture_turn(struct auth_fixture *f, int ms)
{
	volatile bool never = false;
	redis_fixture_wait(f->base, &never, ms);
}

static inline void
auth_fixture_wait(struct auth_fixture *f, const volatile bool *flag)
{
	if (!redis_fixture_wait(f->base, flag, 60000))
		fail_msg("nothing came");
}

struct auth_order {
	volatile bool done;
	struct err err;
};

static inline void
auth_on_ordered(void *arg, const struct err *err)
{
	struct auth_order *o = arg;
	o->done = true;
	if (err != NULL)
		o->err = *err;
}

static inline void
auth_fixture_passwd(struct auth_fixture *f, const char *address, const char *password, bool is_new)
{
	char argon[AUTH_VERIFIER_MAX], scram[AUTH_VERIFIER_MAX];
	struct auth_order o = {.done = false};

	assert_int_equal(auth_make_argon2id(str_c(password), argon, NULL), 0);
	assert_int_equal(auth_make_scram_sha256(str_c(password), scram, NULL), 0);
	if (is_new)
		directory_user_add(f->tool, str_c(address), str_c(argon), str_c(scram), NULL, 0, auth_on_ordered, &o);
	else
		directory_user_passwd(f->tool, str_c(address), str_c(argon), str_c(scram), auth_on_ordered, &o);
	auth_fixture_wait(f, &o.done);
	assert_int_equal(o.err.code, ERR_NONE);
}

static inline void
auth_fixture_enable(struct auth_fixture *f, const char *address, bool enabled)
{
	const struct directory_field field = {STR("enabled"), enabled ? STR("on") : STR("off")};
	struct auth_order o = {.done = false};

	directory_user_set(f->tool, str_c(address), &field, 1, auth_on_ordered, &o);
	auth_fixture_wait(f, &o.done);
	assert_int_equal(o.err.code, ERR_NONE);
}

struct auth_reply {
	volatile bool done;
	int64_t number;
};

static inline void
auth_on_reply(void *arg, const redisReply *reply, const struct err *err)
{
	struct auth_reply *r = arg;

	assert_null(err);
	r->number = redis_i64(reply, -1);
	r->done = true;
}

/* Of what the command answers; -1 where it is no number. */
static inline int64_t
auth_fixture_number(struct auth_fixture *f, const char *command, const char *key)
{
	struct auth_reply r = {.done = false};

	redis_callf(f->nodes[0].redis, auth_on_reply, &r, "%s %s", command, key);
	auth_fixture_wait(f, &r.done);
	return r.number;
}

/* Sets a row of settings:auth, and waits until both nodes have it. */
static inline void
auth_fixture_set(struct auth_fixture *f, const char *field, const char *value)
{
	uint64_t versions[2];
	struct auth_reply r = {.done = false};

	for (unsigned i = 0; i < 2; i++)
		versions[i] = settings_version(settings_current(f->nodes[i].settings));
	redis_callf(f->nodes[0].redis, auth_on_reply, &r, "HSET settings:auth %s %s", field, value);
	auth_fixture_wait(f, &r.done);
	for (unsigned i = 0; i < 2; i++)
		while (settings_version(settings_current(f->nodes[i].settings)) == versions[i])
			auth_fixture_turn(f, 5);
}

static inline void
auth_fixture_open_node(struct auth_fixture *f, struct auth_node *n)
{
	n->redis = redis_new(f->base, f->server.url, NULL);
	n->tracking = tracking_new(f->base, f->server.url, NULL);
	n->settings = settings_live_new(f->base, n->redis, n->tracking, false);
	n->directory = directory_new(f->base, n->redis, n->tracking, n->settings);
	n->auth = auth_new(f->base, n->redis, NULL, n->settings, n->directory);
	while (!settings_live_is_read(n->settings))
		auth_fixture_turn(f, 5);
}

static inline int
auth_fixture_start(struct auth_fixture *f)
{
	const struct str domain = STR("example.test");
	struct auth_order o = {.done = false};

	evthread_use_pthreads();
	f->base = event_base_new();
	if (!redis_fixture_start(&f->server, false))
		return -1;
	for (unsigned i = 0; i < 2; i++)
		auth_fixture_open_node(f, &f->nodes[i]);
	f->tool = directory_new(f->base, f->nodes[0].redis, NULL, f->nodes[0].settings);
	directory_domain_add(f->tool, domain, NULL, 0, auth_on_ordered, &o);
	auth_fixture_wait(f, &o.done);
	auth_fixture_passwd(f, "alice@example.test", "wonderland", true);
	auth_fixture_passwd(f, "bob@example.test", "builder", true);
	auth_fixture_passwd(f, "carol@example.test", "closed", true);
	auth_fixture_enable(f, "carol@example.test", false);
	auth_fixture_set(f, "failure_delay", "0");
	auth_fixture_turn(f, 50); /* the notices of all this */
	return 0;
}

static inline void
auth_fixture_stop(struct auth_fixture *f)
{
	for (unsigned i = 0; i < 2; i++)
		auth_free(&f->nodes[i].auth);
	directory_free(&f->tool);
	for (unsigned i = 0; i < 2; i++) {
		struct auth_node *n = &f->nodes[i];
		tracking_free(&n->tracking);
		directory_free(&n->directory);
		settings_live_free(&n->settings);
		redis_free(&n->redis);
	}
	event_base_free(f->base);
	redis_fixture_stop(&f->server);
}

#endif
