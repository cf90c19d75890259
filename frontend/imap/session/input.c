/* Reads commands. Refused input is read to its end and discarded: bytes of a literal
 * are never interpreted as a command. */
#include "frontend/imap/session/input.h"

#include <string.h>

#include "frontend/imap/append/append.h"
#include "lib/base/check.h"
#include "lib/base/mem.h"

enum input_mode {
	IN_LINE,
	IN_LITERAL,	 /* added to the text */
	IN_STREAM,	 /* passed to imap_append_data() */
	IN_WAIT,	 /* APPEND is finding out whether it accepts the literal */
	IN_SKIP_LITERAL, /* of a refused command, */
	IN_SKIP_LINE,	 /* and the text after it */
};

enum { TAIL_BYTES = 64 }; /* of a skipped line, to see whether a literal follows */

struct imap_input {
	enum input_mode mode;
	struct buf text;   /* owner; without the last CRLF */
	size_t line_bytes; /* in all lines of the command */
	size_t literal_bytes;
	unsigned literals;
	struct imap_literal literal; /* the last one announced */
	uint64_t left;		     /* bytes left of it */
};

void
imap_input_free(struct imap_input **in)
{
	if (*in == NULL)
		return;
	buf_fini(&(*in)->text);
	mem_free(*in);
	*in = NULL;
}

static struct imap_input *
input_of(struct imap_session *s)
{
	if (s->input == NULL)
		s->input = mem_new(struct imap_input);
	return s->input;
}

/* ---- Literals ---- */

/* "{12}", "{12+}" or "~{12}" at the end of a line. */
static bool
input_find_literal(struct str line, struct imap_literal *out)
{
	size_t end = line.len, from;
	bool ok;

	if (end < 3 || line.p[end - 1] != '}')
		return false;
	end--;
	*out = (struct imap_literal){.synchronous = line.p[end - 1] != '+'};
	end -= !out->synchronous;
	for (from = end; from > 0 && line.p[from - 1] >= '0' && line.p[from - 1] <= '9'; from--)
		;
	if (from == 0 || line.p[from - 1] != '{' || from == end)
		return false;
	ok = str_to_u64(str_of(line.p + from, end - from), &out->size);
	if (!ok || out->size > INT64_MAX)
		out->size = INT64_MAX;
	out->binary = from >= 2 && line.p[from - 2] == '~';
	return true;
}

static void
input_skip_rest(struct imap_session *s)
{
	struct imap_input *in = s->input;

	buf_clear(&in->text);
	in->mode = IN_SKIP_LITERAL;
	in->left = in->literal.size;
	/* The client waits for a go-ahead that will not come: no more will be sent. */
	if (in->literal.synchronous)
		imap_input_free(&s->input);
}

/* BAD with the tag, if there is one. */
static void
input_refuse_command(struct imap_session *s, struct str text, const char *why)
{
	struct imap_lexer lex;
	struct str tag;

	imap_lex_init(&lex, text, &s->command.arena, false);
	if (s->row != NULL) {
		imap_append_free(&s->append);
		imap_finish(s, IMAP_BAD, "%s", why);
		return;
	}
	if (imap_lex_tag(&lex, &tag) && imap_lex_peek(&lex) == ' ')
		conn_printf(s->conn, "%.*s BAD %s\r\n", STR_ARG(tag), why);
	else
		imap_untagged(s, "BAD %s", why);
	s->bad_commands++;
}

static void
input_go_ahead(struct imap_session *s)
{
	if (s->input->literal.synchronous)
		conn_write_c(s->conn, "+ go ahead\r\n");
	s->input->left = s->input->literal.size;
}

void
imap_input_stream(struct imap_session *s)
{
	buf_clear(&s->input->text);
	s->input->mode = IN_STREAM;
	input_go_ahead(s);
	session_resume(&s->base);
}

void
imap_input_refuse(struct imap_session *s)
{
	if (s->input != NULL)
		input_skip_rest(s);
}

static const char *
input_why_not_inline(const struct imap_session *s, const struct imap_input *in)
{
	size_t max = s->state == IMAP_NOT_AUTHENTICATED ? IMAP_LITERAL_BEFORE_LOGIN : IMAP_LITERALS_BYTES;

	if (in->literals >= IMAP_LITERALS_MAX)
		return "too many literals in one command";
	if (in->literal.size > max || in->literal_bytes + in->literal.size > max)
		return "[TOOBIG] the command's literals are too large";
	return NULL;
}

static void
input_begin_inline(struct imap_session *s)
{
	struct imap_input *in = s->input;
	const char *why = input_why_not_inline(s, in);

	if (why != NULL) {
		input_refuse_command(s, buf_str(&in->text), why);
		input_skip_rest(s);
		return;
	}
	in->literals++;
	in->literal_bytes += (size_t)in->literal.size;
	buf_add(&in->text, "\r\n", 2);
	in->mode = IN_LITERAL;
	input_go_ahead(s);
}

/* Does this command stream its literals? */
static bool
input_streams(const struct imap_session *s, struct str text)
{
	const struct imap_command *row;
	struct str tag;

	if (s->append != NULL)
		return true;
	row = imap_command_of(text, &tag);
	return row != NULL && (row->flags & IMAP_LITERALS_STREAM) != 0 && (row->states & s->state) != 0;
}

static void
input_begin_literal(struct imap_session *s)
{
	struct imap_input *in = s->input;

	if (!input_streams(s, buf_str(&in->text))) {
		input_begin_inline(s);
		return;
	}
	in->mode = IN_WAIT;
	switch (imap_append_literal(s, buf_str(&in->text), &in->literal)) {
	case IMAP_LITERAL_INLINE: input_begin_inline(s); break;
	case IMAP_LITERAL_STREAM: imap_input_stream(s); break;
	case IMAP_LITERAL_WAIT: conn_pause(s->conn); break;
	case IMAP_LITERAL_REFUSE: input_skip_rest(s); break;
	}
}

static bool
input_take_literal(struct imap_session *s)
{
	struct imap_input *in = s->input;
	struct evbuffer *from = conn_input(s->conn);
	size_t have = evbuffer_get_length(from), take = have < in->left ? have : (size_t)in->left;

	if (in->left != 0 && take == 0)
		return false;
	if (in->mode == IN_SKIP_LITERAL) {
		evbuffer_drain(from, take);
	} else {
		char *to = buf_reserve(&in->text, take);
		evbuffer_remove(from, to, take);
		in->text.len += take;
		in->text.data[in->text.len] = '\0';
	}
	in->left -= take;
	if (in->left == 0)
		in->mode = in->mode == IN_SKIP_LITERAL ? IN_SKIP_LINE : IN_LINE;
	return true;
}

static bool
input_take_stream(struct imap_session *s)
{
	struct imap_input *in = s->input;
	struct evbuffer *from = conn_input(s->conn);
	struct evbuffer_iovec piece;
	size_t take;

	if (in->left != 0) {
		if (evbuffer_peek(from, -1, NULL, &piece, 1) < 1)
			return false;
		take = piece.iov_len < in->left ? piece.iov_len : (size_t)in->left;
		in->left -= take;
		if (!imap_append_data(s, piece.iov_base, take))
			conn_pause(s->conn);
		evbuffer_drain(from, take);
	}
	if (in->left == 0) {
		in->mode = IN_LINE;
		imap_append_literal_end(s);
	}
	return true;
}

/* ---- Lines ---- */

static void
input_end_command(struct imap_session *s)
{
	struct str text = buf_str(&s->input->text);

	if (s->row == NULL && !op_waits(&s->command))
		arena_reset(&s->command.arena);
	text = arena_str(&s->command.arena, text);
	imap_input_free(&s->input);
	if (s->on_line != NULL) {
		s->on_line(s, text);
	} else if (s->append != NULL) {
		imap_append_end(s, text);
		if (s->row != NULL)
			conn_pause(s->conn);
	} else {
		imap_dispatch(s, text);
	}
}

/* A skipped line is complete, or its tail is. */
static void
input_end_skipped_line(struct imap_session *s)
{
	struct imap_input *in = s->input;

	if (input_find_literal(buf_str(&in->text), &in->literal))
		input_skip_rest(s);
	else
		imap_input_free(&s->input);
}

static void
input_end_line(struct imap_session *s)
{
	struct imap_input *in = s->input;

	/* A bare LF ends a line too, because people at terminals send that. */
	CHECK(in->text.len != 0 && in->text.data[in->text.len - 1] == '\n');
	in->text.len--;
	if (in->text.len != 0 && in->text.data[in->text.len - 1] == '\r')
		in->text.len--;
	in->text.data[in->text.len] = '\0';
	if (in->mode == IN_SKIP_LINE)
		input_end_skipped_line(s);
	else if (s->on_line == NULL && input_find_literal(buf_str(&in->text), &in->literal))
		input_begin_literal(s);
	else
		input_end_command(s);
}

static void
input_refuse_long_line(struct imap_session *s)
{
	struct imap_input *in = s->input;

	in->mode = IN_SKIP_LINE;
	if (s->on_line != NULL)
		s->on_line(s, STR_NONE);
	else
		input_refuse_command(s, buf_str(&in->text), "[TOOBIG] the command line is too long");
}

static bool
input_take_line(struct imap_session *s)
{
	struct imap_input *in = input_of(s);
	struct evbuffer *from = conn_input(s->conn);
	struct evbuffer_ptr eol = evbuffer_search_eol(from, NULL, NULL, EVBUFFER_EOL_LF);
	size_t take = eol.pos < 0 ? evbuffer_get_length(from) : (size_t)eol.pos + 1;
	char *to;

	if (in->mode == IN_LINE && in->line_bytes + take > IMAP_LINE_MAX) {
		input_refuse_long_line(s);
		return true;
	}
	to = buf_reserve(&in->text, take);
	evbuffer_remove(from, to, take);
	in->text.len += take;
	in->text.data[in->text.len] = '\0';
	in->line_bytes += take;
	if (eol.pos >= 0) {
		input_end_line(s);
	} else if (in->mode == IN_SKIP_LINE && in->text.len > TAIL_BYTES) {
		memmove(in->text.data, in->text.data + in->text.len - TAIL_BYTES, TAIL_BYTES + 1);
		in->text.len = TAIL_BYTES;
	}
	return eol.pos >= 0;
}

/* The common case, a command of one line that arrived completely, needs no memory of its own. */
static bool
input_take_short_command(struct imap_session *s)
{
	struct evbuffer *from = conn_input(s->conn);
	size_t eol_len = 0;
	struct evbuffer_ptr eol = evbuffer_search_eol(from, NULL, &eol_len, EVBUFFER_EOL_CRLF);
	struct str text;

	if (eol.pos < 0 || (size_t)eol.pos + eol_len > IMAP_LINE_MAX)
		return false;
	if (s->row == NULL && !op_waits(&s->command))
		arena_reset(&s->command.arena);
	text.p = arena_alloc(&s->command.arena, (size_t)eol.pos + 1);
	text.len = (size_t)eol.pos;
	evbuffer_copyout(from, (char *)(uintptr_t)text.p, text.len);
	if (text.len != 0 && text.p[text.len - 1] == '}' && s->on_line == NULL)
		return false;
	evbuffer_drain(from, text.len + eol_len);
	conn_set_timeout(s->conn, 0);
	if (s->on_line != NULL)
		s->on_line(s, text);
	else
		imap_dispatch(s, text);
	return true;
}

bool
imap_take_input(struct imap_session *s)
{
	bool had_input = s->input != NULL;
	bool went_on;

	if (evbuffer_get_length(conn_input(s->conn)) == 0 &&
	    (!had_input || s->input->left != 0 || s->input->mode == IN_LINE))
		return false;
	if (!had_input && s->append == NULL && input_take_short_command(s))
		return true;
	switch (had_input ? s->input->mode : IN_LINE) {
	case IN_LITERAL:
	case IN_SKIP_LITERAL: return input_take_literal(s);
	case IN_STREAM: return input_take_stream(s);
	case IN_WAIT: return false;
	default:
		went_on = input_take_line(s);
		if (s->input == NULL)
			conn_set_timeout(s->conn, 0);
		return went_on;
	}
}
