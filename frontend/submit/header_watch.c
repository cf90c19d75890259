/* A small state machine over lines. A field's name is collected; its value is skipped
 * by memchr() unless it is From or a one-word value that is examined. */
#include "frontend/submit/header_watch.h"

#include <string.h>

enum { LINE_START, BLANK_LINE, NAME, SPACE_BEHIND_NAME, MBOX_LINE, SKIPPED, FROM_VALUE, WORD_VALUE };

void
header_watch_init(struct header_watch *w, bool keep_from)
{
	*w = (struct header_watch){.state = LINE_START, .keep_from = keep_from};
}

void
header_watch_fini(struct header_watch *w)
{
	buf_fini(&w->from);
}

static void
watch_end_word(struct header_watch *w)
{
	struct str word = str_of(w->name, w->name_len);

	if (!w->in_word)
		return;
	w->in_word = false;
	if (!w->in_precedence)
		w->tls_optional = str_eq_ci(word, STR("no"));
	else
		w->is_bulk |=
			str_eq_ci(word, STR("bulk")) || str_eq_ci(word, STR("list")) || str_eq_ci(word, STR("junk"));
}

static void
watch_end_header(struct header_watch *w)
{
	watch_end_word(w);
	w->first_line_known = true;
	w->ended = true;
}

/* A line that is neither a field nor blank ends a header too; as the first line it
 * means that there is no header at all. */
static void
watch_end_by_other_line(struct header_watch *w)
{
	w->no_header = !w->first_line_known;
	if (w->no_header)
		w->mbox_bytes = 0;
	watch_end_header(w);
}

/* There is no header after lines that looked like an mbox's either. */
static void
watch_end_by_blank_line(struct header_watch *w)
{
	if (!w->first_line_known && w->mbox_bytes != 0)
		watch_end_by_other_line(w);
	else
		watch_end_header(w);
}

/* "From " or ">From " without a colon after it: it can only be an mbox's. */
static bool
watch_is_mbox_line(const struct header_watch *w)
{
	struct str name = str_of(w->name, w->name_len);

	return w->state == SPACE_BEHIND_NAME && !w->first_line_known &&
	       (str_eq(name, STR("From")) || str_eq(name, STR(">From")));
}

static void
watch_add_from(struct header_watch *w, const char *p, size_t len)
{
	if (w->from.len + len > HEADER_WATCH_FROM_MAX)
		w->from_too_long = true;
	else
		buf_add(&w->from, p, len);
}

/* The colon was reached. */
static void
watch_begin_value(struct header_watch *w)
{
	struct str name = str_of(w->name, w->name_len);

	w->first_line_known = true;
	w->state = SKIPPED;
	if (str_eq_ci(name, STR("received"))) {
		w->received_count++;
	} else if (str_eq_ci(name, STR("date"))) {
		w->has_date = true;
	} else if (str_eq_ci(name, STR("message-id"))) {
		w->has_message_id = true;
	} else if (str_eq_ci(name, STR("tls-required")) || str_eq_ci(name, STR("precedence"))) {
		w->in_precedence = str_eq_ci(name, STR("precedence"));
		w->state = WORD_VALUE;
		w->in_word = true;
		w->name_len = 0;
		w->after_blank = false;
	} else if (str_eq_ci(name, STR("from"))) {
		if (w->keep_from) {
			w->state = FROM_VALUE;
			if (w->has_from)
				watch_add_from(w, ",", 1);
		}
		w->has_from = true;
	}
}

static void
watch_take_line_start(struct header_watch *w, char c)
{
	if (c != ' ' && c != '\t')
		watch_end_word(w);
	if (c == '\r') {
		w->state = BLANK_LINE;
	} else if (c == ' ' || c == '\t') {
		w->state = w->in_from ? FROM_VALUE : w->in_word ? WORD_VALUE : SKIPPED;
		if (!w->first_line_known)
			watch_end_by_other_line(w);
	} else {
		w->state = NAME;
		w->name_len = 0;
		w->line_bytes = 0;
	}
}

/* Accepts also the obsolete blanks between a name and its colon. */
static void
watch_take_name(struct header_watch *w, char c)
{
	unsigned char u = (unsigned char)c;

	if (c == ':' && w->name_len != 0)
		watch_begin_value(w);
	else if (c == ' ' || c == '\t')
		w->state = SPACE_BEHIND_NAME;
	else if (u > ' ' && watch_is_mbox_line(w))
		w->state = MBOX_LINE;
	else if (w->state == SPACE_BEHIND_NAME || u < 0x21 || u > 0x7e || c == ':')
		watch_end_by_other_line(w);
	else if (w->name_len < HEADER_WATCH_NAME_MAX)
		w->name[w->name_len++] = c;
}

/* A value that is one short word. It may be folded before, within or after the word:
 * it is complete only when a line comes that does not continue it. */
static void
watch_take_word(struct header_watch *w, const char *p, const char *end)
{
	for (; p < end; p++) {
		if (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n') {
			w->after_blank = w->name_len != 0;
			continue;
		}
		/* Separate words stay separate: "No way" is not "Noway", "N o" not "No". */
		if (w->after_blank && w->name_len < HEADER_WATCH_NAME_MAX)
			w->name[w->name_len++] = ' ';
		w->after_blank = false;
		if (w->name_len < HEADER_WATCH_NAME_MAX)
			w->name[w->name_len++] = *p;
	}
}

static const char *
watch_take_mbox_line(struct header_watch *w, const char *p, const char *end)
{
	const char *lf = memchr(p, '\n', (size_t)(end - p));
	const char *stop = lf != NULL ? lf + 1 : end;

	w->line_bytes += (uint32_t)(stop - p);
	if (w->mbox_bytes + w->line_bytes > HEADER_WATCH_MBOX_MAX) {
		watch_end_by_other_line(w);
	} else if (lf != NULL) {
		w->mbox_bytes += w->line_bytes;
		w->state = LINE_START;
	}
	return stop;
}

/* The part of a value in this piece, up to its line's end. */
static const char *
watch_take_value(struct header_watch *w, const char *p, const char *end)
{
	const char *lf = memchr(p, '\n', (size_t)(end - p));
	const char *stop = lf != NULL ? lf + 1 : end;

	if (w->state == FROM_VALUE)
		watch_add_from(w, p, (size_t)(stop - p));
	else if (w->state == WORD_VALUE)
		watch_take_word(w, p, stop);
	return stop;
}

void
header_watch_feed(struct header_watch *w, struct str piece)
{
	const char *p = piece.p, *end = piece.p + piece.len;

	while (p < end && !w->ended) {
		switch (w->state) {
		case LINE_START:
			watch_take_line_start(w, *p); /* only examines it */
			break;
		case BLANK_LINE: watch_end_by_blank_line(w); break;
		case NAME:
		case SPACE_BEHIND_NAME:
			w->line_bytes++;
			watch_take_name(w, *p++);
			break;
		case MBOX_LINE: p = watch_take_mbox_line(w, p, end); break;
		default:
			p = watch_take_value(w, p, end);
			if (p[-1] == '\n') {
				w->in_from = w->state == FROM_VALUE;
				w->state = LINE_START;
			}
			break;
		}
	}
}

void
header_watch_end(struct header_watch *w)
{
	watch_end_by_blank_line(w);
}
