/* The bodies of APPEND's messages: stores them in the blob store and computes their
 * digests at the same time. A refused body is discarded as it arrives. */
#include <string.h>

#include "frontend/imap/append/append_private.h"
#include "lib/base/mem.h"

/* ---- Refusing ---- */

void
append_release(struct blob_store *blobs, const struct imap_append_message *m)
{
	if (!blob_id_is_none(&m->body))
		blob_release(blobs, &m->body);
	if (!blob_id_is_none(&m->digest))
		blob_release(blobs, &m->digest);
}

static void
append_body_stop(struct imap_append *a)
{
	if (a->body != NULL)
		blob_append_abort(&a->body);
	if (a->digest != NULL)
		mime_digest_abort(&a->digest);
}

void
imap_append_free(struct imap_append **ap)
{
	struct imap_append *a = *ap;

	if (a == NULL)
		return;
	*ap = NULL;
	append_fetch_free(&a->fetch);
	append_body_stop(a);
	for (struct imap_append_message *m = a->in.first; m != NULL; m = m->next) {
		m->append = NULL;
		if (!a->filing)
			append_release(m->blobs, m);
	}
	mem_free(a);
}

static void
append_note_refused(struct imap_append *a, enum imap_reply reply, const char *why)
{
	if (a->refused != NULL)
		return;
	a->refused = why;
	a->refused_reply = reply;
}

void
append_refuse(struct imap_append *a, enum imap_reply reply, const char *why)
{
	append_note_refused(a, reply, why);
	append_body_stop(a);
}

/* ---- A message's bytes ---- */

void
append_begin_body(struct imap_append *a)
{
	a->message = a->message == NULL ? a->in.first : a->message->next;
	if (a->refused == NULL && blob_store_is_full(a->message->blobs, a->literal.size))
		append_refuse(a, IMAP_NO, "[UNAVAILABLE] no space is left to store the message");
	if (a->refused != NULL)
		return;
	a->body = blob_append_begin(a->message->blobs, BLOB_BODY, a->literal.size);
	a->digest = mime_digest_begin();
	a->before = '\0';
}

static bool
append_body_is_too_large(const struct imap_append *a)
{
	int64_t limit = imap_settings(a->message->session)->max_message_size;

	return limit != 0 && blob_append_size(a->body) > (uint64_t)limit;
}

bool
append_add(struct imap_append *a, const char *data, size_t len)
{
	struct err err;

	if (a->refused != NULL || len == 0)
		return a->refused == NULL;
	a->before = data[len - 1];
	mime_digest_feed(a->digest, str_of(data, len));
	if (blob_append_data(a->body, data, len, &err) != 0) {
		log_error(NULL, "a message cannot be stored", F_ERR(&err));
		append_refuse(a, IMAP_NO, "[UNAVAILABLE] the message cannot be stored now, try later");
	} else if (append_body_is_too_large(a)) {
		append_refuse(a, IMAP_NO, "[TOOBIG] the message is too large");
	}
	return a->refused == NULL;
}

/* Stored lines end with CRLF; a binary message is stored unchanged. */
static bool
append_body_add_text(struct imap_append *a, const char *data, size_t len)
{
	size_t from = 0;

	if (a->literal.binary)
		return append_add(a, data, len);
	if (memchr(data, '\0', len) != NULL) {
		append_refuse(a, IMAP_NO, "[UNKNOWN-CTE] a message with NUL must come as a binary literal");
		return false;
	}
	for (const char *lf = memchr(data, '\n', len); lf != NULL;
	     lf = memchr(lf + 1, '\n', len - (size_t)(lf + 1 - data))) {
		if ((lf == data ? a->before : lf[-1]) == '\r')
			continue;
		if (!append_add(a, data + from, (size_t)(lf - data) - from) || !append_add(a, "\r", 1))
			return false;
		from = (size_t)(lf - data);
	}
	return append_add(a, data + from, len - from);
}

static void
append_body_on_room(void *arg)
{
	session_resume(arg);
}

bool
imap_append_data(struct imap_session *s, const char *data, size_t len)
{
	struct imap_append *a = s->append;

	if (a->refused != NULL || !append_body_add_text(a, data, len))
		return true;
	if (blob_append_backlog(a->body) <= BLOB_BACKLOG_BYTES)
		return true;
	conn_set_timeout(s->conn, 0);
	blob_append_wait_room(a->body, append_body_on_room, s);
	return false;
}

static void
append_body_on_synced(void *arg, const struct blob_id *id, const struct err *err)
{
	struct imap_append_message *m = arg;
	struct imap_session *s = m->session;
	bool wanted = m->append != NULL;

	if (err == NULL && wanted)
		m->body = *id;
	else if (err == NULL)
		blob_release(m->blobs, id);
	if (!session_back(&s->base) || !wanted)
		return;
	if (err != NULL) {
		log_error(conn_log(s->conn), "a message cannot be stored", F_C("account", s->account), F_ERR(err));
		/* The body that is being received may wait for room, so it must not be stopped here. */
		append_note_refused(s->append, IMAP_NO,
				    err->code == ERR_NO_SPACE
					    ? "[UNAVAILABLE] no space is left to store the message"
					    : "[UNAVAILABLE] the message cannot be stored now, try later");
	}
	s->append->syncing--;
	if (s->append->whole && s->append->syncing == 0 && s->append->in.steps == NULL)
		append_finish(s);
}

void
append_end_body(struct imap_session *s)
{
	struct imap_append *a = s->append;
	struct imap_append_message *m = a->message;
	struct buf digest = BUF_EMPTY;
	struct err err;

	if (a->refused == NULL && blob_append_size(a->body) == 0)
		append_refuse(a, IMAP_NO, "[CANNOT] a message may not be empty");
	if (a->refused != NULL)
		return;
	mime_digest_end(&a->digest, &digest);
	if (blob_put(m->blobs, BLOB_DIGEST, digest.data, digest.len, &m->digest, NULL, NULL, &err) != 0)
		m->digest = (struct blob_id){0}; /* it can be recomputed */
	buf_fini(&digest);
	a->syncing++;
	session_hold(&s->base);
	blob_append_commit(&a->body, append_body_on_synced, m);
}

void
imap_append_literal_end(struct imap_session *s)
{
	if (s->append->in.place == APPEND_IN_CATENATE)
		return;
	append_end_body(s);
	/* Nothing tells any more that there is room for a body that is committed. */
	session_resume(&s->base);
}
