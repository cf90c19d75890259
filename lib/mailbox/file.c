/* Filing and appending. */
#include <stdio.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/mailbox/name.h"
#include "lib/mailbox/private.h"

MAILBOX_SCRIPT(mailbox_script_file, "file.lua");

/* Markers of deliveries are kept as long as one may come back. */
#define MARKER_LIFE_MS (INT64_C(7) * 86400 * 1000)

/* A spool id's first characters: 48 bits of unix ms in base32, five bits a
 * character, so the first 9 are 45 bits (a step of 8 ms). */
static void
marker_prefix(int64_t unix_ms, char out[10])
{
	static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
	uint64_t bits = (uint64_t)unix_ms >> 3;

	for (int i = 8; i >= 0; i--, bits >>= 5)
		out[i] = digits[bits & 31];
	out[9] = '\0';
}

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

void
mailbox_file(struct mailbox_store *m, const struct mailbox_filing *filing, mailbox_on_filed *cb, void *arg)
{
	struct op *op = op_new(m, filing->address, (void *)cb, arg);
	struct args a = args_new(op, 10 + (size_t)filing->count * 4);
	struct filing *f = op->state = arena_new(&op->arena, struct filing);
	char *prefix = arena_alloc(&op->arena, 10);
	struct str folder = STR_NONE;
	struct err err;

	CHECK(filing->count != 0);
	if (filing->folder.len != 0 && mailbox_name_check(filing->folder, &op->arena, &folder, &err) != 0) {
		op_fail(op, &err, on_filed);
		return;
	}
	marker_prefix(clock_unix_ms() - MARKER_LIFE_MS, prefix);
	args_add(&a, str_eq(folder, STR("INBOX")) ? STR_NONE : folder);
	args_add(&a, filing->create_folder ? STR("1") : STR("0"));
	args_add(&a, filing->delivery_id);
	args_add(&a, filing->recheck ? STR("1") : STR("0"));
	args_add_u64(&a, filing->quota_bytes);
	args_add_u64(&a, (uint64_t)(clock_unix_ms() / 1000));
	args_add(&a, str_c(prefix));
	if (filing->replaced_uid != 0)
		args_add_u64(&a, filing->replaced_folder);
	else
		args_add(&a, STR_NONE);
	args_add_u64(&a, filing->replaced_uid);
	args_add_u64(&a, (uint64_t)m->retention_s);
	for (unsigned i = 0; i < filing->count; i++)
		add_message(&a, &filing->messages[i]);
	f->count = filing->count;
	f->replaced_uid = filing->replaced_uid;
	op_call(op, &mailbox_script_file, &a, on_filed);
}

/* ---- Was it filed? ---- */

typedef void on_was_filed(void *arg, bool filed, const struct err *err);

static void
on_position(void *arg, const redisReply *reply, const struct err *err)
{
	struct op *op = arg;

	((on_was_filed *)op->cb)(op->arg, reply != NULL && reply->type == REDIS_REPLY_INTEGER, err);
	op_free(op);
}

void
mailbox_was_filed(struct mailbox_store *m, struct str address, struct str delivery_id, on_was_filed *cb, void *arg)
{
	struct op *op = op_new(m, address, (void *)cb, arg);

	redis_callf(m->redis, on_position, op, "LPOS mail:{%s}:filed %b", op->address, delivery_id.p, delivery_id.len);
}
