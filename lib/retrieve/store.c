#include "lib/retrieve/store.h"

#include <inttypes.h>
#include <stdio.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/redis/keys.h"

/* A script with the table of the keys in front. */
/* clang-format off */
#define STORE_PATTERN(ident, pattern, type, lifetime, dies, writer, what) "\t.ascii \"'" pattern "', \"\n"
#define REDIS_SCRIPT_OF_RETRIEVE(ident, path) \
	REDIS_SCRIPT_FILES(ident, "\t.ascii \"local PATTERNS = {\"\n" REDIS_KEYS_OF_RETRIEVE(STORE_PATTERN) \
			   "\t.ascii \"}\\n\"\n\t.incbin \"" path "\"\n")
REDIS_SCRIPT_OF_RETRIEVE(retrieve_store_script, "lib/retrieve/store.lua");
/* clang-format on */

enum { STORE_TRIES = 5, STORE_SPARE_MS = 60 * 1000 };

/* A call in progress. */
struct store_call {
	struct redis *redis; /* borrowed */
	struct arena arena;
	struct str address, id;
	union {
		retrieve_on_done *done;
		retrieve_on_entries *entries;
	} on;
	void *arg;
	/* Of a change: */
	retrieve_edit *edit;
	void *edit_arg;
	struct buf packed; /* owner */
	unsigned tries;
	/* When it is due after it; -1: as it is. Nothing here makes an account rest: a worker
	 * that claims a disabled one does, unless its score has changed since. So an account
	 * that is enabled at the same time is never left at rest. */
	int64_t due_ms;
	bool sets_due; /* due_ms counts: the account is enabled */
	bool is_paced; /* see store_pace() */
	bool wants;    /* it is due again at the end of its round */
	/* Of adding: */
	retrieve_may_add *may_add; /* NULL: any */
	/* Of a removal: */
	bool all;
	/* Of enabling: */
	bool enabled;
	struct str why;
};

static struct store_call *
store_call_new(struct redis *r, struct str address, struct str id, void *arg)
{
	struct store_call *c = mem_new(struct store_call);

	arena_init(&c->arena);
	c->redis = r;
	c->address = arena_str(&c->arena, address);
	c->id = arena_str(&c->arena, id);
	c->arg = arg;
	c->due_ms = -1;
	return c;
}

static void
store_free(struct store_call *c)
{
	buf_fini(&c->packed);
	arena_fini(&c->arena);
	mem_free(c);
}

static void
store_done(struct store_call *c, const struct err *err)
{
	if (c->on.done != NULL)
		c->on.done(c->arg, err);
	store_free(c);
}

/* The id goes into names of keys: nothing but what we made ourselves. */
static struct str
store_safe_id(struct str id)
{
	return retrieve_id_is_valid(id) ? id : STR("-");
}

static void
store_ask_of(struct store_call *c, struct str id, redis_on_reply *cb, const char *verb, size_t count,
	     const struct str *args)
{
	struct str list[12] = {str_c(verb), id.len != 0 ? store_safe_id(id) : STR("")};
	const struct str keys[] = {redis_key(&c->arena, KEY_USER, c->address),
				   redis_key(&c->arena, KEY_RETRIEVE, c->address)};

	CHECK(count + 2 <= sizeof(list) / sizeof(list[0]));
	for (size_t i = 0; i < count; i++)
		list[i + 2] = args[i];
	redis_eval(c->redis, cb, c, &retrieve_store_script, 2, keys, count + 2, list);
}

static void
store_ask(struct store_call *c, redis_on_reply *cb, const char *verb, size_t count, const struct str *args)
{
	store_ask_of(c, c->id, cb, verb, count, args);
}

static void
store_fail_busy(struct store_call *c)
{
	struct err err;

	err_set(&err, ERR_UNAVAILABLE, "the remote accounts are being changed by others; try again");
	store_done(c, &err);
}

/* ---- Entries ---- */

void
retrieve_status_read(const redisReply *hash, struct retrieve_status *out)
{
	struct str text;

	*out = (struct retrieve_status){.last_ok = 0};
#define STORE_READ_NUMBER(name) \
	text = redis_field(hash, #name); \
	if (!str_to_i64(text, &out->name)) \
		out->name = 0;
	RETRIEVE_STATUS_NUMBERS(STORE_READ_NUMBER)
#define STORE_READ_TEXT(name) out->name = redis_field(hash, #name);
	RETRIEVE_STATUS_TEXTS(STORE_READ_TEXT)
}

static void
store_sort(struct retrieve_entry *entries, unsigned count)
{
	for (unsigned i = 1; i < count; i++) {
		struct retrieve_entry e = entries[i];
		unsigned at = i;
		while (at > 0 && entries[at - 1].account.created_ms > e.account.created_ms) {
			entries[at] = entries[at - 1];
			at--;
		}
		entries[at] = e;
	}
}

static struct retrieve_entry *
store_take_entries(struct store_call *c, const redisReply *reply, unsigned *count_out)
{
	struct retrieve_entry *entries = arena_array(&c->arena, struct retrieve_entry, reply->elements / 3 + 1);
	unsigned count = 0;

	/* What a later version stored, and we cannot read, is left alone. */
	for (size_t i = 0; i + 2 < reply->elements; i += 3)
		if (retrieve_account_unpack(redis_str(reply->element[i + 1]), &c->arena, &entries[count].account,
					    NULL) == 0)
			retrieve_status_read(reply->element[i + 2], &entries[count++].status);
	store_sort(entries, count);
	*count_out = count;
	return entries;
}

/* ---- When it is due ---- */

static struct str
store_member(struct store_call *c, struct str id)
{
	const char *text = arena_printf(&c->arena, "%.*s %.*s", STR_ARG(c->address), STR_ARG(id));

	return str_c(text);
}

static void
store_set_due(struct store_call *c, int64_t due_ms, redis_on_reply *cb)
{
	const struct str args[] = {str_c(arena_printf(&c->arena, "%" PRId64, due_ms)), store_member(c, c->id)};

	redis_call_key(c->redis, cb, cb != NULL ? c : NULL, "ZADD", str_c(redis_key_pattern(KEY_RETRIEVE_DUE)), 2,
		       args);
}

static void
store_on_due_set(void *arg, const redisReply *reply, const struct err *err)
{
	(void)reply;
	store_done(arg, err);
}

/* A user's order, which must not make us a burden to the remote: at once, but not sooner than
 * RETRIEVE_PAUSE_MS after its last try. During a round the score is its lease, and `wanted`
 * tells the worker. */
static void
store_pace(struct store_call *c, const struct retrieve_status *st, bool is_resting)
{
	int64_t now_ms = clock_unix_ms(), then_ms = st->last_try + RETRIEVE_PAUSE_MS;
	bool is_running = !is_resting && str_eq(st->state, STR("running"));

	c->wants = is_running && st->wanted + RETRIEVE_PAUSE_MS <= now_ms;
	c->due_ms = is_running ? -1 : then_ms > now_ms ? then_ms : now_ms;
	/* What is due sooner anyway stays so. */
	if (!is_resting && st->next_ms != 0 && st->next_ms < c->due_ms)
		c->due_ms = st->next_ms;
}

/* The account is stored: now it is due as the call wants it. */
static void
store_on_account_stored(void *arg, const redisReply *reply, const struct err *err)
{
	struct store_call *c = arg;

	(void)reply;
	if (err == NULL && c->wants)
		store_ask(c, store_on_due_set, "now", 0, NULL);
	else if (err != NULL || !c->sets_due)
		store_done(c, err);
	else
		store_set_due(c, c->due_ms, store_on_due_set);
}

/* ---- Adding ---- */

static void store_add_go(struct store_call *c);

static void
store_not_due(struct store_call *c)
{
	struct str member = store_member(c, c->id);

	redis_call_key(c->redis, NULL, NULL, "ZREM", str_c(redis_key_pattern(KEY_RETRIEVE_DUE)), 1, &member);
}

/* Refused: it is not due either. When it is not known whether it is stored, a worker finds
 * out; and an id that exists is another's. */
static void
store_on_added(void *arg, const redisReply *reply, const struct err *err)
{
	struct store_call *c = arg;

	if (err == NULL && redis_i64(reply, 1) == 0) {
		store_add_go(c);
		return;
	}
	if (err != NULL && err->code != ERR_EXISTS && !err_is_of_host(err))
		store_not_due(c);
	store_on_account_stored(c, reply, err);
}

static void
store_add(struct store_call *c, struct str seen)
{
	char most[16];

	snprintf(most, sizeof(most), "%d", RETRIEVE_ACCOUNTS_MAX);
	store_set_due(c, c->due_ms + STORE_SPARE_MS, NULL);
	store_ask(c, store_on_added, "add", c->may_add != NULL ? 3 : 2,
		  (const struct str[]){buf_str(&c->packed), str_c(most), seen});
}

/* It is added if these are still all that there are. */
static void
store_on_others(void *arg, const redisReply *reply, const struct err *err)
{
	struct store_call *c = arg;
	struct buf seen = BUF_EMPTY;
	struct retrieve_entry *entries;
	unsigned count;
	struct err own;

	if (err != NULL) {
		store_done(c, err);
		return;
	}
	entries = store_take_entries(c, reply, &count);
	if (c->may_add(c->arg, entries, count, &own) != 0) {
		store_not_due(c);
		store_done(c, &own);
		return;
	}
	for (size_t i = 0; i + 2 < reply->elements; i += 3)
		buf_printf(&seen, "%s%.*s", i != 0 ? " " : "", STR_ARG(redis_str(reply->element[i])));
	store_add(c, buf_str(&seen));
	buf_fini(&seen);
}

static void
store_add_go(struct store_call *c)
{
	if (c->may_add == NULL)
		store_add(c, STR_NONE);
	else if (c->tries++ < STORE_TRIES)
		store_ask_of(c, STR_NONE, store_on_others, "list", 0, NULL);
	else {
		store_not_due(c);
		store_fail_busy(c);
	}
}

/* It is in the list of what is due first, a little later: if we die before it is stored,
 * the worker that finds it there removes it; if we die after, nothing is forgotten. */
void
retrieve_add(struct redis *r, const struct retrieve_account *a, retrieve_may_add *may_add, retrieve_on_done *cb,
	     void *arg)
{
	struct store_call *c = store_call_new(r, str_c(a->address), str_c(a->id), arg);

	c->on.done = cb;
	c->may_add = may_add;
	c->due_ms = clock_unix_ms();
	c->sets_due = a->enabled;
	retrieve_account_pack(a, &c->packed);
	store_add_go(c);
}

/* ---- Reading ---- */

static void
store_on_list(void *arg, const redisReply *reply, const struct err *err)
{
	struct store_call *c = arg;
	struct retrieve_entry *entries;
	unsigned count;

	if (err != NULL) {
		c->on.entries(c->arg, NULL, 0, err);
		store_free(c);
		return;
	}
	entries = store_take_entries(c, reply, &count);
	c->on.entries(c->arg, entries, count, NULL);
	store_free(c);
}

void
retrieve_list(struct redis *r, struct str address, retrieve_on_entries *cb, void *arg)
{
	retrieve_get(r, address, STR_NONE, cb, arg);
}

void
retrieve_get(struct redis *r, struct str address, struct str id, retrieve_on_entries *cb, void *arg)
{
	struct store_call *c = store_call_new(r, address, id, arg);

	c->on.entries = cb;
	store_ask(c, store_on_list, "list", 0, NULL);
}

/* ---- Changing ---- */

static void store_change_go(struct store_call *c);

static void
store_on_replaced(void *arg, const redisReply *reply, const struct err *err)
{
	struct store_call *c = arg;

	if (err != NULL || redis_i64(reply, 0) == 1)
		store_on_account_stored(c, reply, err);
	else
		store_change_go(c);
}

static void
store_on_read(void *arg, const redisReply *reply, const struct err *err)
{
	struct store_call *c = arg;
	struct retrieve_account a;
	struct retrieve_status status;
	struct err own;
	struct str old;

	if (err != NULL) {
		store_done(c, err);
		return;
	}
	old = arena_str(&c->arena, redis_str(reply->elements > 1 ? reply->element[1] : NULL));
	if (retrieve_account_unpack(old, &c->arena, &a, &own) != 0) {
		store_done(c, &own);
		return;
	}
	if (c->is_paced) {
		retrieve_status_read(reply->element[2], &status);
		store_pace(c, &status, !a.enabled);
	}
	if (c->edit(c->edit_arg, &a, &c->arena, &own) != 0) {
		store_done(c, &own);
		return;
	}
	c->wants = c->wants && a.enabled;
	/* If we die in between it is due all the same. */
	c->sets_due = c->due_ms >= 0 && a.enabled;
	if (c->sets_due)
		store_set_due(c, clock_unix_ms() + STORE_SPARE_MS, NULL);
	buf_clear(&c->packed);
	retrieve_account_pack(&a, &c->packed);
	store_ask(c, store_on_replaced, "replace", 2, (const struct str[]){old, buf_str(&c->packed)});
}

static void
store_change_go(struct store_call *c)
{
	if (c->tries++ < STORE_TRIES)
		store_ask(c, store_on_read, "list", 0, NULL);
	else
		store_fail_busy(c);
}

void
retrieve_change(struct redis *r, struct str address, struct str id, retrieve_edit *edit, void *edit_arg, int64_t due_ms,
		retrieve_on_done *cb, void *arg)
{
	struct store_call *c = store_call_new(r, address, store_safe_id(id), arg);

	c->on.done = cb;
	c->edit = edit;
	c->edit_arg = edit_arg;
	c->due_ms = due_ms;
	c->is_paced = due_ms == RETRIEVE_SOON;
	store_change_go(c);
}

static int
store_edit_enabled(void *arg, struct retrieve_account *a, struct arena *arena, struct err *err)
{
	const struct store_call *c = arg;

	(void)arena, (void)err;
	a->enabled = c->enabled;
	return 0;
}

/* The change had a call of its own; this one tells why, and ends. */
static void
store_on_enabled(void *arg, const struct err *err)
{
	struct store_call *c = arg;

	if (err != NULL)
		store_done(c, err);
	else
		store_ask(c, store_on_due_set, "status", 4,
			  (const struct str[]){STR("last_error"), c->why, STR("failures"), STR("0")});
}

void
retrieve_enable(struct redis *r, struct str address, struct str id, bool enabled, struct str why, retrieve_on_done *cb,
		void *arg)
{
	struct store_call *c = store_call_new(r, address, store_safe_id(id), arg);

	c->on.done = cb;
	c->enabled = enabled;
	c->why = arena_str(&c->arena, why);
	retrieve_change(r, c->address, c->id, store_edit_enabled, c, enabled ? clock_unix_ms() : -1, store_on_enabled,
			c);
}

void
retrieve_note(struct redis *r, struct str address, struct str id, unsigned count, const struct str *fields,
	      retrieve_on_done *cb, void *arg)
{
	struct store_call *c = store_call_new(r, address, store_safe_id(id), arg);

	c->on.done = cb;
	store_ask(c, store_on_due_set, "status", count, fields);
}

/* ---- Now ---- */

static void
store_go_now(struct store_call *c)
{
	bool wants = c->wants;

	c->wants = false;
	if (wants)
		store_ask(c, store_on_account_stored, "now", 0, NULL);
	else
		store_on_account_stored(c, NULL, NULL);
}

static void
store_on_now_read(void *arg, const struct retrieve_entry *entries, unsigned count, const struct err *err)
{
	struct store_call *c = arg;
	struct err own;

	if (err != NULL)
		store_done(c, err);
	else if (count == 0 || !entries[0].account.enabled) {
		err_set(&own, ERR_DENIED, "the remote account is disabled");
		store_done(c, &own);
	} else {
		/* During a round the score is its lease: `wanted` tells the worker. */
		if (c->is_paced)
			store_pace(c, &entries[0].status, false);
		else if (!str_eq(entries[0].status.state, STR("running")))
			c->due_ms = clock_unix_ms();
		c->wants |= !c->is_paced;
		c->sets_due = c->due_ms >= 0;
		store_go_now(c);
	}
}

void
retrieve_now(struct redis *r, struct str address, struct str id, bool is_paced, retrieve_on_done *cb, void *arg)
{
	struct store_call *c = store_call_new(r, address, store_safe_id(id), arg);

	c->on.done = cb;
	c->is_paced = is_paced;
	retrieve_get(r, c->address, c->id, store_on_now_read, c);
}

/* ---- Removing ---- */

static void
store_on_removed(void *arg, const redisReply *reply, const struct err *err)
{
	struct store_call *c = arg;
	size_t count = err == NULL && reply->type == REDIS_REPLY_ARRAY ? reply->elements : 0;
	struct str *members = arena_array(&c->arena, struct str, count + 1);

	for (size_t i = 0; i < count; i++)
		members[i] = store_member(c, redis_str(reply->element[i]));
	if (err != NULL || count == 0)
		store_done(c, err);
	else
		redis_call_key(c->redis, store_on_due_set, c, "ZREM", str_c(redis_key_pattern(KEY_RETRIEVE_DUE)), count,
			       members);
}

void
retrieve_delete(struct redis *r, struct str address, struct str id, retrieve_on_done *cb, void *arg)
{
	struct store_call *c = store_call_new(r, address, store_safe_id(id), arg);

	c->on.done = cb;
	store_ask(c, store_on_removed, "delete", 0, NULL);
}

void
retrieve_forget(struct redis *r, struct str address, retrieve_on_done *cb, void *arg)
{
	struct store_call *c = store_call_new(r, address, STR_NONE, arg);

	c->on.done = cb;
	store_ask(c, store_on_removed, "delete", 0, NULL);
}
