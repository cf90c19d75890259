/* Pages of domains, users and aliases: the names first, then what each of them is. */
#include "lib/admin/accounts.h"
#include "lib/admin/private.h"
#include "lib/directory/directory.h"
#include "lib/mailbox/mailbox.h"

struct listing {
	enum directory_list list;
	cJSON *items; /* borrowed: the result's */
	unsigned due; /* entries that are not told yet */
};

struct listing_entry {
	struct admin_call *call; /* borrowed */
	struct str name;	 /* in the arena */
	cJSON *told;		 /* owner, until it is in the list; NULL: it is gone meanwhile */
	struct listing_entry *next;
};

/* The entries in their order: an answer may come before those of earlier ones. */
struct listing_state {
	struct listing listing;
	struct listing_entry *entries;
	unsigned count;
};

static void
listing_end(struct admin_call *call)
{
	struct listing_state *s = call->state;
	bool failed = call->failure.code != ERR_NONE;

	for (unsigned i = 0; i < s->count; i++) {
		if (failed)
			cJSON_Delete(s->entries[i].told);
		else if (s->entries[i].told != NULL)
			cJSON_AddItemToArray(s->listing.items, s->entries[i].told);
		s->entries[i].told = NULL;
	}
	admin_call_end(call, failed ? &call->failure : NULL);
}

/* The caller has gone: what has been told so far goes too. */
static void
listing_on_cancel(struct admin_call *call)
{
	struct listing_state *s = call->state;

	for (unsigned i = 0; i < s->count; i++) {
		cJSON_Delete(s->entries[i].told);
		s->entries[i].told = NULL;
	}
}

/* False: the call is gone. */
static bool
listing_back(struct listing_entry *e, const struct err *err)
{
	if (!op_back(&e->call->op))
		return false;
	if (err != NULL && err->code != ERR_NOT_FOUND)
		admin_call_note(e->call, err);
	return true;
}

static void
listing_told(struct listing_entry *e)
{
	struct listing_state *s = e->call->state;

	if (--s->listing.due == 0)
		listing_end(e->call);
}

/* ---- What an entry is ---- */

static void
listing_on_domain(void *arg, const struct directory_domain *d, const struct err *err)
{
	struct listing_entry *e = arg;

	if (!listing_back(e, err))
		return;
	if (err == NULL)
		e->told = accounts_tell_domain(d);
	listing_told(e);
}

static void
listing_on_used(void *arg, const struct mailbox_quota *used, const struct err *err)
{
	struct listing_entry *e = arg;

	if (!listing_back(e, err))
		return;
	if (err == NULL) {
		cJSON_AddNumberToObject(e->told, "used_bytes", (double)used->bytes);
		cJSON_AddNumberToObject(e->told, "messages", (double)used->messages);
	}
	listing_told(e);
}

static void
listing_on_user(void *arg, const struct directory_user *user, const struct err *err)
{
	struct listing_entry *e = arg;

	if (!listing_back(e, err))
		return;
	if (err != NULL) {
		listing_told(e);
		return;
	}
	e->told = accounts_tell_user(user);
	op_hold(&e->call->op);
	mailbox_quota_used(e->call->admin->mailboxes, e->name, listing_on_used, e);
}

static cJSON *
listing_tell_alias(struct admin_call *call, struct str address, const struct str *targets, unsigned count)
{
	cJSON *o = cJSON_CreateObject(), *list;

	admin_add_str(o, "address", address);
	list = cJSON_AddArrayToObject(o, "targets");
	for (unsigned i = 0; i < count; i++)
		cJSON_AddItemToArray(list,
				     cJSON_CreateString(arena_dup(&call->op.arena, targets[i].p, targets[i].len)));
	return o;
}

static void
listing_on_targets(void *arg, const struct str *targets, unsigned count, const struct err *err)
{
	struct listing_entry *e = arg;

	if (!listing_back(e, err))
		return;
	if (err == NULL)
		e->told = listing_tell_alias(e->call, e->name, targets, count);
	listing_told(e);
}

static void
listing_ask(struct listing_entry *e)
{
	struct directory *d = e->call->admin->directory;

	op_hold(&e->call->op);
	switch (((struct listing_state *)e->call->state)->listing.list) {
	case DIRECTORY_DOMAINS: directory_domain_show(d, e->name, listing_on_domain, e); break;
	case DIRECTORY_USERS: directory_user_show(d, e->name, listing_on_user, e); break;
	case DIRECTORY_ALIASES: directory_alias_show(d, e->name, listing_on_targets, e); break;
	}
}

/* ---- The page ---- */

static void
listing_on_names(void *arg, const struct str *names, unsigned count, bool is_last, const struct err *err)
{
	struct admin_call *call = arg;
	struct listing_state *s = call->state;

	if (!op_back(&call->op))
		return;
	if (err != NULL || count == 0) {
		admin_call_end(call, err);
		return;
	}
	if (!is_last)
		admin_add_str(call->result, "next", names[count - 1]);
	s->entries = arena_array(&call->op.arena, struct listing_entry, count);
	s->count = s->listing.due = count;
	for (unsigned i = 0; i < count; i++) {
		s->entries[i].call = call;
		s->entries[i].name = arena_str(&call->op.arena, names[i]);
	}
	for (unsigned i = 0; i < count; i++)
		listing_ask(&s->entries[i]);
}

static struct admin_call *
listing_start(struct admin *a, enum directory_list list, struct str domain, const struct directory_page *page,
	      admin_on_result *cb, void *arg)
{
	static const char *const names[] = {
		[DIRECTORY_DOMAINS] = "domains", [DIRECTORY_USERS] = "users", [DIRECTORY_ALIASES] = "aliases"};
	struct admin_call *call = admin_call_new(a, cb, arg);
	struct listing_state *s = arena_new(&call->op.arena, struct listing_state);

	call->state = s;
	call->on_cancel = listing_on_cancel;
	call->result = cJSON_CreateObject();
	s->listing.list = list;
	s->listing.items = cJSON_AddArrayToObject(call->result, names[list]);
	op_hold(&call->op);
	directory_page(a->directory, list, domain, page, listing_on_names, call);
	return call;
}

struct admin_call *
admin_domain_page(struct admin *a, const struct directory_page *page, admin_on_result *cb, void *arg)
{
	return listing_start(a, DIRECTORY_DOMAINS, STR_NONE, page, cb, arg);
}

struct admin_call *
admin_user_page(struct admin *a, struct str domain, const struct directory_page *page, admin_on_result *cb, void *arg)
{
	return listing_start(a, DIRECTORY_USERS, domain, page, cb, arg);
}

struct admin_call *
admin_alias_page(struct admin *a, struct str domain, const struct directory_page *page, admin_on_result *cb, void *arg)
{
	return listing_start(a, DIRECTORY_ALIASES, domain, page, cb, arg);
}

/* ---- One alias ---- */

static void
listing_on_alias(void *arg, const struct str *targets, unsigned count, const struct err *err)
{
	struct admin_call *call = arg;

	if (!op_back(&call->op))
		return;
	if (err == NULL)
		call->result = listing_tell_alias(call, str_c(call->state), targets, count);
	admin_call_end(call, err);
}

struct admin_call *
admin_alias_show(struct admin *a, struct str address, admin_on_result *cb, void *arg)
{
	struct admin_call *call = admin_call_new(a, cb, arg);

	call->state = arena_dup(&call->op.arena, address.p, address.len);
	op_hold(&call->op);
	directory_alias_show(a->directory, address, listing_on_alias, call);
	return call;
}
