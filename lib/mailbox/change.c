/* Changing messages: flags, expunge, copy and move, digests; the maildrop lock. */
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/blob/refs.h"
#include "lib/mailbox/name.h"
#include "lib/mailbox/private.h"

MAILBOX_SCRIPT(mailbox_script_store, "store.lua");
MAILBOX_SCRIPT(mailbox_script_expunge, "expunge.lua");
MAILBOX_SCRIPT(mailbox_script_copy, "copy.lua");
MAILBOX_SCRIPT(mailbox_script_digest, "digest.lua");
MAILBOX_SCRIPT(mailbox_script_lock, "lock.lua");

/* ---- Many messages ----
 *
 * A script stops everything else in the store while it runs, so a change of
 * very many messages is made of several, each of some of them. */

enum { BATCH_UIDS = 5000 };

struct batch {
	const uint32_t *uids; /* of all that is to be changed; in the arena */
	uint32_t count, done;
	uint64_t modseq, previous_modseq; /* of all that was done as one change */
};

static void
batch_init(struct op *op, struct batch *b, const uint32_t *uids, uint32_t count)
{
	*b = (struct batch){.count = count};
	b->uids = (const uint32_t *)(const void *)arena_dup(&op->arena, uids, (size_t)count * sizeof(*uids));
}

/* The ranges of the next ones; empty when there are none at all. */
static struct str
batch_next(struct op *op, struct batch *b)
{
	uint32_t from = b->done, left = b->count - from;

	b->done += left < BATCH_UIDS ? left : BATCH_UIDS;
	return pack_ranges(&op->arena, b->uids + from, b->done - from);
}

/* A change that followed the one before with nothing between leaves them one. */
static void
batch_note(struct batch *b, uint64_t modseq, uint64_t previous_modseq)
{
	if (modseq == 0)
		return;
	if (b->modseq == 0)
		b->previous_modseq = previous_modseq;
	else if (previous_modseq != b->modseq)
		b->previous_modseq = UINT64_MAX;
	b->modseq = modseq;
}

/* ---- Flags ---- */

struct storing {
	struct batch batch;
	uint32_t folder_id;
	struct str keywords;
	struct mailbox_flag_change change;
	struct buf hot, modified; /* owner; of the batches that are done */
};

static void
storing_free(struct op *op)
{
	struct storing *c = op->state;

	buf_fini(&c->hot);
	buf_fini(&c->modified);
	op_free(op);
}

static void store_some(struct op *op);

static void
tell_stored(struct op *op, const redisReply *reply)
{
	struct storing *c = op->state;
	struct mailbox_stored stored = {
		.modseq = c->batch.modseq,
		.previous_modseq = c->batch.previous_modseq,
		.hot = c->hot.data,
		.count = (uint32_t)(c->hot.len / MAILBOX_HOT_BYTES),
	};

	stored.modified_uids = unpack_uids(&op->arena, buf_str(&c->modified), &stored.modified_count);
	stored.keywords = parse_keywords(element(reply, 3), &op->arena, &stored.keyword_count);
	((mailbox_on_stored *)op->cb)(op->arg, &stored, NULL);
}

static void
on_stored(void *arg, const redisReply *reply, const struct err *err)
{
	struct op *op = arg;
	struct storing *c = op->state;

	if (err != NULL) {
		((mailbox_on_stored *)op->cb)(op->arg, NULL, err);
		storing_free(op);
		return;
	}
	buf_add_str(&c->hot, redis_str(element(reply, 1)));
	buf_add_str(&c->modified, redis_str(element(reply, 2)));
	batch_note(&c->batch, (uint64_t)redis_i64(element(reply, 0), 0), (uint64_t)redis_i64(element(reply, 4), 0));
	if (c->batch.done < c->batch.count) {
		store_some(op);
		return;
	}
	tell_stored(op, reply);
	storing_free(op);
}

static void
store_some(struct op *op)
{
	struct storing *c = op->state;
	struct args a = args_new(op, 6);

	args_add_u64(&a, c->folder_id);
	args_add(&a, batch_next(op, &c->batch));
	args_add_u64(&a, c->change.mode);
	args_add_u64(&a, c->change.flags);
	args_add(&a, c->keywords);
	if (c->change.unchanged_since == UINT64_MAX)
		args_add(&a, STR(""));
	else
		args_add_u64(&a, c->change.unchanged_since);
	op_call(op, &mailbox_script_store, &a, on_stored);
}

void
mailbox_store_flags(struct mailbox_store *m, struct str address, uint32_t folder_id, const uint32_t *uids,
		    uint32_t uid_count, const struct mailbox_flag_change *change, mailbox_on_stored *cb, void *arg)
{
	struct op *op = op_new(m, address, (void *)cb, arg);
	struct storing *c = arena_new(&op->arena, struct storing);
	struct buf keywords = BUF_EMPTY;

	for (unsigned i = 0; i < change->keyword_count; i++) {
		buf_add_str(&keywords, change->keywords[i]);
		buf_add_byte(&keywords, ' ');
	}
	op->state = c;
	c->folder_id = folder_id;
	c->change = *change;
	c->keywords = arena_str(&op->arena, buf_str(&keywords));
	buf_fini(&keywords);
	batch_init(op, &c->batch, uids, uid_count);
	store_some(op);
}

/* ---- Expunge ---- */

struct expunging {
	struct batch batch;
	uint32_t folder_id;
	bool only_deleted;
	struct buf uids; /* owner; of the batches that are done */
};

static void expunge_some(struct op *op);

static void
expunging_end(struct op *op, const struct err *err)
{
	struct expunging *c = op->state;
	struct mailbox_expunged expunged = {.modseq = c->batch.modseq, .previous_modseq = c->batch.previous_modseq};

	expunged.uids = unpack_uids(&op->arena, buf_str(&c->uids), &expunged.count);
	((mailbox_on_expunged *)op->cb)(op->arg, err == NULL ? &expunged : NULL, err);
	buf_fini(&c->uids);
	op_free(op);
}

static void
on_expunged(void *arg, const redisReply *reply, const struct err *err)
{
	struct op *op = arg;
	struct expunging *c = op->state;

	if (err == NULL) {
		buf_add_str(&c->uids, redis_str(element(reply, 1)));
		batch_note(&c->batch, (uint64_t)redis_i64(element(reply, 0), 0),
			   (uint64_t)redis_i64(element(reply, 3), 0));
		drop_references(op->store, redis_str(element(reply, 2)));
	}
	if (err == NULL && c->batch.done < c->batch.count)
		expunge_some(op);
	else
		expunging_end(op, err);
}

static void
expunge_some(struct op *op)
{
	struct expunging *c = op->state;
	struct args a = args_new(op, 5);

	args_add_u64(&a, c->folder_id);
	args_add(&a, batch_next(op, &c->batch));
	args_add(&a, c->only_deleted ? STR("1") : STR("0"));
	args_add_u64(&a, (uint64_t)(clock_unix_ms() / 1000));
	args_add_u64(&a, (uint64_t)op->store->retention_s);
	op_call(op, &mailbox_script_expunge, &a, on_expunged);
}

void
mailbox_expunge(struct mailbox_store *m, struct str address, uint32_t folder_id, const uint32_t *uids,
		uint32_t uid_count, bool only_deleted, mailbox_on_expunged *cb, void *arg)
{
	struct op *op = op_new(m, address, (void *)cb, arg);
	struct expunging *c = arena_new(&op->arena, struct expunging);

	op->state = c;
	c->folder_id = folder_id;
	c->only_deleted = only_deleted;
	batch_init(op, &c->batch, uids, uid_count);
	expunge_some(op);
}

/* ---- Copy and move ----
 *
 * A move takes its references along. A copy first adds one to every body and
 * digest that it is about to copy, then copies just those messages, and drops
 * the references of messages that went away between. */

struct copying {
	uint32_t from_folder;
	struct batch batch;	       /* moves */
	struct buf from_uids, to_uids; /* owner; of the batches that are done */
	struct str ranges;
	struct str to;
	bool move;
	uint64_t quota_bytes;
	/* Copies: what references were added to, by message. */
	const uint32_t *uids;
	const char *cold;
	uint32_t count;
	unsigned adds_left;
	struct err err; /* of an add that failed */
};

static bool
has_uid(const uint32_t *uids, uint32_t count, uint32_t uid)
{
	uint32_t low = 0, high = count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (uids[middle] < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low < count && uids[low] == uid;
}

/* Drops what was added to messages that are not among the copied. */
static void
drop_uncopied(struct op *op, const uint32_t *copied, uint32_t count)
{
	const struct copying *c = op->state;

	for (uint32_t i = 0; i < c->count; i++)
		if (!has_uid(copied, count, c->uids[i]))
			drop_references(op->store,
					str_of(c->cold + (size_t)i * MAILBOX_COLD_BYTES, MAILBOX_COLD_BYTES));
}

static void call_copy(struct op *op);

static void
on_copied(void *arg, const redisReply *reply, const struct err *err)
{
	struct op *op = arg;
	struct copying *c = op->state;
	struct mailbox_copied copied = {0};
	uint32_t to_count;

	if (err == NULL) {
		buf_add_str(&c->from_uids, redis_str(element(reply, 1)));
		buf_add_str(&c->to_uids, redis_str(element(reply, 2)));
		if (c->batch.done < c->batch.count) {
			c->ranges = batch_next(op, &c->batch);
			call_copy(op);
			return;
		}
		copied.uid_validity = (uint32_t)redis_i64(element(reply, 0), 0);
		copied.from_uids = unpack_uids(&op->arena, buf_str(&c->from_uids), &copied.count);
		copied.to_uids = unpack_uids(&op->arena, buf_str(&c->to_uids), &to_count);
		copied.modseq = (uint64_t)redis_i64(element(reply, 3), 0);
		CHECK(to_count == copied.count);
		drop_uncopied(op, copied.from_uids, copied.count);
	} else if (mailbox_is_certain(err)) {
		/* Without an answer it may have been done: the sweep will tell. */
		drop_uncopied(op, NULL, 0);
	}
	((mailbox_on_copied *)op->cb)(op->arg, err == NULL ? &copied : NULL, err);
	buf_fini(&c->from_uids);
	buf_fini(&c->to_uids);
	op_free(op);
}

static void
call_copy(struct op *op)
{
	struct copying *c = op->state;
	struct args a = args_new(op, 7);

	args_add_u64(&a, c->from_folder);
	args_add(&a, c->ranges);
	args_add(&a, c->to);
	args_add(&a, c->move ? STR("1") : STR("0"));
	args_add_u64(&a, c->quota_bytes);
	args_add_u64(&a, (uint64_t)(clock_unix_ms() / 1000));
	args_add_u64(&a, (uint64_t)op->store->retention_s);
	op_call(op, &mailbox_script_copy, &a, on_copied);
}

static void
on_reference_added(void *arg, const struct err *err)
{
	struct op *op = arg;
	struct copying *c = op->state;

	if (err != NULL)
		c->err = *err;
	if (--c->adds_left != 0)
		return;
	if (c->err.code != ERR_NONE) {
		((mailbox_on_copied *)op->cb)(op->arg, NULL, &c->err);
		op_free(op);
		return;
	}
	call_copy(op);
}

static void
add_reference(struct op *op, const struct blob_id *id)
{
	struct copying *c = op->state;

	if (blob_id_is_none(id))
		return;
	c->adds_left++;
	blob_ref_add(op->store->redis, id, 1, on_reference_added, op);
}

static void
on_to_be_copied(void *arg, const struct mailbox_records *records, const struct err *err)
{
	struct op *op = arg;
	struct copying *c = op->state;
	uint32_t *uids;

	if (err != NULL) {
		((mailbox_on_copied *)op->cb)(op->arg, NULL, err);
		op_free(op);
		return;
	}
	/* Only those asked for, of the range that was read. */
	uids = arena_array(&op->arena, uint32_t, (size_t)records->count + 1);
	c->cold = arena_alloc(&op->arena, (size_t)records->count * MAILBOX_COLD_BYTES + 1);
	for (uint32_t i = 0; i < records->count; i++) {
		struct mailbox_hot hot;
		mailbox_hot_unpack(records->hot + (size_t)i * MAILBOX_HOT_BYTES, &hot);
		if (!has_uid(c->uids, c->count, hot.uid))
			continue;
		memcpy((char *)(uintptr_t)c->cold + (size_t)c->adds_left * MAILBOX_COLD_BYTES,
		       records->cold + (size_t)i * MAILBOX_COLD_BYTES, MAILBOX_COLD_BYTES);
		uids[c->adds_left++] = hot.uid;
	}
	c->uids = uids;
	c->count = c->adds_left;
	c->ranges = pack_ranges(&op->arena, c->uids, c->count);
	c->adds_left = 1; /* so that no answer ends it before all are asked for */
	for (uint32_t i = 0; i < c->count; i++) {
		struct mailbox_cold cold;
		mailbox_cold_unpack(c->cold + (size_t)i * MAILBOX_COLD_BYTES, &cold);
		add_reference(op, &cold.body);
		add_reference(op, &cold.digest);
	}
	on_reference_added(op, NULL);
}

static struct op *
copying_new(struct mailbox_store *m, struct str address, uint32_t from_folder, struct str to, mailbox_on_copied *cb,
	    void *arg)
{
	struct op *op = op_new(m, address, (void *)cb, arg);
	struct copying *c = arena_new(&op->arena, struct copying);

	c->from_folder = from_folder;
	c->to = to;
	op->state = c;
	return op;
}

void
mailbox_copy(struct mailbox_store *m, struct str address, uint32_t from_folder, const uint32_t *uids,
	     uint32_t uid_count, struct str to_name, bool move, uint64_t quota_bytes, mailbox_on_copied *cb, void *arg)
{
	struct op *op = copying_new(m, address, from_folder, STR_NONE, cb, arg);
	struct copying *c = op->state;
	struct err err;

	if (mailbox_name_check(to_name, &op->arena, &c->to, &err) != 0) {
		op_fail(op, &err, on_copied);
		return;
	}
	c->move = move;
	c->quota_bytes = quota_bytes;
	if (move || uid_count == 0) {
		batch_init(op, &c->batch, uids, uid_count);
		c->ranges = batch_next(op, &c->batch);
		call_copy(op);
		return;
	}
	c->ranges = pack_ranges(&op->arena, uids, uid_count);
	c->uids = (const uint32_t *)(const void *)arena_dup(&op->arena, uids, uid_count * sizeof(*uids));
	c->count = uid_count;
	mailbox_read(m, address, from_folder, uids[0], uids[uid_count - 1], MAILBOX_HOT | MAILBOX_COLD, 0,
		     on_to_be_copied, op);
}

void
move_all(struct mailbox_store *m, struct str address, uint32_t from_folder, struct str to_name, mailbox_on_copied *cb,
	 void *arg)
{
	struct op *op = copying_new(m, address, from_folder, STR_NONE, cb, arg);
	struct copying *c = op->state;

	c->to = arena_str(&op->arena, to_name);
	c->move = true;
	c->ranges = pack_range(&op->arena, 1, UINT32_MAX);
	call_copy(op);
}

/* ---- Digests ---- */

static void
on_digest_set(void *arg, const redisReply *reply, const struct err *err)
{
	struct op *op = arg;
	struct blob_id old;

	/* The one that stood there was missing or damaged; its space is given back. */
	if (err == NULL && redis_str(reply).len == BLOB_ID_PACKED) {
		old = blob_id_unpack(redis_str(reply).p);
		if (!blob_id_is_none(&old))
			blob_ref_drop(op->store->redis, op->store->blobs, &old, 1);
	}
	op_free(op);
}

void
mailbox_set_digest(struct mailbox_store *m, struct str address, uint32_t folder_id, uint32_t uid,
		   const struct blob_id *digest)
{
	struct op *op = op_new(m, address, NULL, NULL);
	struct args a = args_new(op, 3);
	char *packed = arena_alloc(&op->arena, BLOB_ID_PACKED);

	blob_id_pack(digest, packed);
	args_add_u64(&a, folder_id);
	args_add_u64(&a, uid);
	args_add(&a, str_of(packed, BLOB_ID_PACKED));
	op_call(op, &mailbox_script_digest, &a, on_digest_set);
}

/* ---- The maildrop lock ---- */

static void
on_locked(void *arg, const redisReply *reply, const struct err *err)
{
	struct op *op = arg;

	(void)reply;
	if (op->cb != NULL)
		((mailbox_on_done *)op->cb)(op->arg, err);
	op_free(op);
}

static void
call_lock(struct mailbox_store *m, struct str address, struct str verb, struct str token, int64_t lease_ms,
	  mailbox_on_done *cb, void *arg)
{
	struct op *op = op_new(m, address, (void *)cb, arg);
	struct args a = args_new(op, 3);

	args_add(&a, verb);
	args_add(&a, token);
	args_add_u64(&a, (uint64_t)lease_ms);
	op_call(op, &mailbox_script_lock, &a, on_locked);
}

void
mailbox_lock(struct mailbox_store *m, struct str address, struct str token, int64_t lease_ms, mailbox_on_done *cb,
	     void *arg)
{
	call_lock(m, address, STR("take"), token, lease_ms, cb, arg);
}

void
mailbox_lock_renew(struct mailbox_store *m, struct str address, struct str token, int64_t lease_ms, mailbox_on_done *cb,
		   void *arg)
{
	call_lock(m, address, STR("renew"), token, lease_ms, cb, arg);
}

void
mailbox_unlock(struct mailbox_store *m, struct str address, struct str token, mailbox_on_done *cb, void *arg)
{
	call_lock(m, address, STR("release"), token, 1, cb, arg);
}
