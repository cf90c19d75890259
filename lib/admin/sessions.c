#include "lib/admin/sessions.h"

#include <inttypes.h>
#include <string.h>

#include "lib/admin/private.h"
#include "lib/auth/credential.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

REDIS_SCRIPT(admin_session_index, "lib/admin/session.lua");

#define SESSIONS_MOST "50"

enum { AGENT_MAX = 200 };

/* ---- One session ---- */

void
admin_session_mark(const struct directory_user *user, char out[SESSION_HASH_MAX])
{
	_Static_assert(SESSION_HASH_MAX == CREDENTIAL_HASH_MAX, "one size");
	struct buf text = BUF_EMPTY;

	/* Not the hash of the password, which may be replaced by a better one. A record of an older version
	 * has no id of it. */
	if (user->password_id[0] != '\0')
		buf_printf(&text, "%s\n%s\n", user->address, user->password_id);
	else
		buf_printf(&text, "%s\n%s\n%s\n", user->address, user->password, user->scram_sha256);
	/* Not the second factor's secret itself, which may be sealed anew. A record without the newer fields
	 * has the mark that older versions give it: an update ends no session. */
	buf_printf(&text, "%s\n%d%s\n%" PRId64, user->roles, user->totp[0] != '\0', user->totp_changed,
		   user->created_ms);
	credential_hash(buf_str(&text), out);
	buf_fini(&text);
}

struct str
admin_session_key(struct arena *arena, struct str id)
{
	return redis_key(arena, KEY_WEB_SESSION, id);
}

/* "1764510000000 <csrf> <mark> 192.0.2.1 admin@example.com\nMozilla/5.0 ..." */
bool
admin_session_parse(struct str text, struct admin_session *out)
{
	struct str line, created, csrf, mark;

	*out = (struct admin_session){.created_ms = 0};
	str_cut(text, '\n', &line, &out->agent);
	return str_cut(line, ' ', &created, &line) && str_to_i64(created, &out->created_ms) &&
	       str_cut(line, ' ', &csrf, &line) && str_copy(csrf, out->csrf, sizeof(out->csrf)) &&
	       str_cut(line, ' ', &mark, &line) && str_copy(mark, out->mark, sizeof(out->mark)) &&
	       str_cut(line, ' ', &out->from, &out->address) && /* which may have spaces in it */
	       clock_unix_ms() < out->created_ms + SESSION_LONGEST_MS;
}

static struct str
session_print(struct arena *arena, const struct admin_session *s)
{
	struct str agent = str_first(s->agent, AGENT_MAX);

	return str_c(arena_printf(arena, "%" PRId64 " %s %s %.*s %.*s\n%.*s", s->created_ms, s->csrf, s->mark,
				  STR_ARG(s->from), STR_ARG(s->address), STR_ARG(agent)));
}

int64_t
admin_session_left_ms(const struct admin_session *s)
{
	int64_t left = s->created_ms + SESSION_LONGEST_MS - clock_unix_ms();

	return left < SESSION_IDLE_MS ? left : SESSION_IDLE_MS;
}

/* ---- Storing ---- */

static void
sessions_on_done(struct admin_call *call, const redisReply *reply, const struct err *err)
{
	(void)reply;
	admin_call_end(call, err);
}

struct session_store {
	struct str id, text;
};

/* The index has it before it is valid: what is valid can be listed and ended. */
static void
sessions_on_indexed(struct admin_call *call, const redisReply *reply, const struct err *err)
{
	const struct session_store *s = call->state;
	struct arena *arena = &call->op.arena;

	if (err != NULL) {
		admin_call_end(call, err);
		return;
	}
	for (size_t i = 0; i < reply->elements; i++)
		redis_call_key(call->admin->redis, NULL, NULL, "DEL",
			       admin_session_key(arena, redis_str(reply->element[i])), 0, NULL);
	admin_ask(call, sessions_on_done, "SET", admin_session_key(arena, s->id), 3,
		  (const struct str[]){s->text, STR("PX"), str_c(arena_printf(arena, "%d", SESSION_IDLE_MS))});
}

struct admin_call *
admin_session_store(struct admin *a, const struct admin_session *session, admin_on_done *cb, void *arg)
{
	struct admin_call *call = admin_call_new_order(a, cb, arg);
	struct arena *arena = &call->op.arena;
	struct session_store *s = arena_new(arena, struct session_store);

	call->state = s;
	*s = (struct session_store){arena_str(arena, str_c(session->id)), session_print(arena, session)};
	admin_ask_script(call, sessions_on_indexed, &admin_session_index,
			 redis_key(arena, KEY_WEB_SESSIONS, session->address), 4,
			 (const struct str[]){s->id, str_c(arena_printf(arena, "%" PRId64, session->created_ms)),
					      str_c(arena_printf(arena, "%d", SESSION_LONGEST_MS)),
					      STR(SESSIONS_MOST)});
	return call;
}

/* ---- Those of an account ---- */

/* For lists and for ending several. */
struct sessions {
	struct str address; /* canonical */
	struct str kept;
	struct str *ids;
	char mark[SESSION_HASH_MAX];
	size_t count, at; /* ids; answers that have come */
	int64_t ended;	  /* of those that were to end: as many as were still there */
	int64_t failed;	  /* of those: may still be valid */
	cJSON *item;	  /* of the answer before; borrowed, NULL: that session is not valid */
};

static struct str
sessions_key(struct admin_call *call)
{
	const struct sessions *l = call->state;

	return redis_key(&call->op.arena, KEY_WEB_SESSIONS, l->address);
}

/* False: refused. */
static bool
sessions_begin(struct admin_call *call, struct str address)
{
	struct sessions *l = arena_new(&call->op.arena, struct sessions);
	char canonical[DIRECTORY_ADDRESS_MAX];

	call->state = l;
	if (!directory_canonical_address(address, canonical)) {
		admin_call_refuse(call, ERR_INVALID, "this is not an address");
		return false;
	}
	l->address = arena_str(&call->op.arena, str_c(canonical));
	return true;
}

static void
sessions_take_ids(struct admin_call *call, const redisReply *reply)
{
	struct sessions *l = call->state;

	l->count = reply->elements;
	l->ids = arena_array(&call->op.arena, struct str, l->count + 1);
	for (size_t i = 0; i < l->count; i++)
		l->ids[i] = arena_str(&call->op.arena, redis_str(reply->element[i]));
}

/* ---- Listing ---- */

/* Answers to GET and PTTL, by turns. */
static void
sessions_on_read(struct admin_call *call, const redisReply *reply, const struct err *err)
{
	struct sessions *l = call->state;
	struct admin_session s;
	bool is_content = l->at % 2 == 0;

	admin_call_note(call, err);
	if (is_content)
		l->item = NULL;
	if (err == NULL && is_content && admin_session_parse(redis_str(reply), &s) && strcmp(s.mark, l->mark) == 0) {
		l->item = cJSON_CreateObject();
		admin_add_str(l->item, "id", l->ids[l->at / 2]);
		cJSON_AddNumberToObject(l->item, "created_ms", (double)s.created_ms);
		admin_add_str(l->item, "from", s.from);
		admin_add_str(l->item, "agent", s.agent);
		cJSON_AddItemToArray(call->result, l->item);
	} else if (err == NULL && !is_content && l->item != NULL) {
		cJSON_AddNumberToObject(l->item, "last_used_ms",
					(double)(clock_unix_ms() + redis_i64(reply, 0) - SESSION_IDLE_MS));
	}
	if (++l->at == 2 * l->count)
		admin_call_end(call, call->failure.code != ERR_NONE ? &call->failure : NULL);
}

static void
sessions_on_listed(struct admin_call *call, const redisReply *reply, const struct err *err)
{
	const struct sessions *l = call->state;

	if (err != NULL || reply->elements == 0) {
		admin_call_end(call, err);
		return;
	}
	sessions_take_ids(call, reply);
	for (size_t i = 0; i < l->count; i++) {
		struct str key = admin_session_key(&call->op.arena, l->ids[i]);
		admin_ask(call, sessions_on_read, "GET", key, 0, NULL);
		admin_ask(call, sessions_on_read, "PTTL", key, 0, NULL);
	}
}

static void
sessions_take_user(struct admin_call *call, const struct directory_user *user)
{
	struct sessions *l = call->state;
	struct err err;

	if (user == NULL) {
		err_set(&err, ERR_NOT_FOUND, "there is no user %.*s", STR_ARG(l->address));
		admin_call_end(call, &err);
		return;
	}
	admin_session_mark(user, l->mark);
	call->result = cJSON_CreateArray();
	admin_ask(call, sessions_on_listed, "ZRANGE", sessions_key(call), 2, (const struct str[]){STR("0"), STR("-1")});
}

static void
sessions_on_user(void *arg, const struct directory_user *user, const struct err *err)
{
	struct admin_call *call = arg;

	if (!op_back(&call->op))
		return;
	if (err != NULL)
		admin_call_end(call, err);
	else
		sessions_take_user(call, user);
}

static void
sessions_find_user(struct op *op)
{
	struct admin_call *call = OP_OWNER(op, struct admin_call, op);
	const struct sessions *l = call->state;
	struct directory_user user;
	bool found;

	if (directory_get_user(call->admin->directory, l->address, &user, &found, sessions_on_user, call))
		sessions_take_user(call, found ? &user : NULL);
	else
		op_hold(&call->op);
}

struct admin_call *
admin_session_list(struct admin *a, struct str address, admin_on_result *cb, void *arg)
{
	struct admin_call *call = admin_call_new(a, cb, arg);

	if (sessions_begin(call, address))
		op_later(&call->op, a->base, sessions_find_user);
	return call;
}

/* ---- Ending ---- */

static void
sessions_finish(struct admin_call *call)
{
	const struct sessions *l = call->state;
	struct err none;

	if (call->on_result != NULL) {
		call->result = cJSON_CreateObject();
		cJSON_AddNumberToObject(call->result, "ended", (double)l->ended);
		cJSON_AddNumberToObject(call->result, "failed", (double)l->failed);
	}
	err_set(&none, ERR_NOT_FOUND, "there is no such session");
	admin_call_end(call, call->on_result == NULL && l->ended == 0 ? &none : NULL);
}

/* They have ended in any case: the index is only tidied. */
static void
sessions_on_forgotten(struct admin_call *call, const redisReply *reply, const struct err *err)
{
	const struct sessions *l = call->state;

	(void)reply;
	if (err != NULL)
		log_warning(NULL, "sessions that have ended stay in the index of their account",
			    F_STR("account", l->address), F_ERR(err));
	sessions_finish(call);
}

/* Ended before they leave the index: what is valid can be listed. */
static void
sessions_on_ended(struct admin_call *call, const redisReply *reply, const struct err *err)
{
	struct sessions *l = call->state;

	admin_call_note(call, err);
	if (err == NULL)
		l->ended += redis_i64(reply, 0);
	else
		l->failed++;
	if (++l->at < l->count)
		return;
	if (l->failed != 0)
		log_warning(NULL, "sessions could not be ended", F_STR("account", l->address), F_I64("ended", l->ended),
			    F_I64("failed", l->failed), F_ERR(&call->failure));
	if (l->failed == 0)
		admin_ask(call, sessions_on_forgotten, "ZREM", sessions_key(call), l->count, l->ids);
	else if (l->ended == 0)
		admin_call_end(call, &call->failure);
	else
		sessions_finish(call);
}

/* The index may have some that ended by themselves. */
static void
sessions_drop(struct admin_call *call)
{
	const struct sessions *l = call->state;

	for (size_t i = 0; i < l->count; i++)
		admin_ask(call, sessions_on_ended, "DEL", admin_session_key(&call->op.arena, l->ids[i]), 0, NULL);
}

static void
sessions_on_found(struct admin_call *call, const redisReply *reply, const struct err *err)
{
	struct err none;

	if (err == NULL && reply->type == REDIS_REPLY_NIL) {
		err_set(&none, ERR_NOT_FOUND, "there is no such session");
		err = &none;
	}
	if (err != NULL)
		admin_call_end(call, err);
	else
		sessions_drop(call);
}

struct admin_call *
admin_session_end(struct admin *a, struct str address, struct str id, admin_on_done *cb, void *arg)
{
	struct admin_call *call = admin_call_new_order(a, cb, arg);
	struct sessions *l;

	if (!sessions_begin(call, address))
		return call;
	l = call->state;
	l->ids = arena_array(&call->op.arena, struct str, 1);
	l->ids[0] = arena_str(&call->op.arena, id);
	l->count = 1;
	admin_ask(call, sessions_on_found, "ZSCORE", sessions_key(call), 1, l->ids);
	return call;
}

static void
sessions_on_doomed(struct admin_call *call, const redisReply *reply, const struct err *err)
{
	struct sessions *l = call->state;
	size_t used = 0;

	if (err != NULL) {
		admin_call_end(call, err);
		return;
	}
	sessions_take_ids(call, reply);
	for (size_t i = 0; i < l->count; i++)
		if (!str_eq(l->ids[i], l->kept))
			l->ids[used++] = l->ids[i];
	l->count = used;
	if (used == 0)
		sessions_finish(call);
	else
		sessions_drop(call);
}

struct admin_call *
admin_sessions_end(struct admin *a, struct str address, struct str kept, admin_on_result *cb, void *arg)
{
	struct admin_call *call = admin_call_new(a, cb, arg);

	if (!sessions_begin(call, address))
		return call;
	((struct sessions *)call->state)->kept = arena_str(&call->op.arena, kept);
	admin_ask(call, sessions_on_doomed, "ZRANGE", sessions_key(call), 2, (const struct str[]){STR("0"), STR("-1")});
	return call;
}
