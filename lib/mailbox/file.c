/* Filing and appending, and the ledger of what was delivered. */
#include <stdio.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/mailbox/name.h"
#include "lib/mailbox/private.h"

MAILBOX_SCRIPT(mailbox_script_file, "file.lua");

struct filing {
	uint32_t count;
	uint32_t replaced_uid; /* 0: none */
};

static void
on_filed(void *arg, const redisReply *reply, const struct err *err)
{
	struct op *op = arg;
	const struct filing *f = op->state;
	mailbox_on_filed *cb = (mailbox_on_filed *)op->cb;
	struct mailbox_filed filed = {
		.duplicate = redis_i64(element(reply, 0), 0) != 0,
		.uid_validity = (uint32_t)redis_i64(element(reply, 1), 0),
		.first_uid = (uint32_t)redis_i64(element(reply, 2), 0),
		.count = f->count,
		.modseq = (uint64_t)redis_i64(element(reply, 3), 0),
		.first_email_id = (uint64_t)redis_i64(element(reply, 4), 0),
	};

	if (filed.duplicate) {
		filed.had_passed = filed.uid_validity != 0;
		filed.uid_validity = 0;
	}
	if (err == NULL && !filed.duplicate && f->replaced_uid != 0) {
		filed.replaced = (struct mailbox_expunged){
			.uids = &f->replaced_uid,
			.count = 1,
			.modseq = (uint64_t)redis_i64(element(reply, 5), 0),
			.previous_modseq = (uint64_t)redis_i64(element(reply, 6), 0),
		};
		drop_references(op->store, redis_str(element(reply, 7)));
	}
	cb(op->arg, err == NULL ? &filed : NULL, err);
	op_free(op);
}

static struct str
join_names(struct arena *arena, const struct str *names, unsigned count)
{
	struct buf out = BUF_EMPTY;
	struct str joined;

	for (unsigned i = 0; i < count; i++) {
		if (i != 0)
			buf_add_byte(&out, ' ');
		buf_add_str(&out, names[i]);
	}
	joined = arena_str(arena, buf_str(&out));
	buf_fini(&out);
	return joined;
}

static void
add_message(struct args *a, const struct mailbox_new_message *msg)
{
	struct mailbox_cold cold = {.body = msg->body,
				    .digest = msg->digest,
				    .internal_date = msg->internal_date,
				    .zone_minutes = msg->zone_minutes};
	char *packed = arena_alloc(&a->op->arena, MAILBOX_COLD_BYTES);

	mailbox_cold_pack(&cold, packed);
	args_add_u64(a, msg->flags);
	args_add_u64(a, msg->body.length);
	args_add(a, join_names(&a->op->arena, msg->keywords, msg->keyword_count));
	args_add(a, str_of(packed, MAILBOX_COLD_BYTES));
}

static void
add_delivery(struct args *a, const struct mailbox_delivery *d)
{
	static const struct mailbox_delivery none;

	d = d != NULL ? d : &none;
	args_add(a, d->spool_id);
	args_add(a, d->way);
	args_add_u64(a, (uint64_t)(d->spooled_ms / 1000));
	args_add_u64(a, (uint64_t)(d->begun_ms / 1000));
	args_add_u64(a, (uint64_t)(d->ledger_life_ms / 1000));
	args_add(a, d->in_doubt ? STR("1") : STR("0"));
	args_add(a, d->passes_reference ? STR("1") : STR("0"));
}

void
mailbox_file(struct mailbox_store *m, const struct mailbox_filing *filing, mailbox_on_filed *cb, void *arg)
{
	struct op *op = op_new(m, filing->address, (void *)cb, arg);
	struct args a = args_new(op, 14 + (size_t)filing->count * 4);
	struct filing *f = op->state = arena_new(&op->arena, struct filing);
	struct str folder = STR_NONE;
	struct err err;

	CHECK(filing->count != 0);
	if (filing->folder.len != 0 && mailbox_name_check(filing->folder, &op->arena, &folder, &err) != 0) {
		op_fail(op, &err, on_filed);
		return;
	}
	args_add(&a, str_eq(folder, STR("INBOX")) ? STR_NONE : folder);
	args_add(&a, filing->create_folder ? STR("1") : STR("0"));
	args_add_u64(&a, filing->quota_bytes);
	args_add_u64(&a, (uint64_t)(clock_unix_ms() / 1000));
	if (filing->replaced_uid != 0)
		args_add_u64(&a, filing->replaced_folder);
	else
		args_add(&a, STR_NONE);
	args_add_u64(&a, filing->replaced_uid);
	args_add_u64(&a, (uint64_t)m->retention_s);
	add_delivery(&a, filing->delivery);
	for (unsigned i = 0; i < filing->count; i++)
		add_message(&a, &filing->messages[i]);
	f->count = filing->count;
	f->replaced_uid = filing->replaced_uid;
	op_call(op, &mailbox_script_file, &a, on_filed);
}

bool
mailbox_is_certain(const struct err *err)
{
	switch (err->code) {
	case ERR_NOT_FOUND:
	case ERR_EXISTS:
	case ERR_OVER_QUOTA:
	case ERR_LIMIT:
	case ERR_FENCED:
	case ERR_DENIED: return true;
	default: return false;
	}
}

/* ---- Was it filed? ---- */

static void
on_entry(void *arg, const redisReply *reply, const struct err *err)
{
	struct op *op = arg;
	struct str entry = redis_str(reply);

	((mailbox_on_was_filed *)op->cb)(op->arg, entry.len != 0, entry.len != 0 && entry.p[entry.len - 1] == 'p', err);
	op_free(op);
}

void
mailbox_was_filed(struct mailbox_store *m, struct str address, const struct mailbox_delivery *d,
		  mailbox_on_was_filed *cb, void *arg)
{
	struct op *op = op_new(m, address, (void *)cb, arg);
	const char *field = d->way.len == 0
				    ? arena_printf(&op->arena, "%.*s", STR_ARG(d->spool_id))
				    : arena_printf(&op->arena, "%.*s:%.*s", STR_ARG(d->spool_id), STR_ARG(d->way));

	redis_callf(m->redis, on_entry, op, "HGET mail:{%s}:filed:%lld %s", op->address,
		    (long long)(d->spooled_ms / 86400000), field);
}
