/* Removes an account, or a domain with its accounts: first it stops accepting
 * mail, then the mail is deleted, then the record. Whatever a crash leaves is
 * removed when the order is repeated. */
#include <string.h>

#include "lib/admin/accounts.h"
#include "lib/admin/private.h"
#include "lib/base/crashpoint.h"
#include "lib/directory/directory.h"
#include "lib/mailbox/mailbox.h"
#include "lib/retrieve/store.h"

enum { REMOVAL_PICK = 100 };

struct removal {
	struct str domain;     /* empty: a single user */
	struct str *addresses; /* whose mail is deleted; in the arena */
	unsigned count, at;
	/* Of a domain: the text of addresses. */
	char text[REMOVAL_PICK][DIRECTORY_ADDRESS_MAX];
};

static void removal_pick(struct admin_call *call);
static void removal_go_on(struct admin_call *call);

static void
removal_on_done(void *arg, const struct err *err)
{
	struct admin_call *call = arg;

	if (op_back(&call->op))
		admin_call_end(call, err);
}

/* Another may be removing the same domain. */
static void
removal_on_user_gone(void *arg, const struct err *err)
{
	struct admin_call *call = arg;
	struct removal *r = call->state;

	if (!op_back(&call->op))
		return;
	r->at++;
	if (r->domain.len == 0 || (err != NULL && err->code != ERR_NOT_FOUND))
		admin_call_end(call, err);
	else
		removal_go_on(call);
}

static void
removal_on_mail_gone(void *arg, const struct err *err)
{
	struct admin_call *call = arg;
	struct removal *r = call->state;

	if (!op_back(&call->op))
		return;
	CRASHPOINT("removal-mail-gone");
	if (err != NULL) {
		admin_call_end(call, err);
		return;
	}
	op_hold(&call->op);
	directory_user_delete(call->admin->directory, r->addresses[r->at], removal_on_user_gone, call);
}

/* Nothing is retrieved into the account any more. */
static void
removal_on_forgotten(void *arg, const struct err *err)
{
	struct admin_call *call = arg;
	const struct removal *r = call->state;

	if (!op_back(&call->op))
		return;
	if (err != NULL) {
		admin_call_end(call, err);
		return;
	}
	op_hold(&call->op);
	mailbox_destroy(call->admin->mailboxes, r->addresses[r->at], removal_on_mail_gone, call);
}

/* One after the other: each is a separate operation on the store. */
static void
removal_go_on(struct admin_call *call)
{
	struct removal *r = call->state;

	if (r->at == r->count) {
		removal_pick(call);
		return;
	}
	op_hold(&call->op);
	retrieve_forget(call->admin->redis, r->addresses[r->at], removal_on_forgotten, call);
}

static void
removal_on_closed(void *arg, const struct err *err)
{
	struct admin_call *call = arg;

	if (!op_back(&call->op))
		return;
	if (err != NULL)
		admin_call_end(call, err);
	else
		removal_go_on(call);
}

struct admin_call *
admin_user_delete(struct admin *a, struct str address, admin_on_done *cb, void *arg)
{
	static const struct directory_field off = {STR("enabled"), STR("off")};
	struct admin_call *call = admin_call_new_order(a, cb, arg);
	struct removal *r = arena_new(&call->op.arena, struct removal);
	char canonical[DIRECTORY_ADDRESS_MAX];

	call->state = r;
	if (!directory_canonical_address(address, canonical)) {
		admin_call_refuse(call, ERR_INVALID, "'%.*s' is not an address", STR_ARG(address));
		return call;
	}
	r->addresses = arena_array(&call->op.arena, struct str, 1);
	r->addresses[0] = arena_str(&call->op.arena, str_c(canonical));
	r->count = 1;
	op_hold(&call->op);
	directory_user_set(a->directory, r->addresses[0], &off, 1, removal_on_closed, call);
	return call;
}

/* ---- A domain ---- */

static void
removal_on_picked(void *arg, const struct str *names, unsigned count, const struct err *err)
{
	struct admin_call *call = arg;
	struct removal *r = call->state;

	if (!op_back(&call->op))
		return;
	if (err != NULL) {
		admin_call_end(call, err);
		return;
	}
	r->at = 0;
	r->count = count < REMOVAL_PICK ? count : REMOVAL_PICK;
	for (unsigned i = 0; i < r->count; i++) {
		str_copy(names[i], r->text[i], sizeof(r->text[i]));
		r->addresses[i] = str_c(r->text[i]);
	}
	if (r->count != 0) {
		removal_go_on(call);
		return;
	}
	op_hold(&call->op);
	directory_domain_delete(call->admin->directory, r->domain, true, removal_on_done, call);
}

static void
removal_pick(struct admin_call *call)
{
	const struct removal *r = call->state;

	op_hold(&call->op);
	directory_user_pick(call->admin->directory, r->domain, REMOVAL_PICK, removal_on_picked, call);
}

struct admin_call *
admin_domain_delete(struct admin *a, struct str domain, bool forced, admin_on_done *cb, void *arg)
{
	struct admin_call *call = admin_call_new_order(a, cb, arg);
	struct removal *r = arena_new(&call->op.arena, struct removal);

	call->state = r;
	r->domain = arena_str(&call->op.arena, domain);
	r->addresses = arena_array(&call->op.arena, struct str, REMOVAL_PICK);
	op_hold(&call->op);
	if (forced)
		directory_domain_close(a->directory, r->domain, removal_on_closed, call);
	else
		directory_domain_delete(a->directory, r->domain, false, removal_on_done, call);
	return call;
}
