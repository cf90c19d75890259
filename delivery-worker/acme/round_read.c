/* The life of a round, and what it reads before it begins: the account, the names, the
 * certificates, requests for renewal, the domains. */
#include "delivery-worker/acme/private.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"

enum {
	ROUND_TIME_MS = 2 * 60 * 1000,
	ROUND_READS = 4, /* hashes and sets, and the domains beside them */
};

/* ---- JSON ---- */

void
acme_set_text(cJSON *object, const char *name, const char *value)
{
	cJSON_DeleteItemFromObjectCaseSensitive(object, name);
	cJSON_AddStringToObject(object, name, value);
}

void
acme_set_number(cJSON *object, const char *name, int64_t value)
{
	cJSON_DeleteItemFromObjectCaseSensitive(object, name);
	cJSON_AddNumberToObject(object, name, (double)value);
}

cJSON *
acme_parse(struct str text)
{
	cJSON *o = cJSON_ParseWithLength(text.p != NULL ? text.p : "", text.len);

	if (cJSON_IsObject(o))
		return o;
	cJSON_Delete(o);
	return NULL;
}

/* ---- Life ---- */

static void
round_on_end(struct op *op)
{
	struct acme_round *r = OP_OWNER(op, struct acme_round, op);

	cJSON_Delete(r->account);
	cJSON_Delete(r->state);
	cJSON_Delete(r->entry);
	mem_free(r);
}

void
acme_round_cancel(struct acme_round **round)
{
	struct acme_round *r = *round;

	*round = NULL;
	if (r == NULL)
		return;
	acme_order_clear(&r->order);
	acme_client_fini(&r->client);
	dns_cancel(&r->query);
	HASH_CLEAR(hh, r->rows); /* while the arena with the rows is there */
	op_cancel(&r->op);
}

/* ---- Reading ---- */

static struct acme_row *
round_row(struct acme_round *r, struct str name)
{
	struct acme_row *row;

	HASH_FIND(hh, r->rows, name.p, name.len, row);
	if (row == NULL) {
		row = arena_new(&r->op.arena, struct acme_row);
		row->name = arena_str(&r->op.arena, name);
		HASH_ADD_KEYPTR(hh, r->rows, row->name.p, row->name.len, row);
	}
	return row;
}

static void
round_read_end(struct acme_round *r)
{
	for (unsigned i = 0; i < r->names.count; i++)
		round_row(r, r->names.items[i].name);
	acme_round_begin(r);
}

/* False: the round is over, or more is to come. */
static bool
round_part(struct acme_round *r, const struct err *err)
{
	if (err != NULL && r->failure.code == ERR_NONE)
		r->failure = *err;
	if (--r->parts != 0)
		return false;
	if (r->failure.code == ERR_NONE)
		return true;
	log_debug(NULL, "a round of certificates ended early", F_ERR(&r->failure));
	acme_on_round_end(r->acme, 1000);
	return false;
}

static void
round_on_account_read(void *arg, const redisReply *reply, const struct err *err)
{
	struct acme_round *r = arg;

	if (!op_back(&r->op))
		return;
	r->account = acme_parse(redis_field(reply, r->directory));
	if (r->account == NULL)
		r->account = cJSON_CreateObject();
	if (round_part(r, err))
		round_read_end(r);
}

static void
round_on_names_read(void *arg, const redisReply *reply, const struct err *err)
{
	struct acme_round *r = arg;

	if (!op_back(&r->op))
		return;
	for (size_t i = 0; reply != NULL && i + 1 < reply->elements; i += 2)
		round_row(r, redis_str(reply->element[i]))->state_text =
			arena_str(&r->op.arena, redis_str(reply->element[i + 1]));
	if (round_part(r, err))
		round_read_end(r);
}

static void
round_on_index_read(void *arg, const redisReply *reply, const struct err *err)
{
	struct acme_round *r = arg;

	if (!op_back(&r->op))
		return;
	for (size_t i = 0; reply != NULL && i + 1 < reply->elements; i += 2)
		round_row(r, redis_str(reply->element[i]))->entry_text =
			arena_str(&r->op.arena, redis_str(reply->element[i + 1]));
	if (round_part(r, err))
		round_read_end(r);
}

static void
round_on_renewals_read(void *arg, const redisReply *reply, const struct err *err)
{
	struct acme_round *r = arg;

	if (!op_back(&r->op))
		return;
	for (size_t i = 0; reply != NULL && i < reply->elements; i++)
		round_row(r, redis_str(reply->element[i]))->asked = true;
	if (round_part(r, err))
		round_read_end(r);
}

static void
round_on_domains(void *arg, const struct str *domains, unsigned count, const struct err *err)
{
	struct acme_round *r = arg;
	const struct worker *w = r->acme->worker;

	if (!op_back(&r->op))
		return;
	if (err == NULL)
		acme_names_make(&r->names, &r->op.arena, settings_current(w->settings), str_c(w->hostname), domains,
				count);
	if (round_part(r, err))
		round_read_end(r);
}

struct acme_round *
acme_round_start(struct acme *a)
{
	static void (*const reads[ROUND_READS])(struct redis *, redis_on_reply *, void *) = {
		acme_read_accounts, acme_read_names, acme_read_index, acme_read_renewals};
	static redis_on_reply *const callbacks[ROUND_READS] = {round_on_account_read, round_on_names_read,
							       round_on_index_read, round_on_renewals_read};
	struct acme_round *r = mem_new(struct acme_round);

	op_init(&r->op, round_on_end);
	r->acme = a;
	r->directory = arena_strdup(&r->op.arena, acme_settings(a)->directory_url);
	r->until_ms = clock_monotonic_ms() + ROUND_TIME_MS;
	acme_client_init(&r->client, r);
	r->parts = ROUND_READS + 1;
	for (unsigned i = 0; i < ROUND_READS; i++) {
		op_hold(&r->op);
		reads[i](a->worker->redis, callbacks[i], r);
	}
	op_hold(&r->op);
	directory_domain_list(a->worker->directory, round_on_domains, r);
	return r;
}
