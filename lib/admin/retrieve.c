/* Remote accounts: what there is, and orders about one. */
#include "lib/admin/retrieve.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/admin/retrieve_private.h"

/* ---- Telling ---- */

static const char *
retrieve_state(const struct retrieve_entry *e, char out[32])
{
	if (!e->account.enabled)
		return "disabled";
	if (e->account.trial)
		return "trying";
	return e->status.state.len != 0 && str_copy(e->status.state, out, 32) ? out : "new";
}

/* As retrieve_account_set() takes it. */
static const char *
retrieve_interval_text(int64_t ms, char out[32])
{
	static const struct {
		const char *unit;
		int64_t ms;
	} units[] = {{"d", 24 * 3600 * 1000}, {"h", 3600 * 1000}, {"m", 60 * 1000}, {"s", 1000}};
	unsigned i = 0;

	while (i < 3 && ms % units[i].ms != 0)
		i++;
	snprintf(out, 32, "%" PRId64 "%s", ms / units[i].ms, units[i].unit);
	return out;
}

static void
retrieve_tell_account(cJSON *o, const struct retrieve_account *a)
{
	cJSON *folders = cJSON_CreateArray();
	char text[32];

	cJSON_AddStringToObject(o, "id", a->id);
	cJSON_AddStringToObject(o, "address", a->address);
	cJSON_AddStringToObject(o, "protocol", retrieve_protocol_name(a->protocol));
	cJSON_AddStringToObject(o, "host", a->host);
	cJSON_AddNumberToObject(o, "port", a->port);
	cJSON_AddStringToObject(o, "tls", retrieve_tls_name(a->tls));
	cJSON_AddStringToObject(o, "certificate", a->any_certificate ? "any" : "verify");
	cJSON_AddStringToObject(o, "user", a->user);
	cJSON_AddStringToObject(o, "auth", retrieve_auth_name(a->auth));
	for (unsigned i = 0; i < a->folder_count; i++)
		cJSON_AddItemToArray(folders, cJSON_CreateString(a->folders[i]));
	cJSON_AddItemToObject(o, "folders", folders);
	cJSON_AddBoolToObject(o, "mirror", a->mirror);
	cJSON_AddStringToObject(o, "keep", retrieve_keep_text(a, text));
	cJSON_AddStringToObject(o, "into", a->into);
	if (a->interval_ms != 0)
		cJSON_AddStringToObject(o, "interval", retrieve_interval_text(a->interval_ms, text));
	cJSON_AddBoolToObject(o, "enabled", a->enabled);
	cJSON_AddBoolToObject(o, "once", a->once);
}

cJSON *
retrieve_tell(const struct retrieve_entry *e)
{
	const struct retrieve_status *st = &e->status;
	cJSON *o = cJSON_CreateObject();
	char state[32];

	retrieve_tell_account(o, &e->account);
	cJSON_AddStringToObject(o, "state", retrieve_state(e, state));
	cJSON_AddNumberToObject(o, "messages", (double)st->messages);
	cJSON_AddNumberToObject(o, "bytes", (double)st->bytes);
	cJSON_AddNumberToObject(o, "total_messages", (double)st->total_messages);
	cJSON_AddNumberToObject(o, "total_bytes", (double)st->total_bytes);
	cJSON_AddNumberToObject(o, "stuck", (double)st->stuck);
	cJSON_AddNumberToObject(o, "failures", (double)st->failures);
	admin_add_time(o, "last_ok", (uint64_t)st->last_ok);
	admin_add_time(o, "last_try", (uint64_t)st->last_try);
	if (st->last_error.len != 0)
		admin_add_str(o, "last_error", st->last_error);
	if (e->account.enabled && st->next_ms < RETRIEVE_NEVER_MS)
		admin_add_time(o, "next", (uint64_t)st->next_ms);
	return o;
}

bool
retrieve_take_address(struct admin_call *call, struct str address, struct str *out)
{
	char canonical[DIRECTORY_ADDRESS_MAX];

	if (directory_canonical_address(address, canonical)) {
		*out = arena_str(&call->op.arena, str_c(canonical));
		return true;
	}
	admin_call_refuse(call, ERR_INVALID, "'%.*s' is not an address", (int)(address.len < 100 ? address.len : 100),
			  address.p != NULL ? address.p : "");
	return false;
}

/* ---- One, or all of an address ---- */

static void
retrieve_on_listed(void *arg, const struct retrieve_entry *entries, unsigned count, const struct err *err)
{
	struct admin_call *call = arg;

	if (!op_back(&call->op))
		return;
	if (err == NULL)
		call->result = cJSON_CreateArray();
	for (unsigned i = 0; i < count; i++)
		cJSON_AddItemToArray(call->result, retrieve_tell(&entries[i]));
	admin_call_end(call, err);
}

static void
retrieve_on_shown(void *arg, const struct retrieve_entry *entries, unsigned count, const struct err *err)
{
	struct admin_call *call = arg;
	struct err damaged;

	if (!op_back(&call->op))
		return;
	if (err == NULL && count == 0) {
		err_set(&damaged, ERR_CORRUPT, "the stored remote account is damaged");
		err = &damaged;
	}
	if (err == NULL)
		call->result = retrieve_tell(&entries[0]);
	admin_call_end(call, err);
}

struct admin_call *
admin_retrieve_show(struct admin *a, struct str address, struct str id, admin_on_result *cb, void *arg)
{
	struct admin_call *call = admin_call_new(a, cb, arg);
	struct str canonical;

	if (retrieve_take_address(call, address, &canonical)) {
		op_hold(&call->op);
		/* An empty id would mean all. */
		retrieve_get(a->redis, canonical, id.len != 0 ? id : STR("-"), retrieve_on_shown, call);
	}
	return call;
}

/* ---- All of the cluster, or of a domain ---- */

enum {
	RETRIEVE_WALK_PAGE = 500,
	RETRIEVE_WALK_LOOKS_MAX = 20, /* for one page: in a large cluster a small domain's are far apart */
};

struct retrieve_walk {
	unsigned due; /* answers of the page */
	unsigned limit;
	unsigned looks;
	bool is_page;			   /* it ends with one */
	char domain[DIRECTORY_DOMAIN_MAX]; /* canonical; empty: all */
	struct str cursor;
	char cursor_text[32];
};

static void retrieve_walk_page(struct admin_call *call);

/* Sorted; one that came twice is removed. */
static int
retrieve_walk_compare(const void *a, const void *b)
{
	const cJSON *const *x = a, *const *y = b;
	int by_address = strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(*x, "address")),
				cJSON_GetStringValue(cJSON_GetObjectItem(*y, "address")));

	return by_address != 0 ? by_address
			       : strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(*x, "id")),
					cJSON_GetStringValue(cJSON_GetObjectItem(*y, "id")));
}

static void
retrieve_walk_end(struct admin_call *call)
{
	const struct retrieve_walk *walk = call->state;
	int count = cJSON_GetArraySize(call->result);
	cJSON **items = arena_array(&call->op.arena, cJSON *, (size_t)count + 1);
	cJSON *sorted = cJSON_CreateArray();

	for (int i = count - 1; i >= 0; i--)
		items[i] = cJSON_DetachItemFromArray(call->result, i);
	qsort(items, (size_t)count, sizeof(cJSON *), retrieve_walk_compare);
	for (int i = 0; i < count; i++) {
		if (i > 0 && retrieve_walk_compare(&items[i - 1], &items[i]) == 0) {
			cJSON_Delete(items[i - 1]);
			items[i - 1] = NULL;
		}
	}
	for (int i = 0; i < count; i++)
		if (items[i] != NULL)
			cJSON_AddItemToArray(sorted, items[i]);
	cJSON_Delete(call->result);
	call->result = sorted;
	if (walk->is_page) {
		call->result = cJSON_CreateObject();
		cJSON_AddItemToObject(call->result, "remote_accounts", sorted);
		if (!str_eq(walk->cursor, STR("0")))
			admin_add_str(call->result, "next", walk->cursor);
	}
	admin_call_end(call, NULL);
}

/* A page of all ends with what is found first; that of a domain looks on. */
static bool
retrieve_walk_is_full(const struct retrieve_walk *walk, unsigned found)
{
	if (str_eq(walk->cursor, STR("0")))
		return true;
	return walk->is_page &&
	       (walk->domain[0] == '\0' || found >= walk->limit || walk->looks == RETRIEVE_WALK_LOOKS_MAX);
}

static void
retrieve_walk_go_on(struct admin_call *call)
{
	const struct retrieve_walk *walk = call->state;

	if (call->failure.code != ERR_NONE)
		admin_call_end(call, &call->failure);
	else if (retrieve_walk_is_full(walk, (unsigned)cJSON_GetArraySize(call->result)))
		retrieve_walk_end(call);
	else
		retrieve_walk_page(call);
}

/* One that is gone meanwhile is left out. */
static void
retrieve_walk_on_entry(void *arg, const struct retrieve_entry *entries, unsigned count, const struct err *err)
{
	struct admin_call *call = arg;
	struct retrieve_walk *walk = call->state;

	if (!op_back(&call->op))
		return;
	if (err != NULL && err->code != ERR_NOT_FOUND)
		admin_call_note(call, err);
	if (count == 1)
		cJSON_AddItemToArray(call->result, retrieve_tell(&entries[0]));
	if (--walk->due == 0)
		retrieve_walk_go_on(call);
}

static bool
retrieve_walk_wants(const struct retrieve_walk *walk, struct str address)
{
	size_t length = strlen(walk->domain);

	return length == 0 || (address.len > length && address.p[address.len - length - 1] == '@' &&
			       memcmp(address.p + address.len - length, walk->domain, length) == 0);
}

static void
retrieve_walk_on_page(void *arg, const struct str *members, unsigned count, struct str next, const struct err *err)
{
	struct admin_call *call = arg;
	struct retrieve_walk *walk = call->state;
	struct str address, id;

	if (!op_back(&call->op))
		return;
	admin_call_note(call, err);
	str_copy(next, walk->cursor_text, sizeof(walk->cursor_text));
	walk->cursor = str_c(walk->cursor_text);
	walk->due = 1;
	for (unsigned i = 0; i < count; i++)
		if (retrieve_member_parse(members[i], &address, &id) && retrieve_walk_wants(walk, address)) {
			walk->due++;
			op_hold(&call->op);
			retrieve_get(call->admin->redis, address, id, retrieve_walk_on_entry, call);
		}
	if (--walk->due == 0)
		retrieve_walk_go_on(call);
}

static void
retrieve_walk_page(struct admin_call *call)
{
	struct retrieve_walk *walk = call->state;

	walk->looks++;
	op_hold(&call->op);
	retrieve_page(call->admin->redis, walk->cursor, walk->limit, retrieve_walk_on_page, call);
}

static void
retrieve_walk_start(struct admin_call *call, struct retrieve_walk *walk, struct str domain)
{
	if (domain.len != 0 && !directory_canonical_domain(domain, walk->domain)) {
		admin_call_refuse(call, ERR_INVALID, "'%.*s' is neither an address nor a domain",
				  (int)(domain.len < 100 ? domain.len : 100), domain.p);
		return;
	}
	call->state = walk;
	call->result = cJSON_CreateArray();
	retrieve_walk_page(call);
}

struct admin_call *
admin_retrieve_page(struct admin *a, struct str domain, struct str after, unsigned limit, admin_on_result *cb,
		    void *arg)
{
	struct admin_call *call = admin_call_new(a, cb, arg);
	struct retrieve_walk *walk;
	uint64_t cursor;

	if (after.len != 0 && !str_to_u64(after, &cursor)) {
		admin_call_refuse(call, ERR_INVALID, "after: it is not what a page said as next");
		return call;
	}
	walk = arena_new(&call->op.arena, struct retrieve_walk);
	walk->limit = limit;
	walk->is_page = true;
	walk->cursor = arena_str(&call->op.arena, after);
	retrieve_walk_start(call, walk, domain);
	return call;
}

struct admin_call *
admin_retrieve_list(struct admin *a, struct str of, admin_on_result *cb, void *arg)
{
	struct admin_call *call = admin_call_new(a, cb, arg);
	struct retrieve_walk *walk;
	struct str canonical;

	if (of.len == 0 || memchr(of.p, '@', of.len) == NULL) {
		walk = arena_new(&call->op.arena, struct retrieve_walk);
		walk->limit = RETRIEVE_WALK_PAGE;
		retrieve_walk_start(call, walk, of);
	} else if (retrieve_take_address(call, of, &canonical)) {
		op_hold(&call->op);
		retrieve_list(a->redis, canonical, retrieve_on_listed, call);
	}
	return call;
}

/* ---- Orders ---- */

static void
retrieve_on_ordered(void *arg, const struct err *err)
{
	struct admin_call *call = arg;

	if (op_back(&call->op))
		admin_call_end(call, err);
}

static struct admin_call *
retrieve_order_now(struct admin *a, struct str address, struct str id, bool by_user, admin_on_done *cb, void *arg)
{
	struct admin_call *call = admin_call_new_order(a, cb, arg);
	struct str canonical;

	if (retrieve_take_address(call, address, &canonical)) {
		op_hold(&call->op);
		retrieve_now(a->redis, canonical, id, by_user, retrieve_on_ordered, call);
	}
	return call;
}

struct admin_call *
admin_retrieve_now(struct admin *a, struct str address, struct str id, admin_on_done *cb, void *arg)
{
	return retrieve_order_now(a, address, id, false, cb, arg);
}

struct admin_call *
admin_retrieve_soon(struct admin *a, struct str address, struct str id, admin_on_done *cb, void *arg)
{
	return retrieve_order_now(a, address, id, true, cb, arg);
}

static struct admin_call *
retrieve_switch(struct admin *a, struct str address, struct str id, bool enabled, admin_on_done *cb, void *arg)
{
	struct admin_call *call = admin_call_new_order(a, cb, arg);
	struct str canonical;

	if (retrieve_take_address(call, address, &canonical)) {
		op_hold(&call->op);
		retrieve_enable(a->redis, canonical, id, enabled, STR_NONE, retrieve_on_ordered, call);
	}
	return call;
}

struct admin_call *
admin_retrieve_enable(struct admin *a, struct str address, struct str id, admin_on_done *cb, void *arg)
{
	return retrieve_switch(a, address, id, true, cb, arg);
}

struct admin_call *
admin_retrieve_disable(struct admin *a, struct str address, struct str id, admin_on_done *cb, void *arg)
{
	return retrieve_switch(a, address, id, false, cb, arg);
}

struct admin_call *
admin_retrieve_delete(struct admin *a, struct str address, struct str id, admin_on_done *cb, void *arg)
{
	struct admin_call *call = admin_call_new_order(a, cb, arg);
	struct str canonical;

	if (retrieve_take_address(call, address, &canonical)) {
		op_hold(&call->op);
		retrieve_delete(a->redis, canonical, id, retrieve_on_ordered, call);
	}
	return call;
}
