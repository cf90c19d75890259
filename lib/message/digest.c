#include "lib/message/digest.h"

#include "lib/base/mem.h"

enum { PIECE_BYTES = 256 * 1024 };

struct digest_loading {
	struct op *op; /* borrowed */
	struct message_place place;
	struct message_digest *out; /* borrowed */
	message_digest_on_loaded *cb;
	void *arg;
	struct mailbox_cold cold;
	struct mime_digest_builder *builder; /* owner; while the body is being read */
	uint64_t offset;
};

void
message_digest_fini(struct message_digest *d)
{
	buf_fini(&d->record);
	d->ready = false;
}

static void
digest_end(struct digest_loading *l, const struct err *err)
{
	message_digest_on_loaded *cb = l->cb;
	void *arg = l->arg;

	mime_digest_abort(&l->builder);
	mem_free(l);
	cb(arg, err);
}

static void
digest_abandon(struct digest_loading *l)
{
	mime_digest_abort(&l->builder);
	mem_free(l);
}

static bool
digest_read_record(struct message_digest *d)
{
	d->ready = mime_digest_read(buf_str(&d->record), &d->digest);
	return d->ready;
}

/* ---- Recomputing ---- */
static void digest_read_body(struct digest_loading *l);

/* Keeps it for the next time; if that fails, it is recomputed then. */
static void
digest_keep(struct digest_loading *l)
{
	const struct message_place *p = &l->place;

	if (p->uid == 0 || blob_put(p->blobs, BLOB_DIGEST, l->out->record.data, l->out->record.len, &l->out->kept, NULL,
				    NULL, NULL) != 0)
		return;
	mailbox_set_digest(p->store, p->address, p->folder_id, p->uid, &l->out->kept);
}

static void
digest_on_body(void *arg, const char *data, size_t len, const struct err *err)
{
	struct digest_loading *l = arg;
	struct err cut;

	if (!op_back(l->op)) {
		digest_abandon(l);
		return;
	}
	if (err == NULL && len == 0 && l->cold.body.length != 0) {
		err_set(&cut, ERR_CORRUPT, "the body ends before its length");
		err = &cut;
	}
	if (err != NULL) {
		digest_end(l, err);
		return;
	}
	mime_digest_feed(l->builder, str_of(data, len));
	l->offset += len;
	digest_read_body(l);
}

static void
digest_read_body(struct digest_loading *l)
{
	uint64_t left = l->cold.body.length - l->offset;

	if (left != 0) {
		op_hold(l->op);
		blob_read(l->place.blobs, &l->cold.body, l->offset, left < PIECE_BYTES ? (size_t)left : PIECE_BYTES,
			  digest_on_body, l);
		return;
	}
	buf_clear(&l->out->record);
	mime_digest_end(&l->builder, &l->out->record);
	if (digest_read_record(l->out))
		digest_keep(l);
	digest_end(l, NULL);
}

static void
digest_compute(struct digest_loading *l)
{
	l->builder = mime_digest_begin();
	if (l->cold.body.length != 0) {
		digest_read_body(l);
		return;
	}
	mime_digest_end(&l->builder, &l->out->record);
	digest_read_record(l->out);
	digest_end(l, NULL);
}

/* ---- Reading ---- */
static void
digest_on_record(void *arg, const char *data, size_t len, const struct err *err)
{
	struct digest_loading *l = arg;

	if (!op_back(l->op)) {
		digest_abandon(l);
		return;
	}
	if (err == NULL && len == l->cold.digest.length) {
		buf_add(&l->out->record, data, len);
		if (digest_read_record(l->out)) {
			digest_end(l, NULL);
			return;
		}
		buf_clear(&l->out->record);
	}
	digest_compute(l);
}

void
message_digest_load(struct op *op, const struct message_place *place, const struct mailbox_cold *cold,
		    struct message_digest *out, message_digest_on_loaded *cb, void *arg)
{
	struct digest_loading *l = mem_new(struct digest_loading);

	*l = (struct digest_loading){.op = op, .place = *place, .out = out, .cb = cb, .arg = arg, .cold = *cold};
	out->kept = (struct blob_id){0};
	op_hold(op);
	if (!blob_id_is_none(&cold->digest) && cold->digest.length <= BLOB_READ_MAX) {
		blob_read(place->blobs, &cold->digest, 0, (size_t)cold->digest.length, digest_on_record, l);
	} else { /* its first piece, so that the answer always comes later */
		l->builder = mime_digest_begin();
		blob_read(place->blobs, &cold->body, 0,
			  cold->body.length < PIECE_BYTES ? (size_t)cold->body.length : PIECE_BYTES, digest_on_body, l);
	}
}
