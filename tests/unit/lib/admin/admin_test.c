/* Every function of lib/admin that queries the store: it calls back once, later,
 * even if the store is unreachable; and never after it was cancelled, at whatever
 * step. */
#include "lib/admin/admin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/admin/accounts.h"
#include "lib/admin/dns.h"
#include "lib/admin/queue.h"
#include "lib/admin/settings.h"
#include "lib/admin/status.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/blob/blob.h"
#include "lib/directory/directory.h"
#include "lib/dns/dns.h"
#include "lib/mailbox/mailbox.h"
#include "lib/settings/settings.h"
#include "tests/unit/redis_fixture.h"

static struct redis_fixture server;
static struct admin admin;
static struct blob_store *blobs;
static char blobs_url[128];

struct outcome {
	bool done;
	unsigned calls;
	cJSON *result;
	struct err err;
};

static void
on_result(void *arg, cJSON *result, const struct err *err)
{
	struct outcome *o = arg;

	o->done = true;
	o->calls++;
	o->result = result;
	if (err != NULL)
		o->err = *err;
}

static void
on_done(void *arg, const struct err *err)
{
	on_result(arg, NULL, err);
}

static void
turn(int ms)
{
	bool never = false;
	redis_fixture_wait(admin.base, &never, ms);
}

static void
await(struct outcome *o)
{
	redis_fixture_wait(admin.base, &o->done, 30000);
	assert_true(o->done);
}

static int
setup(void **state)
{
	struct err err;

	(void)state;
	setenv("STAGEPOST_LOG_LEVEL", "error", 0);
	log_init("test");
	if (!redis_fixture_start(&server, false))
		return -1;
	snprintf(blobs_url, sizeof(blobs_url), "file:%s/blobs", server.dir);
	admin = (struct admin){
		.base = event_base_new(), .redis_url = server.url, .blobs_url = blobs_url, .hostname = "mx.here.test"};
	admin.redis = redis_new(admin.base, server.url, &err);
	admin.tracking = tracking_new(admin.base, server.url, &err);
	while (!redis_is_connected(admin.redis))
		turn(5);
	admin.settings = settings_live_new(admin.base, admin.redis, NULL, false);
	admin.directory = directory_new(admin.base, admin.redis, NULL, admin.settings);
	admin.dkim = dkim_keys_new(admin.redis, NULL);
	admin.dns = dns_new(admin.base, "127.0.0.1@1", NULL, &err);
	assert_non_null(admin.dns);
	blobs = blob_store_open(admin.base, blobs_url, &err);
	assert_non_null(blobs);
	admin.mailboxes = mailbox_store_new(admin.redis, blobs);
	while (!settings_live_is_read(admin.settings))
		turn(5);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	while (admin.works != 0)
		turn(5);
	mailbox_store_free(&admin.mailboxes);
	blob_store_close(&blobs);
	dkim_keys_free(&admin.dkim);
	dns_free(&admin.dns);
	directory_free(&admin.directory);
	settings_live_free(&admin.settings);
	tracking_free(&admin.tracking);
	redis_free(&admin.redis);
	event_base_free(admin.base);
	redis_fixture_stop(&server);
	return 0;
}

/* One domain with two users and an alias, a key and some settings. */
static void
fill_store(void)
{
	static const struct str targets[] = {{"one@here.test", 13}, {"far@remote.test", 15}};
	struct outcome o = {.done = false};

	directory_domain_add(admin.directory, STR("here.test"), NULL, 0, on_done, &o);
	await(&o);
	for (unsigned i = 0; i < 2; i++) {
		o.done = false;
		directory_user_add(admin.directory, i == 0 ? STR("one@here.test") : STR("two@here.test"), STR("x"),
				   STR(""), NULL, 0, on_done, &o);
		await(&o);
	}
	o.done = false;
	directory_alias_add(admin.directory, STR("all@here.test"), targets, 2, on_done, &o);
	await(&o);
	o.done = false;
	admin_dkim_make(&admin, STR("here.test"), STR("s1"), DKIM_ED25519, true, on_done, &o);
	await(&o);
	assert_int_equal(o.err.code, ERR_NONE);
	redis_callf(admin.redis, NULL, NULL, "HSET settings:ews:here.test offered_version x");
}

/* ---- All functions ---- */
static struct admin_call *
start_status(struct outcome *o)
{
	return admin_status(&admin, on_result, o);
}

static struct admin_call *
start_settings_list(struct outcome *o)
{
	return admin_settings_list(&admin, NULL, on_result, o);
}

static struct admin_call *
start_settings_get(struct outcome *o)
{
	return admin_settings_get(&admin, "spool:here.test.expire_after", on_result, o);
}

static struct admin_call *
start_settings_domain_get(struct outcome *o)
{
	return admin_settings_get(&admin, "smtp-out:here.test.outbound_ipv4", on_result, o);
}

static struct admin_call *
start_settings_set(struct outcome *o)
{
	static const struct admin_setting settings[] = {{{"spool.expire_after", 18}, {"4d", 2}},
							{{"mailbox.default_quota", 21}, {"1G", 2}}};
	return admin_settings_set(&admin, settings, 2, on_done, o);
}

static struct admin_call *
start_settings_unset(struct outcome *o)
{
	static const struct str names[] = {{"spool.expire_after", 18}};
	return admin_settings_unset(&admin, names, 1, on_done, o);
}

static struct admin_call *
start_settings_check(struct outcome *o)
{
	return admin_settings_check(&admin, on_result, o);
}

static struct admin_call *
start_trace(struct outcome *o)
{
	return admin_trace(&admin, "06h2scsbsm0e9dap8fdv", on_result, o);
}

static struct admin_call *
start_domain_show(struct outcome *o)
{
	return admin_domain_show(&admin, STR("here.test"), on_result, o);
}

static struct admin_call *
start_user_show(struct outcome *o)
{
	return admin_user_show(&admin, STR("one@here.test"), on_result, o);
}

static const struct directory_page first_page = {.after = STR(""), .query = STR(""), .limit = 10};

static struct admin_call *
start_domain_page(struct outcome *o)
{
	return admin_domain_page(&admin, &first_page, on_result, o);
}

static struct admin_call *
start_user_page(struct outcome *o)
{
	return admin_user_page(&admin, STR("here.test"), &first_page, on_result, o);
}

static struct admin_call *
start_alias_page(struct outcome *o)
{
	return admin_alias_page(&admin, STR("here.test"), &first_page, on_result, o);
}

static struct admin_call *
start_alias_show(struct outcome *o)
{
	return admin_alias_show(&admin, STR("nobody@here.test"), on_result, o);
}

static struct admin_call *
start_alias_list(struct outcome *o)
{
	return admin_alias_list(&admin, STR_NONE, on_result, o);
}

static struct admin_call *
start_dkim_list(struct outcome *o)
{
	static const struct admin_dkim_choice choice = {.any_algorithm = true};
	return admin_dkim_list(&admin, STR("here.test"), &choice, on_result, o);
}

static struct admin_call *
start_dns(struct outcome *o)
{
	return admin_domain_dns(&admin, STR("Here.test"), false, on_result, o);
}

/* Nobody answers where nothing listens. */
static struct admin_call *
start_dns_checked(struct outcome *o)
{
	return admin_domain_dns(&admin, STR("here.test"), true, on_result, o);
}

static struct admin_call *
start_dns_unknown(struct outcome *o)
{
	return admin_domain_dns(&admin, STR("no domain"), true, on_result, o);
}

static struct admin_call *
start_dkim_make(struct outcome *o)
{
	return admin_dkim_make(&admin, STR("here.test"), STR_NONE, DKIM_ED25519, false, on_done, o);
}

static struct admin_call *
start_dkim_activate(struct outcome *o)
{
	return admin_dkim_activate(&admin, STR("here.test"), STR("s1"), on_done, o);
}

static struct admin_call *
start_dkim_delete(struct outcome *o)
{
	return admin_dkim_delete(&admin, STR("here.test"), STR("s1"), on_done, o);
}

static struct admin_call *
start_user_add(struct outcome *o)
{
	return admin_user_add(&admin, STR("three@here.test"), STR("secret"), NULL, 0, on_done, o);
}

static struct admin_call *
start_user_passwd(struct outcome *o)
{
	return admin_user_passwd(&admin, STR("two@here.test"), STR("secret"), on_done, o);
}

static struct admin_call *
start_user_delete(struct outcome *o)
{
	return admin_user_delete(&admin, STR("one@here.test"), on_done, o);
}

static struct admin_call *
start_domain_delete(struct outcome *o)
{
	return admin_domain_delete(&admin, STR("here.test"), true, on_done, o);
}

/* What removes something comes last. */
static const struct function {
	const char *name;
	struct admin_call *(*start)(struct outcome *o);
	enum err_code code; /* when the store is there */
} functions[] = {
	{"status", start_status, ERR_NONE},
	{"settings list", start_settings_list, ERR_NONE},
	{"settings get", start_settings_get, ERR_INVALID}, /* not of a domain */
	{"settings get, of a domain", start_settings_domain_get, ERR_NONE},
	{"settings set", start_settings_set, ERR_NONE},
	{"settings unset", start_settings_unset, ERR_NONE},
	{"settings check", start_settings_check, ERR_NONE},
	{"trace", start_trace, ERR_NOT_FOUND},
	{"domain show", start_domain_show, ERR_NONE},
	{"user show", start_user_show, ERR_NONE},
	{"alias list", start_alias_list, ERR_NONE},
	{"domain page", start_domain_page, ERR_NONE},
	{"user page", start_user_page, ERR_NONE},
	{"alias page", start_alias_page, ERR_NONE},
	{"alias show", start_alias_show, ERR_NOT_FOUND},
	{"dkim list", start_dkim_list, ERR_NONE},
	{"dns", start_dns, ERR_NONE},
	{"dns checked", start_dns_checked, ERR_NONE},
	{"dns of no domain", start_dns_unknown, ERR_INVALID},
	{"dkim make", start_dkim_make, ERR_NONE},
	{"dkim activate", start_dkim_activate, ERR_NONE},
	{"dkim delete", start_dkim_delete, ERR_NONE},
	{"user add", start_user_add, ERR_NONE},
	{"user passwd", start_user_passwd, ERR_NONE},
	{"user delete", start_user_delete, ERR_NONE},
	{"domain delete", start_domain_delete, ERR_NONE},
};
enum { FUNCTIONS = sizeof(functions) / sizeof(functions[0]) };

/* Side by side, and each alone. */
static void
run_all(enum err_code unless)
{
	for (unsigned i = 0; i < FUNCTIONS; i++) {
		struct outcome o = {.done = false};
		enum err_code expected =
			unless == ERR_NONE || functions[i].code == ERR_INVALID ? functions[i].code : unless;
		functions[i].start(&o);
		assert_int_equal(o.calls, 0); /* never from within */
		await(&o);
		turn(5);
		assert_int_equal(o.calls, 1);
		if (o.err.code != expected)
			fail_msg("%s: %s %s", functions[i].name, err_code_name(o.err.code), o.err.text);
		cJSON_Delete(o.result);
	}
}

static void
test_all(void **state)
{
	(void)state;
	fill_store();
	run_all(ERR_NONE);
}

static void
test_store_is_away(void **state)
{
	(void)state;
	fill_store();
	redis_fixture_kill(&server);
	while (redis_is_connected(admin.redis))
		turn(5);
	run_all(ERR_UNAVAILABLE);
}

/* The store goes while its answer is waited for. */
static void
test_store_goes(void **state)
{
	struct outcome o[FUNCTIONS] = {{.done = false}};

	(void)state;
	fill_store();
	kill(server.pid, SIGSTOP);
	for (unsigned i = 0; i < FUNCTIONS; i++)
		functions[i].start(&o[i]);
	turn(50);
	redis_fixture_kill(&server);
	for (unsigned i = 0; i < FUNCTIONS; i++) {
		await(&o[i]);
		assert_int_equal(o[i].calls, 1);
		assert_int_not_equal(o[i].err.code, ERR_NONE);
		assert_null(o[i].result);
	}
}

/* After so many turns of the loop; later ones find it done. */
static void
test_cancelled(void **state)
{
	(void)state;
	fill_store();
	for (unsigned turns = 0; turns < 8; turns++)
		for (unsigned i = 0; i < FUNCTIONS; i++) {
			struct outcome o = {.done = false};
			struct admin_call *call = functions[i].start(&o);
			for (unsigned n = 0; n < turns && !o.done; n++)
				event_base_loop(admin.base, EVLOOP_ONCE);
			if (!o.done) {
				admin_cancel(&call);
				assert_null(call);
				turn(10);
				assert_int_equal(o.calls, 0);
			}
			cJSON_Delete(o.result);
		}
}

/* ---- Work that takes long ---- */
static void
on_tick(evutil_socket_t fd, short what, void *ticks)
{
	(void)fd, (void)what;
	++*(unsigned *)ticks;
}

/* The loop turns while a key is made; of too many at once some are refused. */
static void
test_work_is_off_the_loop(void **state)
{
	enum { KEYS = 20 };
	struct outcome o[KEYS] = {{.done = false}};
	struct timeval ms = {.tv_usec = 1000};
	unsigned ticks = 0, refused = 0;
	struct event *tick = event_new(admin.base, -1, EV_PERSIST, on_tick, &ticks);
	char selector[16];

	(void)state;
	fill_store();
	event_add(tick, &ms);
	for (unsigned i = 0; i < KEYS; i++) {
		snprintf(selector, sizeof(selector), "k%u", i);
		admin_dkim_make(&admin, STR("here.test"), str_c(selector), DKIM_RSA, true, on_done, &o[i]);
	}
	assert_int_equal(ticks, 0);
	for (unsigned i = 0; i < KEYS; i++) {
		await(&o[i]);
		assert_true(o[i].err.code == ERR_NONE || o[i].err.code == ERR_LIMIT);
		refused += o[i].err.code == ERR_LIMIT;
	}
	assert_true(ticks > 0);
	assert_true(refused > 0 && refused < KEYS);
	assert_int_equal(admin.works, 0);
	event_free(tick);
}

/* ---- Settings ---- */
static const char *
text_of(const cJSON *o, const char *name)
{
	return cJSON_GetStringValue(cJSON_GetObjectItem(o, name));
}

static void
check_value(const char *name, const char *value, const char *origin)
{
	struct outcome o = {.done = false};

	admin_settings_get(&admin, name, on_result, &o);
	await(&o);
	assert_non_null(o.result);
	assert_string_equal(text_of(o.result, "value"), value);
	assert_string_equal(text_of(o.result, "origin"), origin);
	cJSON_Delete(o.result);
}

static enum err_code
set(const char *const *pairs, size_t count)
{
	struct admin_setting settings[8];
	struct outcome o = {.done = false};

	for (size_t i = 0; i < count; i++)
		settings[i] = (struct admin_setting){str_c(pairs[2 * i]), str_c(pairs[2 * i + 1])};
	admin_settings_set(&admin, settings, count, on_done, &o);
	await(&o);
	return o.err.code;
}

static void
test_settings(void **state)
{
	static const char *const good[] = {"smtp-out.outbound_ipv4",	       "127.0.0.2", "spool.expire_after", "3d",
					   "smtp-out:Here.TEST.outbound_ipv4", "127.0.0.3", "spool.expire_after", "4d"};
	static const char *const bad[] = {"spool.expire_after", "2d", "smtp-out.outbound_ipv4", "banana"};
	static const struct str names[] = {{"spool.expire_after", 18}, {"spool.nonsense", 14}};
	struct outcome o = {.done = false};

	(void)state;
	check_value("smtp-out:here.test.outbound_ipv4", "", "default");
	assert_int_equal(set(good, 4), ERR_NONE);
	check_value("smtp-out:here.test.outbound_ipv4", "127.0.0.3", "domain");
	check_value("smtp-out:other.test.outbound_ipv4", "127.0.0.2", "group");
	check_value("spool.expire_after", "4d", "group");
	/* All, or none. */
	assert_int_equal(set(bad, 2), ERR_INVALID);
	check_value("spool.expire_after", "4d", "group");
	admin_settings_unset(&admin, names, 2, on_done, &o);
	await(&o);
	assert_int_equal(o.err.code, ERR_NOT_FOUND);
	check_value("spool.expire_after", "4d", "group");
	o = (struct outcome){.done = false};
	admin_settings_unset(&admin, names, 1, on_done, &o);
	await(&o);
	check_value("spool.expire_after", "5d", "default");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_all, setup, teardown),
		cmocka_unit_test_setup_teardown(test_store_is_away, setup, teardown),
		cmocka_unit_test_setup_teardown(test_store_goes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancelled, setup, teardown),
		cmocka_unit_test_setup_teardown(test_work_is_off_the_loop, setup, teardown),
		cmocka_unit_test_setup_teardown(test_settings, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
