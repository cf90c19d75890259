/* Reading the index and its changes: one consistent state of the folder, in
 * pages.
 *
 * A page is a script that reads some chunks, so that none blocks the store for
 * long. All pages of a pass belong to one state if the folder's modseq is the
 * same at the last page as at the first. If not, the next pass reads the changes
 * since this one began, which are few, until a pass is consistent. The
 * tombstones since the first page tell which of the records read before no
 * longer exist. A single page, which is nearly always enough, is always
 * consistent.
 *
 * The scripts return whole chunks; records outside the requested UIDs, or
 * unchanged ones, are removed here, where it costs the store nothing. */
#include <stdlib.h>

#include "lib/base/bytes.h"
#include "lib/base/mem.h"
#include "lib/mailbox/scripts.h"

MAILBOX_SCRIPT(read);
MAILBOX_SCRIPT(changes);
MAILBOX_SCRIPT(gone);

/* Each pass reads only what the previous one, which took milliseconds, has missed. */
enum { PASSES_MAX = 1000, GONE_BYTES = sizeof(struct mailbox_gone_layout) };

struct reading {
	uint32_t folder_id;
	uint32_t first_uid, last_uid;
	unsigned parts;
	uint64_t changed_since; /* as requested */
	bool is_changes, take_recent;
	uint32_t taken_from, taken; /* messages claimed as recent by earlier attempts: the first UID, how many */
	/* This pass */
	uint64_t since;	   /* modseq */
	uint64_t begun;	   /* modseq of the folder at its first page; UINT64_MAX: no page yet */
	uint32_t next_uid; /* of the next page */
	unsigned passes;   /* passes before this one, in this attempt */
	unsigned turns;	   /* of all attempts */
	uint64_t first_begun;
	/* Data read so far, in all passes */
	struct buf hot, cold, gone; /* owner; packed */
	uint64_t gone_after;	    /* modseq: start of the next page of tombstones */
	bool gone_complete;
	struct mailbox_changes result;
};

static struct reading *
read_of(struct mailbox_call *call)
{
	return call->state;
}

/* ---- The end ---- */

static void
read_end(struct mailbox_call *call, const struct err *err)
{
	struct reading *r = read_of(call);

	if (r->is_changes)
		call->on.changes(call->arg, err == NULL ? &r->result : NULL, err);
	else
		call->on.records(call->arg, err == NULL ? &r->result.records : NULL, err);
	buf_fini(&r->hot);
	buf_fini(&r->cold);
	buf_fini(&r->gone);
	mailbox_call_end(call);
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

static void
read_parse_gone(struct mailbox_call *call)
{
	struct reading *r = read_of(call);
	uint32_t count = (uint32_t)(r->gone.len / GONE_BYTES);
	struct mailbox_gone *gone = arena_array(&call->op.arena, struct mailbox_gone, count + 1);
	uint32_t *uids = arena_array(&call->op.arena, uint32_t, count + 1);
	bool sorted = true, uids_sorted = true;

	/* They are usually in order already. */
	for (uint32_t i = 0; i < count; i++) {
		const char *stone = r->gone.data + (size_t)i * GONE_BYTES;
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
	r->result.gone = gone;
	r->result.gone_uids = uids;
	r->result.gone_count = count;
}

/* ---- Several passes ---- */

struct read_place {
	uint32_t uid;
	uint32_t at; /* index of the record, among all that were read */
};

/* By UID; for the same UID the record read last comes first. */
static int
read_by_place(const void *a, const void *b)
{
	const struct read_place *x = a, *y = b;

	if (x->uid != y->uid)
		return x->uid < y->uid ? -1 : 1;
	return x->at > y->at ? -1 : x->at < y->at;
}

static void
read_copy_record(struct buf *out, const struct buf *in, uint32_t at, size_t bytes)
{
	if (in->len != 0)
		buf_add(out, in->data + (size_t)at * bytes, bytes);
}

/* Keeps, of all records read, the last one of each message that is not gone. */
static void
read_merge(struct reading *r)
{
	uint32_t count = (uint32_t)(r->hot.len / MAILBOX_HOT_BYTES);
	struct read_place *places = mem_alloc((count + 1) * sizeof(*places));
	struct buf hot = BUF_EMPTY, cold = BUF_EMPTY;

	for (uint32_t i = 0; i < count; i++)
		places[i] = (struct read_place){mailbox_hot_uid(r->hot.data + (size_t)i * MAILBOX_HOT_BYTES), i};
	qsort(places, count, sizeof(*places), read_by_place);
	for (uint32_t i = 0; i < count; i++) {
		const uint32_t *uid = &places[i].uid;
		if ((i != 0 && places[i - 1].uid == *uid) ||
		    bsearch(uid, r->result.gone_uids, r->result.gone_count, sizeof(*uid), read_by_uid) != NULL)
			continue;
		read_copy_record(&hot, &r->hot, places[i].at, MAILBOX_HOT_BYTES);
		read_copy_record(&cold, &r->cold, places[i].at, MAILBOX_COLD_BYTES);
	}
	mem_free(places);
	buf_fini(&r->hot);
	buf_fini(&r->cold);
	r->hot = hot;
	r->cold = cold;
}

static void
read_finish(struct mailbox_call *call)
{
	struct reading *r = read_of(call);
	struct mailbox_records *records = &r->result.records;

	read_parse_gone(call);
	if (r->passes != 0)
		read_merge(r);
	records->count = (uint32_t)(r->hot.len / MAILBOX_HOT_BYTES);
	buf_reserve(&r->hot, 1); /* so that the data is not NULL even without a record */
	buf_reserve(&r->cold, 1);
	records->hot = (r->parts & MAILBOX_HOT) != 0 ? r->hot.data : NULL;
	records->cold = (r->parts & MAILBOX_COLD) != 0 ? r->cold.data : NULL;
	r->result.took_recent = r->take_recent;
	r->result.complete = r->gone_complete;
	read_end(call, NULL);
}

/* ---- Pages ---- */

static void read_page(struct mailbox_call *call);

/* Takes the requested records from the page. */
static void
read_take_records(struct reading *r, const redisReply *hot_chunks, const redisReply *cold_chunks)
{
	static const char none[MAILBOX_COLD_BYTES];

	for (size_t i = 0; hot_chunks != NULL && i < hot_chunks->elements; i++) {
		struct str hot = redis_str(hot_chunks->element[i]), cold = redis_str(mailbox_element(cold_chunks, i));
		for (size_t k = 0; k < hot.len / MAILBOX_HOT_BYTES; k++) {
			const char *record = hot.p + k * MAILBOX_HOT_BYTES;
			uint32_t uid = mailbox_hot_uid(record);
			if (uid < r->first_uid || uid > r->last_uid ||
			    (r->since != 0 && mailbox_hot_modseq(record) <= r->since))
				continue;
			buf_add(&r->hot, record, MAILBOX_HOT_BYTES);
			if ((r->parts & MAILBOX_COLD) != 0)
				buf_add(&r->cold,
					cold.len >= (k + 1) * MAILBOX_COLD_BYTES ? cold.p + k * MAILBOX_COLD_BYTES
										 : none,
					MAILBOX_COLD_BYTES);
		}
	}
}

static void
read_begin_pass(struct mailbox_call *call, uint64_t since)
{
	struct reading *r = read_of(call);
	struct err busy;

	r->since = since;
	r->begun = UINT64_MAX;
	r->next_uid = r->first_uid;
	if (++r->turns < PASSES_MAX) {
		read_page(call);
		return;
	}
	err_set(&busy, ERR_UNAVAILABLE, "a mailbox of %s changes too fast to be read", call->address);
	read_end(call, &busy);
}

/* The log does not say what is gone since the first pass: start again. */
static void
read_begin_anew(struct mailbox_call *call)
{
	struct reading *r = read_of(call);

	/* They will not be claimed again. */
	if (r->take_recent && r->result.folder.recent != 0) {
		r->taken_from = r->result.folder.first_recent;
		r->taken = r->result.folder.recent;
	}
	buf_clear(&r->hot);
	buf_clear(&r->cold);
	buf_clear(&r->gone);
	r->first_begun = UINT64_MAX;
	r->passes = 0;
	read_begin_pass(call, r->changed_since);
}

static void read_on_gone(struct mailbox_call *call, const redisReply *reply, const struct err *err);

/* Takes some of the tombstones; more: there are more of them. */
static void
read_take_gone(struct mailbox_call *call, const redisReply *gone, uint64_t more, bool complete)
{
	struct reading *r = read_of(call);
	struct str packed = redis_str(gone);

	/* Without those that are newer than the state of the records. */
	for (size_t at = 0; at + GONE_BYTES <= packed.len; at += GONE_BYTES)
		if (bytes_get_u48(packed.p + at + MAILBOX_AT(gone, modseq)) <= r->result.records.highest_modseq)
			buf_add(&r->gone, packed.p + at, GONE_BYTES);
	r->gone_complete = r->gone_complete && complete;
	r->gone_after = more;
	if (more != 0 && more < r->result.records.highest_modseq)
		mailbox_gone_ask(call, &(struct mailbox_gone_args){.id = r->folder_id, .since = more}, read_on_gone);
	else if (r->passes != 0 && !r->gone_complete)
		read_begin_anew(call);
	else
		read_finish(call);
}

static void
read_on_gone(struct mailbox_call *call, const redisReply *reply, const struct err *err)
{
	const struct mailbox_gone_answer got = mailbox_gone_answer(reply);

	if (err != NULL)
		read_end(call, err);
	else
		read_take_gone(call, got.gone, (uint64_t)redis_i64(got.more, 0), redis_i64(got.complete, 0) != 0);
}

/* Handles the common part of both scripts' answers. Returns whether the pass is
 * consistent; if not, more was requested. */
static bool
read_take_page(struct mailbox_call *call, const redisReply *modseq_reply, const redisReply *next)
{
	struct reading *r = read_of(call);
	uint64_t modseq = (uint64_t)redis_i64(modseq_reply, 0);

	if (r->begun == UINT64_MAX)
		r->begun = modseq;
	if (r->first_begun == UINT64_MAX)
		r->first_begun = modseq;
	r->next_uid = (uint32_t)redis_i64(next, 0);
	if (r->next_uid != 0) {
		read_page(call);
		return false;
	}
	if (r->begun == modseq)
		return true;
	r->passes++;
	read_begin_pass(call, r->begun);
	return false;
}

static void
read_on_records(struct mailbox_call *call, const redisReply *reply, const struct err *err)
{
	const struct mailbox_read_answer got = mailbox_read_answer(reply);
	struct reading *r = read_of(call);

	if (err != NULL) {
		read_end(call, err);
		return;
	}
	read_take_records(r, got.hot, got.cold);
	r->result.records.highest_modseq = (uint64_t)redis_i64(got.modseq, 0);
	r->result.records.uid_next = (uint32_t)redis_i64(got.uid_next, 0);
	r->result.records.uid_validity = (uint32_t)redis_i64(got.uid_validity, 0);
	if (!read_take_page(call, got.modseq, got.next))
		return;
	r->gone_complete = true;
	if (r->passes == 0)
		read_finish(call);
	else
		read_take_gone(call, got.gone, (uint64_t)redis_i64(got.more, 0), redis_i64(got.complete, 0) != 0);
}

/* The answer may be freed before all tombstones were received. */
static void
read_take_folder(struct mailbox_call *call, const redisReply *fields, const redisReply *keywords)
{
	struct reading *r = read_of(call);
	struct mailbox_folder *folder = &r->result.folder;
	struct arena *arena = &call->op.arena;
	const struct str *names;
	struct str *copies;

	mailbox_parse_folder(fields, folder);
	names = mailbox_parse_keywords(keywords, arena, &folder->keyword_count);
	copies = arena_array(arena, struct str, MAILBOX_KEYWORDS);
	for (unsigned i = 0; i < folder->keyword_count; i++)
		copies[i] = arena_str(arena, names[i]);
	folder->keywords = copies;
	if (r->taken != 0)
		folder->first_recent = r->taken_from;
	folder->recent += r->taken;
	folder->name = arena_str(arena, folder->name);
	folder->special_use = arena_str(arena, folder->special_use);
}

static void
read_on_changes(struct mailbox_call *call, const redisReply *reply, const struct err *err)
{
	const struct mailbox_changes_answer got = mailbox_changes_answer(reply);
	struct reading *r = read_of(call);

	if (err != NULL) {
		read_end(call, err);
		return;
	}
	read_take_records(r, got.hot, NULL);
	r->result.records.highest_modseq = (uint64_t)redis_i64(got.modseq, 0);
	r->result.records.uid_next = (uint32_t)redis_i64(got.uid_next, 0);
	r->result.records.uid_validity = (uint32_t)redis_i64(got.uid_validity, 0);
	if (!read_take_page(call, got.modseq, got.next))
		return;
	read_take_folder(call, got.fields, got.keywords);
	r->gone_complete = true;
	read_take_gone(call, got.gone, (uint64_t)redis_i64(got.more, 0), redis_i64(got.complete, 0) != 0);
}

static void
read_page(struct mailbox_call *call)
{
	const struct reading *r = read_of(call);

	if (r->is_changes)
		mailbox_changes_ask(call,
				    &(struct mailbox_changes_args){.id = r->folder_id,
								   .first = r->next_uid,
								   .since = r->since,
								   .begun = r->begun,
								   .from = r->changed_since,
								   .take = r->take_recent},
				    read_on_changes);
	else
		mailbox_read_ask(call,
				 &(struct mailbox_read_args){.id = r->folder_id,
							     .first = r->next_uid,
							     .last = r->last_uid,
							     .want_cold = (r->parts & MAILBOX_COLD) != 0,
							     .since = r->since,
							     .begun = r->begun,
							     .from = r->passes != 0 ? r->first_begun : UINT64_MAX},
				 read_on_records);
}

static void
read_start(struct mailbox_call *call, const struct reading *asked)
{
	struct reading *r = call->state = arena_new(&call->op.arena, struct reading);

	*r = *asked;
	r->since = r->changed_since;
	r->next_uid = r->first_uid;
	r->begun = r->first_begun = UINT64_MAX;
	read_page(call);
}

void
mailbox_read(struct mailbox_store *m, struct str address, uint32_t folder_id, uint32_t first_uid, uint32_t last_uid,
	     unsigned parts, uint64_t changed_since, mailbox_on_records *cb, void *arg)
{
	read_start(mailbox_call_new(m, address, (union mailbox_on){.records = cb}, arg),
		   &(struct reading){.folder_id = folder_id,
				     .first_uid = first_uid,
				     .last_uid = last_uid,
				     .parts = parts,
				     .changed_since = changed_since});
}

void
mailbox_read_changes(struct mailbox_store *m, struct str address, uint32_t folder_id, uint64_t since_modseq,
		     bool take_recent, mailbox_on_changes *cb, void *arg)
{
	read_start(mailbox_call_new(m, address, (union mailbox_on){.changes = cb}, arg),
		   &(struct reading){.folder_id = folder_id,
				     .last_uid = UINT32_MAX,
				     .parts = MAILBOX_HOT,
				     .changed_since = since_modseq,
				     .is_changes = true,
				     .take_recent = take_recent});
}
