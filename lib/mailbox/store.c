/* The mailbox store: what its calls share, and the packed records. */
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/bytes.h"
#include "lib/base/check.h"
#include "lib/base/mem.h"
#include "lib/blob/refs.h"
#include "lib/mailbox/private.h"

struct mailbox_store *
mailbox_store_new(struct redis *r, struct blob_store *blobs)
{
	struct mailbox_store *m = mem_new(struct mailbox_store);

	m->redis = r;
	m->blobs = blobs;
	m->retention_s = MAILBOX_DEFAULT_RETENTION_S;
	return m;
}

void
mailbox_store_free(struct mailbox_store **m)
{
	mem_free(*m);
	*m = NULL;
}

void
mailbox_store_set_retention(struct mailbox_store *m, int64_t ms)
{
	m->retention_s = ms / 1000;
}

void
mailbox_channel(struct str address, char out[MAILBOX_CHANNEL_MAX])
{
	snprintf(out, MAILBOX_CHANNEL_MAX, "mail:{%.*s}", STR_ARG(address));
}

/* ---- Records ---- */

void
mailbox_hot_unpack(const char *in, struct mailbox_hot *out)
{
	out->uid = bytes_get_u32(in);
	out->flags = bytes_get_u16(in + 4);
	out->size = bytes_get_u48(in + 6);
	out->modseq = bytes_get_u48(in + 12);
	out->email_id = bytes_get_u48(in + 18);
	out->keywords = bytes_get_u64(in + 24);
}

void
mailbox_hot_pack(const struct mailbox_hot *in, char *out)
{
	bytes_put_u32(out, in->uid);
	bytes_put_u16(out + 4, in->flags);
	bytes_put_u48(out + 6, in->size);
	bytes_put_u48(out + 12, in->modseq);
	bytes_put_u48(out + 18, in->email_id);
	bytes_put_u64(out + 24, in->keywords);
}

void
mailbox_cold_unpack(const char *in, struct mailbox_cold *out)
{
	out->body = blob_id_unpack(in);
	out->digest = blob_id_unpack(in + 20);
	out->internal_date = (int64_t)bytes_get_u64(in + 40);
	out->save_date = bytes_get_u32(in + 48);
	out->zone_minutes = (int16_t)bytes_get_u16(in + 52);
}

void
mailbox_cold_pack(const struct mailbox_cold *in, char *out)
{
	blob_id_pack(&in->body, out);
	blob_id_pack(&in->digest, out + 20);
	bytes_put_u64(out + 40, (uint64_t)in->internal_date);
	bytes_put_u32(out + 48, in->save_date);
	bytes_put_u16(out + 52, (uint16_t)in->zone_minutes);
	bytes_put_u16(out + 54, 0);
}

/* ---- Calls ---- */

struct op *
op_new(struct mailbox_store *m, struct str address, void *cb, void *arg)
{
	struct op *op = mem_new(struct op);

	op->store = m;
	op->address = str_dup(address);
	op->cb = cb;
	op->arg = arg;
	arena_init(&op->arena);
	return op;
}

void
op_free(struct op *op)
{
	arena_fini(&op->arena);
	mem_free(op->address);
	mem_free(op);
}

struct args
args_new(struct op *op, size_t capacity)
{
	return (struct args){
		.op = op, .list = arena_array(&op->arena, struct str, capacity), .count = 0, .capacity = capacity};
}

void
args_add(struct args *a, struct str s)
{
	CHECK(a->count < a->capacity);
	a->list[a->count++] = s;
}

void
args_add_u64(struct args *a, uint64_t v)
{
	char *text = arena_alloc(&a->op->arena, MAILBOX_NUMBER_MAX);

	snprintf(text, MAILBOX_NUMBER_MAX, "%llu", (unsigned long long)v);
	args_add(a, str_c(text));
}

void
op_call(struct op *op, struct redis_script *script, const struct args *a, redis_on_reply *on_reply)
{
	char key[MAILBOX_KEY_MAX];
	struct str key_str;

	snprintf(key, sizeof(key), "mail:{%s}:meta", op->address);
	key_str = str_c(key);
	redis_eval(op->store->redis, on_reply, op, script, 1, &key_str, a->count, a->list);
}

struct failure {
	struct op *op;
	struct err err;
	redis_on_reply *on_reply;
};

static void
on_failure(void *arg, const redisReply *reply, const struct err *err)
{
	struct failure *f = arg;

	(void)reply, (void)err;
	f->on_reply(f->op, NULL, &f->err);
}

void
op_fail(struct op *op, const struct err *err, redis_on_reply *on_reply)
{
	struct failure *f = arena_new(&op->arena, struct failure);

	*f = (struct failure){op, *err, on_reply};
	/* An answer that nobody looks at brings us back on the loop. */
	redis_callf(op->store->redis, on_failure, f, "PING");
}

struct str
pack_range(struct arena *arena, uint32_t first, uint32_t last)
{
	char *out = arena_alloc(arena, 8);

	bytes_put_u32(out, first);
	bytes_put_u32(out + 4, last);
	return str_of(out, 8);
}

struct str
pack_ranges(struct arena *arena, const uint32_t *uids, uint32_t count)
{
	struct buf out = BUF_EMPTY;
	struct str packed;

	for (uint32_t i = 0; i < count;) {
		uint32_t from = i++;
		while (i < count && uids[i] == uids[i - 1] + 1)
			i++;
		buf_add_u32(&out, uids[from]);
		buf_add_u32(&out, uids[i - 1]);
	}
	packed = arena_str(arena, buf_str(&out));
	buf_fini(&out);
	return packed;
}

static int
by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

const uint32_t *
unpack_uids(struct arena *arena, struct str packed, uint32_t *count_out)
{
	uint32_t count = (uint32_t)(packed.len / 4);
	uint32_t *uids = arena_array(arena, uint32_t, count + 1);
	bool sorted = true;

	for (uint32_t i = 0; i < count; i++) {
		uids[i] = bytes_get_u32(packed.p + (size_t)i * 4);
		sorted = sorted && (i == 0 || uids[i - 1] < uids[i]);
	}
	if (!sorted)
		qsort(uids, count, sizeof(*uids), by_number);
	*count_out = count;
	return uids;
}

void
parse_folder(const redisReply *fields, struct mailbox_folder *out)
{
	*out = (struct mailbox_folder){
		.id = (uint32_t)redis_i64(element(fields, 0), 0),
		.name = redis_str(element(fields, 1)),
		.uid_validity = (uint32_t)redis_i64(element(fields, 2), 0),
		.uid_next = (uint32_t)redis_i64(element(fields, 3), 1),
		.highest_modseq = (uint64_t)redis_i64(element(fields, 4), 1),
		.messages = (uint32_t)redis_i64(element(fields, 5), 0),
		.unseen = (uint32_t)redis_i64(element(fields, 6), 0),
		.deleted = (uint32_t)redis_i64(element(fields, 7), 0),
		.bytes = (uint64_t)redis_i64(element(fields, 8), 0),
		.deleted_bytes = (uint64_t)redis_i64(element(fields, 9), 0),
		.special_use = redis_str(element(fields, 10)),
		.subscribed = redis_i64(element(fields, 11), 0) != 0,
	};
	out->first_recent = (uint32_t)redis_i64(element(fields, 12), out->uid_next);
	out->recent = (uint32_t)redis_i64(element(fields, 13), 0);
}

const struct str *
parse_keywords(const redisReply *list, struct arena *arena, unsigned *count_out)
{
	struct str *names = arena_array(arena, struct str, MAILBOX_KEYWORDS);
	unsigned count = 0;

	for (size_t i = 0; list != NULL && list->type == REDIS_REPLY_ARRAY && i + 1 < list->elements; i += 2) {
		int64_t bit = redis_i64(list->element[i], -1);
		if (bit < 0 || bit >= MAILBOX_KEYWORDS)
			continue;
		names[bit] = redis_str(list->element[i + 1]);
		if ((unsigned)bit + 1 > count)
			count = (unsigned)bit + 1;
	}
	*count_out = count;
	return names;
}

void
drop_references(struct mailbox_store *m, struct str cold)
{
	size_t count = cold.len / MAILBOX_COLD_BYTES, used = 0;
	struct blob_id *ids;

	if (count == 0)
		return;
	ids = mem_alloc(count * 2 * sizeof(*ids));
	for (size_t i = 0; i < count; i++) {
		struct mailbox_cold record;
		mailbox_cold_unpack(cold.p + i * MAILBOX_COLD_BYTES, &record);
		if (!blob_id_is_none(&record.body))
			ids[used++] = record.body;
		if (!blob_id_is_none(&record.digest))
			ids[used++] = record.digest;
	}
	blob_ref_drop(m->redis, m->blobs, ids, used);
	mem_free(ids);
}
