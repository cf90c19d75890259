/* References to blobs. */
#include "lib/blob/refs.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/base/check.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/redis/keys.h"

REDIS_SCRIPT(blob_refs_drop, "lib/blob/refs.lua");

enum { KEY_MAX = 48, FIELD_MAX = 24, DROPS_AT_ONCE = 500 };

static struct str
refs_key(uint64_t pack, char out[KEY_MAX])
{
	char text[20];

	snprintf(text, sizeof(text), "%016llx", (unsigned long long)pack);
	return redis_key_print(out, KEY_MAX, KEY_BLOB_REFS, str_c(text));
}

/* The field of a blob in its pack's hash is its offset. */
static struct str
refs_number(uint64_t number, char out[FIELD_MAX])
{
	return str_of(out, (size_t)snprintf(out, FIELD_MAX, "%llu", (unsigned long long)number));
}

/* ---- Adding ---- */

struct add {
	blob_on_ref *cb;
	void *arg;
};

static void
refs_on_added(void *arg, const redisReply *reply, const struct err *err)
{
	struct add *a = arg;
	blob_on_ref *cb = a->cb;
	void *cb_arg = a->arg;

	(void)reply;
	mem_free(a);
	if (cb != NULL)
		cb(cb_arg, err);
}

void
blob_ref_add(struct redis *r, const struct blob_id *id, unsigned count, blob_on_ref *cb, void *arg)
{
	struct add *a = mem_new(struct add);
	char key[KEY_MAX], field[FIELD_MAX], number[FIELD_MAX];
	struct str args[] = {refs_number(id->offset, field), refs_number(count, number)};

	CHECK(id->pack != 0 && count != 0);
	a->cb = cb;
	a->arg = arg;
	redis_call_key(r, refs_on_added, a, "HINCRBY", refs_key(id->pack, key), 2, args);
}

/* ---- Dropping ---- */

struct drop {
	struct redis *redis;
	struct blob_store *store;
	size_t count;
	size_t last;	      /* of ids, at the front: those without a reference now */
	struct blob_id ids[]; /* all of one pack */
};

static void
refs_on_dropped(void *arg, const redisReply *reply, const struct err *err)
{
	struct drop *d = arg;

	if (err != NULL)
		log_warning(NULL, "references to bodies were not removed; the sweep will find them", F_ERR(err));
	/* Positions ascend, so none is overwritten before it is read. */
	for (size_t i = 0; reply != NULL && i < reply->elements; i++) {
		int64_t position = redis_i64(reply->element[i], 0);
		CHECK(position > (int64_t)i && (size_t)position <= d->count);
		d->ids[d->last++] = d->ids[position - 1];
	}
}

/* They are kept while a backup runs, which releases them at its end. */
static void
refs_hold(const struct drop *d)
{
	for (size_t i = 0; i < d->last; i++) {
		char text[BLOB_ID_TEXT];
		blob_id_text(&d->ids[i], text);
		redis_call_key(d->redis, NULL, NULL, "RPUSH", str_c(redis_key_pattern(KEY_BACKUP_HELD)), 1,
			       (const struct str[]){str_c(text)});
	}
}

static void
refs_on_hold(void *arg, const redisReply *reply, const struct err *err)
{
	struct drop *d = arg;

	if (d->last != 0 && err != NULL)
		log_warning(NULL, "bodies were not released; the sweep will find them", F_ERR(err));
	else if (err == NULL && reply->type != REDIS_REPLY_NIL)
		refs_hold(d);
	else
		for (size_t i = 0; i < d->last; i++)
			blob_release(d->store, &d->ids[i]);
	mem_free(d);
}

static void
refs_drop_of_pack(struct redis *r, struct blob_store *s, const struct blob_id *ids, size_t count)
{
	struct drop *d = mem_alloc(sizeof(*d) + count * sizeof(*ids));
	char key[KEY_MAX], (*texts)[FIELD_MAX] = mem_alloc(count * sizeof(*texts));
	struct str key_str = refs_key(ids[0].pack, key), *args = mem_alloc(count * sizeof(*args));

	d->redis = r;
	d->store = s;
	d->count = count;
	d->last = 0;
	memcpy(d->ids, ids, count * sizeof(*ids));
	for (size_t i = 0; i < count; i++)
		args[i] = refs_number(ids[i].offset, texts[i]);
	redis_eval(r, refs_on_dropped, d, &blob_refs_drop, 1, &key_str, count, args);
	/* Asked behind the drop: where no backup has begun by then, its snapshot has
	 * nothing any more that refers to them. */
	redis_call_key(r, refs_on_hold, d, "GET", str_c(redis_key_pattern(KEY_BACKUP_HOLD)), 0, NULL);
	mem_free(texts);
	mem_free(args);
}

static int
refs_by_pack(const void *a, const void *b)
{
	uint64_t x = ((const struct blob_id *)a)->pack, y = ((const struct blob_id *)b)->pack;
	return x < y ? -1 : x > y;
}

void
blob_ref_drop(struct redis *r, struct blob_store *s, const struct blob_id *ids, size_t count)
{
	struct blob_id *sorted = mem_alloc(count * sizeof(*sorted));
	size_t from = 0;

	memcpy(sorted, ids, count * sizeof(*sorted));
	qsort(sorted, count, sizeof(*sorted), refs_by_pack);
	while (from < count) {
		size_t to = from + 1;
		while (to < count && sorted[to].pack == sorted[from].pack && to - from < DROPS_AT_ONCE)
			to++;
		if (sorted[from].pack != 0)
			refs_drop_of_pack(r, s, sorted + from, to - from);
		from = to;
	}
	mem_free(sorted);
}

void
blob_ref_forget(struct redis *r, const struct blob_id *id)
{
	char key[KEY_MAX], text[FIELD_MAX];
	struct str field = refs_number(id->offset, text);

	redis_call_key(r, NULL, NULL, "HDEL", refs_key(id->pack, key), 1, &field);
}
