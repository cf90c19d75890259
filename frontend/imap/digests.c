/* Digests of messages. */
#include "frontend/imap/digests.h"

#include "lib/base/mem.h"

enum { PIECE_BYTES = 256 * 1024 };

struct loading {
	struct imap_session *session;
	struct imap_digest *out; /* borrowed */
	imap_digest_on_loaded *cb;
	void *arg;
	uint32_t uid;
	struct mailbox_cold cold;
	struct mime_digest_builder *builder; /* owner; the body is being read */
	uint64_t offset;
};

void
imap_digest_fini(struct imap_digest *d)
{
	buf_fini(&d->record);
	d->ready = false;
}

static void
end(struct loading *l, const struct err *err)
{
	imap_digest_on_loaded *cb = l->cb;
	void *arg = l->arg;

	mime_digest_abort(&l->builder);
	mem_free(l);
	cb(arg, err);
}

static void
abandon(struct loading *l)
{
	mime_digest_abort(&l->builder);
	mem_free(l);
}

static bool
read_record(struct imap_digest *d)
{
	d->ready = mime_digest_read(buf_str(&d->record), &d->digest);
	return d->ready;
}

/* ---- Computed anew ---- */
static void read_body(struct loading *l);

/* It is kept for the next time; if that fails, it is computed again then. */
static void
keep(struct loading *l)
{
	struct imap_session *s = l->session;
	struct blob_id id;

	if (l->uid == 0)
		return; /* of another mailbox than the selected one */
	if (blob_put(conn_frontend(s->conn)->service->blobs, BLOB_DIGEST, l->out->record.data, l->out->record.len, &id,
		     NULL, NULL, NULL) != 0)
		return;
	mailbox_set_digest(imap_store(s), imap_address(s), s->view->index->folder_id, l->uid, &id);
	imap_index_set_digest(s->view->index, l->uid, &id);
}

static void
on_body(void *arg, const char *data, size_t len, const struct err *err)
{
	struct loading *l = arg;
	struct err cut;

	if (!session_back(&l->session->base)) {
		abandon(l);
		return;
	}
	if (err == NULL && len == 0 && l->cold.body.length != 0) {
		err_set(&cut, ERR_CORRUPT, "the body ends before its length");
		err = &cut;
	}
	if (err != NULL) {
		end(l, err);
		return;
	}
	mime_digest_feed(l->builder, str_of(data, len));
	l->offset += len;
	read_body(l);
}

static void
read_body(struct loading *l)
{
	uint64_t left = l->cold.body.length - l->offset;

	if (left != 0) {
		session_hold(&l->session->base);
		blob_read(conn_frontend(l->session->conn)->service->blobs, &l->cold.body, l->offset,
			  left < PIECE_BYTES ? (size_t)left : PIECE_BYTES, on_body, l);
		return;
	}
	buf_clear(&l->out->record);
	mime_digest_end(&l->builder, &l->out->record);
	if (read_record(l->out))
		keep(l);
	end(l, NULL);
}

static void
compute(struct loading *l)
{
	l->builder = mime_digest_begin();
	if (l->cold.body.length != 0) {
		read_body(l);
		return;
	}
	mime_digest_end(&l->builder, &l->out->record);
	read_record(l->out);
	end(l, NULL);
}

/* ---- Read ---- */
static void
on_record(void *arg, const char *data, size_t len, const struct err *err)
{
	struct loading *l = arg;

	if (!session_back(&l->session->base)) {
		abandon(l);
		return;
	}
	if (err == NULL && len == l->cold.digest.length) {
		buf_add(&l->out->record, data, len);
		if (read_record(l->out)) {
			end(l, NULL);
			return;
		}
		buf_clear(&l->out->record);
	}
	compute(l);
}

void
imap_digest_load(struct imap_session *s, uint32_t uid, const struct mailbox_cold *cold, struct imap_digest *out,
		 imap_digest_on_loaded *cb, void *arg)
{
	struct blob_store *blobs = conn_frontend(s->conn)->service->blobs;
	struct loading *l = mem_new(struct loading);

	*l = (struct loading){.session = s, .out = out, .cb = cb, .arg = arg, .uid = uid, .cold = *cold};
	session_hold(&s->base);
	if (!blob_id_is_none(&cold->digest) && cold->digest.length <= BLOB_READ_MAX)
		blob_read(blobs, &cold->digest, 0, (size_t)cold->digest.length, on_record, l);
	else { /* its first piece, so that the answer comes later in any case */
		l->builder = mime_digest_begin();
		blob_read(blobs, &cold->body, 0,
			  cold->body.length < PIECE_BYTES ? (size_t)cold->body.length : PIECE_BYTES, on_body, l);
	}
}
