/* The signing keys of domains: making, listing with their records, rotating. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/admin/accounts.h"
#include "lib/admin/work.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/directory/directory.h"

struct dkim_listing {
	char domain[DIRECTORY_DOMAIN_MAX];
	struct admin_dkim_choice choice; /* strings in the arena */
};

static void
dkim_add_key(struct admin_call *call, const struct dkim_key *key)
{
	const struct dkim_listing *l = call->state;
	struct buf record = BUF_EMPTY, zone = BUF_EMPTY;
	cJSON *o = cJSON_CreateObject();
	char name[DIRECTORY_DOMAIN_MAX + DKIM_SELECTOR_MAX + 16];

	dkim_key_record(key, &record);
	dkim_key_zone_line(key, str_c(l->domain), &zone);
	snprintf(name, sizeof(name), "%s._domainkey.%s", key->selector, l->domain);
	cJSON_AddStringToObject(o, "selector", key->selector);
	cJSON_AddStringToObject(o, "algorithm", dkim_algorithm_name(key->algorithm));
	cJSON_AddStringToObject(o, "state", dkim_state_name(key->state));
	cJSON_AddNumberToObject(o, "created_ms", (double)key->created_ms);
	cJSON_AddStringToObject(o, "name", name);
	admin_add_str(o, "record", buf_str(&record));
	admin_add_str(o, "zone_line", buf_str(&zone));
	cJSON_AddItemToArray(call->result, o);
	buf_fini(&record);
	buf_fini(&zone);
}

static void
dkim_on_keys_listed(void *arg, const struct dkim_key *keys, unsigned count, const struct err *err)
{
	struct admin_call *call = arg;
	const struct dkim_listing *l = call->state;

	if (!op_back(&call->op))
		return;
	call->result = cJSON_CreateArray();
	for (unsigned i = 0; i < count; i++)
		if ((l->choice.selector.len == 0 || str_eq(l->choice.selector, str_c(keys[i].selector))) &&
		    (l->choice.any_algorithm || l->choice.algorithm == keys[i].algorithm))
			dkim_add_key(call, &keys[i]);
	admin_call_end(call, err);
}

/* The domain's name in the call's arena, canonical; STR_NONE: the call is refused. */
static struct str
dkim_take_domain(struct admin_call *call, struct str domain)
{
	char name[DIRECTORY_DOMAIN_MAX];

	if (directory_canonical_domain(domain, name))
		return arena_str(&call->op.arena, str_c(name));
	admin_call_refuse(call, ERR_INVALID, "'%.*s' is not a domain", STR_ARG(domain));
	return STR_NONE;
}

struct admin_call *
admin_dkim_list(struct admin *a, struct str domain, const struct admin_dkim_choice *choice, admin_on_result *cb,
		void *arg)
{
	struct admin_call *call = admin_call_new(a, cb, arg);
	struct dkim_listing *l = arena_new(&call->op.arena, struct dkim_listing);
	struct str name = dkim_take_domain(call, domain);

	call->state = l;
	if (name.len == 0)
		return call;
	str_copy(name, l->domain, sizeof(l->domain));
	l->choice = *choice;
	l->choice.selector = arena_str(&call->op.arena, choice->selector);
	op_hold(&call->op);
	dkim_keys_list(a->dkim, name, dkim_on_keys_listed, call);
	return call;
}

/* ---- Changing ---- */
static void
dkim_on_changed(void *arg, const struct err *err)
{
	struct admin_call *call = arg;

	if (op_back(&call->op))
		admin_call_end(call, err);
}

/* A default selector shows when its key was made: "s20261123", or "e20261123" for ed25519. */
static struct str
dkim_default_selector(struct arena *arena, enum dkim_algorithm algorithm)
{
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	return str_c(arena_printf(arena, "%c%04d%02d%02d", algorithm == DKIM_RSA ? 's' : 'e', tm.tm_year + 1900,
				  tm.tm_mon + 1, tm.tm_mday));
}

struct dkim_work {
	struct admin_work work; /* first */
	char domain[DIRECTORY_DOMAIN_MAX];
	char *selector; /* owner */
	enum dkim_algorithm algorithm;
	enum dkim_state state;
	struct dkim_key key; /* owner, unless it failed */
	bool failed;	     /* or has not been tried yet */
	struct err err;
};

static void
dkim_work_run(struct admin_work *work)
{
	struct dkim_work *w = (struct dkim_work *)work;

	w->failed = dkim_key_make(w->algorithm, str_c(w->selector), clock_unix_ms(), &w->key, &w->err) != 0;
	w->key.state = w->state;
}

static void
dkim_work_done(struct admin_call *call, struct admin_work *work)
{
	struct dkim_work *w = (struct dkim_work *)work;

	if (w->failed) {
		admin_call_end(call, &w->err);
		return;
	}
	op_hold(&call->op);
	dkim_keys_add(call->admin->dkim, str_c(w->domain), &w->key, dkim_on_changed, call);
}

static void
dkim_work_free(struct admin_work *work)
{
	struct dkim_work *w = (struct dkim_work *)work;

	if (!w->failed)
		dkim_key_fini(&w->key);
	mem_free(w->selector);
	mem_free(w);
}

struct admin_call *
admin_dkim_make(struct admin *a, struct str domain, struct str selector, enum dkim_algorithm algorithm, bool active,
		admin_on_done *cb, void *arg)
{
	struct admin_call *call = admin_call_new_order(a, cb, arg);
	struct str name = dkim_take_domain(call, domain);
	struct dkim_work *w;

	if (name.len == 0)
		return call;
	w = mem_new(struct dkim_work);
	w->work = (struct admin_work){.run = dkim_work_run, .done = dkim_work_done, .free = dkim_work_free};
	str_copy(name, w->domain, sizeof(w->domain));
	w->selector = str_dup(selector.len != 0 ? selector : dkim_default_selector(&call->op.arena, algorithm));
	w->algorithm = algorithm;
	w->failed = true;
	w->state = active ? DKIM_ACTIVE : DKIM_WAITING;
	admin_work_start(call, &w->work);
	return call;
}

struct admin_call *
admin_dkim_activate(struct admin *a, struct str domain, struct str selector, admin_on_done *cb, void *arg)
{
	struct admin_call *call = admin_call_new_order(a, cb, arg);
	struct str name = dkim_take_domain(call, domain);

	if (name.len == 0)
		return call;
	op_hold(&call->op);
	dkim_keys_activate(a->dkim, name, selector, dkim_on_changed, call);
	return call;
}

struct admin_call *
admin_dkim_delete(struct admin *a, struct str domain, struct str selector, admin_on_done *cb, void *arg)
{
	struct admin_call *call = admin_call_new_order(a, cb, arg);
	struct str name = dkim_take_domain(call, domain);

	if (name.len == 0)
		return call;
	op_hold(&call->op);
	dkim_keys_delete(a->dkim, name, selector, dkim_on_changed, call);
	return call;
}
