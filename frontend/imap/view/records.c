/* Cold records and digests, in batches. */
#include "frontend/imap/view/records.h"

enum {
	SPAN_UIDS = 4096, /* in one call of the store */
	/* Units of lib/base/slice.h, per record. */
	COLD_WORK = 3,
	PEEK_WORK = 40,
};

void
imap_records_init(struct imap_records *r, struct imap_session *s)
{
	*r = (struct imap_records){.session = s};
	r->items = arena_array(&s->command.arena, struct imap_record, IMAP_RECORDS_MAX);
	r->peeks = arena_array(&s->command.arena, struct blob_peek, IMAP_RECORDS_MAX);
}

void
imap_records_clear(struct imap_records *r)
{
	for (unsigned i = 0; i < r->count; i++)
		message_digest_fini(&r->items[i].digest);
	r->count = 0;
	buf_clear(&r->bytes);
}

void
imap_records_fini(struct imap_records *r)
{
	imap_records_clear(r);
	buf_fini(&r->bytes);
}

bool
imap_records_add(struct imap_records *r, uint32_t seq)
{
	if (r->count == IMAP_RECORDS_MAX)
		return false;
	r->items[r->count++] =
		(struct imap_record){.seq = seq, .uid = imap_view_uid(r->session->view, seq), .records = r};
	return true;
}

/* ---- Cold records ---- */

/* False: the index has the message, but not its cold record. */
static bool
records_take_cold(const struct imap_view *v, struct imap_record *item)
{
	const struct folder_index *ix = v->index;
	uint32_t at = item->seq - 1;
	bool found = true;

	if (item->known)
		return true;
	if (v->uids != ix->uids)
		at = folder_index_find(ix, item->uid, &found);
	if (!found)
		return true;
	item->known = folder_index_cold(ix, at, &item->cold);
	return item->known || item->asked;
}

static bool records_ask_cold(struct imap_records *r);

static void
records_on_cold(void *arg, const struct mailbox_records *records, const struct err *err)
{
	struct imap_records *r = arg;
	struct imap_session *s = r->session;

	if (!session_back(&s->base))
		return;
	if (err == NULL) {
		folder_index_take_cold(s->view->index, records);
		if (!records_ask_cold(r))
			return;
	}
	r->on_loaded(s, err);
}

/* Reads missing records near the first missing one; if they are close together, also
 * some of those needed next. True: none is missing. */
static bool
records_ask_cold(struct imap_records *r)
{
	struct imap_session *s = r->session;
	uint32_t first = 0, last = 0, asked = 0;
	bool whole = true;

	for (unsigned i = 0; i < r->count; i++) {
		struct imap_record *item = &r->items[i];
		if (records_take_cold(s->view, item))
			continue;
		if (first == 0)
			first = item->uid;
		whole = item->uid - first < SPAN_UIDS;
		if (!whole)
			break;
		last = item->uid;
		item->asked = true;
		asked++;
	}
	if (first == 0)
		return true;
	if (whole && r->ahead != 0 && (last - first) / 4 < asked)
		last = first + SPAN_UIDS - 1 > first ? first + SPAN_UIDS - 1 : last;
	session_hold(&s->base);
	mailbox_read(imap_store(s), imap_address(s), s->view->index->folder_id, first, last, MAILBOX_HOT | MAILBOX_COLD,
		     0, records_on_cold, r);
	return false;
}

bool
imap_records_read_cold(struct imap_records *r, uint32_t ahead, imap_records_on_loaded *cb)
{
	r->on_loaded = cb;
	r->ahead = ahead;
	session_spend(&r->session->base, r->count * COLD_WORK);
	return records_ask_cold(r);
}

/* ---- Digests ---- */

static void
records_on_digest(void *arg, const struct err *err)
{
	struct imap_record *item = arg;
	struct imap_records *r = item->records;

	if (err != NULL || !item->digest.ready) {
		/* It may have just been expunged. */
		log_info(conn_log(r->session->conn), "a message was not read", F_I64("uid", item->uid),
			 F_C("error", err != NULL ? err->text : "no digest"));
		item->lost = true;
	}
	if (!blob_id_is_none(&item->digest.kept))
		folder_index_set_digest(r->session->view->index, item->uid, &item->digest.kept);
	if (--r->loading != 0)
		return;
	r->on_loaded(r->session, NULL);
}

static bool
records_is_due(const struct imap_record *item)
{
	return item->known && item->wants_digest && !item->digest.ready;
}

/* Digests in the page cache are read at once. */
static void
records_peek_digests(struct imap_records *r)
{
	unsigned wanted = 0, n = 0;

	for (unsigned i = 0; i < r->count; i++)
		if (records_is_due(&r->items[i]))
			r->peeks[wanted++].id = r->items[i].cold.digest;
	blob_peek(conn_frontend(r->session->conn)->service->blobs, r->peeks, wanted, &r->bytes);
	session_spend(&r->session->base, wanted * PEEK_WORK);
	for (unsigned i = 0; i < r->count; i++) {
		struct imap_record *item = &r->items[i];
		struct str data;
		if (!records_is_due(item))
			continue;
		data = r->peeks[n++].data;
		item->digest.ready = data.p != NULL && mime_digest_read_sound(data, &item->digest.digest);
	}
}

bool
imap_records_read_digests(struct imap_records *r, imap_records_on_loaded *cb)
{
	struct imap_session *s = r->session;
	struct message_place place = {.store = imap_store(s),
				      .blobs = conn_frontend(s->conn)->service->blobs,
				      .address = imap_address(s),
				      .folder_id = s->view->index->folder_id};

	r->on_loaded = cb;
	records_peek_digests(r);
	for (unsigned i = 0; i < r->count; i++) {
		struct imap_record *item = &r->items[i];
		if (!records_is_due(item))
			continue;
		r->loading++;
		place.uid = item->uid;
		message_digest_load(&r->session->command, &place, &item->cold, &item->digest, records_on_digest, item);
	}
	return r->loading == 0;
}
