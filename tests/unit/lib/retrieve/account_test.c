/* Remote accounts as people write them, as they are stored, and their secrets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "lib/base/mem.h"
#include "lib/retrieve/account.h"
#include "lib/retrieve/reach.h"

static struct arena arena;

static struct retrieve_account
account_of(const char *const *fields, int expected_set, int expected_check, struct err *err)
{
	struct retrieve_account a;
	int result = 0;

	retrieve_account_init(&a, "alice@example.test");
	for (unsigned i = 0; fields[i] != NULL && result == 0; i += 2)
		result = retrieve_account_set(&a, str_c(fields[i]), str_c(fields[i + 1]), &arena, err);
	if (result != expected_set)
		fail_msg("%s: %s", fields[0], err->text);
	if (result == 0)
		assert_int_equal(retrieve_account_check(&a, &arena, err), expected_check);
	return a;
}

#define FIELDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void
test_fields(void **state)
{
	struct err err;
	struct retrieve_account a =
		account_of(FIELDS("protocol", "imap", "host", "IMAP.Remote.Test.", "user", "al", "tls", "starttls",
				  "folder", "INBOX", "folder", "Work/Älter", "keep", "7d", "interval", "90s", "into",
				  "inbox/x", "certificate", "any"),
			   0, 0, &err);
	char text[16];

	(void)state;
	assert_int_equal(a.protocol, RETRIEVE_IMAP);
	assert_string_equal(a.host, "imap.remote.test");
	assert_int_equal(a.port, 143);
	assert_int_equal(a.folder_count, 2);
	assert_string_equal(a.folders[1], "Work/Älter");
	assert_int_equal(a.keep, RETRIEVE_DELETE_AFTER);
	assert_int_equal(a.keep_days, 7);
	assert_string_equal(retrieve_keep_text(&a, text), "7d");
	assert_int_equal(a.interval_ms, 90000);
	assert_string_equal(a.into, "INBOX/x");
	assert_true(a.any_certificate && a.enabled && !a.mirror);
	assert_true(retrieve_id_is_valid(str_c(a.id)));
}

static void
test_ports(void **state)
{
	static const struct {
		const char *protocol, *tls;
		unsigned port;
	} cases[] = {{"pop3", "implicit", 995},
		     {"pop3", "starttls", 110},
		     {"pop3", "none", 110},
		     {"imap", "implicit", 993},
		     {"imap", "none", 143}};
	struct err err;

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(account_of(FIELDS("protocol", cases[i].protocol, "tls", cases[i].tls, "host", "::1",
						   "user", "u"),
					    0, 0, &err)
					 .port,
				 cases[i].port);
}

static void
test_refusals(void **state)
{
	static const struct {
		const char *field, *value, *text;
	} values[] = {
		{"protocol", "smtp", "protocol: it is pop3 or imap"},
		{"tls", "yes", "tls: it is implicit, starttls or none"},
		{"host", "", "host: "},
		{"host", "a b", "host: "},
		{"host", "x\r\ny", "host: it has a control character"},
		{"port", "0", "port: "},
		{"port", "65536", "port: "},
		{"user", "a\nb", "user: "},
		{"user", "\xff", "user: it is not UTF-8"},
		{"user",
		 "a\xc2\x9b"
		 "b",
		 "user: it has a character that is not visible"},
		{"into",
		 "a\xe2\x80\xae"
		 "b",
		 "into: it has a character that is not visible"},
		{"folder", "a\xe2\x81\xa6", "folder: it has a character that is not visible"},
		{"folder", "", "folder: "},
		{"keep", "36h", "keep: "},
		{"keep", "99999d", "keep: "},
		{"interval", "0", "interval: "},
		{"interval", "31d", "interval: "},
		{"interval", "99999999999999999999d", "interval: "},
		{"token_url", "http://a.test/", "token_url: it is an https URL"},
		{"enabled", "maybe", "enabled: "},
		{"colour", "red", "colour: there is no such field"},
		{"secret", "x", "secret: there is no such field"},
	};
	struct err err;

	(void)state;
	for (unsigned i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		account_of(FIELDS(values[i].field, values[i].value), -1, 0, &err);
		if (strncmp(err.text, values[i].text, strlen(values[i].text)) != 0)
			fail_msg("%s=%s: %s", values[i].field, values[i].value, err.text);
	}
}

static void
test_contradictions(void **state)
{
	static const char *const cases[][9] = {
		{"user", "u"},
		{"host", "h.test"},
		{"host", "h.test", "user", "u", "folder", "INBOX"},
		{"host", "h.test", "user", "u", "mirror", "on"},
		{"protocol", "imap", "host", "h.test", "user", "u", "into", "a//b"},
		{"host", "h.test", "user", "u", "auth", "oauth2"},
		{"host", "h.test", "user", "u", "auth", "oauth2", "token_url", "https://t.test/"},
	};
	struct err err;

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		account_of(cases[i], 0, -1, &err);
	account_of(FIELDS("protocol", "imap", "host", "h.test", "user", "u", "mirror", "on", "folder", "INBOX"), 0, -1,
		   &err);
	account_of(FIELDS("protocol", "imap", "host", "h.test", "user", "u", "folder", "A", "folder", "A"), 0, -1,
		   &err);
	account_of(FIELDS("host", "h.test", "user", "u", "auth", "oauth2", "token_url", "https://t.test/", "client_id",
			  "c", "tls", "none"),
		   0, -1, &err);
	account_of(FIELDS("host", "h.test", "user", "u", "auth", "oauth2", "token_url", "https://t.test/", "client_id",
			  "c"),
		   0, 0, &err);
}

static void
test_packed(void **state)
{
	struct err err;
	struct retrieve_account a = account_of(FIELDS("protocol", "imap", "host", "h.test", "user", "u", "folder", "A",
						      "folder", "B", "keep", "delete", "once", "on", "auth", "oauth2",
						      "token_url", "https://t.test/", "client_id", "c", "scope", "s"),
					       0, 0, &err);
	struct retrieve_account b;
	struct buf packed = BUF_EMPTY, again = BUF_EMPTY;
	size_t later;

	(void)state;
	a.secret = "v1.k.x";
	a.trial = true;
	retrieve_account_pack(&a, &packed);
	assert_int_equal(retrieve_account_unpack(buf_str(&packed), &arena, &b, &err), 0);
	assert_string_equal(b.id, a.id);
	assert_string_equal(b.address, a.address);
	assert_string_equal(b.secret, "v1.k.x");
	assert_int_equal(b.folder_count, 2);
	assert_string_equal(b.folders[1], "B");
	assert_string_equal(b.scope, "s");
	assert_int_equal(b.keep, RETRIEVE_DELETE);
	assert_true(b.once && b.trial && b.enabled);
	assert_int_equal(b.created_ms, a.created_ms);
	/* What a later version added stays: field 1000, a text, and 1001, a number. */
	later = packed.len;
	buf_add_str(&packed, STR("\xc2\x3e\x03new\xc8\x3e\x96\x01"));
	assert_int_equal(retrieve_account_unpack(buf_str(&packed), &arena, &b, &err), 0);
	b.secret = "v1.k.y";
	retrieve_account_pack(&b, &again);
	assert_int_equal(again.len, packed.len);
	assert_true(str_eq(str_from(buf_str(&again), later), str_from(buf_str(&packed), later)));
	assert_int_equal(retrieve_account_unpack(buf_str(&again), &arena, &b, &err), 0);
	assert_string_equal(b.secret, "v1.k.y");
	buf_fini(&again);
	/* Cut anywhere: an error, or another account that is sane; never more. */
	for (size_t len = 0; len < packed.len; len++) {
		char *copy = arena_dup(&arena, packed.data, len);
		if (retrieve_account_unpack(str_of(copy, len), &arena, &b, &err) != 0)
			assert_int_equal(err.code, ERR_CORRUPT);
	}
	buf_fini(&packed);
}

static void
test_same_mailbox(void **state)
{
	static const struct {
		const char *one[9], *two[9];
		bool overlaps;
	} cases[] = {
		{{NULL}, {NULL}, true},
		{{"host", "H.test."}, {NULL}, true},
		{{"host", "h2.test"}, {NULL}, false},
		{{"user", "v"}, {NULL}, false},
		{{"protocol", "imap"}, {NULL}, false},
		{{"port", "1995"}, {"port", "995"}, true},
		{{"protocol", "imap", "folder", "A"}, {"protocol", "imap", "folder", "B", "folder", "A"}, true},
		{{"protocol", "imap", "folder", "A"}, {"protocol", "imap", "folder", "B"}, false},
		{{"protocol", "imap", "folder", "A"}, {"protocol", "imap"}, false},
		{{"protocol", "imap", "folder", "inbox"}, {"protocol", "imap"}, true},
		{{"protocol", "imap", "folder", "A"}, {"protocol", "imap", "mirror", "on"}, true},
	};
	struct retrieve_account a[2];
	struct err err;

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (unsigned k = 0; k < 2; k++) {
			const char *const *more = k == 0 ? cases[i].one : cases[i].two;
			a[k] = account_of(FIELDS("host", "h.test", "user", "u"), 0, 0, &err);
			for (unsigned f = 0; more[f] != NULL; f += 2)
				assert_int_equal(
					retrieve_account_set(&a[k], str_c(more[f]), str_c(more[f + 1]), &arena, &err),
					0);
		}
		if (retrieve_account_overlaps(&a[0], &a[1]) != cases[i].overlaps ||
		    retrieve_account_overlaps(&a[1], &a[0]) != cases[i].overlaps)
			fail_msg("case %u", i);
	}
}

static void
test_secrets(void **state)
{
	struct secret_keys *keys = secret_keys_new(STR("k1:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="), NULL);
	struct retrieve_account a, other;
	struct buf plain = BUF_EMPTY;
	struct err err;

	(void)state;
	assert_non_null(keys);
	retrieve_account_init(&a, "alice@example.test");
	retrieve_account_init(&other, "alice@example.test");
	assert_null(retrieve_seal(NULL, &a, RETRIEVE_SECRET, STR("pw"), &arena, &err));
	assert_int_equal(err.code, ERR_DENIED);
	assert_null(retrieve_seal(keys, &a, RETRIEVE_SECRET, STR(""), &arena, &err));
	assert_null(retrieve_seal(keys, &a, RETRIEVE_SECRET, STR("a\r\nb"), &arena, &err));
	assert_non_null(retrieve_seal(keys, &a, RETRIEVE_SECRET, STR("pässword"), &arena, &err));
	assert_null(strstr(a.secret, "ssword"));
	assert_int_equal(retrieve_open(keys, &a, RETRIEVE_SECRET, str_c(a.secret), &plain, &err), 0);
	assert_string_equal(plain.data, "pässword");
	/* It belongs to this account and this purpose. */
	assert_int_equal(retrieve_open(keys, &other, RETRIEVE_SECRET, str_c(a.secret), &plain, &err), -1);
	assert_int_equal(retrieve_open(keys, &a, RETRIEVE_CLIENT_SECRET, str_c(a.secret), &plain, &err), -1);
	buf_fini(&plain);
	secret_keys_free(&keys);
}

static void
test_reach(void **state)
{
	static const struct {
		const char *ip;
		bool allowed;
	} cases[] = {
		{"8.8.8.8", true},
		{"127.0.0.1", false},
		{"10.1.2.3", false},
		{"192.168.1.1", false},
		{"172.16.0.1", false},
		{"172.32.0.1", true},
		{"169.254.169.254", false},
		{"100.64.0.1", false},
		{"0.0.0.0", false},
		{"255.255.255.255", false},
		{"224.0.0.1", false},
		{"198.18.0.1", false},
		{"2606:4700::1111", true},
		{"::1", false},
		{"::", false},
		{"fe80::1", false},
		{"fc00::1", false},
		{"fd12::1", false},
		{"ff02::1", false},
		{"::ffff:127.0.0.1", false},
		{"::ffff:8.8.8.8", true},
		{"64:ff9b::7f00:1", false},
		{"64:ff9b::808:808", true},
		{"2002:7f00:1::", false},
		{"2002:808:808::1", true},
		{"::127.0.0.1", false},
		{"2001:db8::1", false},
	};
	struct ip_block block;
	struct ip_blocks allowed = {&block, 1};
	struct ip ip;

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_true(ip_parse(str_c(cases[i].ip), &ip));
		if (retrieve_ip_is_allowed(&ip, NULL) != cases[i].allowed)
			fail_msg("%s", cases[i].ip);
	}
	assert_true(ip_block_parse(STR("127.0.0.0/8"), &block));
	assert_true(ip_parse(STR("127.0.0.1"), &ip));
	assert_true(retrieve_ip_is_allowed(&ip, &allowed));
	assert_true(ip_parse(STR("10.0.0.1"), &ip));
	assert_false(retrieve_ip_is_allowed(&ip, &allowed));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),	 cmocka_unit_test(test_ports),
		cmocka_unit_test(test_refusals), cmocka_unit_test(test_contradictions),
		cmocka_unit_test(test_packed),	 cmocka_unit_test(test_secrets),
		cmocka_unit_test(test_reach),	 cmocka_unit_test(test_same_mailbox),
	};
	int result;

	arena_init(&arena);
	result = cmocka_run_group_tests(tests, NULL, NULL);
	arena_fini(&arena);
	return result;
}
