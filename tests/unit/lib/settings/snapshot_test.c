/* Snapshots, the table and its names, warnings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "lib/settings/private.h"

static struct settings_input
input(const char *group, const char *field, const char *domain, const char *text)
{
	return (struct settings_input){settings_row_find(str_c(group), str_c(field)), str_c(domain), str_c(text)};
}

static void
test_defaults(void **state)
{
	(void)state;
	const struct settings *s = settings_defaults();
	assert_string_equal(settings_pop(s, STR_NONE)->banner, "+OK #HostName# POP3 server ready");
	assert_int_equal(settings_pop(s, STR_NONE)->command_timeout, 5 * MIN_MS);
	assert_int_equal(settings_imap(s, STR_NONE)->autodiscover_port, 993);
	assert_int_equal(settings_smtp_in(s, STR_NONE)->allow_relay, ALLOW_RELAY_NOBODY);
	assert_int_equal(settings_smtp_in(s, STR_NONE)->append_received_line, RECEIVED_LINE_ALL);
	assert_int_equal(settings_smtp_in(s, STR_NONE)->relay_whitelist.count, 0);
	assert_int_equal(settings_imap(s, STR_NONE)->max_message_size, 100 << 20);
	assert_int_equal(settings_ews(s, STR_NONE)->modification_auto_clean, 30 * DAY_MS);
	assert_int_equal(settings_xmpp(s, STR_NONE)->web_chat_url_listeners.count, 1);
	assert_int_equal(settings_warning_bits(s), 0);
}

/* Every default is a value that its row allows, every row has words of help,
 * and no field stands in its group twice. */
static void
test_table(void **state)
{
	(void)state;
	unsigned count;
	const struct settings_row *rows = settings_rows(&count);
	for (unsigned i = 0; i < count; i++) {
		struct err err;
		if (settings_check_value(&rows[i], str_c(rows[i].default_text), &err) != 0)
			fail_msg("%s.%s: %s", rows[i].group, rows[i].field, err.text);
		assert_true(rows[i].min <= rows[i].max);
		assert_true(strlen(rows[i].help) > 0);
		assert_ptr_equal(settings_row_find(str_c(rows[i].group), str_c(rows[i].field)), &rows[i]);
		assert_non_null(settings_group_find(str_c(rows[i].group)));
	}
	assert_null(settings_row_find(STR("pop"), STR("enable_idle")));
	assert_null(settings_row_find(STR(""), STR("")));
}

static void
test_overrides(void **state)
{
	(void)state;
	const struct settings_input inputs[] = {
		input("smtp-out", "outbound_ipv4", "example.com", "192.0.2.7"),
		input("smtp-out", "port", "", "2525"),
		input("smtp-out", "relay_host", "example.org", "relay.example.org"),
		input("smtp-out", "relay_host", "", "relay.example.net"),
	};
	const struct settings *s = settings_build(inputs, 4);
	const struct settings_smtp_out *com = settings_smtp_out(s, STR("Example.COM"));
	assert_string_equal(com->outbound_ipv4, "192.0.2.7");
	assert_string_equal(com->relay_host, "relay.example.net");
	assert_int_equal(com->port, 2525);
	assert_string_equal(settings_smtp_out(s, STR("example.org"))->relay_host, "relay.example.org");
	assert_string_equal(settings_smtp_out(s, STR("example.org"))->outbound_ipv4, "");
	assert_ptr_equal(settings_smtp_out(s, STR("other.test")), settings_smtp_out(s, STR_NONE));
	/* An override of one group says nothing in another. */
	assert_ptr_equal(settings_smtp_in(s, STR("example.com")), settings_smtp_in(s, STR_NONE));

	char endless[1000];
	memset(endless, 'a', sizeof(endless));
	assert_ptr_equal(settings_smtp_out(s, str_of(endless, sizeof(endless))), settings_smtp_out(s, STR_NONE));
	settings_unref(&s);
	assert_null(s);
}

/* The login of a relay goes only to the host that it was set with, in whatever order
 * the values come. */
static void
test_login_of_a_relay(void **state)
{
	(void)state;
	const struct settings_input inputs[] = {
		input("smtp-out", "relay_password", "both.test", "own-secret"),
		input("smtp-out", "relay_host", "host.test", "relay.host.test"),
		input("smtp-out", "relay_host", "both.test", "relay.both.test"),
		input("smtp-out", "relay_user", "both.test", "own-user"),
		input("smtp-out", "relay_host", "direct.test", ""),
		input("smtp-out", "outbound_ipv4", "else.test", "192.0.2.7"),
		input("smtp-out", "outbound_ipv4", "host.test", "192.0.2.8"),
		input("smtp-out", "relay_host", "", "relay.common.test"),
		input("smtp-out", "relay_user", "", "user"),
		input("smtp-out", "relay_password", "", "secret"),
	};
	static const struct {
		const char *domain, *host, *user, *password;
	} cases[] = {
		{"other.test", "relay.common.test", "user", "secret"},
		{"else.test", "relay.common.test", "user", "secret"},
		{"host.test", "relay.host.test", "", ""},
		{"both.test", "relay.both.test", "own-user", "own-secret"},
		{"direct.test", "", "", ""},
	};
	const struct settings *s = settings_build(inputs, sizeof(inputs) / sizeof(inputs[0]));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct settings_smtp_out *out = settings_smtp_out(s, str_c(cases[i].domain));
		assert_string_equal(out->relay_host, cases[i].host);
		assert_string_equal(out->relay_user, cases[i].user);
		assert_string_equal(out->relay_password, cases[i].password);
	}
	assert_string_equal(settings_smtp_out(s, STR("host.test"))->outbound_ipv4, "192.0.2.8");
	settings_unref(&s);
}

static void
test_versions(void **state)
{
	(void)state;
	const struct settings_input a[] = {input("pop", "command_timeout", "", "5m"),
					   input("smtp-out", "relay_host", "a.test", "x"),
					   input("smtp-out", "relay_host", "b.test", "y")};
	const struct settings_input b[] = {a[2], a[1]};
	const struct settings *defaults = settings_build(NULL, 0);
	const struct settings *same = settings_build(a, 1); /* what the default says, in other words */
	const struct settings *one = settings_build(a, 3), *other = settings_build(b, 2);
	const struct settings *less = settings_build(b, 1);
	assert_true(settings_version(defaults) == settings_version(same));
	assert_true(settings_version(one) == settings_version(other));
	assert_true(settings_version(one) != settings_version(less));
	assert_true(settings_version(defaults) != settings_version(less));

	const struct settings *kept = settings_ref(one);
	settings_unref(&one);
	assert_string_equal(settings_smtp_out(kept, STR("a.test"))->relay_host, "x");
	settings_unref(&kept);
	settings_unref(&defaults);
	settings_unref(&same);
	settings_unref(&other);
	settings_unref(&less);
}

static void
test_nearest(void **state)
{
	static const struct {
		const char *group, *field, *nearest;
	} cases[] = {
		{"pop", "max_conections", "max_connections"},
		{"pop", "MAX_CONNECTIONS", "max_connections"},
		{"pop", "max-bad-commands", "max_bad_commands"},
		{"imap", "idle_enable", NULL},
		{"imap", "enable_idel", "enable_idle"},
		{"smtp-in", "banners", "banner"},
		{"smtp-in", "xyzzy", NULL},
		{"smtp-in", "", NULL},
		{"nothing", "banner", NULL},
	};
	static const char *const groups[][2] = {
		{"smtpin", "smtp-in"},	  {"smtp_out", "smtp-out"}, {"POP", "pop"}, {"pop3", "pop"},
		{"mailboxes", "mailbox"}, {"quux", NULL},	    {"", NULL},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *nearest = settings_nearest(str_c(cases[i].group), str_c(cases[i].field));
		if (cases[i].nearest == NULL ? nearest != NULL
					     : nearest == NULL || strcmp(nearest, cases[i].nearest) != 0)
			fail_msg("%s.%s: %s", cases[i].group, cases[i].field, nearest != NULL ? nearest : "none");
	}
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		const char *nearest = settings_nearest_group(str_c(groups[i][0]));
		if (groups[i][1] == NULL ? nearest != NULL : nearest == NULL || strcmp(nearest, groups[i][1]) != 0)
			fail_msg("%s: %s", groups[i][0], nearest != NULL ? nearest : "none");
	}
}

static void
collect(void *arg, const char *name, const char *text)
{
	assert_true(strlen(text) > 0);
	buf_printf(arg, "%s;", name);
}

static void
test_warnings(void **state)
{
	(void)state;
	const struct settings_input inputs[] = {
		input("smtp-in", "allow_relay", "", "anyone"),
		input("smtp-in", "relay_whitelist", "", "192.0.2.0/24 ::/0"),
		input("pop", "allow_insecure_auth", "", "on"),
		input("spool", "retry_first", "", "5h"),
	};
	const struct settings *s = settings_build(inputs, 4);
	struct buf found = BUF_EMPTY;
	settings_warnings(s, collect, &found);
	assert_string_equal(found.data, "smtp-in.allow_relay;smtp-in.relay_whitelist;pop.allow_insecure_auth;"
					"spool.retry_first;");
	buf_fini(&found);
	settings_unref(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),  cmocka_unit_test(test_table),
		cmocka_unit_test(test_overrides), cmocka_unit_test(test_login_of_a_relay),
		cmocka_unit_test(test_versions),  cmocka_unit_test(test_nearest),
		cmocka_unit_test(test_warnings),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
