/* Seals the secrets of all remote accounts with the first key, so that an old key can be
 * removed. It can be repeated, and changes nothing else. */
#include <string.h>

#include "lib/admin/retrieve_private.h"
#include "lib/base/buf.h"
#include "lib/retrieve/store.h"

struct reseal {
	char cursor[32];
	unsigned due; /* answers of the page */
	unsigned sealed, current;
};

/* One account. */
struct reseal_one {
	struct admin_call *call;
	struct str address, id;
};

static struct reseal *
reseal_of(struct admin_call *call)
{
	return call->state;
}

/* 1: sealed anew; 0: it was current; -1: err. */
static int
reseal_secret(const struct secret_keys *keys, struct retrieve_account *a, enum retrieve_secret which,
	      const char *sealed, struct arena *arena, struct err *err)
{
	struct buf plain = BUF_EMPTY;
	int result = -1;

	if (sealed[0] == '\0' || secret_is_current(keys, str_c(sealed)))
		return 0;
	if (retrieve_open(keys, a, which, str_c(sealed), &plain, err) == 0 &&
	    retrieve_seal(keys, a, which, buf_str(&plain), arena, err) != NULL)
		result = 1;
	if (plain.data != NULL)
		explicit_bzero(plain.data, plain.capacity);
	buf_fini(&plain);
	return result;
}

/* ERR_EXISTS: there is nothing to do. */
static int
reseal_edit(void *arg, struct retrieve_account *a, struct arena *arena, struct err *err)
{
	const struct secret_keys *keys = ((struct reseal_one *)arg)->call->admin->seals;
	int secret = reseal_secret(keys, a, RETRIEVE_SECRET, a->secret, arena, err), client;

	if (secret < 0)
		return -1;
	client = reseal_secret(keys, a, RETRIEVE_CLIENT_SECRET, a->client_secret, arena, err);
	if (client < 0)
		return -1;
	return secret + client > 0 ? 0 : err_set(err, ERR_EXISTS, "it is sealed with the first key");
}

static void
reseal_note_failure(const struct reseal_one *one, const struct err *err)
{
	cJSON *o = cJSON_CreateObject();

	admin_add_str(o, "address", one->address);
	admin_add_str(o, "id", one->id);
	cJSON_AddStringToObject(o, "error", err->text);
	cJSON_AddItemToArray(cJSON_GetObjectItem(one->call->result, "failed"), o);
}

static void reseal_page(struct admin_call *call);

static void
reseal_go_on(struct admin_call *call)
{
	struct reseal *r = reseal_of(call);

	if (call->failure.code != ERR_NONE) {
		admin_call_end(call, &call->failure);
	} else if (!str_eq(str_c(r->cursor), STR("0"))) {
		reseal_page(call);
	} else {
		cJSON_AddNumberToObject(call->result, "sealed", r->sealed);
		cJSON_AddNumberToObject(call->result, "current", r->current);
		admin_call_end(call, NULL);
	}
}

static void
reseal_on_one(void *arg, const struct err *err)
{
	const struct reseal_one *one = arg;
	struct admin_call *call = one->call;
	struct reseal *r = reseal_of(call);

	if (!op_back(&call->op))
		return;
	if (err == NULL)
		r->sealed++;
	else if (err->code == ERR_EXISTS)
		r->current++;
	else if (err->code != ERR_NOT_FOUND || !str_starts(str_c(err->text), STR("there is no remote account")))
		reseal_note_failure(one, err);
	if (--r->due == 0)
		reseal_go_on(call);
}

static void
reseal_start_one(struct admin_call *call, struct str address, struct str id)
{
	struct reseal_one *one = arena_new(&call->op.arena, struct reseal_one);

	*one = (struct reseal_one){call, arena_str(&call->op.arena, address), arena_str(&call->op.arena, id)};
	reseal_of(call)->due++;
	op_hold(&call->op);
	retrieve_change(call->admin->redis, one->address, one->id, reseal_edit, one, -1, reseal_on_one, one);
}

static void
reseal_on_page(void *arg, const struct str *members, unsigned count, struct str next, const struct err *err)
{
	struct admin_call *call = arg;
	struct reseal *r = reseal_of(call);
	struct str address, id;

	if (!op_back(&call->op))
		return;
	admin_call_note(call, err);
	str_copy(next, r->cursor, sizeof(r->cursor));
	r->due = 1;
	for (unsigned i = 0; i < count; i++)
		if (retrieve_member_parse(members[i], &address, &id))
			reseal_start_one(call, address, id);
	if (--r->due == 0)
		reseal_go_on(call);
}

static void
reseal_page(struct admin_call *call)
{
	op_hold(&call->op);
	retrieve_page(call->admin->redis, str_c(reseal_of(call)->cursor), reseal_on_page, call);
}

struct admin_call *
admin_retrieve_reseal(struct admin *a, admin_on_result *cb, void *arg)
{
	struct admin_call *call = admin_call_new(a, cb, arg);

	call->state = arena_new(&call->op.arena, struct reseal);
	call->result = cJSON_CreateObject();
	cJSON_AddItemToObject(call->result, "failed", cJSON_CreateArray());
	if (a->seals == NULL)
		admin_call_refuse(call, ERR_DENIED, "no key for secrets is set (STAGEPOST_SECRET_KEY)");
	else
		reseal_page(call);
	return call;
}
