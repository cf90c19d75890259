/* Accounts that get a password: the verifiers are made off the loop. */
#include <openssl/crypto.h>
#include <string.h>

#include "lib/admin/accounts.h"
#include "lib/admin/work.h"
#include "lib/auth/auth.h"
#include "lib/base/mem.h"
#include "lib/directory/directory.h"

/* What the verifiers are for; in the call's arena. */
struct password_order {
	struct str address;
	bool is_new; /* the account is to be created */
	struct directory_field *fields;
	unsigned count;
};

struct password_work {
	struct admin_work work; /* first */
	char *password;		/* owner, cleansed; NULL: none, so no verifiers */
	char argon2id[AUTH_VERIFIER_MAX], scram[AUTH_VERIFIER_MAX];
	bool failed;
	struct err err;
};

static void
password_run(struct admin_work *work)
{
	struct password_work *w = (struct password_work *)work;
	struct str password = str_c(w->password);

	w->failed = auth_make_argon2id(password, w->argon2id, &w->err) != 0 ||
		    auth_make_scram_sha256(password, w->scram, &w->err) != 0;
}

static void
password_free(struct admin_work *work)
{
	struct password_work *w = (struct password_work *)work;

	if (w->password != NULL)
		OPENSSL_cleanse(w->password, strlen(w->password));
	mem_free(w->password);
	mem_free(w);
}

/* What is remembered of the old password matches no more; it need not stay either. */
static void
password_forget_old(struct admin_call *call)
{
	const struct password_order *o = call->state;
	char address[DIRECTORY_ADDRESS_MAX];

	if (directory_canonical_address(o->address, address))
		redis_call_key(call->admin->redis, NULL, NULL, "DEL",
			       redis_key(&call->op.arena, KEY_AUTH_OK, str_c(address)), 0, NULL);
}

static void
password_on_stored(void *arg, const struct err *err)
{
	struct admin_call *call = arg;

	if (!op_back(&call->op))
		return;
	if (err == NULL)
		password_forget_old(call);
	admin_call_end(call, err);
}

static void
password_done(struct admin_call *call, struct admin_work *work)
{
	const struct password_work *w = (const struct password_work *)work;
	const struct password_order *o = call->state;

	if (w->failed) {
		admin_call_end(call, &w->err);
		return;
	}
	op_hold(&call->op);
	if (o->is_new)
		directory_user_add(call->admin->directory, o->address, str_c(w->argon2id), str_c(w->scram), o->fields,
				   o->count, password_on_stored, call);
	else
		directory_user_passwd(call->admin->directory, o->address, str_c(w->argon2id), str_c(w->scram),
				      password_on_stored, call);
}

static struct password_order *
password_order_new(struct admin_call *call, struct str address)
{
	struct password_order *o = arena_new(&call->op.arena, struct password_order);

	o->address = arena_str(&call->op.arena, address);
	call->state = o;
	return o;
}

static void
password_start(struct admin_call *call, struct str password)
{
	struct password_work *w = mem_new(struct password_work);

	w->work = (struct admin_work){.run = password_run, .done = password_done, .free = password_free};
	if (password.len != 0) {
		w->password = str_dup(password);
		admin_work_start(call, &w->work);
		return;
	}
	password_done(call, &w->work);
	password_free(&w->work);
}

struct admin_call *
admin_user_add(struct admin *a, struct str address, struct str password, const struct directory_field *fields,
	       unsigned count, admin_on_done *cb, void *arg)
{
	struct admin_call *call = admin_call_new_order(a, cb, arg);
	struct arena *arena = &call->op.arena;
	struct password_order *o = password_order_new(call, address);

	o->is_new = true;
	o->count = count;
	o->fields = arena_array(arena, struct directory_field, count + 1);
	for (unsigned i = 0; i < count; i++)
		o->fields[i] =
			(struct directory_field){arena_str(arena, fields[i].name), arena_str(arena, fields[i].value)};
	password_start(call, password);
	return call;
}

struct admin_call *
admin_user_passwd(struct admin *a, struct str address, struct str password, admin_on_done *cb, void *arg)
{
	struct admin_call *call = admin_call_new_order(a, cb, arg);

	password_order_new(call, address);
	if (password.len == 0)
		admin_call_refuse(call, ERR_INVALID, "the password is empty");
	else
		password_start(call, password);
	return call;
}
