/* Reading the index, and what changed in it.
 *
 * The scripts give whole chunks; the records that lie outside the UIDs asked
 * for, or have not changed, are cut here, where it costs nothing to Redis. */
#include <stdlib.h>

#include "lib/base/bytes.h"
#include "lib/base/check.h"
#include "lib/mailbox/private.h"

MAILBOX_SCRIPT(mailbox_script_read, "read.lua");
MAILBOX_SCRIPT(mailbox_script_changes, "changes.lua");

struct reading {
	uint32_t first_uid, last_uid;
	unsigned parts;
	uint64_t changed_since;
	bool take_recent;
};

static bool
is_wanted(const struct reading *r, const char *hot)
{
	uint32_t uid = bytes_get_u32(hot);

	return uid >= r->first_uid && uid <= r->last_uid &&
	       (r->changed_since == 0 || bytes_get_u48(hot + 12) > r->changed_since);
}

static size_t
total_length(const redisReply *chunks)
{
	size_t total = 0;

	for (size_t i = 0; chunks != NULL && i < chunks->elements; i++)
		total += (size_t)chunks->element[i]->len;
	return total;
}

/* Joins the wanted records of all chunks. */
static void
collect(const struct reading *r, const redisReply *hot_chunks, const redisReply *cold_chunks, struct arena *arena,
	struct mailbox_records *out)
{
	char *hot = arena_alloc(arena, total_length(hot_chunks) + 1);
	char *cold = (r->parts & MAILBOX_COLD) != 0 ? arena_alloc(arena, total_length(cold_chunks) + 1) : NULL;
	uint32_t count = 0;

	for (size_t i = 0; hot_chunks != NULL && i < hot_chunks->elements; i++) {
		struct str h = redis_str(hot_chunks->element[i]);
		struct str c = cold != NULL ? redis_str(element(cold_chunks, i)) : STR_NONE;
		size_t records = h.len / MAILBOX_HOT_BYTES;
		for (size_t k = 0; k < records; k++) {
			if (!is_wanted(r, h.p + k * MAILBOX_HOT_BYTES))
				continue;
			memcpy(hot + (size_t)count * MAILBOX_HOT_BYTES, h.p + k * MAILBOX_HOT_BYTES, MAILBOX_HOT_BYTES);
			if (cold != NULL && c.len >= (k + 1) * MAILBOX_COLD_BYTES)
				memcpy(cold + (size_t)count * MAILBOX_COLD_BYTES, c.p + k * MAILBOX_COLD_BYTES,
				       MAILBOX_COLD_BYTES);
			count++;
		}
	}
	out->hot = (r->parts & MAILBOX_HOT) != 0 ? hot : NULL;
	out->cold = cold;
	out->count = count;
}

static void
parse_records(const redisReply *reply, const struct reading *r, struct arena *arena, struct mailbox_records *out)
{
	out->highest_modseq = (uint64_t)redis_i64(element(reply, 0), 0);
	out->uid_next = (uint32_t)redis_i64(element(reply, 1), 0);
	out->uid_validity = (uint32_t)redis_i64(element(reply, 2), 0);
	collect(r, element(reply, 3), element(reply, 4), arena, out);
}

static void
on_records(void *arg, const redisReply *reply, const struct err *err)
{
	struct op *op = arg;
	struct mailbox_records records;

	if (err == NULL)
		parse_records(reply, op->state, &op->arena, &records);
	((mailbox_on_records *)op->cb)(op->arg, err == NULL ? &records : NULL, err);
	op_free(op);
}

void
mailbox_read(struct mailbox_store *m, struct str address, uint32_t folder_id, uint32_t first_uid, uint32_t last_uid,
	     unsigned parts, uint64_t changed_since, mailbox_on_records *cb, void *arg)
{
	struct op *op = op_new(m, address, (void *)cb, arg);
	struct args a = args_new(op, 5);
	struct reading *r = arena_new(&op->arena, struct reading);

	*r = (struct reading){first_uid, last_uid, parts, changed_since, false};
	op->state = r;
	args_add_u64(&a, folder_id);
	args_add_u64(&a, first_uid);
	args_add_u64(&a, last_uid);
	args_add_u64(&a, parts);
	args_add_u64(&a, changed_since);
	op_call(op, &mailbox_script_read, &a, on_records);
}

static int
by_uid(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static int
by_modseq(const void *a, const void *b)
{
	const struct mailbox_gone *x = a, *y = b;

	if (x->modseq != y->modseq)
		return x->modseq < y->modseq ? -1 : 1;
	return by_uid(&x->uid, &y->uid);
}

/* Tombstones: modseq u48, uid u32. */
static void
parse_gone(struct str packed, struct arena *arena, struct mailbox_changes *out)
{
	uint32_t count = (uint32_t)(packed.len / 10);
	struct mailbox_gone *gone = arena_array(arena, struct mailbox_gone, count + 1);
	uint32_t *uids = arena_array(arena, uint32_t, count + 1);

	for (uint32_t i = 0; i < count; i++) {
		const char *stone = packed.p + (size_t)i * 10;
		gone[i] = (struct mailbox_gone){bytes_get_u48(stone), bytes_get_u32(stone + 6)};
		uids[i] = gone[i].uid;
	}
	qsort(gone, count, sizeof(*gone), by_modseq);
	qsort(uids, count, sizeof(*uids), by_uid);
	out->gone = gone;
	out->gone_uids = uids;
	out->gone_count = count;
}

static void
on_changes(void *arg, const redisReply *reply, const struct err *err)
{
	struct op *op = arg;
	struct mailbox_changes changes = {0};

	if (err == NULL) {
		parse_records(reply, op->state, &op->arena, &changes.records);
		parse_gone(redis_str(element(reply, 5)), &op->arena, &changes);
		changes.took_recent = ((const struct reading *)op->state)->take_recent;
		changes.complete = redis_i64(element(reply, 6), 0) != 0;
		parse_folder(element(reply, 7), &changes.folder);
		changes.folder.keywords = parse_keywords(element(reply, 8), &op->arena, &changes.folder.keyword_count);
	}
	((mailbox_on_changes *)op->cb)(op->arg, err == NULL ? &changes : NULL, err);
	op_free(op);
}

void
mailbox_read_changes(struct mailbox_store *m, struct str address, uint32_t folder_id, uint64_t since_modseq,
		     bool take_recent, mailbox_on_changes *cb, void *arg)
{
	struct op *op = op_new(m, address, (void *)cb, arg);
	struct args a = args_new(op, 3);
	struct reading *r = arena_new(&op->arena, struct reading);

	*r = (struct reading){0, UINT32_MAX, MAILBOX_HOT, since_modseq, take_recent};
	op->state = r;
	args_add_u64(&a, folder_id);
	args_add_u64(&a, since_modseq);
	args_add(&a, take_recent ? STR("1") : STR("0"));
	op_call(op, &mailbox_script_changes, &a, on_changes);
}
