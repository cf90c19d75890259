/* A remote account is added: a worker tries it before it counts. Or mail is moved once. */
#include <string.h>

#include "lib/admin/retrieve_private.h"
#include "lib/base/clock.h"

enum {
	TRIAL_POLL_MS = 200,
	TRIAL_MS = 60 * 1000,
	TRIAL_USER_MS = 45 * 1000, /* a proxy in front of the API may wait no longer than a minute */
	TRIAL_UNCLAIMED_MS = 5000,
	TRIAL_STALE_MS = 120 * 1000, /* nobody waits for it any more */
	TRIALS_MAX = 3,		     /* of one address at once */
};

/* A complete new account; false: refused. */
static bool
adding_make(struct admin_call *call)
{
	struct retrieve_order *o = retrieve_order_of(call);
	struct err err;

	if (retrieve_order_set_fields(&o->account, o, &call->op.arena, &err) != 0 ||
	    retrieve_order_seal(call->admin, &o->account, o, &call->op.arena, &err) != 0) {
		retrieve_order_refuse(call, err.code, "%s", err.text);
		return false;
	}
	if (o->account.secret[0] != '\0')
		return true;
	retrieve_order_refuse(call, ERR_INVALID, "a %s is needed",
			      o->account.auth == RETRIEVE_OAUTH2 ? "refresh token" : "password");
	return false;
}

/* ---- The trial ---- */

static void trial_look(struct admin_call *call);

static void
trial_on_removed(void *arg, const struct err *err)
{
	struct admin_call *call = arg;

	(void)err;
	if (op_back(&call->op))
		retrieve_order_end(call, &call->failure);
}

/* Removes what was tried, and ends with what was noted. */
static void
trial_fail(struct admin_call *call)
{
	struct retrieve_order *o = retrieve_order_of(call);

	o->stored = false;
	op_hold(&call->op);
	retrieve_delete(call->admin->redis, str_c(o->account.address), str_c(o->account.id), trial_on_removed, call);
}

static void
trial_on_final(void *arg, const struct retrieve_entry *entries, unsigned count, const struct err *err)
{
	struct admin_call *call = arg;

	if (!op_back(&call->op))
		return;
	if (err == NULL && count == 1)
		call->result = retrieve_tell(&entries[0]);
	else if (err == NULL)
		err_set(&call->failure, ERR_CORRUPT, "the stored remote account is damaged");
	retrieve_order_end(call, err != NULL ? err : count != 1 ? &call->failure : NULL);
}

/* What there is now, as the result. */
static void
trial_show(struct admin_call *call)
{
	struct retrieve_order *o = retrieve_order_of(call);

	o->stored = false;
	op_hold(&call->op);
	retrieve_get(call->admin->redis, str_c(o->account.address), str_c(o->account.id), trial_on_final, call);
}

static int
trial_edit(void *arg, struct retrieve_account *a, struct arena *arena, struct err *err)
{
	(void)arg, (void)arena, (void)err;
	a->trial = false;
	return 0;
}

static void
trial_on_confirmed(void *arg, const struct err *err)
{
	struct admin_call *call = arg;

	if (!op_back(&call->op))
		return;
	if (err != NULL)
		retrieve_order_end(call, err);
	else
		trial_show(call);
}

static void
trial_step(struct retrieve_order *o, struct admin_call *call, const char *words)
{
	if (o->on_step != NULL && o->step != words)
		o->on_step(call->arg, words);
	o->step = words;
}

static void
trial_judge(struct admin_call *call, const struct retrieve_entry *e)
{
	struct retrieve_order *o = retrieve_order_of(call);
	const struct retrieve_status *st = &e->status;
	int64_t waited_ms = clock_monotonic_ms() - o->begun_ms;
	struct timeval wait = clock_timeval(TRIAL_POLL_MS);

	if (st->last_ok != 0 && e->account.enabled) {
		op_hold(&call->op);
		retrieve_change(call->admin->redis, str_c(o->account.address), str_c(o->account.id), trial_edit, NULL,
				clock_unix_ms(), trial_on_confirmed, call);
	} else if (st->last_try != 0 || !e->account.enabled) {
		err_set(&call->failure, ERR_DENIED, "%.*s", (int)(st->last_error.len < 230 ? st->last_error.len : 230),
			st->last_error.len != 0 ? st->last_error.p : "the trial failed");
		trial_fail(call);
	} else if (waited_ms > o->trial_ms) {
		err_set(&call->failure, ERR_TIMEOUT, "%s",
			st->fence == 0 ? "no worker has tried the account in time: does a delivery-worker run?"
				       : "the remote server took too long");
		trial_fail(call);
	} else {
		trial_step(o, call,
			   st->fence != 0 ? "logging in"
			   : waited_ms > TRIAL_UNCLAIMED_MS
				   ? "no worker has taken it up yet: does a delivery-worker run?"
				   : "waiting for a worker");
		evtimer_add(o->timer, &wait);
	}
}

static void
trial_on_look(void *arg, const struct retrieve_entry *entries, unsigned count, const struct err *err)
{
	struct admin_call *call = arg;
	struct retrieve_order *o = retrieve_order_of(call);
	struct timeval wait = clock_timeval(TRIAL_POLL_MS);

	if (!op_back(&call->op))
		return;
	if (err == NULL && count == 1) {
		trial_judge(call, &entries[0]);
	} else if (err != NULL && err->code != ERR_NOT_FOUND && clock_monotonic_ms() - o->begun_ms <= o->trial_ms) {
		evtimer_add(o->timer, &wait);
	} else {
		if (err == NULL)
			err_set(&call->failure, ERR_CORRUPT, "the stored remote account is damaged");
		o->stored = false;
		retrieve_order_end(call, err != NULL ? err : &call->failure);
	}
}

static void
trial_look(struct admin_call *call)
{
	const struct retrieve_order *o = retrieve_order_of(call);

	op_hold(&call->op);
	retrieve_get(call->admin->redis, str_c(o->account.address), str_c(o->account.id), trial_on_look, call);
}

static void
trial_on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	trial_look(arg);
}

/* ---- Adding ---- */

static void
adding_on_added(void *arg, const struct err *err)
{
	struct admin_call *call = arg;
	struct retrieve_order *o = retrieve_order_of(call);

	if (!op_back(&call->op))
		return;
	if (err != NULL) {
		retrieve_order_end(call, err);
	} else if (o->tried) {
		o->stored = true;
		o->begun_ms = clock_monotonic_ms();
		o->timer = evtimer_new(call->admin->base, trial_on_timer, call);
		trial_look(call);
	} else {
		trial_show(call);
	}
}

static int
adding_may_add(void *arg, const struct retrieve_entry *entries, unsigned count, struct err *err)
{
	const struct retrieve_order *o = retrieve_order_of(arg);
	unsigned trials = 0;

	for (unsigned i = 0; i < count; i++) {
		const struct retrieve_account *other = &entries[i].account;
		if (other->trial && clock_unix_ms() - other->created_ms > TRIAL_STALE_MS)
			continue;
		trials += other->trial;
		if (retrieve_account_overlaps(other, &o->account))
			return err_set(err, ERR_EXISTS, "%s has this mailbox already%s", other->id,
				       other->trial ? "; it is being tried" : ": change it, or delete it first");
	}
	if (o->tried && trials >= TRIALS_MAX)
		return err_set(err, ERR_LIMIT, "%u remote accounts are being tried already; wait for them", trials);
	return 0;
}

static void
adding_add(struct admin_call *call)
{
	struct retrieve_order *o = retrieve_order_of(call);

	o->account.trial = o->tried;
	op_hold(&call->op);
	retrieve_add(call->admin->redis, &o->account, adding_may_add, adding_on_added, call);
}

struct admin_call *
admin_retrieve_add(struct admin *a, const struct admin_retrieve *wanted, bool tried, admin_retrieve_on_step *on_step,
		   admin_on_result *cb, void *arg)
{
	struct admin_call *call = admin_call_new(a, cb, arg);
	struct retrieve_order *o = retrieve_order_new(call, wanted);

	if (o == NULL || !adding_make(call))
		return call;
	o->tried = tried && o->account.enabled;
	o->trial_ms = o->by_user ? TRIAL_USER_MS : TRIAL_MS;
	o->on_step = on_step;
	call->on_cancel = retrieve_order_on_cancel;
	adding_add(call);
	return call;
}

/* ---- A move ---- */

static int
adding_edit_again(void *arg, struct retrieve_account *a, struct arena *arena, struct err *err)
{
	struct admin_call *call = arg;

	a->enabled = true;
	return retrieve_order_seal(call->admin, a, retrieve_order_of(call), arena, err);
}

/* What the last run said of itself is forgotten before the next can begin. */
static void
adding_on_anew(void *arg, const struct err *err)
{
	struct admin_call *call = arg;
	struct retrieve_order *o = retrieve_order_of(call);

	if (!op_back(&call->op))
		return;
	if (err != NULL) {
		retrieve_order_end(call, err);
		return;
	}
	op_hold(&call->op);
	retrieve_change(call->admin->redis, str_c(o->account.address), str_c(o->account.id), adding_edit_again, call,
			clock_unix_ms(), trial_on_confirmed, call);
}

static void
adding_on_moves(void *arg, const struct retrieve_entry *entries, unsigned count, const struct err *err)
{
	struct admin_call *call = arg;
	struct retrieve_order *o = retrieve_order_of(call);
	const struct str anew[] = {STR("state"), STR(""),      STR("failures"), STR("0"),	   STR("last_error"),
				   STR(""),	 STR("stuck"), STR("0"),	STR("stuck_rows"), STR("")};
	const struct retrieve_account *a;

	if (!op_back(&call->op))
		return;
	if (err != NULL) {
		retrieve_order_end(call, err);
		return;
	}
	for (unsigned i = 0; i < count; i++) {
		a = &entries[i].account;
		if (!retrieve_account_is_move_of(a, &o->account))
			continue;
		if (!retrieve_account_moves_alike(a, &o->account)) {
			err_set(&call->failure, ERR_EXISTS, "%s moves other folders of this mailbox; delete it first",
				a->id);
			retrieve_order_end(call, &call->failure);
			return;
		}
		memcpy(o->account.id, a->id, sizeof(a->id));
		op_hold(&call->op);
		retrieve_note(call->admin->redis, str_c(o->account.address), str_c(o->account.id),
			      sizeof(anew) / sizeof(anew[0]), anew, adding_on_anew, call);
		return;
	}
	adding_add(call);
}

struct admin_call *
admin_retrieve_once(struct admin *a, const struct admin_retrieve *wanted, bool tried, admin_retrieve_on_step *on_step,
		    admin_on_result *cb, void *arg)
{
	struct admin_call *call = admin_call_new(a, cb, arg);
	struct retrieve_order *o = retrieve_order_new(call, wanted);

	if (o == NULL || !adding_make(call))
		return call;
	o->account.once = true;
	o->tried = tried;
	o->trial_ms = TRIAL_MS;
	o->on_step = on_step;
	call->on_cancel = retrieve_order_on_cancel;
	op_hold(&call->op);
	retrieve_list(a->redis, str_c(o->account.address), adding_on_moves, call);
	return call;
}
