/* A copy of very many messages, in steps that each block the store for
 * milliseconds only, and still all or nothing.
 *
 * It is collected in a nameless folder, so nobody sees it: for some hundreds of
 * messages at a time, their records are read, references are added to the blobs
 * they name, and the records of messages that still exist are added to that
 * folder. The last step moves everything into the target folder: only then UIDs
 * and a modseq are assigned, and the quota is charged.
 *
 * The nameless folder owns its references like any folder, so a sweep sees
 * them. Each step renews a lease. A copy whose lease has expired is doomed by
 * the next listing of the account's folders, and reaped like a deleted folder;
 * if its process wakes up after that, it finds the folder gone and fails. A
 * copy that fails at a step is removed in the same way: nothing of it is left. */
#include <sys/random.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/crashpoint.h"
#include "lib/mailbox/scripts.h"

MAILBOX_SCRIPT(stage_open);
MAILBOX_SCRIPT(stage_add);
MAILBOX_SCRIPT(stage_publish);
MAILBOX_SCRIPT(stage_drop);

struct staging {
	uint32_t from_folder;
	struct str to;
	uint64_t quota_bytes;
	struct mailbox_batch batch;
	struct str copy;	      /* handle used by the scripts; in the arena */
	struct mailbox_source source; /* owner; for the current step */
	struct buf from_uids;	      /* owner; packed, of everything added to the copy */
	struct err err;		      /* why it failed; ERR_NONE: it has not failed */
};

static struct staging *
staging_of(struct mailbox_call *call)
{
	return call->state;
}

static void
staging_end(struct mailbox_call *call, const struct mailbox_copied *copied)
{
	struct staging *c = staging_of(call);

	call->on.copied(call->arg, copied, copied == NULL ? &c->err : NULL);
	mailbox_source_fini(&c->source);
	buf_fini(&c->from_uids);
	mailbox_call_end(call);
}

/* ---- Abandoning ---- */

static void
staging_on_dropped(struct mailbox_call *call, const redisReply *reply, const struct err *err)
{
	uint64_t id = (uint64_t)redis_i64(reply, 0);

	/* If it cannot be dropped, its lease expires. */
	if (err == NULL && id != 0)
		mailbox_reap(call->store, str_c(call->address), id, NULL, NULL);
	staging_end(call, NULL);
}

static void
staging_fail(struct mailbox_call *call, const struct err *err)
{
	struct staging *c = staging_of(call);

	c->err = *err;
	if (c->copy.len == 0)
		staging_end(call, NULL);
	else
		mailbox_stage_drop_ask(call, &(struct mailbox_stage_drop_args){.copy = c->copy}, staging_on_dropped);
}

/* ---- The last step ---- */

static void
staging_on_published(struct mailbox_call *call, const redisReply *reply, const struct err *err)
{
	const struct mailbox_stage_publish_answer got = mailbox_stage_publish_answer(reply);
	struct staging *c = staging_of(call);
	struct mailbox_copied copied = {0};
	uint32_t *to_uids;

	if (err != NULL) {
		staging_fail(call, err);
		return;
	}
	CRASHPOINT("copy-published");
	copied.uid_validity = (uint32_t)redis_i64(got.uid_validity, 0);
	copied.modseq = (uint64_t)redis_i64(got.modseq, 0);
	copied.from_uids = mailbox_unpack_uids(&call->op.arena, buf_str(&c->from_uids), &copied.count);
	to_uids = arena_array(&call->op.arena, uint32_t, copied.count + 1);
	for (uint32_t i = 0; i < copied.count; i++)
		to_uids[i] = (uint32_t)redis_i64(got.first_uid, 0) + i;
	copied.to_uids = to_uids;
	staging_end(call, &copied);
}

static void
staging_publish(struct mailbox_call *call)
{
	struct staging *c = staging_of(call);

	CRASHPOINT("copy-publishing");
	mailbox_stage_publish_ask(call,
				  &(struct mailbox_stage_publish_args){
					  .copy = c->copy, .count = c->from_uids.len / 4, .quota = c->quota_bytes},
				  staging_on_published);
}

/* ---- Some messages ---- */

static void staging_take_some(struct mailbox_call *call);

static void
staging_on_added(struct mailbox_call *call, const redisReply *reply, const struct err *err)
{
	const struct mailbox_stage_add_answer got = mailbox_stage_add_answer(reply);
	struct staging *c = staging_of(call);

	if (err != NULL) {
		/* Without an answer they may be there, and may own the references. */
		if (mailbox_is_certain(err))
			mailbox_source_give_back(call, &c->source, STR_NONE);
		staging_fail(call, err);
		return;
	}
	CRASHPOINT("copy-added");
	mailbox_source_give_back(call, &c->source, redis_str(got.uids));
	buf_add_str(&c->from_uids, redis_str(got.uids));
	staging_take_some(call);
}

static void
staging_on_taken(struct mailbox_call *call, const struct err *err)
{
	const struct staging *c = staging_of(call);

	if (err != NULL) {
		staging_fail(call, err);
		return;
	}
	CRASHPOINT("copy-referred");
	mailbox_stage_add_ask(call,
			      &(struct mailbox_stage_add_args){.copy = c->copy,
							       .from = c->from_folder,
							       .uids = buf_str(&c->source.uids),
							       .cold = buf_str(&c->source.cold),
							       .quota = c->quota_bytes,
							       .now = (uint64_t)(clock_unix_ms() / 1000),
							       .lease = (uint64_t)call->store->copy_lease_ms},
			      staging_on_added);
}

static void
staging_take_some(struct mailbox_call *call)
{
	struct staging *c = staging_of(call);
	const uint32_t *from = c->batch.uids + c->batch.done;
	uint32_t count = mailbox_batch_take(&c->batch);

	if (count == 0)
		staging_publish(call);
	else
		mailbox_source_take(call, &c->source, c->from_folder, from, count, staging_on_taken);
}

/* ---- The first step ---- */

static void
staging_on_opened(struct mailbox_call *call, const redisReply *reply, const struct err *err)
{
	const struct mailbox_stage_open_answer got = mailbox_stage_open_answer(reply);
	struct staging *c = staging_of(call);

	if (err != NULL) {
		staging_fail(call, err);
		return;
	}
	CRASHPOINT("copy-opened");
	c->copy = arena_str(&call->op.arena, redis_str(got.copy));
	mailbox_reap_all(call->store, str_c(call->address), got.doomed);
	staging_take_some(call);
}

void
mailbox_copy_staged(struct mailbox_store *m, struct str address, uint32_t from_folder, const uint32_t *uids,
		    uint32_t uid_count, struct str to, uint64_t quota_bytes, mailbox_on_copied *cb, void *arg)
{
	struct mailbox_call *call = mailbox_call_new(m, address, (union mailbox_on){.copied = cb}, arg);
	struct staging *c = call->state = arena_new(&call->op.arena, struct staging);
	uint64_t token;

	CHECK(getrandom(&token, sizeof(token), 0) == (ssize_t)sizeof(token));
	c->from_folder = from_folder;
	c->to = arena_str(&call->op.arena, to);
	c->quota_bytes = quota_bytes;
	mailbox_batch_init(call, &c->batch, uids, uid_count);
	c->batch.most = m->copy_at_once;
	mailbox_stage_open_ask(
		call,
		&(struct mailbox_stage_open_args){
			.from = from_folder,
			.name = c->to,
			.token = str_c(arena_printf(&call->op.arena, "%016llx", (unsigned long long)token)),
			.lease = (uint64_t)m->copy_lease_ms},
		staging_on_opened);
}
