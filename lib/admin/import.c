/* Import: the checks that need the store, then the orders. */
#include "lib/admin/import.h"

#include <openssl/crypto.h>
#include <stdio.h>

#include "lib/admin/private.h"
#include "lib/admin/work.h"
#include "lib/auth/auth.h"
#include "lib/base/check.h"
#include "lib/base/mem.h"

#define uthash_fatal(message) CHECKF(false, "%s", message)
#include <uthash.h>

enum {
	IMPORT_QUESTIONS = 200, /* domains or accounts that are being checked at a time */
	IMPORT_ORDERS = 64,	/* being written at a time */
	IMPORT_HASHES = 8,	/* being hashed at a time: each on a thread (work.h) */
};

/* A domain of the file. In the call's arena. */
struct import_domain {
	struct str name;
	bool exists, is_deleting;
	uint64_t users, max_users; /* max_users 0: no limit */
	uint64_t fresh;		   /* accounts that would be added */
	uint64_t line;		   /* of the first account */
	struct import *import;
	UT_hash_handle hh;
};

struct import {
	struct admin_call *call;
	struct people *people;
	bool dry_run, is_written, is_stopped;
	admin_on_import_progress *on_progress;
	struct import_domain *domains;
	struct import_domain *next_domain; /* the first that was not asked about; NULL: none is left */
	uint64_t next, done, total;
	unsigned waiting, hashing;
	uint64_t added, changed;
	cJSON *failed; /* borrowed: the result's */
};

/* One account on its way. In the call's arena. */
struct import_one {
	struct import *import;
	struct people_account *account;
	unsigned answers;
};

static void import_ask_domains(struct import *im);
static void import_check_some(struct import *im);
static void import_write_some(struct import *im);

static void
import_show(struct import *im, enum admin_import_step step)
{
	if (im->on_progress != NULL)
		im->on_progress(im->call->arg, step, im->done, im->total);
}

/* ---- The end ---- */
static void
import_forget_domains(struct import *im)
{
	struct import_domain *d, *next;

	HASH_ITER (hh, im->domains, d, next)
		HASH_DEL(im->domains, d);
}

static void
import_cancelled(struct admin_call *call)
{
	import_forget_domains(call->state);
}

static void
import_end(struct import *im, const struct err *err)
{
	cJSON *result = im->call->result;

	import_forget_domains(im);
	cJSON_AddNumberToObject(result, "added", (double)im->added);
	cJSON_AddNumberToObject(result, "changed", (double)im->changed);
	if (im->done < im->total)
		cJSON_AddNumberToObject(result, "left", (double)(im->total - im->done));
	admin_call_end(im->call, err);
}

/* ---- Writing ---- */
static void
import_note_written(struct import_one *one, const struct err *err)
{
	struct import *im = one->import;
	cJSON *row;

	if (err == NULL) {
		im->done++;
		im->added += !one->account->exists;
		im->changed += one->account->exists;
		return;
	}
	row = cJSON_CreateObject();
	admin_add_str(row, "address", one->account->address);
	cJSON_AddNumberToObject(row, "line", (double)one->account->line);
	cJSON_AddStringToObject(row, "error", err->text);
	cJSON_AddItemToArray(im->failed, row);
	/* The store's trouble is everybody's; other errors are the account's own. */
	if (err_is_of_host(err))
		im->is_stopped = true;
	else
		im->done++;
}

static void
import_on_written(void *arg, const struct err *err)
{
	struct import_one *one = arg;
	struct import *im = one->import;

	if (!op_back(&im->call->op))
		return;
	im->waiting--;
	import_note_written(one, err);
	import_show(im, ADMIN_IMPORT_WRITING);
	import_write_some(im);
}

/* The photo is an order of its own. Until it has been answered the account is not done. */
static void
import_on_put(void *arg, const struct err *err)
{
	struct import_one *one = arg;
	struct admin_call *call = one->import->call;

	if (err != NULL || call->op.cancelled || !one->account->has_photo)
		import_on_written(one, err);
	else
		directory_photo_set(call->admin->directory, one->account->address, one->account->photo,
				    import_on_written, one);
}

static void
import_put(struct import_one *one, const struct str *hash, const struct str *scram)
{
	struct people_account *a = one->account;
	struct admin_call *call = one->import->call;

	op_hold(&call->op);
	directory_user_put(call->admin->directory, a->address, hash, scram, a->fields, a->count, import_on_put, one);
}

/* ---- Plain passwords: verifiers are made on threads ---- */
struct import_work {
	struct admin_work work; /* first */
	struct import_one *one; /* borrowed */
	struct str plain;	/* borrowed: the file's */
	char argon2id[AUTH_VERIFIER_MAX], scram[AUTH_VERIFIER_MAX];
	bool failed;
	struct err err;
};

static void
import_work_run(struct admin_work *work)
{
	struct import_work *w = (struct import_work *)work;

	w->failed = auth_make_argon2id(w->plain, w->argon2id, &w->err) != 0 ||
		    auth_make_scram_sha256(w->plain, w->scram, &w->err) != 0;
}

static void
import_work_done(struct admin_call *call, struct admin_work *work)
{
	struct import_work *w = (struct import_work *)work;
	struct import *im = call->state;
	const struct str hash = str_c(w->argon2id), scram = str_c(w->scram);

	im->hashing--;
	if (!w->failed) {
		import_put(w->one, &hash, &scram);
		import_write_some(im);
		return;
	}
	op_hold(&call->op);
	import_on_written(w->one, &w->err);
}

static void
import_work_free(struct admin_work *work)
{
	mem_free(work);
}

static void
import_write_one(struct import *im, struct people_account *a)
{
	struct import_one *one = arena_new(&im->call->op.arena, struct import_one);
	struct import_work *w;

	*one = (struct import_one){.import = im, .account = a};
	im->waiting++;
	if (a->plain.len == 0) {
		import_put(one, a->hash.len != 0 ? &a->hash : NULL, &a->scram);
		return;
	}
	im->hashing++;
	w = mem_new(struct import_work);
	w->work = (struct admin_work){.run = import_work_run, .done = import_work_done, .free = import_work_free};
	w->one = one;
	w->plain = a->plain;
	admin_work_start(im->call, &w->work);
}

static void
import_write_some(struct import *im)
{
	while (!im->is_stopped && im->next < im->total && im->waiting < IMPORT_ORDERS) {
		struct people_account *a = people_account(im->people, im->next);
		if (a->plain.len != 0 && im->hashing >= IMPORT_HASHES)
			break;
		im->next++;
		import_write_one(im, a);
	}
	if (im->waiting == 0 && (im->is_stopped || im->next == im->total))
		import_end(im, NULL);
}

/* ---- What the checks came to ---- */
static void
import_count_fresh(struct import *im)
{
	struct import_domain *d, *next;

	HASH_ITER (hh, im->domains, d, next)
		if (d->exists && !d->is_deleting && d->max_users != 0 && d->users + d->fresh > d->max_users)
			people_complain(im->people, d->line,
					"the domain %.*s may have no more than %llu users; it has %llu, and %llu would "
					"be added",
					STR_ARG(d->name), (unsigned long long)d->max_users,
					(unsigned long long)d->users, (unsigned long long)d->fresh);
}

static void
import_checked(struct import *im)
{
	import_count_fresh(im);
	if (im->call->failure.code != ERR_NONE) {
		import_end(im, &im->call->failure);
		return;
	}
	im->next = im->done = 0;
	if (!im->dry_run && people_complaint_count(im->people) == 0) {
		import_write_some(im);
		return;
	}
	for (size_t i = 0; i < im->total && people_complaint_count(im->people) == 0; i++) {
		im->added += !people_account(im->people, i)->exists;
		im->changed += people_account(im->people, i)->exists;
	}
	im->done = im->total;
	import_end(im, NULL);
}

/* ---- Checking accounts ---- */
static void
import_on_exists(void *arg, const redisReply *reply, const struct err *err)
{
	struct import_one *one = arg;
	struct import *im = one->import;
	struct people_account *a = one->account;
	bool is_alias = one->answers == 1;

	if (!op_back(&im->call->op))
		return;
	admin_call_note(im->call, err);
	if (is_alias && redis_i64(reply, 0) != 0)
		people_complain(im->people, a->line, "%.*s is an alias", STR_ARG(a->address));
	else if (!is_alias)
		a->exists = redis_i64(reply, 0) != 0;
	if (++one->answers < 2)
		return;
	struct str domain = directory_domain_of(a->address);
	struct import_domain *d;
	HASH_FIND(hh, im->domains, domain.p, domain.len, d);
	CHECK(d != NULL);
	d->fresh += !a->exists;
	im->waiting--;
	im->done++;
	import_show(im, ADMIN_IMPORT_CHECKING);
	import_check_some(im);
}

static void
import_check_one(struct import *im, struct people_account *a)
{
	struct import_one *one = arena_new(&im->call->op.arena, struct import_one);
	static const enum redis_key keys[] = {KEY_USER, KEY_ALIAS};
	char text[DIRECTORY_ADDRESS_MAX + 32];

	*one = (struct import_one){.import = im, .account = a};
	im->waiting++;
	for (unsigned i = 0; i < 2; i++) {
		op_hold(&im->call->op);
		redis_call_key(im->call->admin->redis, import_on_exists, one, "EXISTS",
			       redis_key_print(text, sizeof(text), keys[i], a->address), 0, NULL);
	}
}

static void
import_check_some(struct import *im)
{
	while (im->call->failure.code == ERR_NONE && im->next < im->total && im->waiting < IMPORT_QUESTIONS)
		import_check_one(im, people_account(im->people, im->next++));
	if (im->waiting == 0)
		import_checked(im);
}

/* ---- Checking domains ---- */
static void
import_on_domain(void *arg, const redisReply *reply, const struct err *err)
{
	struct import_domain *d = arg;
	struct import *im = d->import;

	if (!op_back(&im->call->op))
		return;
	admin_call_note(im->call, err);
	if (err != NULL)
		return; /* the next answer will have the same */
	d->exists = redis_str(reply->element[0]).len != 0;
	(void)str_to_u64(redis_str(reply->element[1]), &d->max_users);
	d->is_deleting = redis_str(reply->element[2]).len != 0;
	if (!d->exists)
		people_complain(im->people, d->line, "the domain %.*s is not here", STR_ARG(d->name));
	else if (d->is_deleting)
		people_complain(im->people, d->line, "the domain %.*s is being deleted", STR_ARG(d->name));
}

static void
import_on_users(void *arg, const redisReply *reply, const struct err *err)
{
	struct import_domain *d = arg;
	struct import *im = d->import;

	if (!op_back(&im->call->op))
		return;
	admin_call_note(im->call, err);
	d->users = (uint64_t)redis_i64(reply, 0);
	im->waiting--;
	import_ask_domains(im);
}

static void
import_ask_domain(struct import *im, struct import_domain *d)
{
	const struct str fields[] = {STR("created_ms"), STR("max_users"), STR("deleting")};
	struct arena *arena = &im->call->op.arena;

	im->waiting++;
	op_hold(&im->call->op);
	redis_call_key(im->call->admin->redis, import_on_domain, d, "HMGET", redis_key(arena, KEY_DOMAIN, d->name), 3,
		       fields);
	op_hold(&im->call->op);
	redis_call_key(im->call->admin->redis, import_on_users, d, "SCARD", redis_key(arena, KEY_DOMAIN_USERS, d->name),
		       0, NULL);
}

static void
import_ask_domains(struct import *im)
{
	while (im->call->failure.code == ERR_NONE && im->next_domain != NULL && im->waiting < IMPORT_QUESTIONS) {
		struct import_domain *d = im->next_domain;
		im->next_domain = d->hh.next;
		import_ask_domain(im, d);
	}
	if (im->waiting == 0)
		import_check_some(im);
}

static void
import_find_domains(struct import *im)
{
	struct import_domain *d;

	for (size_t i = 0; i < im->total; i++) {
		struct people_account *a = people_account(im->people, i);
		struct str name = directory_domain_of(a->address);

		HASH_FIND(hh, im->domains, name.p, name.len, d);
		if (d != NULL)
			continue;
		d = arena_new(&im->call->op.arena, struct import_domain);
		d->name = name;
		d->line = a->line;
		d->import = im;
		HASH_ADD_KEYPTR(hh, im->domains, d->name.p, d->name.len, d);
	}
	im->next_domain = im->domains;
	import_ask_domains(im);
}

struct admin_call *
admin_import(struct admin *a, struct people *people, bool dry_run, admin_on_import_progress *on_progress,
	     admin_on_result *cb, void *arg)
{
	struct admin_call *call = admin_call_new(a, cb, arg);
	struct import *im = arena_new(&call->op.arena, struct import);

	*im = (struct import){
		.call = call,
		.people = people,
		.dry_run = dry_run,
		.on_progress = on_progress,
		.total = people_count(people),
	};
	call->state = im;
	call->on_cancel = import_cancelled;
	call->result = cJSON_CreateObject();
	im->failed = cJSON_AddArrayToObject(call->result, "failed");
	if (im->total == 0)
		admin_call_refuse(call, ERR_INVALID, "there is no account to import");
	else
		import_find_domains(im);
	return call;
}
