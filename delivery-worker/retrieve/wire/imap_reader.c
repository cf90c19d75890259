#include "delivery-worker/retrieve/wire/imap_reader.h"

#include <string.h>

enum { READER_FRESH, READER_LINE, READER_KEPT, READER_BODY };

void
imap_reader_init(struct imap_reader *r, size_t max)
{
	*r = (struct imap_reader){.max = max, .state = READER_FRESH};
}

void
imap_reader_fini(struct imap_reader *r)
{
	buf_fini(&r->text);
}

/* "{123}" or "{123+}" at the end of the line, perhaps after "~" (RFC 9051, literal8).
 * 1: there is one, which begins at *at_out; 0: none; -1: its number makes no sense. */
static int
imap_reader_find_literal(struct str line, size_t *at_out, uint64_t *bytes_out)
{
	ptrdiff_t open = str_rindex(line, '{');
	struct str digits;

	if (open < 0 || line.p[line.len - 1] != '}')
		return 0;
	digits = str_of(line.p + open + 1, line.len - (size_t)open - 2);
	if (digits.len > 0 && digits.p[digits.len - 1] == '+')
		digits.len--;
	if (digits.len > 20 || !str_to_u64(digits, bytes_out))
		return -1;
	*at_out = (size_t)open;
	return 1;
}

/* Text for people may end with anything (RFC 9051, resp-text). */
static bool
imap_reader_is_status(struct str text)
{
	static const char *const words[] = {"OK", "NO", "BAD", "BYE", "PREAUTH", NULL};
	struct str first, second = STR_NONE;

	if (text.len > 0 && text.p[0] == '+')
		return true;
	if (!str_next_word(&text, " ", &first) || !str_next_word(&text, " ", &second))
		return false;
	for (const char *const *word = words; *word != NULL; word++)
		if (str_eq_ci(second, str_c(*word)))
			return true;
	return false;
}

/* "* 12 FETCH (... BODY[] ". */
static bool
imap_reader_is_body(struct str text)
{
	static const struct str ends[] = {STR("BODY[] "), STR("BODY[]<0> ")};
	struct str rest = text, star, number, word;

	if (!str_next_word(&rest, " ", &star) || !str_next_word(&rest, " ", &number) ||
	    !str_next_word(&rest, " ", &word) || !str_eq(star, STR("*")) || !str_eq_ci(word, STR("FETCH")))
		return false;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		size_t before = text.len - ends[i].len;

		if (str_ends_ci(text, ends[i]) && before > 0 &&
		    (text.p[before - 1] == ' ' || text.p[before - 1] == '('))
			return true;
	}
	return false;
}

/* A line has ended: does a literal follow? */
static enum imap_read
imap_reader_end_line(struct imap_reader *r)
{
	struct str line;
	uint64_t bytes;
	size_t at;
	int found;

	if (r->text.len > r->line && r->text.data[r->text.len - 1] == '\r')
		r->text.data[--r->text.len] = '\0';
	line = str_from(buf_str(&r->text), r->line);
	found = r->line == 0 && imap_reader_is_status(line) ? 0 : imap_reader_find_literal(line, &at, &bytes);
	if (found < 0)
		return IMAP_READ_BAD;
	if (found == 0) {
		r->state = READER_FRESH;
		return IMAP_READ_RESPONSE;
	}
	r->left = bytes;
	if (!imap_reader_is_body(str_first(buf_str(&r->text), r->line + at))) {
		r->state = READER_KEPT;
		return bytes > r->max ? IMAP_READ_LONG : IMAP_READ_MORE;
	}
	if (r->has_body)
		return IMAP_READ_BAD;
	r->text.len = r->line + at;
	buf_add_c(&r->text, "\"\"");
	r->has_body = true;
	r->body_bytes = bytes;
	r->state = READER_BODY;
	return IMAP_READ_BODY;
}

static size_t
imap_reader_take_line(struct imap_reader *r, struct str input, enum imap_read *event)
{
	ptrdiff_t end = str_index(input, '\n');
	size_t len = end >= 0 ? (size_t)end : input.len;

	if (r->text.len + len > r->max) {
		*event = IMAP_READ_LONG;
		return 0;
	}
	buf_add(&r->text, input.p, len);
	*event = end >= 0 ? imap_reader_end_line(r) : IMAP_READ_MORE;
	return end >= 0 ? len + 1 : len;
}

/* The line goes on after a literal. */
static void
imap_reader_go_on(struct imap_reader *r)
{
	r->state = READER_LINE;
	r->line = r->text.len;
}

static size_t
imap_reader_take_kept(struct imap_reader *r, struct str input, enum imap_read *event)
{
	struct str part = str_first(input, r->left < input.len ? (size_t)r->left : input.len);

	if (r->text.len + r->left > r->max) {
		*event = IMAP_READ_LONG;
		return 0;
	}
	buf_add_str(&r->text, part);
	r->left -= part.len;
	if (r->left == 0)
		imap_reader_go_on(r);
	*event = IMAP_READ_MORE;
	return part.len;
}

static size_t
imap_reader_take_body(struct imap_reader *r, struct str input, enum imap_read *event, struct str *piece_out)
{
	*piece_out = str_first(input, r->left < input.len ? (size_t)r->left : input.len);
	r->left -= piece_out->len;
	if (r->left == 0)
		imap_reader_go_on(r);
	*event = piece_out->len > 0 ? IMAP_READ_PIECE : IMAP_READ_MORE;
	return piece_out->len;
}

size_t
imap_reader_take(struct imap_reader *r, struct str input, enum imap_read *event_out, struct str *piece_out)
{
	size_t used = 0;

	*event_out = IMAP_READ_MORE;
	while (used < input.len && *event_out == IMAP_READ_MORE) {
		struct str rest = str_from(input, used);

		if (r->state == READER_FRESH) {
			buf_clear(&r->text);
			r->line = 0;
			r->has_body = false;
			r->body_bytes = 0;
			r->state = READER_LINE;
		}
		if (r->state == READER_LINE)
			used += imap_reader_take_line(r, rest, event_out);
		else if (r->state == READER_KEPT)
			used += imap_reader_take_kept(r, rest, event_out);
		else
			used += imap_reader_take_body(r, rest, event_out, piece_out);
	}
	return used;
}
