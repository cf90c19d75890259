/* A folder renamed, with all levels below.
 *
 * Up to RENAME_AT_ONCE folders are one script. Of more each step is one, and still all
 * of them go at once, as everybody else sees it:
 *
 *  1. The account's hash of names is copied, some names at a time, with the new names
 *     in it. Nobody reads the copy; it expires.
 *  2. It takes the place of the old one, if no folder was made, deleted or renamed
 *     meanwhile: else all begins anew.
 *  3. The names in the folders' own hashes are put right, some at a time. Until that is
 *     done the account says what was renamed, and whoever wants the name of a folder
 *     that he has by its id finds the true one (name_of() of the prelude).
 *
 * Whoever dies at 1 leaves nothing; at 3, what the next rename of very many finishes
 * before it begins. */
#include <stdlib.h>
#include <sys/random.h>

#include "lib/base/check.h"
#include "lib/base/crashpoint.h"
#include "lib/mailbox/scripts.h"

MAILBOX_SCRIPT(rename);
MAILBOX_SCRIPT(rename_stage);
MAILBOX_SCRIPT(rename_publish);
MAILBOX_SCRIPT(rename_names);

enum { RENAME_AT_ONCE = 80, RENAME_NAMES = 200, RENAME_TURNS_MAX = 100 };

struct renaming {
	uint64_t asked_id; /* UINT64_MAX: by name */
	struct str asked_from, to;
	unsigned turns; /* that it was begun */
	/* Of this turn; in the arena */
	uint64_t id, class;
	struct str from, tree, cursor;
	struct str token;    /* of what is staged, and of the names that are put right */
	bool finishes_other; /* those that another has left */
};

/* ---- INBOX ---- */

static void
rename_on_inbox_moved(void *arg, const struct mailbox_copied *copied, const struct err *err)
{
	(void)copied;
	mailbox_call_done(arg, NULL, err);
}

/* What comes into INBOX from now on stays there. */
static void
rename_on_inbox_read(void *arg, const struct mailbox_records *records, const struct err *err)
{
	struct mailbox_call *call = arg;
	uint32_t *uids;

	if (err != NULL || records->count == 0) {
		mailbox_call_done(call, NULL, err);
		return;
	}
	uids = arena_array(&call->op.arena, uint32_t, records->count);
	for (uint32_t i = 0; i < records->count; i++)
		uids[i] = mailbox_hot_uid(records->hot + (size_t)i * MAILBOX_HOT_BYTES);
	mailbox_copy(call->store, str_c(call->address), 1, uids, records->count, *(struct str *)call->state, true, 0,
		     rename_on_inbox_moved, call);
}

static void
rename_on_inbox_target(void *arg, const struct mailbox_folder *folder, const struct err *err)
{
	struct mailbox_call *call = arg;

	(void)folder;
	if (err != NULL) {
		mailbox_call_done(call, NULL, err);
		return;
	}
	mailbox_read(call->store, str_c(call->address), 1, 1, UINT32_MAX, MAILBOX_HOT, 0, rename_on_inbox_read, call);
}

/* ---- By steps ---- */

static void rename_ask(struct mailbox_call *call);
static void rename_ask_names(struct mailbox_call *call);
static void rename_ask_stage(struct mailbox_call *call);

static void
rename_on_names(struct mailbox_call *call, const redisReply *reply, const struct err *err)
{
	const struct mailbox_rename_names_answer got = mailbox_rename_names_answer(reply);
	struct renaming *r = call->state;

	if (err != NULL && !r->finishes_other)
		err = NULL; /* it was renamed; the next one will finish it */
	else if (err == NULL && !str_eq(redis_str(got.next), STR("0"))) {
		r->cursor = arena_str(&call->op.arena, redis_str(got.next));
		rename_ask_names(call);
		return;
	}
	if (err == NULL && r->finishes_other)
		rename_ask(call);
	else
		mailbox_call_done(call, NULL, err);
}

static void
rename_ask_names(struct mailbox_call *call)
{
	const struct renaming *r = call->state;

	CRASHPOINT("rename-names");
	mailbox_rename_names_ask(
		call, &(struct mailbox_rename_names_args){.token = r->token, .cursor = r->cursor, .most = RENAME_NAMES},
		rename_on_names);
}

static void
rename_put_right(struct mailbox_call *call, struct str token, bool finishes_other)
{
	struct renaming *r = call->state;

	r->token = token;
	r->finishes_other = finishes_other;
	r->cursor = STR("0");
	rename_ask_names(call);
}

/* The names are no more those that it was begun with. */
static void
rename_begin_anew(struct mailbox_call *call)
{
	struct renaming *r = call->state;
	struct err busy;

	if (++r->turns < RENAME_TURNS_MAX) {
		rename_ask(call);
		return;
	}
	err_set(&busy, ERR_UNAVAILABLE, "the folders of %s change too fast to be renamed", call->address);
	mailbox_call_done(call, NULL, &busy);
}

static void
rename_on_published(struct mailbox_call *call, const redisReply *reply, const struct err *err)
{
	const struct mailbox_rename_publish_answer got = mailbox_rename_publish_answer(reply);
	const struct renaming *r = call->state;

	if (err != NULL)
		mailbox_call_done(call, NULL, err);
	else if (redis_i64(got.changed, 0) != 0)
		rename_begin_anew(call);
	else
		rename_put_right(call, r->token, false);
}

static void
rename_publish(struct mailbox_call *call)
{
	const struct renaming *r = call->state;

	CRASHPOINT("rename-publishing");
	mailbox_rename_publish_ask(call,
				   &(struct mailbox_rename_publish_args){.id = r->id,
									 .class = r->class,
									 .token = r->token,
									 .from = r->from,
									 .to = r->to,
									 .tree = r->tree},
				   rename_on_published);
}

static void
rename_on_staged(struct mailbox_call *call, const redisReply *reply, const struct err *err)
{
	const struct mailbox_rename_stage_answer got = mailbox_rename_stage_answer(reply);
	struct renaming *r = call->state;

	if (err != NULL) {
		mailbox_call_done(call, NULL, err);
		return;
	}
	if (redis_i64(got.changed, 0) != 0) {
		rename_begin_anew(call);
		return;
	}
	r->cursor = arena_str(&call->op.arena, redis_str(got.next));
	if (str_eq(r->cursor, STR("0")))
		rename_publish(call);
	else
		rename_ask_stage(call);
}

static void
rename_ask_stage(struct mailbox_call *call)
{
	const struct renaming *r = call->state;

	mailbox_rename_stage_ask(call,
				 &(struct mailbox_rename_stage_args){.class = r->class,
								     .token = r->token,
								     .from = r->from,
								     .to = r->to,
								     .tree = r->tree,
								     .cursor = r->cursor,
								     .most = RENAME_NAMES},
				 rename_on_staged);
}

static void
rename_stage(struct mailbox_call *call)
{
	struct renaming *r = call->state;
	uint64_t token;

	CHECK(getrandom(&token, sizeof(token), 0) == (ssize_t)sizeof(token));
	r->token = str_c(arena_printf(&call->op.arena, "%016llx", (unsigned long long)token));
	r->cursor = STR("0");
	rename_ask_stage(call);
}

/* ---- Calls ---- */

static void
rename_on_answer(struct mailbox_call *call, const redisReply *reply, const struct err *err)
{
	const struct mailbox_rename_answer got = mailbox_rename_answer(reply);
	struct renaming *r = call->state;
	struct arena *arena = &call->op.arena;
	struct str unfinished = arena_str(arena, redis_str(got.unfinished));

	if (err != NULL || redis_i64(got.id, 0) == 0) {
		mailbox_call_done(call, NULL, err);
		return;
	}
	r->id = (uint64_t)redis_i64(got.id, 0);
	r->class = (uint64_t)redis_i64(got.class, 0);
	r->from = arena_str(arena, redis_str(got.from));
	r->tree = arena_str(arena, redis_str(got.tree));
	if (unfinished.len != 0)
		rename_put_right(call, unfinished, true);
	else
		rename_stage(call);
}

static void
rename_ask(struct mailbox_call *call)
{
	const struct renaming *r = call->state;

	mailbox_rename_ask(call,
			   &(struct mailbox_rename_args){
				   .id = r->asked_id, .from = r->asked_from, .to = r->to, .most = RENAME_AT_ONCE},
			   rename_on_answer);
}

static void
rename_start(struct mailbox_call *call, uint64_t id, struct str from, struct str to)
{
	struct renaming *r = call->state = arena_new(&call->op.arena, struct renaming);

	*r = (struct renaming){.asked_id = id, .asked_from = from, .to = to};
	rename_ask(call);
}

void
mailbox_rename(struct mailbox_store *m, struct str address, struct str from, struct str to, mailbox_on_done *cb,
	       void *arg)
{
	struct mailbox_call *call = mailbox_call_new(m, address, (union mailbox_on){.done = cb}, arg);
	struct str checked_from, checked_to;

	if (!mailbox_call_name(call, from, mailbox_call_done, &checked_from) ||
	    !mailbox_call_name(call, to, mailbox_call_done, &checked_to))
		return;
	if (str_eq(checked_from, STR("INBOX"))) {
		struct str *target = arena_new(&call->op.arena, struct str);
		*target = checked_to;
		call->state = target;
		mailbox_create(m, address, checked_to, STR_NONE, rename_on_inbox_target, call);
		return;
	}
	rename_start(call, UINT64_MAX, checked_from, checked_to);
}

void
mailbox_rename_id(struct mailbox_store *m, struct str address, uint32_t folder_id, struct str to, mailbox_on_done *cb,
		  void *arg)
{
	struct mailbox_call *call = mailbox_call_new(m, address, (union mailbox_on){.done = cb}, arg);
	struct str checked;

	if (!mailbox_call_name(call, to, mailbox_call_done, &checked))
		return;
	rename_start(call, folder_id, STR_NONE, checked);
}
