/* What is learned from a header while it streams by, however it is split. */
#include "frontend/submit/header_watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

struct watch_case {
	const char *text;
	unsigned received;
	bool no_header, ended, date, message_id, has_from;
	const char *from;
};

static const struct watch_case cases[] = {
	{"", 0, false, false, false, false, false, ""},
	{"\r\nbody\r\n", 0, false, true, false, false, false, ""},
	{"Subject: x\r\n\r\nReceived: y\r\n", 0, false, true, false, false, false, ""},
	{"Received: a\r\nRECEIVED:b\r\nreceived : c\r\n\r\n", 3, false, true, false, false, false, ""},
	{"Received: a\r\n\tReceived: folded\r\nX-Received: b\r\nReceived-SPF: c\r\n\r\n", 1, false, true, false, false,
	 false, ""},
	{"Date: x\r\nMessage-Id:\r\nX-A-Name-Longer-Than-Any: y\r\n\r\n", 0, false, true, true, true, false, ""},
	{"Resent-Date: x\r\nMessage-IDs: y\r\n\r\n", 0, false, true, false, false, false, ""},
	{"From: bob@example.com\r\n\r\n", 0, false, true, false, false, true, " bob@example.com\r\n"},
	{"From: Bob\r\n <bob@example.com>\r\n\tx\r\nTo: y\r\n z\r\n\r\n", 0, false, true, false, false, true,
	 " Bob\r\n <bob@example.com>\r\n\tx\r\n"},
	{"From: a@b\r\nTo: c\r\nfrom: d@e\r\n\r\nFrom: f@g\r\n", 0, false, true, false, false, true,
	 " a@b\r\n, d@e\r\n"},
	{"From:\r\n\r\n", 0, false, true, false, false, true, "\r\n"},
	/* no header at all */
	{"hello\r\nFrom: x\r\n", 0, true, true, false, false, false, ""},
	{" leading blank\r\n", 0, true, true, false, false, false, ""},
	{"hello world: x\r\n", 0, true, true, false, false, false, ""},
	{": x\r\n", 0, true, true, false, false, false, ""},
	{"Gr\xc3\xbc\xc3\x9f"
	 "e: x\r\n",
	 0, true, true, false, false, false, ""},
	/* a header that ends without a blank line */
	{"Subject: x\r\nnot a field\r\nReceived: y\r\n", 0, false, true, false, false, false, ""},
	{"Subject: x\r\nReceived: y", 1, false, false, false, false, false, ""},
};

static void
check(const struct watch_case *c, size_t piece)
{
	struct header_watch w;
	struct str text = str_c(c->text);

	header_watch_init(&w, true);
	for (size_t at = 0; at < text.len; at += piece)
		header_watch_feed(&w, str_first(str_from(text, at), piece));
	if (w.received_count != c->received || w.no_header != c->no_header || w.ended != c->ended ||
	    w.has_date != c->date || w.has_message_id != c->message_id || w.has_from != c->has_from ||
	    !str_eq(buf_str(&w.from), str_c(c->from)))
		fail_msg("\"%s\" by %zu: received %u, no header %d, ended %d, date %d, id %d, from %d \"%.*s\"",
			 c->text, piece, w.received_count, w.no_header, w.ended, w.has_date, w.has_message_id,
			 w.has_from, STR_ARG(buf_str(&w.from)));
	header_watch_end(&w);
	assert_true(w.ended && w.first_line_known);
	header_watch_fini(&w);
}

static void
test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t piece = 1; piece <= strlen(cases[i].text) + 1; piece++)
			check(&cases[i], piece);
}

/* What may precede a header, and what is left unchanged. */
static void
test_mbox_lines(void **state)
{
#define MBOX "From bob@example.test  Mon Nov 30 10:00:00 2026\r\n"
	static const struct {
		const char *text;
		size_t mbox_bytes;
		bool no_header, has_from;
	} rows[] = {
		{MBOX "From: bob@x\r\n\r\n", sizeof(MBOX) - 1, false, true},
		{">" MBOX "From: bob@x\r\n\r\n", sizeof(MBOX), false, true},
		{">" MBOX MBOX "Subject: x\r\n\r\n", 2 * sizeof(MBOX) - 1, false, false},
		{"Subject: x\r\n" MBOX "From: bob@x\r\n\r\n", 0, false, false},
		/* The obsolete blank in a field. */
		{"From : bob@x\r\n\r\n", 0, false, true},
		/* Texts. */
		{"From now on: nothing\r\nis as it was\r\n", 0, true, false},
		{"From here\r\n\r\nto there: x\r\n", 0, true, false},
		{"From here\r\n", 0, true, false},
		{"Fromage frais: x y\r\n\r\n", 0, true, false},
		{MBOX " folded\r\nFrom: x\r\n", 0, true, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct str text = str_c(rows[i].text);
		for (size_t piece = 1; piece <= text.len; piece++) {
			struct header_watch w;
			header_watch_init(&w, false);
			for (size_t at = 0; at < text.len; at += piece)
				header_watch_feed(&w, str_first(str_from(text, at), piece));
			header_watch_end(&w);
			if (w.mbox_bytes != rows[i].mbox_bytes || w.no_header != rows[i].no_header ||
			    w.has_from != rows[i].has_from)
				fail_msg("row %zu by %zu: %u bytes, no header %d, from %d", i, piece, w.mbox_bytes,
					 w.no_header, w.has_from);
			header_watch_fini(&w);
		}
	}
}

/* A line without an end does not belong to an mbox. */
static void
test_long_mbox_line(void **state)
{
	struct header_watch w;

	(void)state;
	header_watch_init(&w, false);
	header_watch_feed(&w, STR("From x"));
	for (unsigned i = 0; i < HEADER_WATCH_MBOX_MAX; i++)
		header_watch_feed(&w, STR("y"));
	assert_true(w.ended && w.no_header && w.mbox_bytes == 0);
	header_watch_fini(&w);
}

static void
test_tls_required(void **state)
{
	static const struct {
		const char *text;
		bool optional;
	} rows[] = {
		{"TLS-Required: No\r\n\r\n", true},	{"Subject: x\r\ntls-required:no \r\nTo: y\r\n\r\n", true},
		{"TLS-Required: yes\r\n\r\n", false},	{"TLS-Required: nobody-knows-what-this-is\r\n\r\n", false},
		{"X: TLS-Required: No\r\n\r\n", false}, {"\r\nTLS-Required: No\r\n", false},
		/* folded: before the word, after it, and where it turns out to be another word */
		{"TLS-Required:\r\n No\r\n\r\n", true},	{"TLS-Required:\r\n \r\n\tNo\r\nTo: y\r\n\r\n", true},
		{"TLS-Required: No\r\n \r\n\r\n", true},	{"TLS-Required: No\r\n way\r\n\r\n", false},
		{"TLS-Required: N\r\n o\r\n\r\n", false},	{"TLS-Required: N o\r\n\r\n", false},
		{"Subject: x\r\n No\r\n\r\n", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct str text = str_c(rows[i].text);
		for (size_t piece = 1; piece <= text.len; piece++) {
			struct header_watch w;
			header_watch_init(&w, false);
			for (size_t at = 0; at < text.len; at += piece)
				header_watch_feed(&w, str_first(str_from(text, at), piece));
			header_watch_end(&w);
			assert_int_equal(w.tls_optional, rows[i].optional);
			header_watch_fini(&w);
		}
	}
}

static void
test_precedence(void **state)
{
	static const struct {
		const char *text;
		bool bulk;
	} rows[] = {
		{"Precedence: bulk\r\n\r\n", true},
		{"Subject: x\r\nPRECEDENCE:List\r\nTo: y\r\n\r\n", true},
		{"Precedence: junk\r\nTLS-Required: No\r\n\r\n", true},
		{"TLS-Required: bulk\r\n\r\n", false},
		{"Precedence: first-class\r\n\r\n", false},
		{"\r\nPrecedence: bulk\r\n", false},
		{"Precedence:\r\n\tbulk\r\n\r\n", true},
		{"Precedence: list\r\n \r\nFrom: x@y\r\n z\r\n\r\n", true},
		{"Precedence: bulk\r\n mail\r\n\r\n", false},
		{"Precedence: first\r\n bulk\r\n\r\n", false},
		{"Precedence:\r\n bulk", true}, /* the message ends here */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct str text = str_c(rows[i].text);
		for (size_t piece = 1; piece <= text.len; piece++) {
			struct header_watch w;
			header_watch_init(&w, false);
			for (size_t at = 0; at < text.len; at += piece)
				header_watch_feed(&w, str_first(str_from(text, at), piece));
			header_watch_end(&w);
			assert_int_equal(w.is_bulk, rows[i].bulk);
			header_watch_fini(&w);
		}
	}
}

static void
test_first_line(void **state)
{
	struct header_watch w;

	(void)state;
	header_watch_init(&w, false);
	header_watch_feed(&w, STR("Subject"));
	assert_false(w.first_line_known);
	header_watch_feed(&w, STR(":"));
	assert_true(w.first_line_known && !w.no_header && !w.ended);
	header_watch_feed(&w, STR("\r\nFrom: x\r\n\r\n"));
	assert_true(w.has_from && w.from.len == 0); /* not requested */
	header_watch_fini(&w);
}

static void
test_from_is_limited(void **state)
{
	struct header_watch w;

	(void)state;
	header_watch_init(&w, true);
	header_watch_feed(&w, STR("From: "));
	for (int i = 0; i < HEADER_WATCH_FROM_MAX; i++)
		header_watch_feed(&w, STR("x,"));
	assert_true(w.from_too_long);
	assert_true(w.from.len <= HEADER_WATCH_FROM_MAX);
	header_watch_fini(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_mbox_lines),
		cmocka_unit_test(test_long_mbox_line),
		cmocka_unit_test(test_tls_required),
		cmocka_unit_test(test_precedence),
		cmocka_unit_test(test_first_line),
		cmocka_unit_test(test_from_is_limited),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
