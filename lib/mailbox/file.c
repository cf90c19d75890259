/* Filing and appending, and the ledger of what was delivered. */
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
file_on_filed(struct mailbox_call *call, const redisReply *reply, const struct err *err)
{
	const struct filing *f = call->state;
	struct mailbox_filed filed = {
		.duplicate = redis_i64(mailbox_element(reply, 0), 0) != 0,
		.uid_validity = (uint32_t)redis_i64(mailbox_element(reply, 1), 0),
		.first_uid = (uint32_t)redis_i64(mailbox_element(reply, 2), 0),
		.count = f->count,
		.modseq = (uint64_t)redis_i64(mailbox_element(reply, 3), 0),
		.first_email_id = (uint64_t)redis_i64(mailbox_element(reply, 4), 0),
	};

	if (filed.duplicate) {
		filed.had_passed = filed.uid_validity != 0;
		filed.uid_validity = 0;
	}
	if (err == NULL && !filed.duplicate && f->replaced_uid != 0) {
		filed.replaced = (struct mailbox_expunged){
			.uids = &f->replaced_uid,
			.count = 1,
			.modseq = (uint64_t)redis_i64(mailbox_element(reply, 5), 0),
			.previous_modseq = (uint64_t)redis_i64(mailbox_element(reply, 6), 0),
		};
		mailbox_drop_references(call->store, redis_str(mailbox_element(reply, 7)));
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
	mailbox_args_add_u64(a, msg->flags);
	mailbox_args_add_u64(a, msg->body.length);
	mailbox_args_add(a, mailbox_join_keywords(&a->call->op.arena, msg->keywords, msg->keyword_count));
	mailbox_args_add(a, str_of(packed, MAILBOX_COLD_BYTES));
}

static void
file_add_delivery(struct mailbox_args *a, const struct mailbox_delivery *d)
{
	static const struct mailbox_delivery none;

	d = d != NULL ? d : &none;
	mailbox_args_add(a, d->spool_id);
	mailbox_args_add(a, d->way);
	mailbox_args_add_u64(a, (uint64_t)(d->spooled_ms / 1000));
	mailbox_args_add_u64(a, (uint64_t)(d->begun_ms / 1000));
	mailbox_args_add_u64(a, (uint64_t)(d->ledger_life_ms / 1000));
	mailbox_args_add(a, d->in_doubt ? STR("1") : STR("0"));
	mailbox_args_add(a, d->passes_reference ? STR("1") : STR("0"));
}

void
mailbox_file(struct mailbox_store *m, const struct mailbox_filing *filing, mailbox_on_filed *cb, void *arg)
{
	struct mailbox_call *call = mailbox_call_new(m, filing->address, (union mailbox_on){.filed = cb}, arg);
	struct mailbox_args a = mailbox_args_new(call, 14 + (size_t)filing->count * 4);
	struct filing *f = call->state = arena_new(&call->op.arena, struct filing);
	struct str folder = STR_NONE;
	struct err err;

	CHECK(filing->count != 0);
	if (filing->folder.len != 0 && mailbox_name_check(filing->folder, &call->op.arena, &folder, &err) != 0) {
		mailbox_call_fail(call, &err, file_on_filed);
		return;
	}
	mailbox_args_add(&a, str_eq(folder, STR("INBOX")) ? STR_NONE : folder);
	mailbox_args_add(&a, filing->create_folder ? STR("1") : STR("0"));
	mailbox_args_add_u64(&a, filing->quota_bytes);
	mailbox_args_add_u64(&a, (uint64_t)(clock_unix_ms() / 1000));
	if (filing->replaced_uid != 0)
		mailbox_args_add_u64(&a, filing->replaced_folder);
	else
		mailbox_args_add(&a, STR_NONE);
	mailbox_args_add_u64(&a, filing->replaced_uid);
	mailbox_args_add_u64(&a, (uint64_t)m->retention_s);
	file_add_delivery(&a, filing->delivery);
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
	const char *field = d->way.len == 0
				    ? arena_printf(&call->op.arena, "%.*s", STR_ARG(d->spool_id))
				    : arena_printf(&call->op.arena, "%.*s:%.*s", STR_ARG(d->spool_id), STR_ARG(d->way));
	const char *ledger = arena_printf(&call->op.arena, "filed:%lld", (long long)(d->spooled_ms / 86400000));
	struct str name = str_c(field);

	mailbox_call_command(call, "HGET", ledger, 1, &name, file_on_entry);
}
