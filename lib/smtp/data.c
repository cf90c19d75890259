/* Mail data, unstuffed while received and stuffed while sent.
 *
 * The invariant in both directions: the output has no NUL, and CR and LF only in the
 * pair CRLF. Nearly all mail consists of clean lines, so both search for the longest run
 * that can be copied unchanged and go byte by byte only around its ends. */
#include "lib/smtp/data.h"

#include <string.h>

#include "lib/base/check.h"

enum {
	AT_START, /* after CRLF, or at the very beginning */
	AT_LF,	  /* the output is at the start of a line, the protocol is not: after a
		     bare LF or an unstuffed dot, where no dot means anything */
	IN_LINE,
	BEHIND_CR,     /* held back: is it half of a CRLF? */
	BEHIND_DOT,    /* held back: CRLF "." */
	BEHIND_DOT_CR, /* held back: CRLF "." CR */
	ENDED
};

/* Where a run of clean text was cut from. */
struct scan {
	const char *end;     /* of the input */
	const char *next_lf; /* first LF at or after the current position, NULL: not searched for; end: none */
	uint32_t line_length;
	uint32_t longest_line;
};

static void
count_line_bytes(struct scan *scan, size_t more)
{
	size_t length = scan->line_length + more;
	scan->line_length = length < UINT32_MAX ? (uint32_t)length : UINT32_MAX;
	if (scan->line_length > scan->longest_line)
		scan->longest_line = scan->line_length;
}

/* The first LF from p on. Remembered, so that input full of bare CRs is not
 * searched to its end for each of them. */
static const char *
find_lf(struct scan *scan, const char *p)
{
	if (scan->next_lf == NULL || scan->next_lf < p) {
		scan->next_lf = memchr(p, '\n', (size_t)(scan->end - p));
		if (scan->next_lf == NULL)
			scan->next_lf = scan->end;
	}
	return scan->next_lf;
}

/* The end of the longest run from p that can be copied unchanged: whole lines
 * and the beginning of one. It ends before a dot that begins a line
 * (stop_at_dot), a bare LF, and a CR without its LF. Updates *state, which must
 * be one of the first three. */
static const char *
clean_run(struct scan *scan, const char *p, uint8_t *state, bool stop_at_dot)
{
	while (p < scan->end) {
		if (*state == AT_START && stop_at_dot && *p == '.')
			break;
		const char *lf = find_lf(scan, p);
		const char *cr = memchr(p, '\r', (size_t)(lf - p));
		const char *stop = cr != NULL ? cr : lf;

		count_line_bytes(scan, (size_t)(stop - p));
		if (stop != p)
			*state = IN_LINE;
		if (cr == NULL || lf == scan->end || cr + 1 != lf)
			return stop;
		p = lf + 1;
		*state = AT_START;
		scan->line_length = 0;
	}
	return p;
}

/* ---- Receiving ---- */

void
smtp_data_reader_init(struct smtp_data_reader *r, bool dot_lines)
{
	*r = (struct smtp_data_reader){.state = AT_START, .dot_lines = dot_lines};
}

/* No protocol that delivers mail allows NUL (RFC 5321, 4.5.2 requires 7 bits or
 * those of 8BITMIME; RFC 3501, 4.3 forbids NUL): it becomes a space, like a
 * bare CR. */
static void
blank_nuls(char *p, size_t len)
{
	for (char *nul = memchr(p, '\0', len); nul != NULL; nul = memchr(nul, '\0', len - (size_t)(nul - p)))
		*nul = ' ';
}

/* Notes 8-bit bytes, eight bytes at a time. True: there is a NUL. */
static bool
note_bytes(struct smtp_data_reader *r, const char *p, size_t len)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), high_bits = ones << 7;
	uint64_t seen = 0, zeros = 0, word;

	for (; len >= sizeof(word); p += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		seen |= word;
		zeros |= (word - ones) & ~word;
	}
	word = ones;
	memcpy(&word, p, len);
	seen |= word;
	zeros |= (word - ones) & ~word;
	r->saw_eight_bit |= (seen & high_bits) != 0;
	return (zeros & high_bits) != 0;
}

static void
data_store(struct smtp_data_reader *r, struct buf *out, const char *p, size_t len)
{
	bool has_nul = note_bytes(r, p, len);

	buf_add(out, p, len);
	if (has_nul)
		blank_nuls(out->data + out->len - len, len);
}

static void
store_line_end(struct smtp_data_reader *r, struct scan *scan, struct buf *out, uint8_t next)
{
	buf_add(out, "\r\n", 2);
	scan->line_length = 0;
	r->state = next;
}

/* A CR that was held back turns out to be bare. */
static void
store_bare_cr(struct smtp_data_reader *r, struct scan *scan, struct buf *out)
{
	r->saw_bare_line_end = true;
	buf_add_byte(out, ' ');
	count_line_bytes(scan, 1);
	r->state = IN_LINE;
}

/* Handles one byte outside a clean run. False: it was not used, because the
 * state had to be resolved first. */
static bool
read_byte(struct smtp_data_reader *r, struct scan *scan, struct buf *out, char c)
{
	switch (r->state) {
	case BEHIND_CR:
		if (c == '\n') {
			store_line_end(r, scan, out, AT_START);
			return true;
		}
		store_bare_cr(r, scan, out);
		return false;
	case BEHIND_DOT:
		/* The sender put a dot before anything else. */
		r->state = c == '\r' ? BEHIND_DOT_CR : AT_LF;
		return c == '\r';
	case BEHIND_DOT_CR:
		if (c == '\n') {
			r->state = ENDED;
			return true;
		}
		store_bare_cr(r, scan, out);
		return false;
	default: break;
	}
	if (c == '.' && r->state == AT_START && r->dot_lines) {
		r->state = BEHIND_DOT;
	} else if (c == '\r') {
		r->state = BEHIND_CR;
	} else {
		CHECKF(c == '\n', "byte %d in state %u", c, r->state);
		r->saw_bare_line_end = true;
		store_line_end(r, scan, out, AT_LF);
	}
	return true;
}

size_t
smtp_data_read(struct smtp_data_reader *r, struct str input, struct buf *out, bool *ended_out)
{
	const char *p = input.p;
	struct scan scan = {.end = input.p + input.len, .line_length = r->line_length, .longest_line = r->longest_line};

	while (p < scan.end && r->state != ENDED) {
		if (r->state <= IN_LINE) {
			const char *run = clean_run(&scan, p, &r->state, r->dot_lines);
			data_store(r, out, p, (size_t)(run - p));
			p = run;
			if (p == scan.end)
				break;
		}
		if (read_byte(r, &scan, out, *p))
			p++;
	}
	r->line_length = scan.line_length;
	r->longest_line = scan.longest_line;
	*ended_out = r->state == ENDED;
	return (size_t)(p - input.p);
}

void
smtp_data_read_end(struct smtp_data_reader *r, struct buf *out)
{
	struct scan scan = {.line_length = r->line_length, .longest_line = r->longest_line};

	CHECK(!r->dot_lines);
	if (r->state == BEHIND_CR)
		store_bare_cr(r, &scan, out);
	if (r->state == IN_LINE)
		store_line_end(r, &scan, out, ENDED);
	r->state = ENDED;
	r->line_length = scan.line_length;
	r->longest_line = scan.longest_line;
}

/* ---- Sending ---- */

void
smtp_data_writer_init(struct smtp_data_writer *w, bool dot_lines)
{
	*w = (struct smtp_data_writer){.state = AT_START, .dot_lines = dot_lines};
}

/* Like read_byte(). After a corrected LF the receiver sees the start of a line,
 * so the state is AT_START there. */
static bool
write_byte(struct smtp_data_writer *w, struct buf *out, char c)
{
	if (w->state == BEHIND_CR) {
		buf_add(out, c == '\n' ? "\r\n" : " ", c == '\n' ? 2 : 1);
		w->state = c == '\n' ? AT_START : IN_LINE;
		return c == '\n';
	}
	if (c == '.') {
		buf_add(out, "..", 2);
		w->state = IN_LINE;
	} else if (c == '\r') {
		w->state = BEHIND_CR;
	} else {
		CHECKF(c == '\n', "byte %d in state %u", c, w->state);
		buf_add(out, "\r\n", 2);
		w->state = AT_START;
	}
	return true;
}

void
smtp_data_write(struct smtp_data_writer *w, struct str input, struct buf *out)
{
	const char *p = input.p;
	struct scan scan = {.end = input.p + input.len};

	while (p < scan.end) {
		if (w->state <= IN_LINE) {
			const char *run = clean_run(&scan, p, &w->state, w->dot_lines);
			buf_add(out, p, (size_t)(run - p));
			blank_nuls(out->data + out->len - (size_t)(run - p), (size_t)(run - p));
			p = run;
			if (p == scan.end)
				break;
		}
		if (write_byte(w, out, *p))
			p++;
	}
}

void
smtp_data_write_end(struct smtp_data_writer *w, struct buf *out)
{
	if (w->state == BEHIND_CR) {
		buf_add_byte(out, ' ');
		w->state = IN_LINE;
	}
	if (w->state != AT_START)
		buf_add(out, "\r\n", 2);
	if (w->dot_lines)
		buf_add(out, ".\r\n", 3);
	w->state = ENDED;
}
