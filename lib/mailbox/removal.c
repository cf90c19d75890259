/* Removes folders: one, or all of an account.
 *
 * A script removes the name, which is what the caller waits for; the content of
 * the folder is removed in slices after that. */
#include "lib/base/clock.h"
#include "lib/mailbox/scripts.h"

MAILBOX_SCRIPT(delete);
MAILBOX_SCRIPT(reap);
MAILBOX_SCRIPT(destroy);

static void removal_reap_more(struct mailbox_call *call);

static void
removal_on_reaped(struct mailbox_call *call, const redisReply *reply, const struct err *err)
{
	mailbox_drop_references(call->store, redis_str(reply));
	if (err == NULL && redis_str(reply).len != 0) {
		removal_reap_more(call);
		return;
	}
	mailbox_call_done(call, reply, err);
}

static void
removal_reap_more(struct mailbox_call *call)
{
	mailbox_reap_ask(call, &(struct mailbox_reap_args){.id = *(const uint64_t *)call->state}, removal_on_reaped);
}

void
mailbox_reap(struct mailbox_store *m, struct str address, uint64_t id, mailbox_on_done *done, void *arg)
{
	struct mailbox_call *call = mailbox_call_new(m, address, (union mailbox_on){.done = done}, arg);
	uint64_t *state = arena_new(&call->op.arena, uint64_t);

	*state = id;
	call->state = state;
	removal_reap_more(call);
}

void
mailbox_reap_all(struct mailbox_store *m, struct str address, const redisReply *doomed)
{
	for (size_t i = 0; doomed != NULL && i < doomed->elements; i++)
		mailbox_reap(m, address, (uint64_t)redis_i64(doomed->element[i], 0), NULL, NULL);
}

static void
removal_on_deleted(struct mailbox_call *call, const redisReply *reply, const struct err *err)
{
	/* The name is gone, as requested. The content of the folder is removed
	 * after the answer; if we die meanwhile, the next listing finds it. */
	if (err == NULL)
		mailbox_reap(call->store, str_c(call->address), (uint64_t)redis_i64(reply, 0), NULL, NULL);
	mailbox_call_done(call, reply, err);
}

static void
removal_ask(struct mailbox_call *call, struct str name, uint64_t id)
{
	mailbox_delete_ask(call,
			   &(struct mailbox_delete_args){.id = id,
							 .name = name,
							 .now = (uint64_t)(clock_unix_ms() / 1000),
							 .retention = (uint64_t)call->store->retention_s},
			   removal_on_deleted);
}

void
mailbox_delete(struct mailbox_store *m, struct str address, struct str name, mailbox_on_done *cb, void *arg)
{
	struct mailbox_call *call = mailbox_call_new(m, address, (union mailbox_on){.done = cb}, arg);
	struct str checked;

	if (!mailbox_call_name(call, name, mailbox_call_done, &checked))
		return;
	removal_ask(call, checked, UINT64_MAX);
}

void
mailbox_delete_id(struct mailbox_store *m, struct str address, uint32_t folder_id, mailbox_on_done *cb, void *arg)
{
	struct mailbox_call *call = mailbox_call_new(m, address, (union mailbox_on){.done = cb}, arg);

	removal_ask(call, STR_NONE, folder_id);
}

static void removal_destroy_more(struct mailbox_call *call);

/* One folder after the other; then again, until none is left. */
static void
removal_on_destroyed(void *arg, const struct err *err)
{
	struct mailbox_call *call = arg;

	if (err != NULL)
		mailbox_call_done(call, NULL, err);
	else
		removal_destroy_more(call);
}

static void
removal_on_doomed(struct mailbox_call *call, const redisReply *reply, const struct err *err)
{
	if (err != NULL || reply->elements == 0) {
		mailbox_call_done(call, reply, err);
		return;
	}
	mailbox_reap(call->store, str_c(call->address), (uint64_t)redis_i64(reply->element[0], 0), removal_on_destroyed,
		     call);
}

static void
removal_destroy_more(struct mailbox_call *call)
{
	mailbox_destroy_ask(call, &(struct mailbox_destroy_args){0}, removal_on_doomed);
}

void
mailbox_destroy(struct mailbox_store *m, struct str address, mailbox_on_done *cb, void *arg)
{
	removal_destroy_more(mailbox_call_new(m, address, (union mailbox_on){.done = cb}, arg));
}
