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
read_is_wanted(const struct reading *r, const char *hot)
{
	uint32_t uid = bytes_get_u32(hot);

	return uid >= r->first_uid && uid <= r->last_uid &&
	       (r->changed_since == 0 || bytes_get_u48(hot + 12) > r->changed_since);
}

static size_t
read_total_length(const redisReply *chunks)
{
	size_t total = 0;

	for (size_t i = 0; chunks != NULL && i < chunks->elements; i++)
		total += (size_t)chunks->element[i]->len;
	return total;
}

/* Joins the wanted records of all chunks. */
static void
read_collect(const struct reading *r, const redisReply *hot_chunks, const redisReply *cold_chunks, struct arena *arena,
	     struct mailbox_records *out)
{
	char *hot = arena_alloc(arena, read_total_length(hot_chunks) + 1);
	char *cold = (r->parts & MAILBOX_COLD) != 0 ? arena_alloc(arena, read_total_length(cold_chunks) + 1) : NULL;
	uint32_t count = 0;

	for (size_t i = 0; hot_chunks != NULL && i < hot_chunks->elements; i++) {
		struct str h = redis_str(hot_chunks->element[i]);
		struct str c = cold != NULL ? redis_str(mailbox_element(cold_chunks, i)) : STR_NONE;
		size_t records = h.len / MAILBOX_HOT_BYTES;
		for (size_t k = 0; k < records; k++) {
			if (!read_is_wanted(r, h.p + k * MAILBOX_HOT_BYTES))
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
read_parse_records(const redisReply *reply, const struct reading *r, struct arena *arena, struct mailbox_records *out)
{
	out->highest_modseq = (uint64_t)redis_i64(mailbox_element(reply, 0), 0);
	out->uid_next = (uint32_t)redis_i64(mailbox_element(reply, 1), 0);
	out->uid_validity = (uint32_t)redis_i64(mailbox_element(reply, 2), 0);
	read_collect(r, mailbox_element(reply, 3), mailbox_element(reply, 4), arena, out);
}

static void
read_on_records(struct mailbox_call *call, const redisReply *reply, const struct err *err)
{
	struct mailbox_records records;

	if (err == NULL)
		read_parse_records(reply, call->state, &call->op.arena, &records);
	call->on.records(call->arg, err == NULL ? &records : NULL, err);
	mailbox_call_end(call);
}

void
mailbox_read(struct mailbox_store *m, struct str address, uint32_t folder_id, uint32_t first_uid, uint32_t last_uid,
	     unsigned parts, uint64_t changed_since, mailbox_on_records *cb, void *arg)
{
	struct mailbox_call *call = mailbox_call_new(m, address, (union mailbox_on){.records = cb}, arg);
	struct mailbox_args a = mailbox_args_new(call, 5);
	struct reading *r = arena_new(&call->op.arena, struct reading);

	*r = (struct reading){first_uid, last_uid, parts, changed_since, false};
	call->state = r;
	mailbox_args_add_u64(&a, folder_id);
	mailbox_args_add_u64(&a, first_uid);
	mailbox_args_add_u64(&a, last_uid);
	mailbox_args_add_u64(&a, parts);
	mailbox_args_add_u64(&a, changed_since);
	mailbox_call_script(call, &mailbox_script_read, &a, read_on_records);
}

static int
read_by_uid(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static int
read_by_modseq(const void *a, const void *b)
{
	const struct mailbox_gone *x = a, *y = b;

	if (x->modseq != y->modseq)
		return x->modseq < y->modseq ? -1 : 1;
	return read_by_uid(&x->uid, &y->uid);
}

/* Tombstones: modseq u48, uid u32. */
static void
read_parse_gone(struct str packed, struct arena *arena, struct mailbox_changes *out)
{
	uint32_t count = (uint32_t)(packed.len / 10);
	struct mailbox_gone *gone = arena_array(arena, struct mailbox_gone, count + 1);
	uint32_t *uids = arena_array(arena, uint32_t, count + 1);

	for (uint32_t i = 0; i < count; i++) {
		const char *stone = packed.p + (size_t)i * 10;
		gone[i] = (struct mailbox_gone){bytes_get_u48(stone), bytes_get_u32(stone + 6)};
		uids[i] = gone[i].uid;
	}
	qsort(gone, count, sizeof(*gone), read_by_modseq);
	qsort(uids, count, sizeof(*uids), read_by_uid);
	out->gone = gone;
	out->gone_uids = uids;
	out->gone_count = count;
}

static void
read_on_changes(struct mailbox_call *call, const redisReply *reply, const struct err *err)
{
	struct mailbox_changes changes = {0};

	if (err == NULL) {
		read_parse_records(reply, call->state, &call->op.arena, &changes.records);
		read_parse_gone(redis_str(mailbox_element(reply, 5)), &call->op.arena, &changes);
		changes.took_recent = ((const struct reading *)call->state)->take_recent;
		changes.complete = redis_i64(mailbox_element(reply, 6), 0) != 0;
		mailbox_parse_folder(mailbox_element(reply, 7), &changes.folder);
		changes.folder.keywords = mailbox_parse_keywords(mailbox_element(reply, 8), &call->op.arena,
								 &changes.folder.keyword_count);
	}
	call->on.changes(call->arg, err == NULL ? &changes : NULL, err);
	mailbox_call_end(call);
}

void
mailbox_read_changes(struct mailbox_store *m, struct str address, uint32_t folder_id, uint64_t since_modseq,
		     bool take_recent, mailbox_on_changes *cb, void *arg)
{
	struct mailbox_call *call = mailbox_call_new(m, address, (union mailbox_on){.changes = cb}, arg);
	struct mailbox_args a = mailbox_args_new(call, 3);
	struct reading *r = arena_new(&call->op.arena, struct reading);

	*r = (struct reading){0, UINT32_MAX, MAILBOX_HOT, since_modseq, take_recent};
	call->state = r;
	mailbox_args_add_u64(&a, folder_id);
	mailbox_args_add_u64(&a, since_modseq);
	mailbox_args_add(&a, take_recent ? STR("1") : STR("0"));
	mailbox_call_script(call, &mailbox_script_changes, &a, read_on_changes);
}
