/* Search keys: their grammar, and how they judge a message as more and more of it is
 * known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "frontend/imap/search/search.h"
#include "lib/base/mem.h"

static const char message[] = "Date: Mon, 7 Feb 1994 23:52:25 -0800\r\nFrom: \"J\xc3\xb6rg\" <joerg@x.example>\r\n"
			      "To: a@y.example, b@y.example\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= to you\r\n"
			      "Message-ID: <1@x.example>\r\n\r\nbody\r\n";

/* A mailbox of 9 messages with UIDs 10, 20 ..., of which the fifth is examined. */
struct fixture {
	struct folder_uids *uids;
	struct folder_index index;
	struct imap_view view;
	struct imap_session session;
	struct buf record;
	struct mime_digest digest;
	struct mailbox_hot hot;
	struct mailbox_cold cold;
	struct message_known m;
	struct arena arena, scratch;
};

static void
fixture_start(struct fixture *f)
{
	struct mime_digest_builder *b = mime_digest_begin();

	memset(f, 0, sizeof(*f));
	arena_init(&f->arena);
	arena_init(&f->scratch);
	f->uids = mem_zalloc(sizeof(*f->uids) + 9 * sizeof(uint32_t));
	f->uids->count = 9;
	for (uint32_t i = 0; i < 9; i++)
		f->uids->uids[i] = (i + 1) * 10;
	f->index.keywords[3] = mem_strdup("$Work");
	f->index.keyword_count = 4;
	f->view = (struct imap_view){.index = &f->index, .uids = f->uids, .count = 9};
	f->session.view = &f->view;
	arena_init(&f->session.command.arena);
	mime_digest_feed(b, str_c(message));
	mime_digest_end(&b, &f->record);
	assert_true(mime_digest_read(buf_str(&f->record), &f->digest));
	f->hot = (struct mailbox_hot){.uid = 50, .flags = MAILBOX_SEEN | MAILBOX_FLAGGED, .size = 1000, .modseq = 77,
				      .email_id = 123, .keywords = 1 << 3};
	/* 2024-03-01 23:30 in its own zone, UTC-1: the second of March in UTC. */
	f->cold = (struct mailbox_cold){.internal_date = 1709339400, .zone_minutes = -60, .save_date = 1709500000};
	f->m = (struct message_known){.hot = &f->hot, .scratch = &f->scratch, .now = 1709339400 + 3600};
}

static void
fixture_stop(struct fixture *f)
{
	mem_free(f->uids);
	mem_free(f->index.keywords[3]);
	mem_free(f->view.saved);
	buf_fini(&f->record);
	arena_fini(&f->arena);
	arena_fini(&f->scratch);
	arena_fini(&f->session.command.arena);
}

/* "BAD" if it does not parse, "RANGE" if it asks for too much, otherwise the verdicts
 * from the index, the cold record, the digest, the body: "???y". */
static const char *
judge(struct fixture *f, const char *text, bool found)
{
	static char verdicts[5];
	static const char letters[] = "ny?";
	bool all_found[MESSAGE_KEYS_MAX];
	struct search_run *r = arena_new(&f->arena, struct search_run);
	struct imap_search *search = &r->search;
	struct imap_lexer l;
	struct str charset;

	imap_lex_init(&l, str_c(text), &f->arena, true);
	if (!imap_parse_return(&l, search) || !imap_parse_charset(&l, &charset) || !imap_parse_search(&l, charset, search))
		return "BAD";
	if (search->bad_charset)
		return "CHARSET";
	r->session = &f->session;
	if (imap_search_prepare(r) != NULL)
		return "RANGE";
	for (unsigned i = 0; i < MESSAGE_KEYS_MAX; i++)
		all_found[i] = found;
	f->m.cold = NULL;
	f->m.digest = NULL;
	f->m.found = NULL;
	verdicts[0] = letters[message_match(search->key, &f->m)];
	f->m.cold = &f->cold;
	verdicts[1] = letters[message_match(search->key, &f->m)];
	f->m.digest = &f->digest;
	verdicts[2] = letters[message_match(search->key, &f->m)];
	f->m.found = all_found;
	verdicts[3] = letters[message_match(search->key, &f->m)];
	return verdicts;
}

/* A verdict at each level of what is known of a message: see judge(). */
static const struct {
	const char *text, *verdicts;
} cases[] = {
	{"ALL", "yyyy"},
	{"SEEN", "yyyy"},
	{"UNSEEN", "nnnn"},
	{"seen flagged", "yyyy"},
	{"SEEN ANSWERED", "nnnn"},
	{"NOT ANSWERED", "yyyy"},
	{"NEW", "nnnn"},
	{"OLD", "yyyy"},
	{"KEYWORD $work", "yyyy"},
	{"UNKEYWORD $Work", "nnnn"},
	{"KEYWORD $Nosuch", "nnnn"},
	{"UNKEYWORD $Nosuch", "yyyy"},
	{"LARGER 999", "yyyy"},
	{"LARGER 1000", "nnnn"},
	{"SMALLER 1000", "nnnn"},
	{"SMALLER 1001", "yyyy"},
	{"5", "yyyy"},
	{"1:4,6:9", "nnnn"},
	{"*", "nnnn"},
	{"4:*", "yyyy"},
	{"10", "nnnn"},
	{"UID 50", "yyyy"},
	{"UID 5", "nnnn"},
	{"UID 41:*", "yyyy"},
	{"UID 999:*", "nnnn"},
	{"UID 45:55", "yyyy"},
	/* As UIDs, 6 to 20 would be other messages. */
	{"6:20", "nnnn"},
	{"10:20,5", "yyyy"},
	{"10:20", "nnnn"},
	{"2:20", "yyyy"},
	{"$", "nnnn"},
	{"MODSEQ 77", "yyyy"},
	{"MODSEQ 78", "nnnn"},
	{"MODSEQ \"/flags/\\\\Seen\" all 77", "yyyy"},
	{"EMAILID M123", "yyyy"},
	{"EMAILID X123", "nnnn"},
	{"THREADID x", "nnnn"},
	{"SAVEDATESUPPORTED", "yyyy"},
	/* The day is that of the message's own zone (RFC 3501). */
	{"ON 1-Mar-2024", "?yyy"},
	{"BEFORE 2-Mar-2024", "?yyy"},
	{"BEFORE 1-Mar-2024", "?nnn"},
	{"SINCE 1-Mar-2024", "?yyy"},
	{"SINCE \"2-Mar-2024\"", "?nnn"},
	{"SAVEDON 3-Mar-2024", "?yyy"},
	{"SAVEDBEFORE 3-Mar-2024", "?nnn"},
	{"OLDER 3600", "?yyy"},
	{"OLDER 3601", "?nnn"},
	{"YOUNGER 3600", "?yyy"},
	{"YOUNGER 3599", "?nnn"},
	{"SENTON 7-Feb-1994", "??yy"},
	{"SENTBEFORE 7-Feb-1994", "??nn"},
	{"SENTSINCE 7-Feb-1994", "??yy"},
	{"SUBJECT \"gr\xc3\xbc\xc3\x9f\x65 TO\"", "??yy"},
	{"SUBJECT grusse", "??nn"},
	{"FROM \"J\xc3\x96RG@\"", "??nn"},
	{"FROM \"j\xc3\xb6rg <joerg\"", "??yy"},
	{"TO b@y", "??yy"},
	{"CC x", "??nn"},
	{"HEADER Subject you", "??yy"},
	{"HEADER Message-ID 1@x", "??yy"},
	{"HEADER X-Other x", "???y"},
	{"HEADER Subject \"\"", "???y"},
	{"BODY x", "???y"},
	{"TEXT x", "???y"},
	/* What is already known decides. */
	{"UNSEEN BODY x", "nnnn"},
	{"SEEN BODY x", "???y"},
	{"OR SEEN BODY x", "yyyy"},
	{"OR UNSEEN BODY x", "???y"},
	{"NOT BODY x", "???n"},
	{"NOT (SEEN BODY x)", "???n"},
	{"OR (SUBJECT nosuch) (ON 1-Mar-2024)", "?yyy"},
	{"(SEEN (FLAGGED (NOT ANSWERED)))", "yyyy"},
	{"RETURN (MIN MAX) SEEN", "yyyy"},
	{"RETURN () CHARSET UTF-8 SEEN", "yyyy"},
	{"CHARSET ISO-8859-1 SUBJECT {5}\r\nGr\xfc\xdf\x65", "??yy"},
	{"CHARSET KOI8-R ALL", "yyyy"},
	{"CHARSET X-Unknown ALL", "CHARSET"},
};

static const char *const bad[] = {
	"", " ", "NOSUCH", "SUBJECT", "SUBJECT ", "OR SEEN", "OR SEEN SEEN SEEN )", "(SEEN", "()", "SEEN  SEEN", "SEEN ",
	"BEFORE yesterday", "BEFORE 31-Feb-2024", "LARGER x", "LARGER", "OLDER 0", "YOUNGER -1", "KEYWORD", "UID", "UID x",
	"0", "1:", "NOT", "HEADER x", "MODSEQ", "MODSEQ \"/flags/x\" 5", "RETURN (", "RETURN (NOSUCH) ALL", "RETURN (MIN)",
	"RETURN (PARTIAL) ALL", "RETURN (PARTIAL 1:2 PARTIAL 3:4) ALL", "RETURN (ALL PARTIAL 1:2) ALL",
	"RETURN (PARTIAL 1:-2) ALL", "CHARSET UTF-8", "CHARSET",
};

static void
test_verdicts(void **state)
{
	struct fixture f;

	(void)state;
	fixture_start(&f);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *got = judge(&f, cases[i].text, true);
		if (strcmp(got, cases[i].verdicts) != 0)
			fail_msg("%s: %s, not %s", cases[i].text, got, cases[i].verdicts);
	}
	assert_string_equal(judge(&f, "OR BODY a HEADER b c", false), "???n");
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (strcmp(judge(&f, bad[i], true), "BAD") != 0)
			fail_msg("%s: %s", bad[i], judge(&f, bad[i], true));
	imap_view_save(&f.view, (const uint32_t[]){20, 50}, 2);
	assert_string_equal(judge(&f, "$", true), "yyyy");
	assert_string_equal(judge(&f, "NOT UID $", true), "nnnn");
	fixture_stop(&f);
}

static void
test_limits(void **state)
{
	struct buf text = BUF_EMPTY;
	struct fixture f;

	(void)state;
	fixture_start(&f);
	for (unsigned depth = 0; depth < MESSAGE_KEY_DEPTH_MAX; depth++)
		buf_add_c(&text, "NOT ");
	buf_add_c(&text, "SEEN");
	assert_string_equal(judge(&f, text.data, true), "BAD");
	assert_int_equal(strlen(judge(&f, text.data + 4, true)), 4);
	buf_clear(&text);
	for (unsigned i = 0; i <= MESSAGE_EXPENSIVE_KEYS_MAX; i++)
		buf_add_c(&text, i != 0 ? " BODY x" : "BODY x");
	assert_string_equal(judge(&f, text.data, true), "RANGE"); /* refused during preparation */
	assert_string_equal(judge(&f, text.data + 7, true), "???y");
	buf_clear(&text);
	for (unsigned i = 0; i <= MESSAGE_KEYS_MAX; i++)
		buf_add_c(&text, i != 0 ? " SEEN" : "SEEN");
	assert_string_equal(judge(&f, text.data, true), "BAD");
	assert_string_equal(judge(&f, text.data + 5, true), "yyyy");
	buf_fini(&text);
	fixture_stop(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
