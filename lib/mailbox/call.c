/* A call of the mailbox store: queries the store, waits, and calls back. */
#include <stdio.h>

#include "lib/base/check.h"
#include "lib/base/mem.h"
#include "lib/mailbox/name.h"
#include "lib/mailbox/private.h"

static void
mailbox_call_on_end(struct op *op)
{
	mem_free(OP_OWNER(op, struct mailbox_call, op));
}

struct mailbox_call *
mailbox_call_new(struct mailbox_store *m, struct str address, union mailbox_on on, void *arg)
{
	struct mailbox_call *call = mem_new(struct mailbox_call);

	op_init(&call->op, mailbox_call_on_end);
	call->store = m;
	call->address = arena_dup(&call->op.arena, address.p, address.len);
	call->on = on;
	call->arg = arg;
	return call;
}

void
mailbox_call_end(struct mailbox_call *call)
{
	op_cancel(&call->op);
}

void
mailbox_call_done(struct mailbox_call *call, const redisReply *reply, const struct err *err)
{
	(void)reply;
	if (call->on.done != NULL)
		call->on.done(call->arg, err);
	mailbox_call_end(call);
}

/* ---- Arguments ---- */

struct mailbox_args
mailbox_args_new(struct mailbox_call *call, size_t capacity)
{
	return (struct mailbox_args){.call = call,
				     .list = arena_array(&call->op.arena, struct str, capacity + 1),
				     .count = 0,
				     .capacity = capacity};
}

void
mailbox_args_add(struct mailbox_args *a, struct str s)
{
	CHECK(a->count < a->capacity);
	a->list[a->count++] = s;
}

void
mailbox_args_add_u64(struct mailbox_args *a, uint64_t v)
{
	char *text = arena_alloc(&a->call->op.arena, MAILBOX_NUMBER_MAX);

	snprintf(text, MAILBOX_NUMBER_MAX, "%llu", (unsigned long long)v);
	mailbox_args_add(a, str_c(text));
}

void
mailbox_args_add_option(struct mailbox_args *a, uint64_t v)
{
	if (v == UINT64_MAX)
		mailbox_args_add(a, STR_NONE);
	else
		mailbox_args_add_u64(a, v);
}

/* ---- Queries ---- */

static void
mailbox_call_on_reply(void *arg, const redisReply *reply, const struct err *err)
{
	struct mailbox_call *call = arg;

	if (!op_back(&call->op))
		return;
	if (call->failure != NULL)
		call->on_answer(call, NULL, call->failure);
	else
		call->on_answer(call, reply, err);
}

/* One answer at a time. */
static void
call_wait(struct mailbox_call *call, mailbox_on_answer *on_answer)
{
	CHECK(!op_waits(&call->op));
	op_hold(&call->op);
	call->on_answer = on_answer;
}

void
mailbox_call_script(struct mailbox_call *call, struct redis_script *script, const struct mailbox_args *a,
		    mailbox_on_answer *on_answer)
{
	struct str key = redis_key(&call->op.arena, KEY_MAIL_META, str_c(call->address));

	call_wait(call, on_answer);
	redis_eval(call->store->redis, mailbox_call_on_reply, call, script, 1, &key, a->count, a->list);
}

void
mailbox_call_command(struct mailbox_call *call, const char *verb, struct str key, size_t count, const struct str *args,
		     mailbox_on_answer *on_answer)
{
	call_wait(call, on_answer);
	redis_call_key(call->store->redis, mailbox_call_on_reply, call, verb, key, count, args);
}

void
mailbox_call_by_uid(struct mailbox_call *call, enum redis_key key, uint32_t folder_id, const uint32_t *uids,
		    uint32_t count, mailbox_on_answer *on_answer)
{
	struct str folder = str_c(arena_printf(&call->op.arena, "%u", folder_id));
	struct mailbox_args fields = mailbox_args_new(call, count);

	CHECK(count != 0);
	for (uint32_t i = 0; i < count; i++)
		mailbox_args_add_u64(&fields, uids[i]);
	mailbox_call_command(call, "HMGET", redis_key(&call->op.arena, key, str_c(call->address), folder), count,
			     fields.list, on_answer);
}

void
mailbox_call_fail(struct mailbox_call *call, const struct err *err, mailbox_on_answer *on_answer)
{
	struct err *failure = arena_new(&call->op.arena, struct err);
	struct str ping = STR("PING");

	*failure = *err;
	call->failure = failure;
	call_wait(call, on_answer);
	/* An answer that nobody looks at brings us back on the loop. */
	redis_call(call->store->redis, mailbox_call_on_reply, call, 1, &ping);
}

bool
mailbox_call_name(struct mailbox_call *call, struct str name, mailbox_on_answer *on_answer, struct str *name_out)
{
	struct err err;

	if (mailbox_name_check(name, &call->op.arena, name_out, &err) == 0)
		return true;
	mailbox_call_fail(call, &err, on_answer);
	return false;
}
