/* Reading the index, and what changed in it.
 *
 * The scripts give whole chunks; the records that lie outside the UIDs asked
 * for, or have not changed, are cut here, where it costs nothing to Redis. */
#include <stdlib.h>

#include "lib/base/bytes.h"
#include "lib/base/check.h"
#include "lib/mailbox/scripts.h"

MAILBOX_SCRIPT(read);
MAILBOX_SCRIPT(changes);

struct reading {
	uint32_t first_uid, last_uid;
	unsigned parts;
	uint64_t changed_since;
	bool take_recent;
};

static bool
read_is_wanted(const struct reading *r, const char *hot)
{
	uint32_t uid = mailbox_hot_uid(hot);

	return uid >= r->first_uid && uid <= r->last_uid &&
	       (r->changed_since == 0 || mailbox_hot_modseq(hot) > r->changed_since);
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
read_on_records(struct mailbox_call *call, const redisReply *reply, const struct err *err)
{
	const struct mailbox_read_answer got = mailbox_read_answer(reply);
	struct mailbox_records records = {
		.highest_modseq = (uint64_t)redis_i64(got.modseq, 0),
		.uid_next = (uint32_t)redis_i64(got.uid_next, 0),
		.uid_validity = (uint32_t)redis_i64(got.uid_validity, 0),
	};

	if (err == NULL)
		read_collect(call->state, got.hot, got.cold, &call->op.arena, &records);
	call->on.records(call->arg, err == NULL ? &records : NULL, err);
	mailbox_call_end(call);
}

void
mailbox_read(struct mailbox_store *m, struct str address, uint32_t folder_id, uint32_t first_uid, uint32_t last_uid,
	     unsigned parts, uint64_t changed_since, mailbox_on_records *cb, void *arg)
{
	struct mailbox_call *call = mailbox_call_new(m, address, (union mailbox_on){.records = cb}, arg);
	struct reading *r = arena_new(&call->op.arena, struct reading);

	*r = (struct reading){first_uid, last_uid, parts, changed_since, false};
	call->state = r;
	mailbox_read_ask(call,
			 &(struct mailbox_read_args){.id = folder_id,
						     .first = first_uid,
						     .last = last_uid,
						     .want_cold = (parts & MAILBOX_COLD) != 0,
						     .since = changed_since},
			 read_on_records);
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

enum { GONE_BYTES = sizeof(struct mailbox_gone_layout) };

static void
read_parse_gone(struct str packed, struct arena *arena, struct mailbox_changes *out)
{
	uint32_t count = (uint32_t)(packed.len / GONE_BYTES);
	struct mailbox_gone *gone = arena_array(arena, struct mailbox_gone, count + 1);
	uint32_t *uids = arena_array(arena, uint32_t, count + 1);
	bool sorted = true, uids_sorted = true;

	/* The log is read from its end: turned round it is in order, as a rule. */
	for (uint32_t i = 0; i < count; i++) {
		const char *stone = packed.p + (size_t)(count - i - 1) * GONE_BYTES;
		gone[i] = (struct mailbox_gone){
			.modseq = bytes_get_u48(stone + MAILBOX_AT(gone, modseq)),
			.uid = bytes_get_u32(stone + MAILBOX_AT(gone, uid)),
		};
		uids[i] = gone[i].uid;
		sorted = sorted && (i == 0 || read_by_modseq(&gone[i - 1], &gone[i]) <= 0);
		uids_sorted = uids_sorted && (i == 0 || uids[i - 1] <= uids[i]);
	}
	if (!sorted)
		qsort(gone, count, sizeof(*gone), read_by_modseq);
	if (!uids_sorted)
		qsort(uids, count, sizeof(*uids), read_by_uid);
	out->gone = gone;
	out->gone_uids = uids;
	out->gone_count = count;
}

static void
read_on_changes(struct mailbox_call *call, const redisReply *reply, const struct err *err)
{
	const struct mailbox_changes_answer got = mailbox_changes_answer(reply);
	const struct reading *r = call->state;
	struct mailbox_changes changes = {
		.records.highest_modseq = (uint64_t)redis_i64(got.modseq, 0),
		.records.uid_next = (uint32_t)redis_i64(got.uid_next, 0),
		.records.uid_validity = (uint32_t)redis_i64(got.uid_validity, 0),
		.took_recent = r->take_recent,
		.complete = redis_i64(got.complete, 0) != 0,
	};

	if (err == NULL) {
		read_collect(r, got.hot, NULL, &call->op.arena, &changes.records);
		read_parse_gone(redis_str(got.gone), &call->op.arena, &changes);
		mailbox_parse_folder(got.fields, &changes.folder);
		changes.folder.keywords =
			mailbox_parse_keywords(got.keywords, &call->op.arena, &changes.folder.keyword_count);
	}
	call->on.changes(call->arg, err == NULL ? &changes : NULL, err);
	mailbox_call_end(call);
}

void
mailbox_read_changes(struct mailbox_store *m, struct str address, uint32_t folder_id, uint64_t since_modseq,
		     bool take_recent, mailbox_on_changes *cb, void *arg)
{
	struct mailbox_call *call = mailbox_call_new(m, address, (union mailbox_on){.changes = cb}, arg);
	struct reading *r = arena_new(&call->op.arena, struct reading);

	*r = (struct reading){0, UINT32_MAX, MAILBOX_HOT, since_modseq, take_recent};
	call->state = r;
	mailbox_changes_ask(call,
			    &(struct mailbox_changes_args){.id = folder_id, .since = since_modseq, .take = take_recent},
			    read_on_changes);
}
