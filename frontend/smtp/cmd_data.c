/* DATA and BDAT (RFC 5321, 4.1.1.4; RFC 3030): both feed one submission. */
#include <stdio.h>

#include "frontend/smtp/private.h"

enum { PIECE_MAX = 64 * 1024 };

/* The first contiguous piece of the input; false: there is none. */
static bool
data_peek(struct evbuffer *in, size_t most, struct str *piece_out)
{
	struct evbuffer_iovec piece;

	if (evbuffer_peek(in, -1, NULL, &piece, 1) < 1 || piece.iov_len == 0)
		return false;
	*piece_out = str_first(str_of(piece.iov_base, piece.iov_len), most);
	return true;
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
	submit_begin_data(s->submit, true);
	smtp_set_state(s, SMTP_DATA);
	smtp_reply(s, REPLY_SEND_DATA, STR_NONE);
	return SMTP_DONE;
}

bool
smtp_take_data(struct smtp_session *s)
{
	struct evbuffer *in = conn_input(s->conn);
	struct str piece;
	bool ended;
	size_t used;

	if (!data_peek(in, PIECE_MAX, &piece))
		return false;
	used = submit_data(s->submit, piece, &ended);
	evbuffer_drain(in, used);
	if (ended)
		smtp_transaction_end(s);
	else
		smtp_transaction_await_room(s);
	return true;
}

/* ---- BDAT ---- */

/* "octets [LAST]" */
static bool
chunk_parse(struct smtp_session *s, struct str argument)
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

/* Its octets follow all the same, and must not be interpreted as commands. */
static void
chunk_discard(struct smtp_session *s, enum smtp_reply_name refusal)
{
	s->chunk.discarded = true;
	s->chunk.refusal = refusal;
	s->chunk.back_to = s->state;
	smtp_set_state(s, SMTP_CHUNK);
}

enum smtp_status
smtp_cmd_bdat(struct smtp_session *s, struct str argument)
{
	if (!chunk_parse(s, argument)) {
		smtp_reply(s, REPLY_SYNTAX, STR("BDAT octets [LAST]"));
		return SMTP_DONE;
	}
	if ((s->state & (SMTP_RCPT | SMTP_CHUNKED)) == 0) {
		chunk_discard(s, s->state == SMTP_MAIL ? REPLY_NO_VALID_RECIPIENTS : REPLY_BAD_SEQUENCE);
		return SMTP_DONE;
	}
	if (s->state == SMTP_RCPT)
		submit_begin_data(s->submit, false);
	submit_announce(s->submit, s->chunk.size);
	smtp_set_state(s, SMTP_CHUNK);
	return SMTP_DONE;
}

static void
chunk_end(struct smtp_session *s)
{
	char text[24];

	if (s->chunk.discarded) {
		smtp_set_state(s, s->chunk.back_to);
		smtp_reply(s, s->chunk.refusal, STR("BDAT after MAIL and RCPT"));
	} else if (s->chunk.last || submit_result(s->submit) != SUBMIT_OK) {
		/* Once the message is refused, chunks already pipelined find no transaction. */
		smtp_transaction_end(s);
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

	if (s->chunk.left == 0) {
		chunk_end(s);
		return true;
	}
	if (!data_peek(in, PIECE_MAX, &piece))
		return false;
	piece = str_first(piece, s->chunk.left);
	if (!s->chunk.discarded)
		submit_data(s->submit, piece, NULL);
	s->chunk.left -= piece.len;
	evbuffer_drain(in, piece.len);
	if (!s->chunk.discarded)
		smtp_transaction_await_room(s);
	return true;
}
