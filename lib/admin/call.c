#include <stdarg.h>
#include <stdio.h>

#include "lib/admin/private.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"

static void
admin_call_on_end(struct op *op)
{
	struct admin_call *call = OP_OWNER(op, struct admin_call, op);

	arena_fini(&call->answers);
	cJSON_Delete(call->result);
	mem_free(call);
}

struct admin_call *
admin_call_new(struct admin *a, admin_on_result *cb, void *arg)
{
	struct admin_call *call = mem_new(struct admin_call);

	op_init(&call->op, admin_call_on_end);
	arena_init(&call->answers);
	call->admin = a;
	call->on_result = cb;
	call->arg = arg;
	return call;
}

struct admin_call *
admin_call_new_order(struct admin *a, admin_on_done *cb, void *arg)
{
	struct admin_call *call = admin_call_new(a, NULL, arg);

	call->on_done = cb;
	return call;
}

void
admin_cancel(struct admin_call **call)
{
	struct admin_call *c = *call;

	*call = NULL;
	if (c == NULL)
		return;
	if (c->on_cancel != NULL)
		c->on_cancel(c);
	op_cancel(&c->op);
}

void
admin_call_end(struct admin_call *call, const struct err *err)
{
	cJSON *result = call->result;

	CHECK(call->on_done != NULL || err != NULL || result != NULL);
	if (call->on_done != NULL)
		call->on_done(call->arg, err);
	else if (err != NULL)
		call->on_result(call->arg, NULL, err);
	else {
		call->result = NULL;
		call->on_result(call->arg, result, NULL);
	}
	op_cancel(&call->op);
}

static void
call_run_refusal(struct op *op)
{
	struct admin_call *call = OP_OWNER(op, struct admin_call, op);

	admin_call_end(call, &call->failure);
}

void
admin_call_refuse(struct admin_call *call, enum err_code code, const char *format, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	err_set(&call->failure, code, "%s", text);
	op_later(&call->op, call->admin->base, call_run_refusal);
}

void
admin_call_note(struct admin_call *call, const struct err *err)
{
	if (err != NULL && call->failure.code == ERR_NONE)
		call->failure = *err;
}

/* ---- Querying the store ---- */

struct call_question {
	struct admin_call *call;
	admin_on_reply *cb;
};

static void
admin_call_on_reply(void *arg, const redisReply *reply, const struct err *err)
{
	struct call_question q = *(struct call_question *)arg;

	if (op_back(&q.call->op))
		q.cb(q.call, reply, err);
}

static struct call_question *
call_question_new(struct admin_call *call, admin_on_reply *cb)
{
	struct call_question *q = arena_new(&call->op.arena, struct call_question);

	*q = (struct call_question){call, cb};
	op_hold(&call->op);
	return q;
}

void
admin_ask(struct admin_call *call, admin_on_reply *cb, const char *verb, struct str key, size_t count,
	  const struct str *args)
{
	struct str *argv = arena_array(&call->op.arena, struct str, count + 2);

	argv[0] = str_c(verb);
	argv[1] = key;
	for (size_t i = 0; i < count; i++)
		argv[i + 2] = args[i];
	admin_ask_plain(call, cb, count + 2, argv);
}

void
admin_ask_plain(struct admin_call *call, admin_on_reply *cb, size_t argc, const struct str *argv)
{
	redis_call(call->admin->redis, admin_call_on_reply, call_question_new(call, cb), argc, argv);
}

void
admin_ask_script(struct admin_call *call, admin_on_reply *cb, struct redis_script *script, struct str key, size_t count,
		 const struct str *args)
{
	redis_eval(call->admin->redis, admin_call_on_reply, call_question_new(call, cb), script, 1, &key, count, args);
}

/* ---- Members of results ---- */

void
admin_add_str(cJSON *object, const char *name, struct str value)
{
	char *text = str_dup(value);

	cJSON_AddStringToObject(object, name, text);
	mem_free(text);
}

void
admin_add_text(cJSON *object, const char *name, const char *value)
{
	if (value != NULL && value[0] != '\0')
		cJSON_AddStringToObject(object, name, value);
}

void
admin_add_time(cJSON *object, const char *name, uint64_t unix_ms)
{
	char text[CLOCK_ISO8601_MAX];

	if (unix_ms == 0)
		return;
	clock_iso8601((int64_t)unix_ms, text, sizeof(text));
	cJSON_AddStringToObject(object, name, text);
}
