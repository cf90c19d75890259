/* The bodies that a snapshot refers to. */
#include "lib/backup/bodies.h"

#include <stdlib.h>

#include "lib/backup/key.h"
#include "lib/backup/rdb.h"
#include "lib/base/mem.h"
#include "lib/blob/copy.h"
#include "lib/mailbox/mailbox.h"
#include "proto/stagepost.pb-c.h"

enum { LIST_LEAST = 1024 };

struct bodies_reading {
	struct backup_bodies *bodies;
	unsigned database;
	struct buf value;
};

static void
bodies_add(struct backup_bodies *b, const struct blob_id *id, bool is_digest)
{
	if (id->pack == 0)
		return;
	if (b->count == b->capacity) {
		b->capacity = b->capacity != 0 ? b->capacity * 2 : LIST_LEAST;
		b->list = mem_realloc(b->list, b->capacity * sizeof(*b->list));
	}
	b->list[b->count++] = (struct backup_body){*id, is_digest};
}

static void
bodies_on_envelope(void *arg, struct str id, struct str packed)
{
	struct bodies_reading *r = arg;
	Stagepost__Envelope *e = stagepost__envelope__unpack(NULL, packed.len, (const uint8_t *)packed.p);

	(void)id;
	if (e == NULL) {
		r->bodies->unreadable++;
		return;
	}
	if (e->body != NULL) {
		struct blob_id body = {e->body->pack, e->body->offset, e->body->length};
		bodies_add(r->bodies, &body, false);
	}
	stagepost__envelope__free_unpacked(e, NULL);
}

static int
bodies_take_cold(struct bodies_reading *r, const struct rdb_entry *e, struct err *err)
{
	if (rdb_string(e, &r->value, err) != 0)
		return -1;
	for (size_t at = 0; at + MAILBOX_COLD_BYTES <= r->value.len; at += MAILBOX_COLD_BYTES) {
		struct mailbox_cold cold;
		mailbox_cold_unpack(r->value.data + at, &cold);
		bodies_add(r->bodies, &cold.body, false);
		bodies_add(r->bodies, &cold.digest, true);
	}
	return 0;
}

static int
bodies_on_entry(void *arg, const struct rdb_entry *e, struct err *err)
{
	struct bodies_reading *r = arg;

	if (e->database != r->database)
		return 0;
	r->bodies->keys++;
	if (backup_key_is(e->key, KEY_MAIL_COLD, "}:f:0:c:0"))
		return bodies_take_cold(r, e, err);
	if (backup_key_is(e->key, KEY_SPOOL_ENVELOPES, "}:env"))
		return rdb_hash(e, bodies_on_envelope, r, err);
	return 0;
}

/* Each once. What is the body of one message and a digest elsewhere stays a body. */
static void
bodies_sort(struct backup_bodies *b)
{
	size_t used = 0;

	if (b->count == 0)
		return;
	qsort(b->list, b->count, sizeof(*b->list), blob_copy_order);
	for (size_t i = 1; i < b->count; i++)
		if (blob_copy_order(&b->list[i], &b->list[used]) == 0)
			b->list[used].is_digest &= b->list[i].is_digest;
		else
			b->list[++used] = b->list[i];
	b->count = used + 1;
}

int
backup_bodies_read(struct backup_bodies *bodies, const char *rdb_path, unsigned database, struct err *err)
{
	struct bodies_reading r = {.bodies = bodies, .database = database};
	int result = rdb_read(rdb_path, bodies_on_entry, &r, err);

	buf_fini(&r.value);
	bodies_sort(bodies);
	return result;
}

void
backup_bodies_fini(struct backup_bodies *bodies)
{
	mem_free(bodies->list);
	*bodies = (struct backup_bodies){0};
}

bool
backup_bodies_have(const struct backup_bodies *b, const struct blob_id *id)
{
	return b->count != 0 && bsearch(id, b->list, b->count, sizeof(*b->list), blob_copy_order) != NULL;
}
