/* The final recipients of mail for an address.
 *
 * Works level by level: all addresses of a level are resolved at once, and
 * their targets form the next level. Each address is visited once, which breaks
 * loops; the number of levels and of addresses is limited. */
#include "lib/directory/private.h"

/* An address to visit. */
struct stop {
	struct expansion *x;		     /* borrowed */
	char address[DIRECTORY_ADDRESS_MAX]; /* key; canonical; that of the account, once resolved */
	char detail[DIRECTORY_DETAIL_MAX];   /* until it is resolved: as written */
	char carried[DIRECTORY_DETAIL_MAX];  /* of the alias that led here: for an account named without one */
	enum directory_kind kind;
	bool domain_disabled;
	bool is_final;
	uint64_t quota_bytes;
	struct str *targets; /* owner; copied one by one */
	unsigned target_count;
	struct stop *next; /* in order of arrival */
	UT_hash_handle hh;
};

struct expansion {
	struct directory *d; /* borrowed */
	directory_on_walked *cb;
	void *arg;
	char watched[DIRECTORY_ADDRESS_MAX]; /* empty: none */
	bool is_met;
	struct stop *by_address; /* table */
	struct stop *stops;	 /* owner */
	struct stop *level;	 /* the first of the current level */
	struct stop **end;	 /* where the next one is appended */
	unsigned depth, count, waiting;
	bool starting; /* answers that come at once are only counted */
	struct err err;
	struct expansion *prev, *next;
};

/* Includes room for the aliases on the way. */
enum { STOPS_MAX = 2 * DIRECTORY_TARGETS_MAX };

static void
stop_clear_targets(struct stop *stop)
{
	for (unsigned i = 0; i < stop->target_count; i++)
		mem_free((char *)(uintptr_t)stop->targets[i].p);
	mem_free(stop->targets);
	stop->targets = NULL;
	stop->target_count = 0;
}

static void
expansion_free(struct expansion *x)
{
	HASH_CLEAR(hh, x->by_address);
	for (struct stop *stop = x->stops, *next; stop != NULL; stop = next) {
		next = stop->next;
		stop_clear_targets(stop);
		mem_free(stop);
	}
	DL_DELETE(x->d->expansions, x);
	mem_free(x);
}

/* NULL: it is already there, or there is no room for it. */
static struct stop *
add_stop(struct expansion *x, struct str address)
{
	struct stop *stop;
	HASH_FIND(hh, x->by_address, address.p, address.len, stop);
	if (stop != NULL || address.len >= DIRECTORY_ADDRESS_MAX)
		return NULL;
	if (x->count == STOPS_MAX) {
		err_set(&x->err, ERR_LIMIT, "the address expands to more than %d others", DIRECTORY_TARGETS_MAX);
		return NULL;
	}
	stop = mem_new(struct stop);
	stop->x = x;
	str_copy(address, stop->address, sizeof(stop->address));
	HASH_ADD_KEYPTR(hh, x->by_address, stop->address, address.len, stop);
	*x->end = stop;
	x->end = &stop->next;
	x->count++;
	if (str_eq(address, str_c(x->watched)))
		x->is_met = true;
	return stop;
}

/* ---- The end ---- */
static void
expand_finish(struct expansion *x)
{
	struct buf targets = BUF_EMPTY;
	unsigned count = 0;
	for (struct stop *stop = x->stops; stop != NULL; stop = stop->next) {
		if (!stop->is_final)
			continue;
		struct directory_target target = {
			.address = str_c(stop->address),
			.detail = str_c(stop->detail),
			.kind = stop->kind,
			.domain_disabled = stop->domain_disabled,
			.quota_bytes = stop->quota_bytes,
		};
		buf_add(&targets, &target, sizeof(target));
		count++;
	}
	if (x->err.code == ERR_NONE && count > DIRECTORY_TARGETS_MAX)
		err_set(&x->err, ERR_LIMIT, "the address expands to more than %d others", DIRECTORY_TARGETS_MAX);
	bool ok = x->err.code == ERR_NONE;
	x->cb(x->arg, ok ? (const struct directory_target *)(void *)targets.data : NULL, ok ? count : 0, x->is_met,
	      ok ? NULL : &x->err);
	buf_fini(&targets);
	expansion_free(x);
}

/* ---- One level ---- */
/* user+detail became user, which may also be on the way: they are one mailbox. */
static void
rename_stop(struct stop *stop, const char *address)
{
	struct stop *same;
	HASH_FIND_STR(stop->x->by_address, address, same);
	if (same != NULL) {
		stop->is_final = false;
		return;
	}
	HASH_DEL(stop->x->by_address, stop);
	str_copy(str_c(address), stop->address, sizeof(stop->address));
	HASH_ADD_KEYPTR(hh, stop->x->by_address, stop->address, strlen(stop->address), stop);
}

/* The detail for an account: its own, as written if that is known (the key is
 * in lower case), else that of the alias that led to it. */
static void
expand_take_detail(struct stop *stop, const struct directory_result *result)
{
	struct str domain = directory_domain_of(str_c(result->address));
	bool carries =
		result->kind == DIR_ALIAS || settings_mailbox(directory_settings(stop->x->d), domain)->plus_addressing;

	if (result->kind != DIR_USER && result->kind != DIR_ALIAS)
		stop->detail[0] = '\0';
	else if (result->detail[0] == '\0')
		str_copy(carries ? str_c(stop->carried) : STR_NONE, stop->detail, sizeof(stop->detail));
	else if (stop->detail[0] == '\0')
		str_copy(str_c(result->detail), stop->detail, sizeof(stop->detail));
}

static void
take_result(struct stop *stop, const struct directory_result *result)
{
	stop->kind = result->kind;
	stop->domain_disabled = result->domain_disabled;
	stop->quota_bytes = result->quota_bytes;
	expand_take_detail(stop, result);
	if (result->kind != DIR_ALIAS && result->kind != DIR_CATCH_ALL) {
		stop->is_final = true;
		if (strcmp(stop->address, result->address) != 0)
			rename_stop(stop, result->address);
		return;
	}
	if (strcmp(result->address, stop->x->watched) == 0)
		stop->x->is_met = true;
	stop->targets = mem_alloc(result->target_count * sizeof(struct str));
	for (unsigned i = 0; i < result->target_count; i++)
		stop->targets[i] = str_of(str_dup(result->targets[i]), result->targets[i].len);
	stop->target_count = result->target_count;
}

static void end_level(struct expansion *x);
static void run_levels(struct expansion *x);

static void
on_stop_resolved(void *arg, const struct directory_result *result, const struct err *err)
{
	struct stop *stop = arg;
	struct expansion *x = stop->x;
	if (err != NULL)
		x->err = *err;
	else
		take_result(stop, result);
	x->waiting--;
	if (x->waiting > 0 || x->starting)
		return;
	if (x->err.code == ERR_NONE)
		end_level(x);
	run_levels(x);
}

static void
start_level(struct expansion *x)
{
	x->starting = true;
	for (struct stop *stop = x->level; stop != NULL; stop = stop->next) {
		struct directory_result result;
		x->waiting++;
		if (directory_resolve(x->d, str_c(stop->address), &result, on_stop_resolved, stop))
			on_stop_resolved(stop, &result, NULL);
	}
	x->starting = false;
}

/* The targets of this level become the next one. */
static void
end_level(struct expansion *x)
{
	struct stop *first = x->level, **next_level = x->end, *target;
	bool is_too_deep = ++x->depth > DIRECTORY_DEPTH_MAX;
	for (struct stop *stop = first; stop != NULL; stop = stop->next) {
		for (unsigned i = 0; i < stop->target_count && !is_too_deep; i++) {
			target = add_stop(x, stop->targets[i]);
			if (target != NULL && stop->kind == DIR_ALIAS)
				str_copy(str_c(stop->detail), target->carried, sizeof(target->carried));
		}
		if (is_too_deep && stop->target_count > 0) {
			stop->kind = DIR_UNKNOWN;
			stop->is_final = true;
		}
		if (&stop->next == next_level)
			break; /* everything after it is the next level */
	}
	x->level = *next_level;
}

static void
run_levels(struct expansion *x)
{
	while (x->level != NULL && x->err.code == ERR_NONE) {
		start_level(x);
		if (x->waiting > 0)
			return;
		end_level(x);
	}
	expand_finish(x);
}

/* ---- Public ---- */
void
directory_walk(struct directory *d, const struct str *addresses, unsigned count, struct str watched,
	       directory_on_walked *cb, void *arg)
{
	struct expansion *x = mem_new(struct expansion);
	x->d = d;
	x->cb = cb;
	x->arg = arg;
	x->end = &x->stops;
	str_copy(watched, x->watched, sizeof(x->watched));
	DL_APPEND(d->expansions, x);
	for (unsigned i = 0; i < count; i++) {
		char address[DIRECTORY_ADDRESS_MAX], base[DIRECTORY_ADDRESS_MAX];
		bool is_address = directory_canonical_address(addresses[i], address);
		struct stop *stop = add_stop(x, is_address ? str_c(address) : addresses[i]);
		if (stop != NULL && !names_split_detail(addresses[i], base, stop->detail))
			stop->detail[0] = '\0';
	}
	x->level = x->stops;
	run_levels(x);
}

struct plain_call {
	directory_on_expanded *cb; /* NULL: cancelled */
	void *arg;
};

static void
on_plain_walked(void *arg, const struct directory_target *targets, unsigned count, bool is_met, const struct err *err)
{
	struct plain_call call = *(struct plain_call *)arg;
	(void)is_met;
	mem_free(arg);
	if (call.cb != NULL)
		call.cb(call.arg, targets, count, err);
}

void
directory_expand(struct directory *d, struct str address, directory_on_expanded *cb, void *arg)
{
	struct plain_call *call = mem_new(struct plain_call);
	*call = (struct plain_call){cb, arg};
	directory_walk(d, &address, 1, STR_NONE, on_plain_walked, call);
}

void
expansions_cancel(struct directory *d, const void *arg)
{
	for (struct expansion *x = d->expansions; x != NULL; x = x->next) {
		struct plain_call *call = x->arg;
		if (x->cb == on_plain_walked && call->arg == arg)
			call->cb = NULL;
	}
}

void
expansions_fini(struct directory *d)
{
	while (d->expansions != NULL) {
		struct expansion *x = d->expansions;
		if (x->cb == on_plain_walked)
			mem_free(x->arg);
		expansion_free(x);
	}
}
