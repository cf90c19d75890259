/* Filing and appending, and the ledger of deliveries. */
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/mailbox/name.h"
#include "lib/mailbox/scripts.h"

MAILBOX_SCRIPT(file);

enum { FILE_MESSAGE_ARGS = 4 };

struct filing {
	uint32_t count;
	uint32_t replaced_uid; /* 0: none */
};

static void
file_on_filed(struct mailbox_call *call, const redisReply *reply, const struct err *err)
{
	const struct filing *f = call->state;
	const struct mailbox_file_answer got = mailbox_file_answer(reply);
	struct mailbox_filed filed = {
		.duplicate = redis_i64(got.duplicate, 0) != 0,
		.had_passed = redis_i64(got.had_passed, 0) != 0,
		.uid_validity = (uint32_t)redis_i64(got.uid_validity, 0),
		.first_uid = (uint32_t)redis_i64(got.first_uid, 0),
		.count = f->count,
		.modseq = (uint64_t)redis_i64(got.modseq, 0),
		.first_email_id = (uint64_t)redis_i64(got.first_email_id, 0),
	};

	if (err == NULL && !filed.duplicate && f->replaced_uid != 0) {
		filed.replaced = (struct mailbox_expunged){
			.uids = &f->replaced_uid,
			.count = 1,
			.modseq = (uint64_t)redis_i64(got.removal, 0),
			.previous_modseq = (uint64_t)redis_i64(got.previous, 0),
		};
		mailbox_drop_references(call->store, redis_str(got.cold));
	}
	call->on.filed(call->arg, err == NULL ? &filed : NULL, err);
	mailbox_call_end(call);
}

static void
file_add_message(struct mailbox_args *a, const struct mailbox_new_message *msg)
{
	struct mailbox_cold cold = {.body = msg->body,
				    .digest = msg->digest,
				    .internal_date = msg->internal_date,
				    .zone_minutes = msg->zone_minutes};
	char *packed = arena_alloc(&a->call->op.arena, MAILBOX_COLD_BYTES);

	mailbox_cold_pack(&cold, packed);
	mailbox_args_add_u64(a, msg->flags & MAILBOX_FLAGS_ALL);
	mailbox_args_add_u64(a, msg->body.length);
	mailbox_args_add(a, mailbox_join_keywords(&a->call->op.arena, msg->keywords, msg->keyword_count));
	mailbox_args_add(a, str_of(packed, MAILBOX_COLD_BYTES));
}

static void
file_take_delivery(struct mailbox_file_args *args, const struct mailbox_delivery *d)
{
	args->spool_id = d->spool_id;
	args->way_name = d->way;
	args->spooled = (uint64_t)(d->spooled_ms / 1000);
	args->begun = (uint64_t)(d->begun_ms / 1000);
	args->life = (uint64_t)(d->ledger_life_ms / 1000);
	args->in_doubt = d->in_doubt;
	args->passes = d->passes_reference;
}

void
mailbox_file(struct mailbox_store *m, const struct mailbox_filing *filing, mailbox_on_filed *cb, void *arg)
{
	struct mailbox_call *call = mailbox_call_new(m, filing->address, (union mailbox_on){.filed = cb}, arg);
	struct filing *f = call->state = arena_new(&call->op.arena, struct filing);
	struct mailbox_file_args args = {
		.create = filing->create_folder,
		.quota = filing->quota_bytes,
		.now = (uint64_t)(clock_unix_ms() / 1000),
		.exchange = filing->replaced_uid != 0 ? filing->replaced_folder : UINT64_MAX,
		.old = filing->replaced_uid,
		.retention = (uint64_t)m->retention_s,
	};
	struct mailbox_args a;
	struct err err;

	CHECK(filing->count != 0);
	if (filing->folder.len != 0 && mailbox_name_check(filing->folder, &call->op.arena, &args.name, &err) != 0) {
		mailbox_call_fail(call, &err, file_on_filed);
		return;
	}
	if (str_eq(args.name, STR("INBOX")))
		args.name = STR_NONE;
	if (filing->delivery != NULL)
		file_take_delivery(&args, filing->delivery);
	if (filing->once != NULL)
		args.once = str_of((const char *)filing->once, MAILBOX_ONCE_BYTES);
	a = mailbox_file_takes(call, &args, (size_t)filing->count * FILE_MESSAGE_ARGS);
	for (unsigned i = 0; i < filing->count; i++)
		file_add_message(&a, &filing->messages[i]);
	f->count = filing->count;
	f->replaced_uid = filing->replaced_uid;
	mailbox_call_script(call, &mailbox_script_file, &a, file_on_filed);
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
file_on_entry(struct mailbox_call *call, const redisReply *reply, const struct err *err)
{
	struct str entry = redis_str(reply);

	call->on.was_filed(call->arg, entry.len != 0, entry.len != 0 && entry.p[entry.len - 1] == 'p', err);
	mailbox_call_end(call);
}

void
mailbox_was_filed(struct mailbox_store *m, struct str address, const struct mailbox_delivery *d,
		  mailbox_on_was_filed *cb, void *arg)
{
	struct mailbox_call *call = mailbox_call_new(m, address, (union mailbox_on){.was_filed = cb}, arg);
	const char *day = arena_printf(&call->op.arena, "%lld", (long long)(d->spooled_ms / 86400000));
	struct str ledger = redis_key(&call->op.arena, KEY_MAIL_LEDGER, str_c(call->address), str_c(day));
	struct str field = d->spool_id;

	if (d->way.len != 0)
		field = str_c(arena_printf(&call->op.arena, "%.*s:%.*s", STR_ARG(d->spool_id), STR_ARG(d->way)));
	mailbox_call_command(call, "HGET", ledger, 1, &field, file_on_entry);
}
