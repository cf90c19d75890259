/* Reads the parts of messages that the keys HEADER, BODY and TEXT need, one message
 * after another. */
#include "frontend/imap/search/search.h"

enum {
	PIECE_BYTES = 64 * 1024, /* per read */
	/* A longer message is read in pieces. */
	WHOLE_BYTES = 256 * 1024,
	/* Bytes examined between two checks of the slice. */
	FEED_BYTES = 8 * 1024,
	/* In units of lib/base/slice.h. */
	MESSAGE_WORK = 100, /* besides its bytes */
	BYTES_A_UNIT = 4,
	/* A longer message is not read completely if only its header is needed. */
	WHOLE_FOR_HEADER_BYTES = 32 * 1024,
};

struct search_body {
	void (*then)(struct search_run *r);
	unsigned at; /* in the batch's records */
	struct blob_peek peek;
	struct buf whole; /* owner: the message, if it was in the page cache */
};

static void body_run(struct search_run *r);

static void
search_body_on_piece(void *arg, const char *data, size_t len, const struct err *err)
{
	struct search_run *r = arg;

	if (!session_back(&r->session->base))
		return;
	message_finder_feed(&r->finder, err == NULL ? str_of(data, len) : STR_NONE); /* whatever can be read counts */
	body_run(r);
}

static void
body_begin_message(struct search_run *r)
{
	struct search_body *b = r->body;
	const struct imap_record *record = &r->records.items[b->at];
	struct blob_store *blobs = conn_frontend(r->session->conn)->service->blobs;

	message_finder_begin(&r->finder, &record->digest.digest);
	b->peek = (struct blob_peek){.id = record->cold.body};
	if (record->cold.body.length <= (message_finder_wants_texts(&r->finder) ? WHOLE_BYTES : WHOLE_FOR_HEADER_BYTES))
		blob_peek(blobs, &b->peek, 1, &b->whole);
}

/* The next undecided record. */
static bool
body_next_message(struct search_run *r)
{
	struct search_body *b = r->body;

	while (b->at < r->records.count && r->verdicts[r->records.items[b->at].seq - 1] != VERDICT_UNKNOWN)
		b->at++;
	if (b->at == r->records.count)
		return false;
	body_begin_message(r);
	return true;
}

static void
body_on_turn(struct imap_session *s)
{
	body_run(s->work);
}

/* The current message has been read as far as necessary. True: there is another. */
static bool
body_end_message(struct search_run *r)
{
	const struct imap_record *record = &r->records.items[r->body->at];

	r->verdicts[record->seq - 1] = (uint8_t)imap_search_judge(r, record, r->finder.found);
	imap_tell_progress(r->session, &r->progress, record->seq, imap_view_count(r->session->view));
	return body_next_message(r);
}

static void
body_run(struct search_run *r)
{
	struct search_body *b = r->body;
	uint64_t offset, bytes;

	for (;;) {
		if (!message_finder_wants(&r->finder, &offset, &bytes)) {
			if (!body_end_message(r))
				break;
			if (session_spend(&r->session->base, MESSAGE_WORK)) {
				imap_later(r->session, body_on_turn);
				return;
			}
		} else if (b->peek.data.p != NULL) {
			bytes = bytes < FEED_BYTES ? bytes : FEED_BYTES;
			message_finder_feed(&r->finder, str_of(b->peek.data.p + offset, (size_t)bytes));
			if (session_spend(&r->session->base, (uint32_t)bytes / BYTES_A_UNIT)) {
				imap_later(r->session, body_on_turn);
				return;
			}
		} else {
			session_hold(&r->session->base);
			blob_read(conn_frontend(r->session->conn)->service->blobs, &b->peek.id, offset,
				  bytes < PIECE_BYTES ? (size_t)bytes : PIECE_BYTES, search_body_on_piece, r);
			return;
		}
	}
	message_finder_fini(&r->finder);
	r->body->then(r);
}

void
imap_search_bodies(struct search_run *r, void (*then)(struct search_run *r))
{
	if (r->body == NULL)
		r->body = arena_new(&r->session->command.arena, struct search_body);
	r->body->then = then;
	r->body->at = 0;
	if (body_next_message(r))
		body_run(r);
	else
		r->body->then(r);
}

void
imap_search_bodies_cancel(struct search_run *r)
{
	message_finder_fini(&r->finder);
	if (r->body != NULL)
		buf_fini(&r->body->whole);
}
