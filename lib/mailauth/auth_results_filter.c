#include "lib/mailauth/auth_results_filter.h"

#include "lib/mailauth/auth_results.h"

#define HELD_MAX 16384 /* bytes of a field; by then it has long said whose it is */

static const struct str field_name = STR("authentication-results");

void
auth_results_filter_init(struct auth_results_filter *f, struct str authserv_id)
{
	*f = (struct auth_results_filter){.authserv_id = authserv_id};
}

void
auth_results_filter_fini(struct auth_results_filter *f)
{
	buf_fini(&f->held);
}

static bool
filter_is_ours(const struct auth_results_filter *f)
{
	struct str name, value;

	return str_cut(buf_str(&f->held), ':', &name, &value) && auth_results_is_of(value, f->authserv_id);
}

static void
filter_release(struct auth_results_filter *f, struct buf *out)
{
	buf_add_str(out, buf_str(&f->held));
	buf_clear(&f->held);
}

/* The held field is over, or longer than we hold. True: it is ours, and gone. */
static bool
filter_settle(struct auth_results_filter *f, struct buf *out)
{
	bool is_ours = filter_is_ours(f);

	f->removed += is_ours;
	if (is_ours)
		buf_clear(&f->held);
	else
		filter_release(f, out);
	return is_ours;
}

/* One more byte of what may be the name, then white space, then the colon. */
static void
filter_name(struct auth_results_filter *f, char c, struct buf *out)
{
	size_t at = f->held.len;
	char lower = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
	bool fits = at < field_name.len ? lower == field_name.p[at] : c == ' ' || c == '\t' || c == ':';

	buf_add_byte(&f->held, c);
	if (at >= field_name.len && c == ':') {
		f->state = FILTER_FIELD;
	} else if (!fits || at > HELD_MAX) {
		f->state = c == '\n' ? FILTER_LINE_START : FILTER_PASS;
		filter_release(f, out);
	}
}

static void
filter_line_start(struct auth_results_filter *f, char c, struct buf *out)
{
	bool is_folded = c == ' ' || c == '\t';

	if (is_folded && f->state == FILTER_FIELD_LINE_START) {
		f->state = FILTER_FIELD;
		buf_add_byte(&f->held, c);
		return;
	}
	if (is_folded && f->state == FILTER_DROP_LINE_START) {
		f->state = FILTER_DROP;
		return;
	}
	if (f->state == FILTER_FIELD_LINE_START)
		filter_settle(f, out);
	if (is_folded) {
		f->state = FILTER_PASS;
		buf_add_byte(out, c);
	} else if (c == '\r') {
		f->state = FILTER_CR;
		buf_add_byte(&f->held, c);
	} else if (c == '\n') {
		f->state = FILTER_BODY;
		buf_add_byte(out, c);
	} else {
		f->state = FILTER_NAME;
		filter_name(f, c, out);
	}
}

/* Only an empty line ends the header. */
static void
filter_cr(struct auth_results_filter *f, char c, struct buf *out)
{
	filter_release(f, out);
	buf_add_byte(out, c);
	f->state = c == '\n' ? FILTER_BODY : FILTER_PASS;
}

static void
filter_field(struct auth_results_filter *f, char c, struct buf *out)
{
	buf_add_byte(&f->held, c);
	if (c == '\n')
		f->state = FILTER_FIELD_LINE_START;
	else if (f->held.len >= HELD_MAX)
		f->state = filter_settle(f, out) ? FILTER_DROP : FILTER_PASS;
}

/* The rest of a line, or of the message, at once. Returns how much was taken. */
static size_t
filter_run(struct auth_results_filter *f, struct str piece, struct buf *out)
{
	ptrdiff_t end = f->state == FILTER_BODY ? -1 : str_index(piece, '\n');
	struct str part = end < 0 ? piece : str_first(piece, (size_t)end + 1);

	if (f->state != FILTER_DROP)
		buf_add_str(out, part);
	if (end >= 0)
		f->state = f->state == FILTER_DROP ? FILTER_DROP_LINE_START : FILTER_LINE_START;
	return part.len;
}

void
auth_results_filter_feed(struct auth_results_filter *f, struct str piece, struct buf *out)
{
	while (piece.len > 0) {
		size_t taken = 1;

		switch (f->state) {
		case FILTER_LINE_START:
		case FILTER_FIELD_LINE_START:
		case FILTER_DROP_LINE_START: filter_line_start(f, piece.p[0], out); break;
		case FILTER_NAME: filter_name(f, piece.p[0], out); break;
		case FILTER_CR: filter_cr(f, piece.p[0], out); break;
		case FILTER_FIELD: filter_field(f, piece.p[0], out); break;
		default: taken = filter_run(f, piece, out);
		}
		piece = str_from(piece, taken);
	}
}

void
auth_results_filter_end(struct auth_results_filter *f, struct buf *out)
{
	if (f->state == FILTER_FIELD || f->state == FILTER_FIELD_LINE_START)
		filter_settle(f, out);
	else
		filter_release(f, out);
	f->state = FILTER_BODY;
}
