/* The connection to the shared store: asynchronous, pipelined, reconnecting.
 *
 * One `struct redis` is one connection on one event loop. Commands are sent in
 * the order of the calls; answers come in the same order. When the connection
 * breaks, every command without an answer fails with ERR_UNAVAILABLE (it may or
 * may not have taken effect), and a new connection is attempted with back-off
 * (50 ms up to 1 s). Commands issued meanwhile fail at once: nothing queues up
 * without bound.
 *
 * Works with Redis 7, Valkey and other servers of the RESP2 protocol. */
#ifndef SP_REDIS_REDIS_H
#define SP_REDIS_REDIS_H

#include <event2/event.h>
#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/str.h"

struct redis;

/* reply is NULL exactly when err is not; it is borrowed for the call. An error reply
 * of the server is passed as err (ERR_INVALID; ERR_UNAVAILABLE for LOADING, BUSY,
 * READONLY, MASTERDOWN, CLUSTERDOWN, OOM, MISCONF, NOAUTH, WRONGPASS, NOPERM and
 * similar ones, which concern the server and not the command; for an error from one
 * of our scripts the first word decides: FENCED → ERR_FENCED, NOTFOUND →
 * ERR_NOT_FOUND, EXISTS → ERR_EXISTS, OVERQUOTA → ERR_OVER_QUOTA, LIMIT → ERR_LIMIT,
 * DENIED → ERR_DENIED). The callback may make further calls; it must not free the
 * connection. There is exactly one callback per call, never from within the call
 * itself. */
typedef void redis_on_reply(void *arg, const redisReply *reply, const struct err *err);

/* url: see lib/redis/url.h. Starts to connect and returns at once; NULL only if
 * the url is malformed. */
struct redis *redis_new(struct event_base *base, const char *url, struct err *err);
/* Outstanding commands fail first. Sets *r to NULL. */
void redis_free(struct redis **r);

struct event_base *redis_base(const struct redis *r);
bool redis_is_connected(const struct redis *r);
/* Why the last connection failed or broke; empty: none has. Never contains a password. */
const char *redis_last_trouble(const struct redis *r);
/* Called at every change of state, including the first connection. A watcher
 * cannot be removed: it lives as long as the connection, and there are few. */
typedef void redis_on_state(void *arg, bool connected);
void redis_watch_state(struct redis *r, redis_on_state *on_state, void *arg);
/* How long the server has owed an answer, counted from its last one; 0: no answer is due. */
int64_t redis_silence_ms(const struct redis *r);
/* Commands sent and not yet answered. */
size_t redis_pending(const struct redis *r);

/* cb NULL: the answer is ignored. Arguments are copied. */
void redis_call(struct redis *r, redis_on_reply *cb, void *arg, size_t argc, const struct str *argv);
/* A command on one key: "HGET", key, further arguments. */
void redis_call_key(struct redis *r, redis_on_reply *cb, void *arg, const char *verb, struct str key, size_t count,
		    const struct str *args);

/* ---- Lua scripts: one change, atomically ----
 *
 * A script is stored beside the C file that calls it and is embedded by
 *   REDIS_SCRIPT(mailbox_file, "lib/mailbox/file.lua");
 * All keys of one call have the same hash tag. Scripts are called by EVALSHA,
 * after SCRIPT LOAD at the first use on a connection. */
struct redis_script {
	const char *name;
	const char *text; /* of `end - text` bytes */
	const char *end;
	char sha[41];	    /* hexadecimal, filled at first use */
	uint64_t loaded_on; /* private: the connection that last got the text */
};

/* incbins: assembler directives that produce the text, for scripts that need
 * code in front (lib/mailbox/scripts.h). */
#define REDIS_SCRIPT_FILES(ident, incbins) \
	extern const char redis_script_text_##ident[], redis_script_end_##ident[]; \
	__asm__(".pushsection .rodata\n" \
		".global redis_script_text_" #ident "\n" \
		".global redis_script_end_" #ident "\n" \
		"redis_script_text_" #ident ":\n" incbins "redis_script_end_" #ident ":\n" \
		".byte 0\n" \
		".popsection\n"); \
	static struct redis_script ident = {.name = #ident, \
					    .text = redis_script_text_##ident, \
					    .end = redis_script_end_##ident, \
					    .sha = "", \
					    .loaded_on = 0}
#define REDIS_SCRIPT(ident, path) REDIS_SCRIPT_FILES(ident, ".incbin \"" path "\"\n")

void redis_eval(struct redis *r, redis_on_reply *cb, void *arg, struct redis_script *script, size_t key_count,
		const struct str *keys, size_t arg_count, const struct str *args);

/* ---- Reading replies ---- */
static inline struct str
redis_str(const redisReply *reply)
{
	if (reply == NULL || (reply->type != REDIS_REPLY_STRING && reply->type != REDIS_REPLY_STATUS))
		return STR_NONE;
	return str_of(reply->str, (size_t)reply->len);
}
/* An integer reply, or a string that is one; otherwise `otherwise`. */
int64_t redis_i64(const redisReply *reply, int64_t otherwise);
/* From a flat list of field, value, field, value (HGETALL): the value, or
 * STR_NONE. */
struct str redis_field(const redisReply *list, const char *name);

#endif
