/* Bytes of remote servers to lines, responses and values: the same whether they come at
 * once or one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "delivery-worker/retrieve/wire/imap_reader.h"
#include "delivery-worker/retrieve/wire/imap_response.h"
#include "delivery-worker/retrieve/wire/pop_reader.h"
#include "delivery-worker/retrieve/wire/words.h"

/* ---- IMAP: bytes to responses ---- */
/* "[text]" of each response, "(bytes)" where a body begins, and its pieces joined. */
static void
read_imap(struct str input, size_t step, struct buf *out)
{
	struct imap_reader r;

	imap_reader_init(&r, 100);
	while (input.len > 0) {
		enum imap_read event = IMAP_READ_MORE;
		struct str part = str_first(input, step), piece;
		size_t used = imap_reader_take(&r, part, &event, &piece);

		input = str_from(input, used);
		switch (event) {
		case IMAP_READ_BODY: buf_printf(out, "(%llu)", (unsigned long long)r.body_bytes); break;
		case IMAP_READ_PIECE: buf_add_str(out, piece); break;
		case IMAP_READ_RESPONSE: buf_printf(out, "[%.*s]", STR_ARG(buf_str(&r.text))); break;
		case IMAP_READ_LONG: buf_add_c(out, "long"); input.len = 0; break;
		case IMAP_READ_BAD: buf_add_c(out, "bad"); input.len = 0; break;
		case IMAP_READ_MORE: break;
		}
	}
	imap_reader_fini(&r);
}

static const struct {
	const char *input, *result;
} imap_inputs[] = {
	{"* OK hi\r\nA1 OK done\r\n", "[* OK hi][A1 OK done]"},
	{"* OK bare\n+ \r\n", "[* OK bare][+ ]"},
	{"* 1 FETCH (UID 5 BODY[] {5}\r\nabc\r\n FLAGS ())\r\n", "(5)abc\r\n[* 1 FETCH (UID 5 BODY[] \"\" FLAGS ())]"},
	{"* 1 fetch (body[] {0}\r\n)\r\n", "(0)[* 1 fetch (body[] \"\")]"},
	{"* 1 FETCH (BODY[]<0> {2}\r\n)\r UID 5)\r\n", "(2))\r[* 1 FETCH (BODY[]<0> \"\" UID 5)]"},
	{"* 1 FETCH (XBODY[] {2}\r\nxy)\r\n", "[* 1 FETCH (XBODY[] {2}xy)]"},
	{"* LIST () \"/\" {3}\r\na\"b\r\n", "[* LIST () \"/\" {3}a\"b]"},
	{"* LIST () \"/\" {3+}\r\na\r\n\r\n", "[* LIST () \"/\" {3+}a\r\n]"},
	/* words for people may end like a literal */
	{"* OK see {5}\r\nA1 NO {9}\r\n+ {7}\r\n", "[* OK see {5}][A1 NO {9}][+ {7}]"},
	{"* 1 FETCH (BODY[] {1}\r\nx BODY[] {1}\r\ny)\r\n", "(1)xbad"},
	{"* LIST () NIL {x}\r\n", "bad"},
	{"* LIST () NIL {99999999999999999999999}\r\n", "bad"},
	{"* LIST () NIL {101}\r\n", "long"},
	{"* LIST () NIL {90}\r\naaa", "long"},
	{"* 1 FETCH (BODY[] {18446744073709551615}\r\nxyz", "(18446744073709551615)xyz"},
	{"* OK 0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789",
	 "long"},
};

static void
test_imap_reader(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(imap_inputs) / sizeof(imap_inputs[0]); i++) {
		for (size_t step = 1; step <= 200; step += step == 1 ? 1 : 99) {
			struct buf out = BUF_EMPTY;

			read_imap(str_c(imap_inputs[i].input), step, &out);
			buf_add_c(&out, "");
			assert_string_equal(out.data, imap_inputs[i].result);
			buf_fini(&out);
		}
	}
}

/* ---- IMAP: responses to values ---- */
static void
add_fetch(struct buf *out, const struct imap_response *r)
{
	const struct imap_fetch *f = &r->fetch;

	buf_printf(out, "fetch %u uid %u size %llu flags %u date %lld modseq %llu", r->number, f->has_uid ? f->uid : 0,
		   (unsigned long long)f->size, f->flags, (long long)f->date_ms, (unsigned long long)f->modseq);
	for (unsigned i = 0; i < f->keyword_count; i++)
		buf_printf(out, " %.*s", STR_ARG(f->keywords[i]));
	if (f->has_body && !f->body_is_nil)
		buf_printf(out, " body <%.*s>", STR_ARG(f->body));
	if (f->body_is_nil)
		buf_add_c(out, " nil");
}

static void
describe(struct str text, struct buf *out)
{
	struct imap_response r;
	struct arena arena;

	arena_init(&arena);
	buf_add_c(out, "");
	if (!imap_response_parse(text, &arena, &r)) {
		buf_add_c(out, "malformed");
	} else {
		switch (r.kind) {
		case IMAP_TAGGED:
			buf_printf(out, "%.*s %d [%.*s|%.*s] %.*s", STR_ARG(r.tag), r.status, STR_ARG(r.code),
				   STR_ARG(r.code_value), STR_ARG(r.text));
			break;
		case IMAP_UNTAGGED: buf_printf(out, "* %d [%.*s] %.*s", r.status, STR_ARG(r.code), STR_ARG(r.text)); break;
		case IMAP_CONTINUE: buf_printf(out, "+ %.*s", STR_ARG(r.text)); break;
		case IMAP_CAPABILITY: buf_printf(out, "can %.*s", STR_ARG(r.text)); break;
		case IMAP_SEARCH: buf_printf(out, "found %.*s", STR_ARG(r.text)); break;
		case IMAP_EXISTS: buf_printf(out, "exists %u", r.number); break;
		case IMAP_EXPUNGE: buf_printf(out, "expunge %u", r.number); break;
		case IMAP_OTHER: buf_add_c(out, "other"); break;
		case IMAP_LIST:
			buf_printf(out, "list '%.*s' '%c' use %d%s", STR_ARG(r.list.name),
				   r.list.delimiter != '\0' ? r.list.delimiter : '0', r.list.use,
				   r.list.no_select ? " noselect" : "");
			break;
		case IMAP_FETCH: add_fetch(out, &r); break;
		}
	}
	arena_fini(&arena);
}

static const struct {
	const char *text, *result;
} responses[] = {
	{"A1 OK [READ-ONLY] fine", "A1 0 [READ-ONLY|] fine"},
	{"A1 no [AUTHENTICATIONFAILED] Nope", "A1 1 [AUTHENTICATIONFAILED|] Nope"},
	{"A1 OK", "A1 0 [|] "},
	{"A1 OK [COPYUID 1 2 3", "A1 0 [|] [COPYUID 1 2 3"},
	{"A1 BYE", "malformed"},
	{"A1 WHAT", "malformed"},
	{"", "malformed"},
	{"* BYE [UNAVAILABLE] later", "* 3 [UNAVAILABLE] later"},
	{"* OK [UIDVALIDITY 5] ok", "* 0 [UIDVALIDITY] ok"},
	{"+ ", "+ "},
	{"+idling", "+ idling"},
	{"* CAPABILITY IMAP4rev1 IDLE", "can IMAP4rev1 IDLE"},
	{"* SEARCH", "found "},
	{"* SEARCH 1 2", "found 1 2"},
	{"* 23 EXISTS", "exists 23"},
	{"* 23 expunge", "expunge 23"},
	{"* 4294967296 EXISTS", "malformed"},
	{"* 23 RECENT", "other"},
	{"* FLAGS (\\Seen)", "other"},
	{"*", "other"},
	{"* LIST (\\HasNoChildren \\Sent) \"/\" \"Sent \\\"x\\\"\"", "list 'Sent \"x\"' '/' use 6"},
	{"* LIST (\\Noselect) NIL \"\"", "list '' '0' use 0 noselect"},
	{"* LIST () \".\" {6}a.b(c)", "list 'a.b(c)' '.' use 0"},
	{"* LIST () \".\" INBOX (\"CHILDINFO\" (\"SUBSCRIBED\"))", "list 'INBOX' '.' use 0"},
	{"* LIST () \"..\" INBOX", "malformed"},
	{"* LIST () \".\" {9}x", "malformed"},
	{"* LIST () \".\" \"x", "malformed"},
	{"* 7 FETCH (UID 9 RFC822.SIZE 44 FLAGS (\\Seen $Junk \\Recent work \\Draft) INTERNALDATE "
	 "\"17-Jul-1996 02:44:25 -0700\" MODSEQ (77))",
	 "fetch 7 uid 9 size 44 flags 17 date 837596665000 modseq 77 $Junk work"},
	{"* 7 FETCH (FLAGS () UID 4294967296)", "malformed"},
	{"* 7 FETCH (UID 0)", "malformed"},
	{"* 7 FETCH (UID 9 BODY[] \"\")", "fetch 7 uid 9 size 0 flags 0 date 0 modseq 0 body <>"},
	{"* 7 FETCH (BODY[] \"a\\\"b\" UID 9)", "fetch 7 uid 9 size 0 flags 0 date 0 modseq 0 body <a\"b>"},
	{"* 7 FETCH (UID 9 BODY[] NIL)", "fetch 7 uid 9 size 0 flags 0 date 0 modseq 0 nil"},
	{"* 7 FETCH (ENVELOPE (\"a\" ((NIL NIL {3}(\"( \"x\"))) BODY[HEADER.FIELDS (TO)] {2}x) UID 9)",
	 "fetch 7 uid 9 size 0 flags 0 date 0 modseq 0"},
	{"* 7 FETCH (ENVELOPE ((\"a\" UID 9)", "malformed"},
	{"* 7 FETCH (UID 9", "malformed"},
	{"* 7 FETCH UID 9", "malformed"},
	{"* 7 FETCH (UID)", "malformed"},
};

static void
test_imap_responses(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(responses) / sizeof(responses[0]); i++) {
		struct buf out = BUF_EMPTY;

		describe(str_c(responses[i].text), &out);
		assert_string_equal(out.data, responses[i].result);
		buf_fini(&out);
	}
}

static void
test_dates(void **state)
{
	(void)state;
	assert_int_equal(imap_date_ms(STR("01-Jan-1970 00:00:01 +0000")), 1000);
	assert_int_equal(imap_date_ms(STR(" 1-Jan-1970 00:00:01 +0000")), 1000);
	assert_int_equal(imap_date_ms(STR("01-Jan-1970 01:00:01 +0100")), 1000);
	assert_int_equal(imap_date_ms(STR("01-Jan-1970 00:00:01 -0130")), 5401000);
	assert_int_equal(imap_date_ms(STR("32-Jan-1970 00:00:01 +0000")), 0);
	assert_int_equal(imap_date_ms(STR("01-Jnu-1970 00:00:01 +0000")), 0);
	assert_int_equal(imap_date_ms(STR("01-Jan-19x0 00:00:01 +0000")), 0);
	assert_int_equal(imap_date_ms(STR("")), 0);
}

/* ---- POP3 ---- */
static void
read_pop(struct str input, size_t step, bool in_message, struct buf *out)
{
	struct pop_reader r;

	pop_reader_init(&r, 20);
	while (input.len > 0) {
		enum pop_read event = POP_READ_MORE;
		struct str piece;
		size_t used = pop_reader_take(&r, str_first(input, step), in_message, &event, &piece);

		input = str_from(input, used);
		switch (event) {
		case POP_READ_LINE: buf_printf(out, "[%.*s]", STR_ARG(buf_str(&r.line))); break;
		case POP_READ_PIECE: buf_add_str(out, piece); break;
		case POP_READ_END:
			buf_add_c(out, "$");
			in_message = false;
			break;
		case POP_READ_LONG: buf_add_c(out, "long"); input.len = 0; break;
		case POP_READ_MORE: break;
		}
	}
	pop_reader_fini(&r);
}

static const struct {
	const char *input;
	bool in_message;
	const char *result;
} pop_inputs[] = {
	{"+OK\r\n-ERR x\n", false, "[+OK][-ERR x]"},
	{"012345678901234567890", false, "long"},
	{".\r\n+OK\r\n", true, "$[+OK]"},
	{"a\r\n..b\r\n...\r\n.\r\n", true, "a\r\n.b\r\n..\r\n$"},
	{".x\r\n.\r\n", true, "x\r\n$"}, /* a dot that was not stuffed: dropped, as by the standard */
	{"a\n.\nb\r.\r\r\n.\r\n", true, "a\n.\nb\r.\r\r\n$"},
	{".\rx\r\n.\r\r\n.\r\n", true, "\rx\r\n\r\r\n$"},
	{"\r\n\r\n.\r\n.\r\n", true, "\r\n\r\n$[.]"},
};

static void
test_pop_reader(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(pop_inputs) / sizeof(pop_inputs[0]); i++) {
		for (size_t step = 1; step <= 100; step++) {
			struct buf out = BUF_EMPTY;

			read_pop(str_c(pop_inputs[i].input), step, pop_inputs[i].in_message, &out);
			assert_string_equal(out.data, pop_inputs[i].result);
			buf_fini(&out);
		}
	}
}

static void
test_pop_lines(void **state)
{
	struct pop_status s;
	struct str uidl;
	uint32_t number;
	uint64_t size;

	(void)state;
	assert_true(pop_status_parse(STR("+OK"), &s) && s.ok);
	assert_true(pop_status_parse(STR("-ERR [IN-USE] locked"), &s) && !s.ok);
	assert_true(str_eq(s.code, STR("IN-USE")) && str_eq(s.text, STR("[IN-USE] locked")));
	assert_false(pop_status_parse(STR("+OKAY"), &s));
	assert_false(pop_status_parse(STR("HTTP/1.1 400"), &s));
	assert_false(pop_status_parse(STR(""), &s));
	assert_true(pop_numbers_parse(STR("2 320 extra"), &number, &size) && number == 2 && size == 320);
	assert_false(pop_numbers_parse(STR("2"), &number, &size));
	assert_false(pop_numbers_parse(STR("4294967296 1"), &number, &size));
	assert_true(pop_uidl_parse(STR("2 a/b"), &number, &uidl) && number == 2 && str_eq(uidl, STR("a/b")));
	assert_false(pop_uidl_parse(STR("2 "), &number, &uidl));
	assert_false(pop_uidl_parse(STR("2 a\tb\x80"), &number, &uidl));
}

/* ---- Words ---- */
static void
test_words(void **state)
{
	static const struct {
		const char *raw, *clean;
	} rows[] = {
		{"  plain  ", "plain"},
		{"a\r\nb\033[2Jc", "a  b [2Jc"},
		{"gr\xc3\xbc\xc3\x9f dich", "gr\xc3\xbc\xc3\x9f dich"},
		{"a\xff\xc3", "a??"},
		{"x\xe2\x80\xaey\xc2\x85z", "x?y?z"},
		{"a\xc2\xad" "b\xd8\x9c" "c\xe1\xa0\x8e" "d", "a?b?c?d"}, /* U+00AD, U+061C, U+180E */
		{"01234567890123456789", "012345678901234"},
		{"01234567890123\xc3\xbc", "01234567890123"},
		{"", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char out[16];

		assert_int_equal(words_clean(str_c(rows[i].raw), out, sizeof(out)), strlen(rows[i].clean));
		assert_string_equal(out, rows[i].clean);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_imap_reader), cmocka_unit_test(test_imap_responses), cmocka_unit_test(test_dates),
		cmocka_unit_test(test_pop_reader),  cmocka_unit_test(test_pop_lines),	   cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
