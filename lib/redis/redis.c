/* The connection to the shared store.
 *
 * Each command in flight has a `struct call`. They are in the order of sending,
 * which is also that of the replies; when the connection ends, all remaining
 * ones fail. While there is no connection, calls wait in `failed` for the
 * loop's next turn, since a callback must not come from within the call that
 * caused it. */
#include "lib/redis/redis.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/hex.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/redis/link.h"
#include "lib/redis/url.h"

enum {
	BACKOFF_LEAST_MS = 50,
	BACKOFF_MOST_MS = 1000,
	SILENCE_MS = 5000, /* commands without any answer for this long: the connection is broken */
	TICK_MS = 500,
	WATCHERS_MAX = 4,
};

struct call {
	struct redis *redis; /* borrowed */
	redis_on_reply *cb;  /* NULL: the reply is ignored */
	void *arg;
	struct redis_script *script; /* borrowed; NULL: a plain command */
	struct call *prev, *next;    /* in redis->in_flight or ->failed */
};

struct redis {
	struct event_base *base;
	struct redis_url url;
	struct link *link; /* owner; NULL: no connection */
	bool connected;	   /* and the greeting is done */
	bool freeing;
	uint64_t generation; /* of the connection; unique in the process */
	size_t pending;
	int64_t last_answer_ms; /* monotonic */
	int backoff_ms;
	struct event *retry;
	struct event *tick;
	struct event *fail_now;
	struct call *in_flight; /* owner: in the order of the replies */
	struct call *failed;	/* owner: reported at the next turn */
	struct {
		redis_on_state *on_state;
		void *arg;
	} watchers[WATCHERS_MAX];
	unsigned watcher_count;
	bool complained;
	char trouble[ERR_TEXT_MAX];
};

/* ---- Errors ---- */

static const struct {
	const char *word;
	enum err_code code;
} error_words[] = {
	{"LOADING", ERR_UNAVAILABLE},  {"BUSY", ERR_UNAVAILABLE},	{"NOSCRIPT", ERR_UNAVAILABLE},
	{"READONLY", ERR_UNAVAILABLE}, {"MASTERDOWN", ERR_UNAVAILABLE}, {"CLUSTERDOWN", ERR_UNAVAILABLE},
	{"OOM", ERR_UNAVAILABLE},      {"MISCONF", ERR_UNAVAILABLE},	{"NOAUTH", ERR_UNAVAILABLE},
	{"NOPERM", ERR_UNAVAILABLE},   {"WRONGPASS", ERR_UNAVAILABLE},	{"NOREPLICAS", ERR_UNAVAILABLE},
	{"TRYAGAIN", ERR_UNAVAILABLE}, {"UNBLOCKED", ERR_UNAVAILABLE},	{"FENCED", ERR_FENCED},
	{"NOTFOUND", ERR_NOT_FOUND},   {"EXISTS", ERR_EXISTS},		{"OVERQUOTA", ERR_OVER_QUOTA},
	{"LIMIT", ERR_LIMIT},	       {"DENIED", ERR_DENIED},
};

static void
error_of_reply(const redisReply *reply, struct err *err)
{
	struct str text = str_of(reply->str, (size_t)reply->len), word, rest;

	str_cut(text, ' ', &word, &rest);
	for (unsigned i = 0; i < sizeof(error_words) / sizeof(error_words[0]); i++)
		if (str_eq(word, str_c(error_words[i].word))) {
			/* Errors of our own scripts are passed on without the first word. */
			struct str say = error_words[i].code == ERR_UNAVAILABLE ? text : rest;
			err_set(err, error_words[i].code, "%.*s", STR_ARG(say));
			return;
		}
	err_set(err, ERR_INVALID, "Redis: %.*s", STR_ARG(text));
}

/* ---- Calls ---- */

static void
redis_call_end(struct call *call, const redisReply *reply, const struct err *err)
{
	redis_on_reply *cb = call->cb;
	void *arg = call->arg;

	mem_free(call);
	if (cb != NULL)
		cb(arg, reply, err);
}

static void
call_fail_later(struct redis *r, struct call *call)
{
	DL_APPEND(r->failed, call);
	event_active(r->fail_now, EV_TIMEOUT, 0);
}

static void
fail_all(struct redis *r)
{
	struct call *list = r->failed, *call, *next;

	/* Calls made by the callbacks wait for the next turn. */
	r->failed = NULL;
	DL_FOREACH_SAFE (list, call, next) {
		struct err err;
		err_set(&err, ERR_UNAVAILABLE, "Redis cannot be reached");
		redis_call_end(call, NULL, &err);
	}
}

static void
on_fail_now(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	fail_all(arg);
}

static void
send_formatted(struct redis *r, struct call *call, const char *command, size_t len)
{
	if (!r->connected) {
		call_fail_later(r, call);
		return;
	}
	DL_APPEND(r->in_flight, call);
	link_send(r->link, command, len);
	if (r->pending++ == 0)
		r->last_answer_ms = clock_monotonic_ms();
}

static void
on_reply(void *arg, const redisReply *reply)
{
	struct redis *r = arg;
	struct call *call = r->in_flight;
	struct err err;

	CHECK(r->pending != 0 && call != NULL);
	DL_DELETE(r->in_flight, call);
	r->pending--;
	r->last_answer_ms = clock_monotonic_ms();
	if (reply->type != REDIS_REPLY_ERROR) {
		redis_call_end(call, reply, NULL);
		return;
	}
	/* Somebody flushed the server's scripts: nothing was done, and the next
	 * call sends the text again. */
	if (call->script != NULL && strncmp(reply->str, "NOSCRIPT", 8) == 0)
		call->script->loaded_on = 0;
	error_of_reply(reply, &err);
	redis_call_end(call, NULL, &err);
}

/* A command without an answer may or may not have taken effect. */
static void
fail_in_flight(struct redis *r)
{
	struct call *list = r->in_flight, *call, *next;

	r->in_flight = NULL;
	r->pending = 0;
	DL_FOREACH_SAFE (list, call, next) {
		struct err err;
		err_set(&err, ERR_UNAVAILABLE, "the connection to Redis was lost");
		redis_call_end(call, NULL, &err);
	}
}

static struct call *
redis_call_new(struct redis *r, redis_on_reply *cb, void *arg)
{
	struct call *call = mem_new(struct call);

	call->redis = r;
	call->cb = cb;
	call->arg = arg;
	return call;
}

enum { ARGS_ON_STACK = 32 };

/* hiredis needs two arrays. */
static void
format_and_send(struct redis *r, struct call *call, size_t argc, const struct str *argv)
{
	const char *few[ARGS_ON_STACK], **pointers = argc <= ARGS_ON_STACK ? few : mem_alloc(argc * sizeof(*pointers));
	size_t few_lens[ARGS_ON_STACK] = {0};
	size_t *lens = argc <= ARGS_ON_STACK ? few_lens : mem_alloc(argc * sizeof(*lens));
	char *command;
	long long len;

	for (size_t i = 0; i < argc; i++) {
		pointers[i] = argv[i].p != NULL ? argv[i].p : "";
		lens[i] = argv[i].len;
	}
	len = redisFormatCommandArgv(&command, (int)argc, pointers, lens);
	CHECK(len > 0);
	send_formatted(r, call, command, (size_t)len);
	redisFreeCommand(command);
	if (argc > ARGS_ON_STACK) {
		mem_free(pointers);
		mem_free(lens);
	}
}

void
redis_call(struct redis *r, redis_on_reply *cb, void *arg, size_t argc, const struct str *argv)
{
	format_and_send(r, redis_call_new(r, cb, arg), argc, argv);
}

void
redis_call_key(struct redis *r, redis_on_reply *cb, void *arg, const char *verb, struct str key, size_t count,
	       const struct str *args)
{
	struct str argv[ARGS_ON_STACK] = {str_c(verb), key};

	CHECK(count <= ARGS_ON_STACK - 2);
	if (count != 0)
		memcpy(argv + 2, args, count * sizeof(*args));
	redis_call(r, cb, arg, 2 + count, argv);
}

static void
script_sha(struct redis_script *script)
{
	unsigned char digest[SHA_DIGEST_LENGTH];

	SHA1((const unsigned char *)script->text, (size_t)(script->end - script->text), digest);
	hex_write(digest, SHA_DIGEST_LENGTH, script->sha);
}

void
redis_eval(struct redis *r, redis_on_reply *cb, void *arg, struct redis_script *script, size_t key_count,
	   const struct str *keys, size_t arg_count, const struct str *args)
{
	size_t argc = 3 + key_count + arg_count;
	struct str few[ARGS_ON_STACK], *argv = argc <= ARGS_ON_STACK ? few : mem_alloc(argc * sizeof(*argv));
	struct call *call = redis_call_new(r, cb, arg);
	char count[24];

	if (script->sha[0] == '\0')
		script_sha(script);
	/* Each connection sends the text once, before its first use. */
	if (script->loaded_on != r->generation && r->connected) {
		struct str load[] = {STR("SCRIPT"), STR("LOAD"),
				     str_of(script->text, (size_t)(script->end - script->text))};
		redis_call(r, NULL, NULL, 3, load);
		script->loaded_on = r->generation;
	}
	snprintf(count, sizeof(count), "%zu", key_count);
	argv[0] = STR("EVALSHA");
	argv[1] = str_of(script->sha, 40);
	argv[2] = str_c(count);
	if (key_count != 0)
		memcpy(argv + 3, keys, key_count * sizeof(*keys));
	if (arg_count != 0)
		memcpy(argv + 3 + key_count, args, arg_count * sizeof(*args));
	call->script = script;
	format_and_send(r, call, argc, argv);
	if (argc > ARGS_ON_STACK)
		mem_free(argv);
}

/* ---- The connection ---- */

static void
say_state(struct redis *r)
{
	for (unsigned i = 0; i < r->watcher_count; i++)
		r->watchers[i].on_state(r->watchers[i].arg, r->connected);
}

static void
retry_later(struct redis *r)
{
	struct timeval wait;

	if (r->freeing)
		return;
	wait = clock_timeval(r->backoff_ms);
	event_add(r->retry, &wait);
	r->backoff_ms = r->backoff_ms * 2 < BACKOFF_MOST_MS ? r->backoff_ms * 2 : BACKOFF_MOST_MS;
}

static void
redis_lost(struct redis *r, const char *why)
{
	bool was_connected = r->connected, is_news = strcmp(why, r->trouble) != 0;

	str_copy(str_c(why), r->trouble, sizeof(r->trouble));
	link_free(&r->link);
	r->connected = false;
	event_del(r->tick);
	/* Logged once for each reason: a server that is back may require another password. */
	if (was_connected || !r->complained || is_news) {
		log_warning(NULL, was_connected ? "connection to Redis lost" : "Redis cannot be reached",
			    F_C("error", r->trouble));
		r->complained = true;
	}
	fail_in_flight(r);
	if (was_connected)
		say_state(r);
	retry_later(r);
}

static void
redis_on_down(void *arg, const char *why)
{
	redis_lost(arg, why);
}

static void
on_up(void *arg)
{
	static uint64_t generations;
	struct redis *r = arg;
	struct timeval tick = clock_timeval(TICK_MS);

	r->connected = true;
	r->generation = ++generations;
	r->backoff_ms = BACKOFF_LEAST_MS;
	r->last_answer_ms = clock_monotonic_ms();
	if (r->complained)
		log_info(NULL, "connected to Redis");
	r->complained = false;
	event_add(r->tick, &tick);
	say_state(r);
}

static void
start_connect(struct redis *r)
{
	static const struct link_events events = {.on_up = on_up, .on_reply = on_reply, .on_down = redis_on_down};

	r->link = link_new(r->base, &r->url, &events, r);
}

static void
redis_on_retry(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	start_connect(arg);
}

/* A server that accepts connections but does not answer looks like a working one. */
static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct redis *r = arg;
	struct timeval tick = clock_timeval(TICK_MS);
	int64_t now = clock_monotonic_ms();

	(void)fd, (void)what;
	event_add(r->tick, &tick);
	if (r->pending != 0 && now - r->last_answer_ms > SILENCE_MS)
		redis_lost(r, "no answer");
}

struct redis *
redis_new(struct event_base *base, const char *url, struct err *err)
{
	struct redis *r = mem_new(struct redis);

	if (redis_url_parse(url, &r->url, err) != 0) {
		mem_free(r);
		return NULL;
	}
	r->base = base;
	r->backoff_ms = BACKOFF_LEAST_MS;
	r->retry = evtimer_new(base, redis_on_retry, r);
	r->tick = evtimer_new(base, on_tick, r);
	r->fail_now = event_new(base, -1, 0, on_fail_now, r);
	start_connect(r);
	return r;
}

void
redis_free(struct redis **rp)
{
	struct redis *r = *rp;

	if (r == NULL)
		return;
	*rp = NULL;
	r->freeing = true;
	link_free(&r->link);
	r->connected = false;
	fail_in_flight(r);
	while (r->failed != NULL)
		fail_all(r);
	event_free(r->retry);
	event_free(r->tick);
	event_free(r->fail_now);
	mem_free(r);
}

bool
redis_is_connected(const struct redis *r)
{
	return r->connected;
}

const char *
redis_last_trouble(const struct redis *r)
{
	return r->trouble;
}

void
redis_watch_state(struct redis *r, redis_on_state *on_state, void *arg)
{
	CHECK(r->watcher_count < WATCHERS_MAX);
	r->watchers[r->watcher_count].on_state = on_state;
	r->watchers[r->watcher_count++].arg = arg;
	if (r->connected)
		on_state(arg, true);
}

int64_t
redis_silence_ms(const struct redis *r)
{
	return r->pending != 0 ? clock_monotonic_ms() - r->last_answer_ms : 0;
}

size_t
redis_pending(const struct redis *r)
{
	return r->pending;
}

/* ---- Replies ---- */

int64_t
redis_i64(const redisReply *reply, int64_t otherwise)
{
	int64_t value;

	if (reply == NULL)
		return otherwise;
	if (reply->type == REDIS_REPLY_INTEGER)
		return reply->integer;
	return str_to_i64(redis_str(reply), &value) ? value : otherwise;
}

struct str
redis_field(const redisReply *list, const char *name)
{
	if (list == NULL || list->type != REDIS_REPLY_ARRAY)
		return STR_NONE;
	for (size_t i = 0; i + 1 < list->elements; i += 2)
		if (str_eq(redis_str(list->element[i]), str_c(name)))
			return redis_str(list->element[i + 1]);
	return STR_NONE;
}
