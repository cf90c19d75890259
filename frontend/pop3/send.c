/* RETR and TOP: send a body from the blob store to the client, piece by piece, so
 * that a message of any size needs memory for only one piece. While the client is
 * slow, the next piece is not read. */
#include "frontend/pop3/private.h"
#include "lib/base/check.h"
#include "lib/base/mem.h"

enum { PIECE_BYTES = 64 * 1024, COPIED_BYTES = 4096 };

static void
free_sent(const void *data, size_t len, void *arg)
{
	(void)len, (void)arg;
	mem_free((void *)(uintptr_t)data);
}

/* Large data goes to the output without another copy. */
static void
write_out(struct pop3_session *s, struct buf *b)
{
	if (b->len > COPIED_BYTES &&
	    evbuffer_add_reference(conn_output(s->conn), b->data, b->len, free_sent, NULL) == 0)
		*b = BUF_EMPTY;
	else
		conn_write(s->conn, b->data, b->len);
	buf_fini(b);
}

static void
send_stop(struct pop3_session *s)
{
	s->sending = (struct pop3_sending){.active = false};
	session_resume(&s->base);
}

static void
send_fail(struct pop3_session *s, const struct err *err)
{
	log_error(conn_log(s->conn), "a message cannot be read", F_C("account", s->maildrop->address), F_ERR(err));
	if (s->sending.begun) {
		conn_abort(s->conn); /* the client could not understand anything sent now */
		return;
	}
	pop3_reply(s, err->code == ERR_NOT_FOUND || err->code == ERR_CORRUPT ? POP3_UNREADABLE : POP3_UNAVAILABLE);
	send_stop(s);
}

/* Begins the message's text, now that there is some. */
static void
send_begin(struct pop3_session *s)
{
	if (s->sending.begun)
		return;
	s->sending.begun = true;
	if (s->sending.is_top)
		pop3_reply(s, POP3_OK_TOP);
	else
		pop3_reply(s, POP3_OK_OCTETS, s->sending.body.length);
}

static void
send_finish(struct pop3_session *s)
{
	struct buf out = BUF_EMPTY;

	send_begin(s);
	smtp_data_write_end(&s->sending.writer, &out);
	write_out(s, &out);
	if (!s->sending.is_top) {
		s->retrieved++;
		metrics_add(M_POP3_RETRIEVED, 1);
		metrics_add(M_POP3_RETRIEVED_BYTES, (int64_t)s->sending.body.length);
	}
	send_stop(s);
}

static void send_more(struct pop3_session *s);

static void
pop3_on_sent(struct session *base)
{
	send_more((struct pop3_session *)base);
}

static void
on_piece(void *arg, const char *data, size_t len, const struct err *err)
{
	struct pop3_session *s = arg;
	struct pop3_sending *sending = &s->sending;
	struct str piece = str_of(data, len);
	struct buf out = BUF_EMPTY;
	struct err cut;

	sending->read = NULL;
	if (err == NULL && len == 0) {
		err_set(&cut, ERR_CORRUPT, "the body ends before its length");
		err = &cut;
	}
	if (err != NULL) {
		send_fail(s, err);
		return;
	}
	send_begin(s);
	if (sending->is_top)
		piece = str_first(piece, pop3_top_feed(&sending->top, piece));
	buf_reserve(&out, piece.len + piece.len / 64 + 16);
	smtp_data_write(&sending->writer, piece, &out);
	write_out(s, &out);
	sending->offset += len;
	if (session_may_write(&s->base, pop3_on_sent))
		send_more(s);
}

static void
send_more(struct pop3_session *s)
{
	struct pop3_sending *sending = &s->sending;
	uint64_t left = sending->body.length - sending->offset;

	CHECK(sending->active);
	if (sending->read != NULL)
		return;
	if (left == 0 || (sending->is_top && sending->top.done)) {
		send_finish(s);
		return;
	}
	sending->read = blob_read(conn_frontend(s->conn)->service->blobs, &sending->body, sending->offset,
				  left < PIECE_BYTES ? (size_t)left : PIECE_BYTES, on_piece, s);
}

enum cmd_status
pop3_send(struct pop3_session *s, const struct pop3_message *m, uint64_t lines)
{
	struct pop3_sending *sending = &s->sending;

	CHECK(!sending->active);
	*sending =
		(struct pop3_sending){.active = true, .is_top = lines != POP3_WHOLE, .body = blob_id_unpack(m->body)};
	smtp_data_writer_init(&sending->writer, true);
	pop3_top_init(&sending->top, lines);
	send_more(s);
	return sending->active ? CMD_WAIT : CMD_DONE;
}

void
pop3_send_cancel(struct pop3_session *s)
{
	blob_read_cancel(&s->sending.read);
	s->sending.active = false;
}
