/* DATA and BDAT (RFC 5321, 4.1.1.4; RFC 3030): both feed one body. */
#include "frontend/smtp/private.h"
#include "lib/base/check.h"

enum { PIECE_MAX = 64 * 1024 };

/* What the reader makes of the piece in hand. All sessions of a loop share it,
 * since it is empty again before the loop goes on. */
static _Thread_local struct buf stored;

/* The first piece of the input that lies in one place; false: there is none. */
static bool
peek(struct evbuffer *in, size_t most, struct str *piece_out)
{
	struct evbuffer_iovec piece;

	if (evbuffer_peek(in, -1, NULL, &piece, 1) < 1 || piece.iov_len == 0)
		return false;
	*piece_out = str_first(str_of(piece.iov_base, piece.iov_len), most);
	return true;
}

/* The message has come to its end, by either way. */
static void
end_body(struct smtp_session *s)
{
	if (smtp_body_end(s->transaction))
		smtp_accept(s);
	else
		smtp_refuse_message(s);
}

/* ---- DATA ---- */

enum smtp_status
smtp_cmd_data(struct smtp_session *s, struct str argument)
{
	(void)argument;
	if (s->state == SMTP_MAIL) {
		smtp_reply(s, REPLY_NO_VALID_RECIPIENTS, STR_NONE);
		return SMTP_DONE;
	}
	smtp_body_begin(s->transaction, true);
	smtp_set_state(s, SMTP_DATA);
	smtp_reply(s, REPLY_SEND_DATA, STR_NONE);
	return SMTP_DONE;
}

bool
smtp_take_data(struct smtp_session *s)
{
	struct smtp_transaction *t = s->transaction;
	struct evbuffer *in = conn_input(s->conn);
	struct str piece;
	bool ended;
	size_t used;

	if (!peek(in, PIECE_MAX, &piece))
		return false;
	buf_clear(&stored);
	used = smtp_data_read(&t->reader, piece, &stored, &ended);
	smtp_body_add(t, buf_str(&stored));
	evbuffer_drain(in, used);
	if (ended)
		end_body(s);
	else
		smtp_body_await_room(t);
	return true;
}

/* ---- BDAT ---- */

/* "octets [LAST]" */
static bool
parse_chunk(struct smtp_session *s, struct str argument)
{
	struct str number, word;
	bool has_word = str_cut(argument, ' ', &number, &word);

	s->chunk.last = has_word && str_eq_ci(str_trim(word), STR("LAST"));
	s->chunk.discarded = false;
	if (!str_to_u64(number, &s->chunk.size) || s->chunk.size > INT64_MAX || (has_word && !s->chunk.last))
		return false;
	s->chunk.left = s->chunk.size;
	return true;
}

/* Its octets follow all the same, and must not be taken for commands. */
static void
discard_chunk(struct smtp_session *s, enum smtp_reply_name refusal)
{
	s->chunk.discarded = true;
	s->chunk.refusal = refusal;
	s->chunk.back_to = s->state;
	smtp_set_state(s, SMTP_CHUNK);
}

enum smtp_status
smtp_cmd_bdat(struct smtp_session *s, struct str argument)
{
	struct smtp_transaction *t = s->transaction;

	if (!parse_chunk(s, argument)) {
		smtp_reply(s, REPLY_SYNTAX, STR("BDAT octets [LAST]"));
		return SMTP_DONE;
	}
	if ((s->state & (SMTP_RCPT | SMTP_CHUNKED)) == 0) {
		discard_chunk(s, s->state == SMTP_MAIL ? REPLY_NO_VALID_RECIPIENTS : REPLY_BAD_SEQUENCE);
		return SMTP_DONE;
	}
	if (s->state == SMTP_RCPT)
		smtp_body_begin(t, false);
	if (t->max_size_bytes != 0 && s->chunk.size > (uint64_t)t->max_size_bytes - t->size_bytes)
		smtp_body_refuse(t, REPLY_TOO_BIG);
	smtp_set_state(s, SMTP_CHUNK);
	return SMTP_DONE;
}

static void
end_chunk(struct smtp_session *s)
{
	char text[24];

	if (s->chunk.discarded) {
		smtp_set_state(s, s->chunk.back_to);
		smtp_reply(s, s->chunk.refusal, STR("BDAT after MAIL and RCPT"));
	} else if (s->transaction->is_refused) {
		/* The chunks that are pipelined behind find no transaction. */
		smtp_refuse_message(s);
	} else if (s->chunk.last) {
		buf_clear(&stored);
		smtp_data_read_end(&s->transaction->reader, &stored);
		smtp_body_add(s->transaction, buf_str(&stored));
		end_body(s);
	} else {
		snprintf(text, sizeof(text), "%llu", (unsigned long long)s->chunk.size);
		smtp_set_state(s, SMTP_CHUNKED);
		smtp_reply(s, REPLY_CHUNK_OK, str_c(text));
	}
}

bool
smtp_take_chunk(struct smtp_session *s)
{
	struct evbuffer *in = conn_input(s->conn);
	struct str piece;
	bool ended;

	if (s->chunk.left == 0) {
		end_chunk(s);
		return true;
	}
	if (!peek(in, PIECE_MAX, &piece))
		return false;
	piece = str_first(piece, s->chunk.left);
	if (!s->chunk.discarded) {
		buf_clear(&stored);
		smtp_data_read(&s->transaction->reader, piece, &stored, &ended);
		smtp_body_add(s->transaction, buf_str(&stored));
	}
	s->chunk.left -= piece.len;
	evbuffer_drain(in, piece.len);
	if (!s->chunk.discarded)
		smtp_body_await_room(s->transaction);
	return true;
}
