/* Verifying: the vectors of the RFCs, messages signed by another's signer, messages
 * changed in each way, keys that are missing or not fit, limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "lib/dkim/verify.h"
#include "tests/unit/fake_dns.h"
#include "tests/unit/lib/dkim/dkimpy_messages.h"

#define RSA_512 "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAJ7vrjgb264BFgP42S2tD4QK1ylPE1vkq12lFhhpL4qtAOrQ2Mvgf2U6YWoOjPbR2kAvNoslMdA6tM7xhngoDekCAwEAAQ=="

static const struct fake_row zone[] = {
	{"brisbane._domainkey.football.example.com", "TXT", "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="},
	{"test._domainkey.football.example.com", "TXT",
	 "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"},
	{"rsa._domainkey.sender.test", "TXT", "v=DKIM1; k=rsa; p=" DKIMPY_RSA},
	{"ed._domainkey.sender.test", "TXT", "v=DKIM1; k=ed25519; p=" DKIMPY_ED25519},
	{NULL, NULL, NULL},
};

static const char rfc8463[] =
	"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n d=football.example.com; i=@football.example.com;\r\n"
	" q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n subject : date : message-id : from : subject : date;\r\n"
	" bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
	" b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r\n Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\r\n"
	"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n d=football.example.com; i=@football.example.com;\r\n"
	" q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r\n date : message-id : from : subject : date;\r\n"
	" bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
	" b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\r\n"
	" DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\r\n"
	" dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=\r\n"
	"From: Joe SixPack <joe@football.example.com>\r\nTo: Suzie Q <suzie@shopping.example.net>\r\n"
	"Subject: Is dinner ready?\r\nDate: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"
	"Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n\r\n"
	"Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n";

struct fixture {
	struct event_base *base;
	struct dns dns;
	struct dkim_verify_options options;
	bool done;
	unsigned count;
	struct dkim_verdict verdicts[DKIM_SIGNATURES_MAX];
};

static int
setup(void **state)
{
	struct fixture *f = mem_new(struct fixture);

	f->base = event_base_new();
	f->dns = (struct dns){.base = f->base, .rows = zone};
	f->options.limit_ms = 200;
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(f->dns.in_flight, 0);
	event_base_free(f->base);
	mem_free(f);
	return 0;
}

static void
on_verified(void *arg, const struct dkim_verdict *verdicts, unsigned count)
{
	struct fixture *f = arg;

	assert_false(f->done);
	f->done = true;
	f->count = count;
	if (count > 0)
		memcpy(f->verdicts, verdicts, count * sizeof(*verdicts));
}

/* Fed in pieces of `size` bytes. The texts of the verdicts are gone afterwards. */
static const struct dkim_verdict *
verify(struct fixture *f, struct str message, size_t size)
{
	struct dkim_verifier *v = dkim_verifier_new(f->base, &f->dns, &f->options);

	while (message.len > 0) {
		struct str piece = str_first(message, size);

		dkim_verifier_feed(v, piece);
		message = str_from(message, piece.len);
	}
	f->done = false;
	dkim_verifier_end(v, on_verified, f);
	assert_false(f->done);
	while (!f->done)
		event_base_loop(f->base, EVLOOP_ONCE);
	dkim_verifier_free(&v);
	return f->verdicts;
}

static void
check(struct fixture *f, struct str message, enum dkim_result result, const char *what)
{
	const struct dkim_verdict *v = verify(f, message, 1000000);

	if (f->count == 0 || v->result != result)
		fail_msg("%s: %s (%s)", what, f->count > 0 ? dkim_result_name(v->result) : "no signature",
			 v->reason != NULL ? v->reason : "");
	assert_int_equal(v->reason == NULL, result == DKIM_RESULT_PASS);
}

/* The message with the first `from` in it replaced. The caller frees. */
static struct buf
changed(const char *message, const char *from, const char *to)
{
	const char *at = strstr(message, from);
	struct buf out = BUF_EMPTY;

	assert_non_null(at);
	buf_add(&out, message, (size_t)(at - message));
	buf_add_c(&out, to);
	buf_add_c(&out, at + strlen(from));
	return out;
}

static void
test_rfc_8463(void **state)
{
	struct fixture *f = *state;

	for (size_t size = 1; size < sizeof(rfc8463); size += size < 20 ? 1 : 97) {
		const struct dkim_verdict *v = verify(f, str_c(rfc8463), size);

		assert_int_equal(f->count, 2);
		assert_int_equal(v[0].result, DKIM_RESULT_PASS);
		assert_int_equal(v[0].algorithm, DKIM_ED25519);
		assert_int_equal(v[1].result, DKIM_RESULT_PASS);
		assert_int_equal(v[1].bits, 1024);
	}
}

/* ---- Another's signer ---- */
static struct buf
signed_by_dkimpy(const char *field, unsigned body)
{
	struct buf m = BUF_EMPTY;

	buf_printf(&m, "%s%s\r\n%s", field, dkimpy_header, dkimpy_bodies[body]);
	return m;
}

static void
test_dkimpy(void **state)
{
	struct fixture *f = *state;
	size_t count = sizeof(dkimpy_signatures) / sizeof(dkimpy_signatures[0]);

	assert_int_equal(count, 24);
	for (size_t i = 0; i < count; i++) {
		struct buf m = signed_by_dkimpy(dkimpy_signatures[i].field, dkimpy_signatures[i].body);

		for (size_t size = 1; size < 300; size *= 7)
			assert_int_equal(verify(f, buf_str(&m), size)->result, DKIM_RESULT_PASS);
		check(f, buf_str(&m), DKIM_RESULT_PASS, dkimpy_signatures[i].field);
		buf_fini(&m);
	}
}

static void
test_dkimpy_changed(void **state)
{
	static const struct {
		const char *from, *to;
		enum dkim_result result;
	} rows[] = {
		{"Alice", "Malice", DKIM_RESULT_FAIL},
		{"To: bob", "To: rob", DKIM_RESULT_FAIL},
		{"SUBJECT: folded", "SUBJECT: bolded", DKIM_RESULT_FAIL},
		{"\r\n\r\n", "\r\nFrom: mallory@evil.test\r\n\r\n", DKIM_RESULT_FAIL},
		{"\r\n\r\n", "\r\n\r\nfirst\r\n", DKIM_RESULT_FAIL},
		{" a=", " a=x", DKIM_RESULT_NEUTRAL},
		{" d=sender.test", " d=other.test", DKIM_RESULT_NEUTRAL},
		{"; s=", "; s=not-", DKIM_RESULT_PERMERROR},
		{" d=sender.test", " d=sender.test; l=0", DKIM_RESULT_FAIL},
		{" bh=", " bh=AAAA", DKIM_RESULT_FAIL},
		{" v=1", " v=2", DKIM_RESULT_NEUTRAL},
		{" d=", " d=a; d=", DKIM_RESULT_NEUTRAL},
		{"X-Not: there", "", DKIM_RESULT_NONE},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(dkimpy_signatures) / sizeof(dkimpy_signatures[0]); i++) {
		struct buf m = signed_by_dkimpy(dkimpy_signatures[i].field, dkimpy_signatures[i].body);

		for (size_t row = 0; rows[row].result != DKIM_RESULT_NONE; row++) {
			struct buf c = changed(m.data, rows[row].from, rows[row].to);

			check(f, buf_str(&c), rows[row].result, rows[row].to);
			buf_fini(&c);
		}
		buf_add_c(&m, "more\r\n");
		check(f, buf_str(&m), DKIM_RESULT_FAIL, "more at the end");
		buf_fini(&m);
	}
}

/* What relaxed forgives, simple does not. */
static void
test_forms(void **state)
{
	static const struct {
		const char *from, *to;
		bool is_header;
	} rows[] = {
		{"To: bob", "to:  bob", true},
		{"  and  odd", "\t and odd", true},
		{"Hello  there", "Hello there", false},
		{"end \r\n", "end\r\n\r\n\r\n", false},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(dkimpy_signatures) / sizeof(dkimpy_signatures[0]); i++) {
		const char *field = dkimpy_signatures[i].field, *form = strstr(field, "c=");
		bool header = strncmp(form, "c=relaxed/", 10) == 0, body = strncmp(strchr(form, '/'), "/relaxed", 8) == 0;
		struct buf m = signed_by_dkimpy(field, 0);

		for (size_t row = 0; dkimpy_signatures[i].body == 0 && row < sizeof(rows) / sizeof(rows[0]); row++) {
			struct buf c = changed(m.data, rows[row].from, rows[row].to);

			check(f, buf_str(&c), (rows[row].is_header ? header : body) ? DKIM_RESULT_PASS : DKIM_RESULT_FAIL,
			      rows[row].to);
			buf_fini(&c);
		}
		buf_fini(&m);
	}
}

static void
test_length(void **state)
{
	struct fixture *f = *state;
	struct buf m = signed_by_dkimpy(dkimpy_with_length, 0);

	check(f, buf_str(&m), DKIM_RESULT_PASS, "the length is all of it");
	assert_false(f->verdicts[0].is_partial);
	buf_add_c(&m, "an advertisement\r\n");
	check(f, buf_str(&m), DKIM_RESULT_POLICY, "more than the length");
	assert_true(f->verdicts[0].is_partial);
	f->options.accepts_length = true;
	check(f, buf_str(&m), DKIM_RESULT_PASS, "more, and accepted");
	buf_fini(&m);
	m = signed_by_dkimpy(dkimpy_with_length, 1);
	check(f, buf_str(&m), DKIM_RESULT_FAIL, "less than the length");
	buf_fini(&m);
}

/* ---- Keys ---- */
static void
test_keys(void **state)
{
	static const struct {
		const char *record;
		enum dkim_result result;
	} rows[] = {
		{"p=" DKIMPY_RSA, DKIM_RESULT_PASS},
		{"v=DKIM1; p=" DKIMPY_RSA_PKCS1, DKIM_RESULT_PASS},
		{"v=DKIM1; h=sha1:sha256; s=email; t=y; n=note; p=" DKIMPY_RSA, DKIM_RESULT_PASS},
		{"v=DKIM1; t=s; s=*; k=RSA; p = " DKIMPY_RSA ";", DKIM_RESULT_PASS},
		{NULL, DKIM_RESULT_TEMPERROR},
		{"", DKIM_RESULT_PERMERROR},
		{"v=DKIM1; p=", DKIM_RESULT_PERMERROR},
		{"v=DKIM1", DKIM_RESULT_PERMERROR},
		{"v=DKIM2; p=" DKIMPY_RSA, DKIM_RESULT_PERMERROR},
		{"p=" DKIMPY_RSA "; v=DKIM1", DKIM_RESULT_PERMERROR},
		{"v=DKIM1; h=sha1; p=" DKIMPY_RSA, DKIM_RESULT_PERMERROR},
		{"v=DKIM1; s=tlsrpt; p=" DKIMPY_RSA, DKIM_RESULT_PERMERROR},
		{"v=DKIM1; k=ed25519; p=" DKIMPY_ED25519, DKIM_RESULT_PERMERROR},
		{"v=DKIM1; k=rsa; p=" DKIMPY_ED25519, DKIM_RESULT_PERMERROR},
		{"v=DKIM1; p=!!!!", DKIM_RESULT_PERMERROR},
		{"v=DKIM1; p=AAAA", DKIM_RESULT_PERMERROR},
		{"v=DKIM1; p=" RSA_512, DKIM_RESULT_POLICY},
		{"v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB",
		 DKIM_RESULT_FAIL},
	};
	struct fixture *f = *state;
	struct buf m = signed_by_dkimpy(dkimpy_signatures[0].field, 0);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct fake_row one[] = {{"rsa._domainkey.sender.test", "TXT", rows[i].record}, {NULL, NULL, NULL}};

		f->dns.rows = one;
		check(f, buf_str(&m), rows[i].result, rows[i].record != NULL ? rows[i].record : "no answer");
		assert_int_equal(f->verdicts[0].is_test, i == 2);
	}
	buf_fini(&m);
}

/* ---- Fields that are not fit ---- */
static void
test_fields(void **state)
{
	static const struct {
		const char *from, *to;
		enum dkim_result result;
	} rows[] = {
		{"a=ed25519-sha256", "a=rsa-sha1", DKIM_RESULT_POLICY},
		{"t=1528637909", "t=1528637909; x=1528637910", DKIM_RESULT_POLICY},
		{"t=1528637909", "t=1528637909; x=1528637908", DKIM_RESULT_NEUTRAL},
		{"t=1528637909", "t=x", DKIM_RESULT_NEUTRAL},
		{"t=1528637909", "x=99999999999999999999999", DKIM_RESULT_NEUTRAL},
		{"h=from : to", "h=to", DKIM_RESULT_FAIL},
		{"h=from", "h=", DKIM_RESULT_NEUTRAL},
		{"h=from", "h=:from", DKIM_RESULT_NEUTRAL},
		{"i=@football", "i=@xfootball", DKIM_RESULT_NEUTRAL},
		{"i=@football", "i=@sub.football", DKIM_RESULT_FAIL},
		{"i=@football.example.com", "i=football.example.com", DKIM_RESULT_NEUTRAL},
		{"q=dns/txt", "q=http", DKIM_RESULT_NEUTRAL},
		{"c=relaxed/relaxed", "c=strict", DKIM_RESULT_NEUTRAL},
		{"c=relaxed/relaxed", "c=relaxed", DKIM_RESULT_FAIL},
		{"v=1", "v=1; l=x", DKIM_RESULT_NEUTRAL},
		{"s=brisbane", "s=bris..bane", DKIM_RESULT_NEUTRAL},
		{"s=brisbane", "s=bris\\046bane", DKIM_RESULT_NEUTRAL},
		{"d=football.example.com;", "", DKIM_RESULT_NEUTRAL},
		{"v=1;", "", DKIM_RESULT_NEUTRAL},
		{"b=/gCr", "b=/!!r", DKIM_RESULT_FAIL},
		{"v=1;", "v=1; y;", DKIM_RESULT_NEUTRAL},
		{"v=1;", "v=1;;", DKIM_RESULT_NEUTRAL},
		{"==\r\nDKIM", "==; \r\nDKIM", DKIM_RESULT_FAIL},
		{"v=1;", "v=1; y=\xc3\xa9;", DKIM_RESULT_NEUTRAL},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf c = changed(rfc8463, rows[i].from, rows[i].to);

		check(f, buf_str(&c), rows[i].result, rows[i].to);
		/* The other signature does not suffer. */
		assert_int_equal(f->verdicts[1].result, DKIM_RESULT_PASS);
		buf_fini(&c);
	}
}

static void
test_no_signature(void **state)
{
	struct fixture *f = *state;

	verify(f, STR("From: a@b.test\r\n\r\nDKIM-Signature: v=1\r\n"), 5);
	assert_int_equal(f->count, 0);
	verify(f, STR("From: a@b.test\r\n"), 5);
	assert_int_equal(f->count, 0);
	verify(f, STR(""), 5);
	assert_int_equal(f->count, 0);
	assert_int_equal(f->dns.asked, 0);
}

/* ---- Limits ---- */
/* Processor time of this thread: that others have theirs does not count. */
static int64_t
spent_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* 100 signatures, each of them slow to judge: only the first ones are, one by one. */
static void
test_many_signatures(void **state)
{
	struct fixture *f = *state;
	struct buf m = BUF_EMPTY;
	int64_t longest = 0, before;
	struct dkim_verifier *v;

	for (unsigned i = 0; i < 100; i++) {
		buf_printf(&m, "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/simple; d=sender.test; s=rsa; l=%u; bh=%s; h=from",
			   i, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
		for (unsigned n = 1; n < 100; n++)
			buf_add_c(&m, ":x-long");
		buf_add_c(&m, "; b=AAAA\r\n");
	}
	for (unsigned i = 0; i < 100; i++) {
		buf_add_c(&m, "X-Long: ");
		for (unsigned n = 0; n < 1500; n++)
			buf_add_byte(&m, n % 60 == 59 ? ' ' : 'x');
		buf_add_c(&m, "\r\n");
	}
	buf_add_c(&m, "From: a@b.test\r\n\r\n");
	v = dkim_verifier_new(f->base, &f->dns, &f->options);
	dkim_verifier_feed(v, buf_str(&m));
	f->done = false;
	dkim_verifier_end(v, on_verified, f);
	while (!f->done) {
		before = spent_us();
		event_base_loop(f->base, EVLOOP_ONCE);
		if (spent_us() - before > longest)
			longest = spent_us() - before;
	}
	assert_int_equal(f->count, DKIM_SIGNATURES_MAX);
	assert_int_equal(f->dns.asked, DKIM_SIGNATURES_MAX);
	dkim_verifier_free(&v);
	buf_fini(&m);
	print_message("the longest turn took %lld us\n", (long long)longest);
}

static void
test_large_header(void **state)
{
	struct fixture *f = *state;
	struct buf m = BUF_EMPTY;

	buf_add_c(&m, dkimpy_signatures[0].field);
	for (unsigned i = 0; i < 1024 * 1024 / 8; i++)
		buf_add_c(&m, i % 100 == 0 ? "X: abc\r\n" : " fold\r\n ");
	buf_add_c(&m, "\r\n\r\nbody\r\n");
	check(f, buf_str(&m), DKIM_RESULT_POLICY, "a megabyte");
	assert_int_equal(f->count, 1);
	buf_clear(&m);
	for (unsigned i = 0; i <= DKIM_FIELDS_MAX; i++)
		buf_add_c(&m, "A: b\r\n");
	buf_add_c(&m, "\r\n");
	check(f, buf_str(&m), DKIM_RESULT_POLICY, "too many fields");
	buf_fini(&m);
	assert_int_equal(f->dns.asked, 0);
}

static void
test_time_limit(void **state)
{
	struct fixture *f = *state;
	struct dkim_verifier *v;

	f->dns.is_silent = true;
	check(f, str_c(rfc8463), DKIM_RESULT_TEMPERROR, "a silent resolver");
	assert_int_equal(f->verdicts[1].result, DKIM_RESULT_TEMPERROR);

	/* Freed while keys are looked up, and before anything came. */
	v = dkim_verifier_new(f->base, &f->dns, &f->options);
	dkim_verifier_feed(v, str_c(rfc8463));
	assert_int_equal(f->dns.in_flight, 2);
	dkim_verifier_free(&v);
	assert_null(v);
	assert_int_equal(f->dns.in_flight, 0);
	v = dkim_verifier_new(f->base, &f->dns, &f->options);
	dkim_verifier_free(&v);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_rfc_8463, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dkimpy, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dkimpy_changed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_forms, setup, teardown),
		cmocka_unit_test_setup_teardown(test_length, setup, teardown),
		cmocka_unit_test_setup_teardown(test_keys, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fields, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_signature, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_signatures, setup, teardown),
		cmocka_unit_test_setup_teardown(test_large_header, setup, teardown),
		cmocka_unit_test_setup_teardown(test_time_limit, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
