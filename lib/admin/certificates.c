#include "lib/admin/certificates.h"

#include <stdlib.h>
#include <string.h>

#include "lib/acme/store.h"
#include "lib/admin/private.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"

/* A name and what is stored of it; borrowed from the call's arena. */
struct certificate_row {
	struct str name, state_text, entry_text;
	bool asked;
};

struct certificate_listing {
	struct certificate_row *rows;
	unsigned count, capacity;
	struct str wanted; /* of an order: the name */
	unsigned due;	   /* answers */
};

enum { CERTIFICATE_READS = 3 };

static struct certificate_row *
certificate_row(struct admin_call *call, struct str name)
{
	struct certificate_listing *l = call->state;
	struct certificate_row *old = l->rows;

	if (l->count == l->capacity) {
		l->capacity = l->capacity != 0 ? 2 * l->capacity : 64;
		l->rows = arena_array(&call->op.arena, struct certificate_row, l->capacity);
		if (l->count != 0)
			memcpy(l->rows, old, l->count * sizeof(*old));
	}
	l->rows[l->count] = (struct certificate_row){.name = arena_str(&call->op.arena, name)};
	return &l->rows[l->count++];
}

static int
certificate_compare(const void *a, const void *b)
{
	const struct certificate_row *x = a, *y = b;
	size_t len = x->name.len < y->name.len ? x->name.len : y->name.len;
	int order = memcmp(x->name.p, y->name.p, len);

	return order != 0 ? order : (x->name.len > y->name.len) - (x->name.len < y->name.len);
}

/* What three answers say of a name becomes one row. */
static void
certificate_merge(struct certificate_listing *l)
{
	unsigned kept = 0;

	if (l->count == 0)
		return;
	qsort(l->rows, l->count, sizeof(l->rows[0]), certificate_compare);
	for (unsigned i = 1; i < l->count; i++) {
		struct certificate_row *to = &l->rows[kept], *from = &l->rows[i];

		if (!str_eq(to->name, from->name)) {
			l->rows[++kept] = *from;
			continue;
		}
		to->state_text = from->state_text.len != 0 ? from->state_text : to->state_text;
		to->entry_text = from->entry_text.len != 0 ? from->entry_text : to->entry_text;
		to->asked = to->asked || from->asked;
	}
	l->count = kept + 1;
}

/* ---- The result ---- */

static cJSON *
certificate_parse(struct str text)
{
	return cJSON_ParseWithLength(text.p != NULL ? text.p : "", text.len);
}

static void
certificate_add_entry(cJSON *o, const cJSON *entry, int64_t now_ms)
{
	int64_t ends_ms = acme_number_of(entry, "ends_ms"), days_left = (ends_ms - now_ms) / 86400000;

	admin_add_text(o, "issuer", acme_text_of(entry, "directory"));
	admin_add_time(o, "issued", (uint64_t)acme_number_of(entry, "issued_ms"));
	admin_add_time(o, "ends", (uint64_t)ends_ms);
	cJSON_AddNumberToObject(o, "days_left", (double)days_left);
}

static const char *
certificate_state(const cJSON *state, const cJSON *entry, int64_t now_ms)
{
	const char *text = acme_text_of(state, "state");

	if (entry != NULL && acme_number_of(entry, "ends_ms") <= now_ms && strcmp(text, "valid") == 0)
		return "expired";
	if (*text != '\0')
		return text;
	return entry != NULL ? "valid" : "requested";
}

static cJSON *
certificate_show(const struct certificate_row *row)
{
	cJSON *o = cJSON_CreateObject(), *state = certificate_parse(row->state_text),
	      *entry = certificate_parse(row->entry_text);
	int64_t now_ms = clock_unix_ms(), tries = acme_number_of(state, "tries"),
		next_ms = acme_number_of(state, "next_ms");

	admin_add_str(o, "name", row->name);
	cJSON_AddStringToObject(o, "state", certificate_state(state, entry, now_ms));
	if (entry != NULL)
		certificate_add_entry(o, entry, now_ms);
	admin_add_text(o, "problem", acme_text_of(state, "problem"));
	if (tries != 0)
		cJSON_AddNumberToObject(o, "tries", (double)tries);
	admin_add_time(o, "next_try", (uint64_t)(next_ms > now_ms ? next_ms : 0));
	if (row->asked)
		cJSON_AddTrueToObject(o, "renewal_requested");
	cJSON_Delete(state);
	cJSON_Delete(entry);
	return o;
}

/* ---- Reading ---- */

static void
certificate_on_part(struct admin_call *call, void (*on_all)(struct admin_call *call), const struct err *err)
{
	struct certificate_listing *l = call->state;

	admin_call_note(call, err);
	if (--l->due != 0)
		return;
	if (call->failure.code != ERR_NONE)
		admin_call_end(call, &call->failure);
	else
		on_all(call);
}

static void
certificate_on_all(struct admin_call *call)
{
	struct certificate_listing *l = call->state;

	certificate_merge(l);
	call->result = cJSON_CreateArray();
	for (unsigned i = 0; i < l->count; i++)
		cJSON_AddItemToArray(call->result, certificate_show(&l->rows[i]));
	admin_call_end(call, NULL);
}

static void
certificate_on_names(struct admin_call *call, const redisReply *reply, const struct err *err)
{
	for (size_t i = 0; reply != NULL && i + 1 < reply->elements; i += 2)
		certificate_row(call, redis_str(reply->element[i]))->state_text =
			arena_str(&call->op.arena, redis_str(reply->element[i + 1]));
	certificate_on_part(call, certificate_on_all, err);
}

static void
certificate_on_index(struct admin_call *call, const redisReply *reply, const struct err *err)
{
	for (size_t i = 0; reply != NULL && i + 1 < reply->elements; i += 2)
		certificate_row(call, redis_str(reply->element[i]))->entry_text =
			arena_str(&call->op.arena, redis_str(reply->element[i + 1]));
	certificate_on_part(call, certificate_on_all, err);
}

static void
certificate_on_renewals(struct admin_call *call, const redisReply *reply, const struct err *err)
{
	for (size_t i = 0; reply != NULL && i < reply->elements; i++)
		certificate_row(call, redis_str(reply->element[i]))->asked = true;
	certificate_on_part(call, certificate_on_all, err);
}

static void
certificate_ask(struct admin_call *call, enum redis_key key, const char *verb, admin_on_reply *cb)
{
	admin_ask(call, cb, verb, str_c(redis_key_pattern(key)), 0, NULL);
}

struct admin_call *
admin_certificate_list(struct admin *a, admin_on_result *cb, void *arg)
{
	struct admin_call *call = admin_call_new(a, cb, arg);
	struct certificate_listing *l = arena_new(&call->op.arena, struct certificate_listing);

	call->state = l;
	l->due = CERTIFICATE_READS;
	certificate_ask(call, KEY_ACME_NAMES, "HGETALL", certificate_on_names);
	certificate_ask(call, KEY_ACME_INDEX, "HGETALL", certificate_on_index);
	certificate_ask(call, KEY_ACME_RENEW, "SMEMBERS", certificate_on_renewals);
	return call;
}

/* ---- Orders ---- */

static void
certificate_on_done(void *arg, const redisReply *reply, const struct err *err)
{
	struct admin_call *call = arg;

	(void)reply;
	if (op_back(&call->op))
		admin_call_end(call, err);
}

static void
certificate_on_known(struct admin_call *call)
{
	const struct certificate_listing *l = call->state;
	struct err err;

	if (l->count == 0) {
		err_set(&err, ERR_NOT_FOUND, "'%.*s' is not among the names of `stagepost certificate list`",
			STR_ARG(l->wanted));
		admin_call_end(call, &err);
		return;
	}
	op_hold(&call->op);
	acme_ask_renewal(call->admin->redis, l->wanted, certificate_on_done, call);
}

/* Counts: is the name there? */
static void
certificate_on_exists(struct admin_call *call, const redisReply *reply, const struct err *err)
{
	struct certificate_listing *l = call->state;

	l->count += redis_i64(reply, 0) == 1;
	certificate_on_part(call, certificate_on_known, err);
}

/* The name in lower case, in the call's arena. */
static struct certificate_listing *
certificate_order(struct admin_call *call, struct str name)
{
	struct certificate_listing *l = arena_new(&call->op.arena, struct certificate_listing);
	char *text = arena_dup(&call->op.arena, name.p, name.len);

	str_lower(text, name.len);
	l->wanted = str_of(text, name.len);
	call->state = l;
	return l;
}

struct admin_call *
admin_certificate_renew(struct admin *a, struct str name, admin_on_done *cb, void *arg)
{
	struct admin_call *call = admin_call_new_order(a, cb, arg);
	struct certificate_listing *l = certificate_order(call, name);

	l->due = 2;
	admin_ask(call, certificate_on_exists, "HEXISTS", str_c(redis_key_pattern(KEY_ACME_NAMES)), 1, &l->wanted);
	admin_ask(call, certificate_on_exists, "HEXISTS", str_c(redis_key_pattern(KEY_ACME_INDEX)), 1, &l->wanted);
	return call;
}

struct admin_call *
admin_certificate_remove(struct admin *a, struct str name, admin_on_done *cb, void *arg)
{
	struct admin_call *call = admin_call_new_order(a, cb, arg);
	struct certificate_listing *l = certificate_order(call, name);

	op_hold(&call->op);
	acme_forget(a->redis, l->wanted, certificate_on_done, call);
	return call;
}
