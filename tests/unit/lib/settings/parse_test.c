/* Values of every type, as operators write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "lib/settings/private.h"

/* As it is written again; NULL: refused. */
static const struct {
	const char *group, *field, *text, *written;
} cases[] = {
	/* booleans */
	{"imap", "enable_idle", "on", "on"},
	{"imap", "enable_idle", "TRUE", "on"},
	{"imap", "enable_idle", "Yes", "on"},
	{"imap", "enable_idle", " 1 ", "on"},
	{"imap", "enable_idle", "off", "off"},
	{"imap", "enable_idle", "False", "off"},
	{"imap", "enable_idle", "NO", "off"},
	{"imap", "enable_idle", "0", "off"},
	{"imap", "enable_idle", "", NULL},
	{"imap", "enable_idle", "2", NULL},
	{"imap", "enable_idle", "onn", NULL},
	/* numbers */
	{"pop", "max_bad_commands", "1", "1"},
	{"pop", "max_bad_commands", "1000", "1000"},
	{"pop", "max_bad_commands", " 8\n", "8"},
	{"pop", "max_bad_commands", "0", NULL},
	{"pop", "max_bad_commands", "1001", NULL},
	{"pop", "max_bad_commands", "-1", NULL},
	{"pop", "max_bad_commands", "8x", NULL},
	{"pop", "max_bad_commands", "8.5", NULL},
	{"pop", "max_bad_commands", "0x8", NULL},
	{"pop", "max_bad_commands", "", NULL},
	{"pop", "max_bad_commands", "99999999999999999999999", NULL},
	/* durations: a bare number is in the row's unit */
	{"pop", "command_timeout", "5", "5m"},
	{"smtp-in", "command_timeout", "5", "5s"},
	{"ews", "modification_auto_clean", "5", "5d"},
	{"pop", "command_timeout", "90s", "90s"},
	{"pop", "command_timeout", "60s", "1m"},
	{"pop", "command_timeout", "1500ms", "1500ms"},
	{"pop", "command_timeout", "15M", "15m"},
	{"pop", "command_timeout", "15 m", "15m"},
	{"pop", "command_timeout", "24h", "1d"},
	{"spool", "expire_after", "2w", "14d"},
	{"pop", "command_timeout", "1d", "1d"},
	{"pop", "login_delay", "0", "0"},
	{"pop", "command_timeout", "999ms", NULL},
	{"pop", "command_timeout", "25h", NULL},
	{"pop", "command_timeout", "0", NULL},
	{"pop", "command_timeout", "-5m", NULL},
	{"pop", "command_timeout", "m", NULL},
	{"pop", "command_timeout", "5 minutes", NULL},
	{"pop", "command_timeout", "1h30m", NULL},
	{"pop", "command_timeout", "1.5h", NULL},
	{"pop", "command_timeout", "9223372036854775807w", NULL},
	{"pop", "command_timeout", "18446744073709551616", NULL},
	/* sizes */
	{"smtp-in", "max_message_size", "0", "0"},
	{"smtp-in", "max_message_size", "1000", "1000"},
	{"smtp-in", "max_message_size", "10K", "10K"},
	{"smtp-in", "max_message_size", "1024k", "1M"},
	{"smtp-in", "max_message_size", "25MB", "25M"},
	{"smtp-in", "max_message_size", "2 GiB", "2G"},
	{"smtp-in", "max_message_size", "1T", "1T"},
	{"smtp-in", "max_message_size", "9000000T", NULL},
	{"smtp-in", "max_message_size", "-1", NULL},
	{"smtp-in", "max_message_size", "10X", NULL},
	{"smtp-in", "max_message_size", "K", NULL},
	/* text */
	{"smtp-in", "banner", "hello #HostName#", "hello #HostName#"},
	{"smtp-in", "banner", "", ""},
	{"smtp-in", "banner", "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
	{"smtp-in", "banner", "two\r\n250 lines", NULL},
	{"smtp-in", "banner", "two\nlines", NULL},
	{"smtp-in", "banner", "bell\a", NULL},
	{"smtp-in", "banner", "\xff\xfe", NULL},
	{"pop", "retrieval_download_path", "", NULL},
	{"smtp-out", "outbound_ipv4", "192.0.2.7", "192.0.2.7"},
	{"smtp-out", "outbound_ipv4", "", ""},
	{"smtp-out", "outbound_ipv4", "2001:db8::1", NULL},
	{"smtp-out", "outbound_ipv4", "192.0.2", NULL},
	{"smtp-out", "outbound_ipv4", "mail.example.com", NULL},
	{"smtp-out", "outbound_ipv6", "2001:db8::1", "2001:db8::1"},
	{"smtp-out", "outbound_ipv6", "192.0.2.7", NULL},
	{"smtp-out", "relay_host", "", ""},
	{"smtp-out", "relay_host", "relay.test:2525", "relay.test:2525"},
	{"smtp-out", "relay_host", "127.0.0.1:42525", "127.0.0.1:42525"},
	{"smtp-out", "relay_host", "smtp://relay.test", NULL},
	{"smtp-out", "relay_host", "relay.test:smtp", NULL},
	{"mailbox", "postmaster", "", ""},
	{"mailbox", "postmaster", "root@example.test", "root@example.test"},
	{"mailbox", "postmaster", "root", NULL},
	{"mailbox", "postmaster", "Root <root@example.test>", NULL},
	/* words */
	{"smtp-in", "allow_relay", "nobody", "nobody"},
	{"smtp-in", "allow_relay", "Local_Users", "local_users"},
	{"smtp-in", "allow_relay", "anyone ", "anyone"},
	{"smtp-in", "allow_relay", "everyone", NULL},
	{"smtp-in", "allow_relay", "", NULL},
	{"smtp-in", "allow_relay", "nobody|anyone", NULL},
	/* lists */
	{"xmpp", "web_chat_url_listeners", "http://+:80/a/ https://+:443/a/", "http://+:80/a/ https://+:443/a/"},
	{"xmpp", "web_chat_url_listeners", "", ""},
	{"xmpp", "web_chat_url_listeners", "http://mail.example.com:80/a/", NULL},
	{"http", "listeners", "ftp://+:21", NULL},
	{"http", "listeners", "http://+:8080/", "http://+:8080/"},
	{"http", "listeners", "http://+:8080/path", NULL},
	{"smtp-in", "mta_sts_mx", " a,b ,, c ", "a b c"},
	{"smtp-in", "mta_sts_mx", "a\rb", NULL},
	{"spam", "engine", "", ""},
	{"spam", "engine", "rspamd://a.test:11333/, spamd://[::1]", "rspamd://a.test:11333/ spamd://[::1]"},
	{"spam", "engine", "SPAMD://192.0.2.1:783", "SPAMD://192.0.2.1:783"},
	{"spam", "engine", "localhost:783", NULL},
	{"spam", "engine", "spamd://a http://a", NULL},
	{"spam", "engine", "spamd://a:0", NULL},
	/* addresses and blocks */
	{"smtp-in", "relay_whitelist", "", ""},
	{"smtp-in", "relay_whitelist", "192.0.2.1,198.51.100.0/24 2001:db8::/32",
	 "192.0.2.1 198.51.100.0/24 2001:db8::/32"},
	{"smtp-in", "relay_whitelist", "192.0.2.1/24", NULL},
	{"smtp-in", "relay_whitelist", "192.0.2.0/33", NULL},
	{"smtp-in", "relay_whitelist", "192.0.2.1 nonsense", NULL},
};

static void
test_values(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct settings_row *row = settings_row_find(str_c(cases[i].group), str_c(cases[i].field));
		struct str text = str_c(cases[i].text);
		struct err err = {ERR_NONE, ""};
		assert_non_null(row);
		int rc = settings_check_value(row, text, &err);
		if (rc != (cases[i].written != NULL ? 0 : -1))
			fail_msg("%s.%s = \"%s\": %s", row->group, row->field, cases[i].text, err.text);
		if (rc != 0) {
			assert_int_equal(err.code, ERR_INVALID);
			assert_non_null(strstr(err.text, "allowed: "));
			assert_null(strchr(err.text, '\n'));
			continue;
		}
		struct settings_input input = {row, STR_NONE, text};
		const struct settings *s = settings_build(&input, 1);
		struct buf written = BUF_EMPTY;
		settings_value_text(s, row, STR_NONE, &written);
		assert_string_equal(written.len > 0 ? written.data : "", cases[i].written);
		/* What was written is read again as the same. */
		assert_int_equal(settings_check_value(row, buf_str(&written), NULL), 0);
		buf_fini(&written);
		settings_unref(&s);
	}
}

static int
check_length(const char *group, const char *field, char c, size_t len)
{
	char *text = malloc(len);
	memset(text, c, len);
	int rc = settings_check_value(settings_row_find(str_c(group), str_c(field)), str_of(text, len), NULL);
	free(text);
	return rc;
}

static void
test_limits(void **state)
{
	(void)state;
	assert_int_equal(check_length("pop", "banner", 'x', 500), 0);
	assert_int_equal(check_length("pop", "banner", 'x', 501), -1);
	assert_int_equal(check_length("pop", "banner", '\0', 1), -1);
	assert_int_equal(check_length("smtp-in", "mta_sts_mx", 'x', SETTINGS_VALUE_MAX), 0);
	assert_int_equal(check_length("smtp-in", "mta_sts_mx", 'x', SETTINGS_VALUE_MAX + 1), -1);
	assert_int_equal(check_length("smtp-in", "relay_whitelist", ',', SETTINGS_VALUE_MAX), 0);

	struct buf many = BUF_EMPTY;
	for (int i = 0; i < 4096; i++)
		buf_add_c(&many, "192.0.2.1 ");
	const struct settings_row *row = settings_row_find(STR("smtp-in"), STR("relay_whitelist"));
	assert_int_equal(settings_check_value(row, buf_str(&many), NULL), 0);
	buf_add_c(&many, "192.0.2.1");
	assert_int_equal(settings_check_value(row, buf_str(&many), NULL), -1);
	buf_fini(&many);
}

static void
test_words_of_refusal(void **state)
{
	(void)state;
	struct err err;
	settings_check_value(settings_row_find(STR("pop"), STR("command_timeout")), STR("soon"), &err);
	assert_string_equal(err.text,
			    "\"soon\" is not a duration; allowed: 1s to 1d (units ms, s, m, h, d, w; none: m)");
	settings_check_value(settings_row_find(STR("smtp-in"), STR("allow_relay")), STR("all\x01"), &err);
	assert_string_equal(
		err.text, "\"all?\" is not one of the allowed words; allowed: nobody|local_users|local_domains|anyone");
	settings_check_value(settings_row_find(STR("pop"), STR("max_bad_commands")), STR("0"), &err);
	assert_string_equal(err.text, "\"0\" is out of range; allowed: 1 to 1000");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_words_of_refusal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
