/* Our seals: as we validate them, and with the sets of others below. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <event2/thread.h>

#include "lib/mailauth/arc.h"
#include "lib/mailauth/arc_seal.h"
#include "tests/unit/fake_dns.h"
#include "tests/unit/lib/mailauth/arc_messages.h"

#define RESULTS "mx.four.test;\r\n\tspf=pass smtp.mailfrom=sender.test; arc=pass"

struct fixture {
	struct event_base *base;
	struct dns dns;
	struct fake_row rows[6];
	struct buf record;
	struct dkim_signer *signer;
	struct dkim_key_set *keys;
	unsigned called;
	struct buf fields;
	struct err err;
	enum arc_result result;
	unsigned count;
};

static int
setup_with(void **state, enum dkim_algorithm algorithm)
{
	struct fixture *f = mem_new(struct fixture);
	struct err err;

	f->base = event_base_new();
	f->signer = dkim_signer_new(f->base);
	f->keys = mem_new(struct dkim_key_set);
	f->keys->references = f->keys->count = 1;
	assert_int_equal(dkim_key_make(algorithm, STR("s"), 1, &f->keys->keys[0], &err), 0);
	dkim_key_record(&f->keys->keys[0], &f->record);
	f->rows[0] = (struct fake_row){"s._domainkey.one.test", "TXT", ARC_RECORD_ONE};
	f->rows[1] = (struct fake_row){"s._domainkey.two.test", "TXT", ARC_RECORD_TWO};
	f->rows[2] = (struct fake_row){"s._domainkey.three.test", "TXT", ARC_RECORD_THREE};
	f->rows[3] = (struct fake_row){"s._domainkey.four.test", "TXT", f->record.data};
	f->dns = (struct dns){.base = f->base, .rows = f->rows};
	*state = f;
	return 0;
}

static int
setup(void **state)
{
	return setup_with(state, DKIM_RSA);
}

static int
setup_ed25519(void **state)
{
	return setup_with(state, DKIM_ED25519);
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	dkim_signer_free(&f->signer);
	dkim_key_set_unref(&f->keys);
	event_base_free(f->base);
	buf_fini(&f->record);
	buf_fini(&f->fields);
	mem_free(f);
	return 0;
}

static void
on_sealed(void *arg, struct str fields, const struct err *err)
{
	struct fixture *f = arg;

	f->called++;
	buf_clear(&f->fields);
	buf_add_str(&f->fields, fields);
	f->err = err != NULL ? *err : (struct err){.code = ERR_NONE};
}

static void
start(struct fixture *f, struct str message, enum arc_result chain)
{
	struct dkim_stream *stream = dkim_stream_new();
	struct arc_seal_request request = {.stream = &stream, .domain = STR("four.test"), .keys = f->keys,
					   .chain = chain, .results = STR(RESULTS)};

	dkim_stream_feed(stream, message);
	f->called = 0;
	arc_seal_message(f->signer, &request, on_sealed, f);
	assert_null(stream);
	assert_int_equal(f->called, 0);
}

/* The message with its seal in front; the caller frees. */
static struct buf
seal(struct fixture *f, struct str message, enum arc_result chain)
{
	struct buf out = BUF_EMPTY;

	start(f, message, chain);
	while (f->called == 0)
		event_base_loop(f->base, EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY);
	assert_int_equal(f->called, 1);
	buf_add_str(&out, buf_str(&f->fields));
	buf_add_str(&out, message);
	return out;
}

static void
on_arc(void *arg, const struct arc_verdict *verdict)
{
	struct fixture *f = arg;

	f->called = 2;
	f->result = verdict->result;
	f->count = verdict->count;
	if (verdict->result == ARC_PASS)
		assert_true(str_eq(verdict->sets[verdict->count - 1].payload, STR(RESULTS)));
}

static enum arc_result
validate(struct fixture *f, struct str message)
{
	struct arc_verifier *v = arc_verifier_new(f->base, &f->dns, 1000);

	arc_verifier_feed(v, message);
	arc_verifier_end(v, on_arc, f);
	f->called = 0;
	while (f->called != 2)
		event_base_loop(f->base, EVLOOP_ONCE);
	arc_verifier_free(&v);
	return f->result;
}

static void
test_first_seal(void **state)
{
	static const struct str plain =
		STR("DKIM-Signature: v=1; a=rsa-sha256; d=x.test; s=s; h=from; bh=AAAA; b=AAAA\r\n"
		    "From: a@sender.test\r\nSubject: x\r\n\r\nbody\r\n");
	struct fixture *f = *state;
	struct buf m = seal(f, plain, ARC_NONE), again;

	assert_int_equal(f->err.code, ERR_NONE);
	assert_non_null(strstr(m.data, "ARC-Authentication-Results: i=1; " RESULTS "\r\n"));
	assert_non_null(strstr(m.data, "cv=none;"));
	assert_non_null(strstr(m.data, "\tdkim-signature;"));
	assert_int_equal(validate(f, buf_str(&m)), ARC_PASS);
	assert_int_equal(f->count, 1);
	again = seal(f, buf_str(&m), ARC_PASS);
	assert_int_equal(validate(f, buf_str(&again)), ARC_PASS);
	assert_int_equal(f->count, 2);
	/* What was sealed cannot be changed any more. */
	*strstr(again.data, "Subject: x") = 's';
	assert_int_equal(validate(f, buf_str(&again)), ARC_PASS);
	strstr(again.data, "subject: x")[9] = 'y';
	assert_int_equal(validate(f, buf_str(&again)), ARC_FAIL);
	buf_fini(&m);
	buf_fini(&again);
}

static void
test_after_others(void **state)
{
	struct fixture *f = *state;
	struct buf m = seal(f, str_c(arc_message_3), ARC_PASS);

	assert_int_equal(validate(f, buf_str(&m)), ARC_PASS);
	assert_int_equal(f->count, 4);
	buf_fini(&m);
}

/* We say that it is broken; after that, nobody says anything any more. */
static void
test_broken_chain(void **state)
{
	struct fixture *f = *state;
	struct buf m = seal(f, str_c(arc_message_2), ARC_FAIL), again;

	assert_int_equal(f->err.code, ERR_NONE);
	assert_non_null(strstr(m.data, "ARC-Seal: i=3; a="));
	assert_non_null(strstr(m.data, "cv=fail;"));
	assert_int_equal(validate(f, buf_str(&m)), ARC_FAIL);
	again = seal(f, buf_str(&m), ARC_FAIL);
	assert_int_equal(f->err.code, ERR_INVALID);
	buf_fini(&m);
	buf_fini(&again);
}

static void
test_refusals(void **state)
{
	struct fixture *f = *state;
	struct buf m, large = BUF_EMPTY;

	m = seal(f, str_c(arc_message_2), ARC_TEMPERROR);
	assert_int_equal(f->err.code, ERR_UNAVAILABLE);
	buf_fini(&m);
	m = seal(f, str_c(arc_message_2), ARC_NONE);
	assert_int_equal(f->err.code, ERR_INVALID);
	buf_fini(&m);
	for (unsigned i = 0; i <= DKIM_FIELDS_MAX; i++)
		buf_add_c(&large, "A: b\r\n");
	m = seal(f, buf_str(&large), ARC_NONE);
	assert_int_equal(f->err.code, ERR_LIMIT);
	buf_fini(&m);
	buf_clear(&large);
	for (unsigned i = 1; i <= ARC_INSTANCES_MAX; i++)
		buf_printf(&large, "ARC-Seal: i=%u; cv=x\r\n", i);
	m = seal(f, buf_str(&large), ARC_FAIL);
	assert_int_equal(f->err.code, ERR_LIMIT);
	buf_fini(&m);
	buf_fini(&large);
}

/* The signer goes away with work in hand: nobody is called. */
static void
test_freed_signer(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 20; i++)
		start(f, str_c(arc_message_3), ARC_PASS);
	dkim_signer_free(&f->signer);
	event_base_loop(f->base, EVLOOP_NONBLOCK);
	assert_int_equal(f->called, 0);
	assert_int_equal(f->keys->references, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_first_seal, setup, teardown),
		cmocka_unit_test_setup_teardown(test_first_seal, setup_ed25519, teardown),
		cmocka_unit_test_setup_teardown(test_after_others, setup, teardown),
		cmocka_unit_test_setup_teardown(test_broken_chain, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
		cmocka_unit_test_setup_teardown(test_freed_signer, setup, teardown),
	};

	evthread_use_pthreads();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
