/* ARC chains made by another's sealer, whole and broken in each way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "lib/mailauth/arc.h"
#include "tests/unit/fake_dns.h"
#include "tests/unit/lib/mailauth/arc_messages.h"

static const struct fake_row zone[] = {
	{"s._domainkey.one.test", "TXT", ARC_RECORD_ONE},
	{"s._domainkey.two.test", "TXT", ARC_RECORD_TWO},
	{"s._domainkey.three.test", "TXT", ARC_RECORD_THREE},
	{NULL, NULL, NULL},
};

struct fixture {
	struct event_base *base;
	struct dns dns;
	bool done;
	struct arc_verdict verdict;
	struct buf domains; /* of the seals, the first one first */
};

static int
setup(void **state)
{
	struct fixture *f = mem_new(struct fixture);

	f->base = event_base_new();
	f->dns = (struct dns){.base = f->base, .rows = zone};
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(f->dns.in_flight, 0);
	event_base_free(f->base);
	buf_fini(&f->domains);
	mem_free(f);
	return 0;
}

static void
on_arc(void *arg, const struct arc_verdict *verdict)
{
	struct fixture *f = arg;

	assert_false(f->done);
	f->done = true;
	f->verdict = *verdict;
	buf_clear(&f->domains);
	for (unsigned i = 0; i < verdict->count && verdict->result == ARC_PASS; i++)
		buf_printf(&f->domains, "%.*s=%.*s ", STR_ARG(verdict->sets[i].seal.domain),
			   STR_ARG(str_first(verdict->sets[i].payload, 9)));
}

static void
check(struct fixture *f, struct str message, size_t size, enum arc_result result, const char *what)
{
	struct arc_verifier *v = arc_verifier_new(f->base, &f->dns, 200);

	while (message.len > 0) {
		struct str piece = str_first(message, size);

		arc_verifier_feed(v, piece);
		message = str_from(message, piece.len);
	}
	f->done = false;
	arc_verifier_end(v, on_arc, f);
	assert_false(f->done);
	while (!f->done)
		event_base_loop(f->base, EVLOOP_ONCE);
	arc_verifier_free(&v);
	if (f->verdict.result != result)
		fail_msg("%s: %s (%s)", what, arc_result_name(f->verdict.result),
			 f->verdict.reason != NULL ? f->verdict.reason : "");
	assert_int_equal(f->verdict.reason == NULL, result == ARC_PASS || result == ARC_NONE);
}

static void
test_chains(void **state)
{
	struct fixture *f = *state;

	for (size_t size = 1; size < 10000; size *= 9) {
		check(f, str_c(arc_message_1), size, ARC_PASS, "one");
		assert_string_equal(f->domains.data, "one.test=one.test; ");
		check(f, str_c(arc_message_3), size, ARC_PASS, "three");
		assert_string_equal(f->domains.data, "one.test=one.test; two.test=two.test; three.test=three.tes ");
	}
	check(f, str_c(arc_message_2), 1000, ARC_PASS, "two");
	check(f, STR("From: a@b.test\r\n\r\nARC-Seal: i=1\r\n"), 3, ARC_NONE, "none");
	assert_int_equal(f->verdict.count, 0);
	check(f, STR(""), 3, ARC_NONE, "empty");
}

static void
test_broken(void **state)
{
	static const struct {
		const char *from, *to;
	} rows[] = {
		{"Subject: passed", "Subject: forged"},
		{"\r\n\r\nHello", "\r\n\r\nHullo"},
		{"ARC-Seal: i=3", "X-Was: i=3"},
		{"ARC-Seal: i=1", "X-Was: i=1"},
		{"ARC-Message-Signature: i=2", "X-Was: i=2"},
		{"ARC-Authentication-Results: i=2", "X-Was: i=2"},
		{"ARC-Authentication-Results: i=1; one", "ARC-Authentication-Results: i=1; two"},
		{"ARC-Authentication-Results: i=1;", "ARC-Authentication-Results:"},
		{"ARC-Seal: i=1", "ARC-Seal: i=2; b=x\r\nARC-Seal: i=1"},
		{"ARC-Seal: i=3", "ARC-Seal: i=51"},
		{"ARC-Seal: i=3", "ARC-Seal: i=0"},
		{"ARC-Seal: i=3", "ARC-Seal: i=x"},
		{"ARC-Seal: i=3", "ARC-Seal: i=5"},
		{"i=3; cv=pass", "i=3; cv=none"},
		{"i=3; cv=pass", "i=3; cv=fail"},
		{"i=3; cv=pass", "i=3; cv=moo"},
		{"i=3; cv=pass;", "i=3;"},
		{"i=1; cv=none", "i=1; cv=pass"},
		{"d=two.test", "d=one.test"},
		{"d=three.test", "d=four.test"},
		{"i=3; cv=pass;", "i=3; cv=pass; h=from;"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *at = strstr(arc_message_3, rows[i].from);
		struct buf m = BUF_EMPTY;

		assert_non_null(at);
		buf_add(&m, arc_message_3, (size_t)(at - arc_message_3));
		buf_add_c(&m, rows[i].to);
		buf_add_c(&m, at + strlen(rows[i].from));
		check(f, buf_str(&m), 1000, ARC_FAIL, rows[i].to);
		buf_fini(&m);
	}
}

static void
test_large_header(void **state)
{
	struct fixture *f = *state;
	struct buf m = BUF_EMPTY;

	for (unsigned i = 0; i <= DKIM_HEADER_MAX / 8; i++)
		buf_add_c(&m, "A: bcd\r\n");
	buf_add_c(&m, arc_message_1);
	check(f, buf_str(&m), 4096, ARC_FAIL, "too large");
	buf_fini(&m);
}

/* A key that cannot be had now is not a broken chain. */
static void
test_temporary(void **state)
{
	static const struct fake_row broken[] = {
		{"s._domainkey.one.test", "TXT", ARC_RECORD_ONE},
		{"s._domainkey.two.test", "TXT", NULL},
		{NULL, NULL, NULL},
	};
	static const struct fake_row missing[] = {{"s._domainkey.two.test", "TXT", ARC_RECORD_TWO}, {NULL, NULL, NULL}};
	struct fixture *f = *state;
	struct arc_verifier *v;

	f->dns.rows = broken;
	check(f, str_c(arc_message_2), 1000, ARC_TEMPERROR, "no answer");
	f->dns.rows = missing;
	check(f, str_c(arc_message_2), 1000, ARC_FAIL, "no key");
	f->dns.is_silent = true;
	check(f, str_c(arc_message_2), 1000, ARC_TEMPERROR, "silence");

	v = arc_verifier_new(f->base, &f->dns, 200);
	arc_verifier_feed(v, str_c(arc_message_3));
	assert_int_equal(f->dns.in_flight, 4);
	arc_verifier_free(&v);
	assert_null(v);
	v = arc_verifier_new(f->base, &f->dns, 200);
	arc_verifier_free(&v);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_chains, setup, teardown),
		cmocka_unit_test_setup_teardown(test_broken, setup, teardown),
		cmocka_unit_test_setup_teardown(test_large_header, setup, teardown),
		cmocka_unit_test_setup_teardown(test_temporary, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
