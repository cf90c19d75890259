#include "delivery-worker/retrieve/wire/pop_reader.h"

#include <string.h>

/* Within a message: at the start of a line; after a dot there; after that dot and CR; within a
 * line; after a CR in it. */
enum { MESSAGE_START, MESSAGE_DOT, MESSAGE_DOT_CR, MESSAGE_TEXT, MESSAGE_CR };

void
pop_reader_init(struct pop_reader *r, size_t max)
{
	*r = (struct pop_reader){.max = max, .fresh = true};
}

void
pop_reader_fini(struct pop_reader *r)
{
	buf_fini(&r->line);
}

static size_t
pop_reader_take_line(struct pop_reader *r, struct str input, enum pop_read *event)
{
	ptrdiff_t end = str_index(input, '\n');
	size_t len = end >= 0 ? (size_t)end : input.len;

	if (r->fresh)
		buf_clear(&r->line);
	r->fresh = false;
	if (r->line.len + len > r->max) {
		*event = POP_READ_LONG;
		return 0;
	}
	buf_add(&r->line, input.p, len);
	if (end < 0)
		return len;
	if (r->line.len > 0 && r->line.data[r->line.len - 1] == '\r')
		r->line.data[--r->line.len] = '\0';
	r->fresh = true;
	*event = POP_READ_LINE;
	return len + 1;
}

/* Bytes of a line up to its end, which is CRLF and nothing else; returns how many. */
static size_t
pop_reader_take_text(struct pop_reader *r, struct str input)
{
	size_t at = 0;

	while (at < input.len && r->state != MESSAGE_START) {
		if (r->state == MESSAGE_TEXT) {
			ptrdiff_t cr = str_index(str_from(input, at), '\r');

			at = cr < 0 ? input.len : at + (size_t)cr + 1;
			if (cr >= 0)
				r->state = MESSAGE_CR;
			continue;
		}
		if (input.p[at] == '\n')
			r->state = MESSAGE_START;
		else if (input.p[at] != '\r')
			r->state = MESSAGE_TEXT;
		at++;
	}
	return at;
}

static size_t
pop_reader_take_message(struct pop_reader *r, struct str input, enum pop_read *event, struct str *piece_out)
{
	char c = input.p[0];
	size_t len;

	if (r->state == MESSAGE_START && c == '.') {
		r->state = MESSAGE_DOT;
		return 1;
	}
	if (r->state == MESSAGE_DOT && c == '\r') {
		r->state = MESSAGE_DOT_CR;
		return 1;
	}
	if (r->state == MESSAGE_DOT_CR) {
		if (c == '\n') {
			r->state = MESSAGE_START;
			*event = POP_READ_END;
			return 1;
		}
		/* The CR was the line's own. */
		r->state = MESSAGE_CR;
		*piece_out = STR("\r");
		*event = POP_READ_PIECE;
		return 0;
	}
	if (r->state == MESSAGE_START || r->state == MESSAGE_DOT)
		r->state = MESSAGE_TEXT;
	len = 0;
	/* As many lines as the input has, up to one that begins with a dot. */
	do {
		if (r->state == MESSAGE_START)
			r->state = MESSAGE_TEXT;
		len += pop_reader_take_text(r, str_from(input, len));
	} while (len < input.len && input.p[len] != '.');
	*piece_out = str_first(input, len);
	*event = POP_READ_PIECE;
	return len;
}

size_t
pop_reader_take(struct pop_reader *r, struct str input, bool in_message, enum pop_read *event_out,
		struct str *piece_out)
{
	size_t used = 0;

	*event_out = POP_READ_MORE;
	while (used < input.len && *event_out == POP_READ_MORE) {
		struct str rest = str_from(input, used);

		if (in_message)
			used += pop_reader_take_message(r, rest, event_out, piece_out);
		else
			used += pop_reader_take_line(r, rest, event_out);
	}
	return used;
}

/* ---- Lines ---- */
bool
pop_status_parse(struct str line, struct pop_status *out)
{
	static const struct str ok = STR("+OK"), error = STR("-ERR");
	struct str inside, after;

	*out = (struct pop_status){.ok = str_starts_ci(line, ok)};
	if (!out->ok && !str_starts_ci(line, error))
		return false;
	out->text = str_from(line, out->ok ? ok.len : error.len);
	if (out->text.len > 0 && out->text.p[0] != ' ')
		return false;
	out->text = str_trim(out->text);
	if (str_starts(out->text, STR("[")) && str_cut(str_from(out->text, 1), ']', &inside, &after))
		out->code = inside;
	return true;
}

bool
pop_numbers_parse(struct str line, uint32_t *first_out, uint64_t *second_out)
{
	struct str first, second;
	uint64_t number;

	if (!str_next_word(&line, " ", &first) || !str_next_word(&line, " ", &second) || !str_to_u64(first, &number) ||
	    number > UINT32_MAX || !str_to_u64(second, second_out))
		return false;
	*first_out = (uint32_t)number;
	return true;
}

bool
pop_uidl_parse(struct str line, uint32_t *number_out, struct str *uidl_out)
{
	struct str first;
	uint64_t number;

	if (!str_next_word(&line, " ", &first) || !str_next_word(&line, " ", uidl_out) || !str_to_u64(first, &number) ||
	    number > UINT32_MAX)
		return false;
	*number_out = (uint32_t)number;
	return uidl_out->len <= POP_UIDL_MAX && str_is_printable_ascii(*uidl_out);
}
