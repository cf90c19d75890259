/* A directory on a private redis-server, a second one set up as in the tool,
 * and helpers for querying them. */
#ifndef SP_TESTS_DIRECTORY_FIXTURE_H
#define SP_TESTS_DIRECTORY_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "lib/directory/private.h"
#include "tests/unit/redis_fixture.h"

static struct redis_fixture server;

/* Of the process under test; the tool is another, without a cache. */
static struct event_base *base;
static struct redis *redis;
static struct tracking *tracking;
static struct settings_live *settings;
static struct directory *dir, *tool;

/* ---- Waiting for answers ---- */
struct answer {
	volatile bool done;
	struct err err;
	struct directory_result result;
	struct buf names; /* "a b c" */
	bool is;
	bool found;
	struct directory_user user;
	char password[100];
	struct directory_domain domain;
};

static inline void
wait_for(struct answer *a)
{
	assert_true(redis_fixture_wait(base, &a->done, 5000));
}

static inline void
end(struct answer *a, const struct err *err)
{
	assert_false(a->done); /* exactly once */
	a->done = true;
	if (err != NULL)
		a->err = *err;
}

static inline void
on_done(void *arg, const struct err *err)
{
	end(arg, err);
}

static inline void
on_names(void *arg, const struct str *names, unsigned count, const struct err *err)
{
	struct answer *a = arg;
	for (unsigned i = 0; i < count; i++)
		buf_printf(&a->names, "%s%.*s", i > 0 ? " " : "", STR_ARG(names[i]));
	end(a, err);
}

static inline void
copy_targets(struct answer *a, const struct directory_result *result)
{
	for (unsigned i = 0; i < result->target_count; i++)
		buf_printf(&a->names, "%s%.*s", i > 0 ? " " : "", STR_ARG(result->targets[i]));
}

static inline void
on_resolved(void *arg, const struct directory_result *result, const struct err *err)
{
	struct answer *a = arg;
	if (result != NULL) {
		a->result = *result;
		copy_targets(a, result);
	}
	end(a, err);
}

/* One of the order functions, with what it came to: the code of the error. */
#define ORDER(call, ...) \
	({ \
		struct answer ordered = {.done = false}; \
		call(tool, __VA_ARGS__, on_done, &ordered); \
		assert_false(ordered.done); \
		wait_for(&ordered); \
		if (ordered.err.code != ERR_NONE) \
			print_message("  %s\n", ordered.err.text); \
		(int)ordered.err.code; \
	})

static inline int
add_domain(const char *name)
{
	return ORDER(directory_domain_add, str_c(name), NULL, 0);
}

static inline int
set_domain(const char *name, const char *field, const char *value)
{
	const struct directory_field fields[] = {{str_c(field), str_c(value)}};
	return ORDER(directory_domain_set, str_c(name), fields, 1);
}

static inline int
add_user(const char *address)
{
	return ORDER(directory_user_add, str_c(address), STR("$argon2id$x"), STR("SCRAM-SHA-256$x"), NULL, 0);
}

static inline int
set_user(const char *address, const char *field, const char *value)
{
	const struct directory_field fields[] = {{str_c(field), str_c(value)}};
	return ORDER(directory_user_set, str_c(address), fields, 1);
}

static inline int
add_alias(const char *address, const char *target)
{
	const struct str targets[] = {str_c(target)};
	return ORDER(directory_alias_add, str_c(address), targets, 1);
}

static inline int
delete_alias(const char *address, const char *target)
{
	const struct str targets[] = {str_c(target)};
	return ORDER(directory_alias_delete, str_c(address), targets, target != NULL);
}

/* "user alice@... +detail", "alias a b", ... */
static inline const char *
describe(struct answer *a)
{
	static const char *const kinds[] = {
		[DIR_USER] = "user",	      [DIR_ALIAS] = "alias",	     [DIR_CATCH_ALL] = "catch-all",
		[DIR_UNKNOWN] = "unknown",    [DIR_NOT_LOCAL] = "not local", [DIR_DISABLED] = "disabled",
		[DIR_UNCLAIMED] = "unclaimed"};
	static char text[1000];
	if (a->err.code != ERR_NONE)
		return err_code_name(a->err.code);
	snprintf(text, sizeof(text), "%s %s%s%s%s%.*s%s", kinds[a->result.kind], a->result.address,
		 a->result.detail[0] != '\0' ? " +" : "", a->result.detail, a->names.len > 0 ? " > " : "",
		 STR_ARG(buf_str(&a->names)), a->result.domain_disabled ? " (domain)" : "");
	buf_fini(&a->names);
	return text;
}

static inline const char *
resolve(const char *address)
{
	struct answer a = {.done = false};
	if (directory_resolve(dir, str_c(address), &a.result, on_resolved, &a))
		copy_targets(&a, &a.result);
	else {
		assert_false(a.done);
		wait_for(&a);
	}
	return describe(&a);
}

/* Without asking; "?" when it is not cached. */
static inline const char *
resolve_cached(const char *address)
{
	static struct answer a;
	memset(&a, 0, sizeof(a));
	if (!directory_resolve(dir, str_c(address), &a.result, on_resolved, &a)) {
		wait_for(&a);
		buf_fini(&a.names);
		return "?";
	}
	copy_targets(&a, &a.result);
	return describe(&a);
}

static inline void
turn(int ms)
{
	volatile bool never_set = false;
	redis_fixture_wait(base, &never_set, ms);
}

static inline redisReply *
command(const char *format, ...)
{
	va_list ap;
	redisContext *c = redisConnectUnix(server.socket);
	va_start(ap, format);
	redisReply *reply = redisvCommand(c, format, ap);
	va_end(ap);
	assert_non_null(reply);
	redisFree(c);
	return reply;
}

/* Then waits until the notice has come. */
#define RUN(...) \
	do { \
		freeReplyObject(command(__VA_ARGS__)); \
		turn(20); \
	} while (0)

static inline long long
number(const char *format, const char *arg)
{
	redisReply *reply = command(format, arg);
	long long n = reply->integer;
	freeReplyObject(reply);
	return n;
}

/* ---- Expanding ---- */
static inline void
on_expanded(void *arg, const struct directory_target *targets, unsigned count, const struct err *err)
{
	static const char kinds[] = "ucc?r-k"; /* by enum directory_kind */
	struct answer *a = arg;
	for (unsigned i = 0; i < count; i++)
		buf_printf(&a->names, "%s%c:%.*s%s%.*s", i > 0 ? " " : "", kinds[targets[i].kind],
			   STR_ARG(targets[i].address), targets[i].detail.len > 0 ? "+" : "",
			   STR_ARG(targets[i].detail));
	end(a, err);
}

static inline const char *
expand(const char *address)
{
	static char text[4000];
	struct answer a = {.done = false};
	directory_expand(dir, str_c(address), on_expanded, &a);
	wait_for(&a);
	snprintf(text, sizeof(text), "%.*s", STR_ARG(buf_str(&a.names)));
	buf_fini(&a.names);
	return a.err.code != ERR_NONE ? err_code_name(a.err.code) : text;
}

/* ---- The directory for a test ---- */
static inline int
open_directory(void **state)
{
	(void)state;
	freeReplyObject(command("FLUSHALL"));
	base = event_base_new();
	redis = redis_new(base, server.url, NULL);
	tracking = tracking_new(base, server.url, NULL);
	settings = settings_live_new(base, redis, tracking, false);
	dir = directory_new(base, redis, tracking, settings);
	tool = directory_new(base, redis, NULL, settings);
	for (int i = 0; i < 500 && !settings_live_is_read(settings); i++)
		turn(10);
	turn(100);
	return settings_live_is_read(settings) ? 0 : -1;
}

static inline int
close_directory(void **state)
{
	(void)state;
	tracking_free(&tracking);
	directory_free(&dir);
	directory_free(&tool);
	settings_live_free(&settings);
	redis_free(&redis);
	event_base_free(base);
	return 0;
}

static inline int
start(void **state)
{
	(void)state;
	return redis_fixture_start(&server, false) ? 0 : -1;
}

static inline int
stop(void **state)
{
	(void)state;
	redis_fixture_stop(&server);
	return 0;
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, open_directory, close_directory)

#endif
