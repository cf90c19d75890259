#include "lib/admin/secrets.h"

#include <openssl/crypto.h>

#include "lib/admin/private.h"
#include "lib/admin/secrets_place.h"
#include "lib/base/check.h"
#include "lib/base/crashpoint.h"
#include "lib/base/mem.h"
#include "lib/secret/seal.h"

REDIS_SCRIPT(secrets_replace, "lib/admin/secrets.lua");

#define SECRETS_PAGE "500" /* keys asked for at a time */
enum { SECRETS_TRIES = 10, SECRETS_FAULTS_MAX = 100, SECRETS_CURSOR_MAX = 24 };

/* ---- One round through the store ---- */

struct secrets_round {
	bool reseals;
	admin_on_examined *on_progress;
	unsigned place;
	char cursor[SECRETS_CURSOR_MAX]; /* of SCAN */
	unsigned due;			 /* texts of this page that are being looked at, and the page itself */
	uint64_t examined, old, resealed, unreadable;
	cJSON *counts; /* borrowed from the result; of this place */
	cJSON *faults; /* borrowed from the result */
};

/* A text that is being looked at. */
struct secrets_text {
	struct admin_call *call;
	const struct secrets_place *place;
	char *key, *field;	/* owner; field NULL: all of them, or it is a string */
	struct buf sealed, new; /* owner: the text as read; the value that is to replace it */
	unsigned tries;
};

static void secrets_next_page(struct admin_call *call);
static void secrets_read(struct secrets_text *t);

static struct secrets_text *
secrets_text_new(struct admin_call *call, struct str key, struct str field)
{
	struct secrets_round *round = call->state;
	struct secrets_text *t = mem_new(struct secrets_text);

	t->call = call;
	t->place = &secrets_places[round->place];
	t->key = str_dup(key);
	t->field = field.len != 0 ? str_dup(field) : NULL;
	round->due++;
	return t;
}

static void
secrets_text_free(struct secrets_text *t)
{
	mem_free(t->key);
	mem_free(t->field);
	buf_fini(&t->sealed);
	buf_fini(&t->new);
	mem_free(t);
}

/* One of those that are due has ended. */
static void
secrets_done_one(struct admin_call *call)
{
	struct secrets_round *round = call->state;

	if (--round->due != 0)
		return;
	if (call->failure.code != ERR_NONE)
		admin_call_end(call, &call->failure);
	else
		secrets_next_page(call);
}

static void
secrets_end(struct secrets_text *t, const struct err *err)
{
	struct admin_call *call = t->call;

	admin_call_note(call, err);
	secrets_text_free(t);
	secrets_done_one(call);
}

/* ---- What is counted ---- */

static void
secrets_count(const struct secrets_round *round, struct str id, int by)
{
	char name[40];
	cJSON *count;

	str_copy(id.len != 0 ? id : STR("malformed"), name, sizeof(name));
	count = cJSON_GetObjectItemCaseSensitive(round->counts, name);
	if (count == NULL)
		count = cJSON_AddNumberToObject(round->counts, name, 0);
	CHECK(count != NULL);
	cJSON_SetNumberValue(count, count->valuedouble + by);
	if (count->valuedouble <= 0)
		cJSON_DeleteItemFromObjectCaseSensitive(round->counts, name);
}

static void
secrets_add_fault(const struct secrets_text *t, const struct err *err)
{
	struct secrets_round *round = t->call->state;
	cJSON *fault;

	if (round->unreadable++ >= SECRETS_FAULTS_MAX)
		return;
	fault = cJSON_CreateObject();
	cJSON_AddStringToObject(fault, "key", t->key);
	admin_add_text(fault, "field", t->place->form == SECRETS_FIELD ? t->place->member : t->field);
	cJSON_AddStringToObject(fault, "error", err->text);
	cJSON_AddItemToArray(round->faults, fault);
}

/* ---- Sealing anew ---- */

static void
secrets_on_replaced(void *arg, const redisReply *reply, const struct err *err)
{
	struct secrets_text *t = arg;
	struct secrets_round *round = t->call->state;

	if (!op_back(&t->call->op)) {
		secrets_text_free(t);
		return;
	}
	if (err == NULL && redis_i64(reply, 0) != 1 && ++t->tries < SECRETS_TRIES) {
		/* Another one has written it; what is there now counts. */
		secrets_count(round, secret_key_id(buf_str(&t->sealed)), -1);
		round->examined--;
		round->old--;
		secrets_read(t);
		return;
	}
	if (err == NULL && redis_i64(reply, 0) == 1) {
		secrets_count(round, secret_key_id(buf_str(&t->sealed)), -1);
		secrets_count(round, secret_current_id(t->call->admin->seals), 1);
		round->resealed++;
		round->old--;
		CRASHPOINT("secrets_resealed");
	}
	secrets_end(t, err);
}

/* Opens it, and seals it anew if it is to be: t->new. False: it cannot be opened. */
static bool
secrets_open(struct secrets_text *t, struct str value, bool reseals)
{
	const struct secret_keys *seals = t->call->admin->seals;
	struct buf context = BUF_EMPTY, plain = BUF_EMPTY, sealed = BUF_EMPTY;
	struct err err;
	bool ok;

	secrets_place_context(t->place, str_c(t->key), str_c(t->field), &context);
	ok = secret_open(seals, buf_str(&context), buf_str(&t->sealed), &plain, &err) == 0 &&
	     (!reseals || secret_seal(seals, buf_str(&context), buf_str(&plain), &sealed, &err) == 0);
	if (!ok)
		secrets_add_fault(t, &err);
	else if (reseals)
		secrets_place_put(t->place, value, buf_str(&sealed), &t->new);
	if (plain.data != NULL)
		OPENSSL_cleanse(plain.data, plain.capacity);
	buf_fini(&plain);
	buf_fini(&sealed);
	buf_fini(&context);
	return ok;
}

static void
secrets_replace_text(struct secrets_text *t, struct str value)
{
	const char *field = t->place->form == SECRETS_FIELD ? t->place->member : t->field;
	struct str key = str_c(t->key), args[] = {str_c(field), value, buf_str(&t->new)};

	CRASHPOINT("secrets_read");
	op_hold(&t->call->op);
	redis_eval(t->call->admin->redis, secrets_on_replaced, t, &secrets_replace, 1, &key, 3, args);
}

/* ---- Reading ---- */

/* Whether it has a sealed text cannot be told: that is not passed over. */
static void
secrets_judge_damaged(struct secrets_text *t)
{
	struct secrets_round *round = t->call->state;
	struct err err;

	if (!secrets_place_is_first(t->place))
		return;
	round->examined++;
	secrets_count(round, STR_NONE, 1);
	err_set(&err, ERR_CORRUPT, "the stored value is damaged");
	if (round->faults != NULL)
		secrets_add_fault(t, &err);
}

static void
secrets_judge(struct secrets_text *t, struct str value)
{
	struct secrets_round *round = t->call->state;
	const struct secret_keys *seals = t->call->admin->seals;
	bool is_old;

	buf_clear(&t->sealed);
	buf_clear(&t->new);
	if (!secrets_place_take(t->place, value, &t->sealed) && value.len != 0)
		secrets_judge_damaged(t);
	if (t->sealed.len == 0) {
		secrets_end(t, NULL);
		return;
	}
	round->examined++;
	secrets_count(round, secret_key_id(buf_str(&t->sealed)), 1);
	is_old = seals != NULL && !secret_is_current(seals, buf_str(&t->sealed));
	round->old += is_old;
	if (seals != NULL && secrets_open(t, value, round->reseals && is_old) && round->reseals && is_old)
		secrets_replace_text(t, value);
	else
		secrets_end(t, NULL);
}

static void
secrets_on_value(void *arg, const redisReply *reply, const struct err *err)
{
	struct secrets_text *t = arg;
	struct admin_call *call = t->call;

	if (!op_back(&call->op)) {
		secrets_text_free(t);
		return;
	}
	if (err != NULL || !secrets_place_is_many(t->place) || t->field != NULL) {
		if (err != NULL)
			secrets_end(t, err);
		else
			secrets_judge(t, redis_str(reply));
		return;
	}
	for (size_t i = 0; i + 1 < reply->elements; i += 2)
		secrets_judge(secrets_text_new(call, str_c(t->key), redis_str(reply->element[i])),
			      redis_str(reply->element[i + 1]));
	secrets_end(t, NULL);
}

static void
secrets_read(struct secrets_text *t)
{
	bool whole = secrets_place_is_many(t->place) && t->field == NULL;
	const char *verb = t->place->form == SECRETS_VALUE ? "GET" : whole ? "HGETALL" : "HGET";
	struct str field = str_c(t->place->form == SECRETS_FIELD ? t->place->member : t->field);

	op_hold(&t->call->op);
	redis_call_key(t->call->admin->redis, secrets_on_value, t, verb, str_c(t->key),
		       t->place->form == SECRETS_VALUE || whole ? 0 : 1, &field);
}

/* ---- All keys of all places ---- */

static void
secrets_on_keys(void *arg, const redisReply *reply, const struct err *err)
{
	struct admin_call *call = arg;
	struct secrets_round *round = call->state;

	if (!op_back(&call->op))
		return;
	admin_call_note(call, err);
	if (err == NULL && reply->elements == 2) {
		str_copy(redis_str(reply->element[0]), round->cursor, sizeof(round->cursor));
		for (size_t i = 0; i < reply->element[1]->elements; i++)
			secrets_read(secrets_text_new(call, redis_str(reply->element[1]->element[i]), STR_NONE));
	}
	secrets_done_one(call);
}

static void
secrets_scan(struct admin_call *call)
{
	struct secrets_round *round = call->state;
	char glob[SECRETS_GLOB_MAX];

	secrets_place_glob(&secrets_places[round->place], glob);
	op_hold(&call->op);
	redis_call(call->admin->redis, secrets_on_keys, call, 6,
		   (const struct str[]){STR("SCAN"), str_c(round->cursor), STR("MATCH"), str_c(glob), STR("COUNT"),
					STR(SECRETS_PAGE)});
}

static void
secrets_begin_place(struct admin_call *call)
{
	struct secrets_round *round = call->state;
	cJSON *place = cJSON_CreateObject();

	cJSON_AddStringToObject(place, "place", secrets_places[round->place].what);
	round->counts = cJSON_AddObjectToObject(place, "keys");
	cJSON_AddItemToArray(cJSON_GetObjectItem(call->result, "places"), place);
	str_copy(STR("0"), round->cursor, sizeof(round->cursor));
}

static void
secrets_ask_page(struct admin_call *call)
{
	struct secrets_round *round = call->state;
	const char *pattern = redis_key_pattern(secrets_places[round->place].key);

	round->due = 1;
	if (strchr(pattern, '<') != NULL) {
		secrets_scan(call);
	} else {
		secrets_read(secrets_text_new(call, str_c(pattern), STR_NONE));
		secrets_done_one(call);
	}
}

static void
secrets_finish(struct admin_call *call)
{
	const struct secrets_round *round = call->state;

	cJSON_AddNumberToObject(call->result, "examined", (double)round->examined);
	if (call->admin->seals != NULL) {
		cJSON_AddNumberToObject(call->result, "old", (double)round->old);
		cJSON_AddNumberToObject(call->result, "resealed", (double)round->resealed);
		cJSON_AddNumberToObject(call->result, "unreadable_count", (double)round->unreadable);
	}
	admin_call_end(call, NULL);
}

static void
secrets_next_page(struct admin_call *call)
{
	struct secrets_round *round = call->state;

	if (round->on_progress != NULL)
		round->on_progress(call->arg, round->examined);
	if (strcmp(round->cursor, "0") == 0) {
		if (++round->place == secrets_place_count) {
			secrets_finish(call);
			return;
		}
		secrets_begin_place(call);
	}
	secrets_ask_page(call);
}

static void
secrets_begin(struct op *op)
{
	struct admin_call *call = OP_OWNER(op, struct admin_call, op);

	secrets_begin_place(call);
	secrets_ask_page(call);
}

struct admin_call *
admin_secrets(struct admin *a, bool reseals, admin_on_examined *on_progress, admin_on_result *cb, void *arg)
{
	struct admin_call *call = admin_call_new(a, cb, arg);
	struct secrets_round *round = arena_new(&call->op.arena, struct secrets_round);

	call->state = round;
	round->reseals = reseals;
	round->on_progress = on_progress;
	if (reseals && (a->seals == NULL || secret_current_id(a->seals).len == 0)) {
		admin_call_refuse(call, ERR_DENIED, "there is no key to seal secrets with: set STAGEPOST_SECRET_KEY");
		return call;
	}
	call->result = cJSON_CreateObject();
	if (a->seals != NULL)
		admin_add_str(call->result, "current", secret_current_id(a->seals));
	cJSON_AddArrayToObject(call->result, "places");
	round->faults = a->seals != NULL ? cJSON_AddArrayToObject(call->result, "unreadable") : NULL;
	op_later(&call->op, a->base, secrets_begin);
	return call;
}
