/* Remote accounts that are set up or changed: fields are checked, secrets sealed, and a
 * new account is tried by a worker before it counts. */
#include <string.h>

#include "lib/admin/retrieve_private.h"
#include "lib/base/clock.h"

enum { TRIAL_POLL_MS = 200, TRIAL_MS = 60 * 1000, TRIAL_UNCLAIMED_MS = 5000 };

struct retrieve_order {
	struct retrieve_account account;
	struct str id; /* of the account that is changed */
	const struct directory_field *fields;
	unsigned count;
	struct str secret, client_secret;
	/* Of a trial: */
	bool tried;
	bool stored; /* there is something to remove again */
	admin_retrieve_on_step *on_step;
	const char *step; /* told last */
	int64_t begun_ms;
	struct event *timer; /* owner */
};

static struct retrieve_order *
retrieve_order_of(struct admin_call *call)
{
	return call->state;
}

/* ---- From fields to an account ---- */

int
admin_retrieve_check(const struct directory_field *field, struct err *err)
{
	struct retrieve_account a;
	struct arena arena;
	struct str name, text;
	int result;

	arena_init(&arena);
	retrieve_account_init(&a, "");
	result = retrieve_account_set(&a, field->name, field->value, &arena, err);
	arena_fini(&arena);
	if (result != 0 && str_cut(str_c(err->text), ':', &name, &text)) {
		text = str_trim(text);
		memmove(err->text, text.p, text.len);
		err->text[text.len] = '\0';
	}
	return result;
}

static int
adding_set_fields(struct retrieve_account *a, const struct retrieve_order *o, struct arena *arena, struct err *err)
{
	for (unsigned i = 0; i < o->count; i++)
		if (retrieve_account_set(a, o->fields[i].name, o->fields[i].value, arena, err) != 0) {
			err->code = ERR_INVALID;
			return -1;
		}
	return retrieve_account_check(a, arena, err);
}

static int
adding_seal(const struct admin *admin, struct retrieve_account *a, const struct retrieve_order *o, struct arena *arena,
	    struct err *err)
{
	if (o->secret.len != 0 && retrieve_seal(admin->seals, a, RETRIEVE_SECRET, o->secret, arena, err) == NULL)
		return -1;
	if (o->client_secret.len != 0 &&
	    retrieve_seal(admin->seals, a, RETRIEVE_CLIENT_SECRET, o->client_secret, arena, err) == NULL)
		return -1;
	return 0;
}

/* NULL: refused. */
static struct retrieve_order *
adding_new(struct admin_call *call, const struct admin_retrieve *wanted)
{
	struct arena *arena = &call->op.arena;
	struct retrieve_order *o = arena_new(arena, struct retrieve_order);
	struct directory_field *fields = arena_array(arena, struct directory_field, wanted->count + 1);
	struct str address;

	call->state = o;
	if (!retrieve_take_address(call, wanted->address, &address))
		return NULL;
	for (unsigned i = 0; i < wanted->count; i++)
		fields[i] = (struct directory_field){arena_str(arena, wanted->fields[i].name),
						     arena_str(arena, wanted->fields[i].value)};
	o->fields = fields;
	o->count = wanted->count;
	o->secret = arena_str(arena, wanted->secret);
	o->client_secret = arena_str(arena, wanted->client_secret);
	retrieve_account_init(&o->account, address.p);
	return o;
}

/* A complete new account; false: refused. */
static bool
adding_make(struct admin_call *call)
{
	struct retrieve_order *o = retrieve_order_of(call);
	struct err err;

	if (adding_set_fields(&o->account, o, &call->op.arena, &err) != 0 ||
	    adding_seal(call->admin, &o->account, o, &call->op.arena, &err) != 0) {
		admin_call_refuse(call, err.code, "%s", err.text);
		return false;
	}
	if (o->account.secret[0] != '\0')
		return true;
	admin_call_refuse(call, ERR_INVALID, "a %s is needed",
			  o->account.auth == RETRIEVE_OAUTH2 ? "refresh token" : "password");
	return false;
}

static void
adding_end(struct admin_call *call, const struct err *err)
{
	struct retrieve_order *o = retrieve_order_of(call);

	if (o->timer != NULL)
		event_free(o->timer);
	o->timer = NULL;
	arena_wipe(&call->op.arena);
	admin_call_end(call, err);
}

/* ---- The trial ---- */

static void trial_look(struct admin_call *call);

static void
trial_on_removed(void *arg, const struct err *err)
{
	struct admin_call *call = arg;

	(void)err;
	if (op_back(&call->op))
		adding_end(call, &call->failure);
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
	adding_end(call, err != NULL ? err : count != 1 ? &call->failure : NULL);
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
		adding_end(call, err);
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
	} else if (waited_ms > TRIAL_MS) {
		err_set(&call->failure, ERR_TIMEOUT, "%s",
			st->fence == 0 ? "no worker has tried the account within a minute: does a delivery-worker run?"
				       : "the remote server took longer than a minute");
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
	} else if (err != NULL && err->code != ERR_NOT_FOUND && clock_monotonic_ms() - o->begun_ms <= TRIAL_MS) {
		evtimer_add(o->timer, &wait);
	} else {
		o->stored = false;
		adding_end(call, err);
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

/* Nobody waits for the trial any more: it must not stay. */
static void
adding_on_cancel(struct admin_call *call)
{
	struct retrieve_order *o = retrieve_order_of(call);

	if (o->timer != NULL)
		event_free(o->timer);
	o->timer = NULL;
	if (o->stored && o->tried)
		retrieve_delete(call->admin->redis, str_c(o->account.address), str_c(o->account.id), NULL, NULL);
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
		adding_end(call, err);
	} else if (o->tried) {
		o->stored = true;
		o->begun_ms = clock_monotonic_ms();
		o->timer = evtimer_new(call->admin->base, trial_on_timer, call);
		trial_look(call);
	} else {
		trial_show(call);
	}
}

static void
adding_add(struct admin_call *call)
{
	struct retrieve_order *o = retrieve_order_of(call);

	o->account.trial = o->tried;
	op_hold(&call->op);
	retrieve_add(call->admin->redis, &o->account, adding_on_added, call);
}

struct admin_call *
admin_retrieve_add(struct admin *a, const struct admin_retrieve *wanted, bool tried, admin_retrieve_on_step *on_step,
		   admin_on_result *cb, void *arg)
{
	struct admin_call *call = admin_call_new(a, cb, arg);
	struct retrieve_order *o = adding_new(call, wanted);

	if (o == NULL || !adding_make(call))
		return call;
	o->tried = tried && o->account.enabled;
	o->on_step = on_step;
	call->on_cancel = adding_on_cancel;
	adding_add(call);
	return call;
}

/* ---- A move ---- */

static int
adding_edit_again(void *arg, struct retrieve_account *a, struct arena *arena, struct err *err)
{
	struct admin_call *call = arg;

	a->enabled = true;
	return adding_seal(call->admin, a, retrieve_order_of(call), arena, err);
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
		adding_end(call, err);
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
	const struct str anew[] = {STR("state"), STR(""), STR("failures"), STR("0"), STR("last_error"), STR("")};
	const struct retrieve_account *a;

	if (!op_back(&call->op))
		return;
	if (err != NULL) {
		adding_end(call, err);
		return;
	}
	for (unsigned i = 0; i < count; i++) {
		a = &entries[i].account;
		if (!a->once || a->protocol != o->account.protocol || strcmp(a->host, o->account.host) != 0 ||
		    strcmp(a->user, o->account.user) != 0)
			continue;
		memcpy(o->account.id, a->id, sizeof(a->id));
		op_hold(&call->op);
		retrieve_note(call->admin->redis, str_c(o->account.address), str_c(o->account.id), 6, anew,
			      adding_on_anew, call);
		return;
	}
	adding_add(call);
}

struct admin_call *
admin_retrieve_once(struct admin *a, const struct admin_retrieve *wanted, bool tried, admin_retrieve_on_step *on_step,
		    admin_on_result *cb, void *arg)
{
	struct admin_call *call = admin_call_new(a, cb, arg);
	struct retrieve_order *o = adding_new(call, wanted);

	if (o == NULL || !adding_make(call))
		return call;
	o->account.once = true;
	o->tried = tried;
	o->on_step = on_step;
	call->on_cancel = adding_on_cancel;
	op_hold(&call->op);
	retrieve_list(a->redis, str_c(o->account.address), adding_on_moves, call);
	return call;
}

/* ---- Changing ---- */

static int
adding_edit_set(void *arg, struct retrieve_account *a, struct arena *arena, struct err *err)
{
	struct admin_call *call = arg;
	struct retrieve_order *o = retrieve_order_of(call);

	if (adding_set_fields(a, o, arena, err) != 0)
		return -1;
	return adding_seal(call->admin, a, o, arena, err);
}

static void
adding_on_set(void *arg, const struct err *err)
{
	struct admin_call *call = arg;

	if (op_back(&call->op))
		adding_end(call, err);
}

/* False: refused. */
static bool
adding_may_set(struct admin_call *call)
{
	static const char *const fixed[] = {"protocol", "host", "user", "folder", "folders", "mirror", "once", NULL};
	const struct retrieve_order *o = retrieve_order_of(call);

	for (unsigned i = 0; i < o->count; i++)
		for (unsigned k = 0; fixed[k] != NULL; k++)
			if (str_eq(o->fields[i].name, str_c(fixed[k]))) {
				admin_call_refuse(call, ERR_INVALID,
						  "%s: it cannot be changed; add another remote account", fixed[k]);
				return false;
			}
	return true;
}

struct admin_call *
admin_retrieve_set(struct admin *a, struct str id, const struct admin_retrieve *wanted, admin_on_done *cb, void *arg)
{
	struct admin_call *call = admin_call_new_order(a, cb, arg);
	struct retrieve_order *o = adding_new(call, wanted);

	if (o == NULL || !adding_may_set(call))
		return call;
	o->id = arena_str(&call->op.arena, id);
	call->on_cancel = adding_on_cancel;
	op_hold(&call->op);
	/* Due at once: what was changed shows. */
	retrieve_change(a->redis, str_c(o->account.address), o->id, adding_edit_set, call, clock_unix_ms(),
			adding_on_set, call);
	return call;
}
