/* One SASL exchange, seen from the protocol, with the accounts of auth_fixture.h. */
#ifndef SP_TESTS_UNIT_DIALOGUE_FIXTURE_H
#define SP_TESTS_UNIT_DIALOGUE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/lib/auth/auth_fixture.h"

static struct auth_fixture fixture, *f = &fixture;
static const unsigned char exporter[32] = "the keying material of a session";

struct dialogue {
	struct sasl *sasl;
	struct buf challenge;
	volatile bool challenged, done;
	enum auth_result result;
	char address[AUTH_ADDRESS_MAX];
	struct buf final_data;
};

static inline void
on_challenge(void *arg, struct str challenge)
{
	struct dialogue *d = arg;

	assert_false(d->done || d->challenged);
	buf_clear(&d->challenge);
	buf_add_str(&d->challenge, challenge);
	d->challenged = true;
}

static inline void
on_done(void *arg, enum auth_result result, const struct auth_identity *identity, struct str final_data)
{
	struct dialogue *d = arg;

	assert_false(d->done); /* exactly once */
	assert_true((identity != NULL) == (result == AUTH_OK));
	d->done = true;
	d->result = result;
	if (identity != NULL)
		strcpy(d->address, identity->address);
	buf_add_str(&d->final_data, final_data);
}

static inline bool
start(struct dialogue *d, const char *mechanism, const struct str *initial, bool plus, bool success_data)
{
	static const struct sasl_events events = {on_challenge, on_done};
	struct sasl_options options = {.success_data = success_data, .exporter = plus ? exporter : NULL};
	struct ip peer;

	*d = (struct dialogue){.done = false};
	assert_true(ip_parse(STR("192.0.2.1"), &peer));
	options.peer = &peer;
	d->sasl = sasl_start(f->nodes[0].auth, str_c(mechanism), initial, &options, &events, d);
	return d->sasl != NULL;
}

static inline void
wait_for_either(struct dialogue *d)
{
	int64_t until = clock_monotonic_ms() + 60000;

	while (!d->challenged && !d->done && clock_monotonic_ms() < until)
		auth_fixture_turn(f, 2);
	assert_true(d->challenged || d->done);
}

static inline void
respond(struct dialogue *d, struct str response)
{
	assert_true(d->challenged);
	d->challenged = false;
	sasl_respond(d->sasl, response);
	wait_for_either(d);
}

static inline enum auth_result
end(struct dialogue *d)
{
	enum auth_result result = d->result;

	assert_true(d->done);
	sasl_free(&d->sasl);
	assert_null(d->sasl);
	sasl_free(&d->sasl);
	buf_fini(&d->challenge);
	buf_fini(&d->final_data);
	return result;
}

static inline int
setup(void **state)
{
	(void)state;
	memset(f, 0, sizeof(*f));
	return auth_fixture_start(f);
}

static inline int
teardown(void **state)
{
	(void)state;
	auth_fixture_stop(f);
	return 0;
}

#define SASL_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

#endif
