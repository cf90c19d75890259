/* Foreign text on the lines of a report. */
#include "delivery-worker/report/private.h"
#include "lib/base/clock.h"

void
report_add_clean(struct buf *out, struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		buf_add_byte(out, (unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f ? ' ' : s.p[i]);
}

static size_t
lines_column(const struct buf *b)
{
	size_t at = b->len;

	while (at > 0 && b->data[at - 1] != '\n')
		at--;
	return b->len - at;
}

void
report_add_folded(struct buf *out, struct str s, const char *indent)
{
	enum { LINE = 76, WORD_MAX = 900 };
	struct str word;
	bool first = true;

	for (; str_next_word(&s, " \t\r\n", &word); first = false) {
		if (!first && lines_column(out) + 1 + word.len > LINE)
			buf_printf(out, "\r\n%s", indent);
		else if (!first)
			buf_add_byte(out, ' ');
		while (word.len > WORD_MAX) {
			size_t take = WORD_MAX;

			while (take > 1 && ((unsigned char)word.p[take] & 0xc0) == 0x80)
				take--;
			report_add_clean(out, str_first(word, take));
			buf_printf(out, "\r\n%s", indent);
			word = str_from(word, take);
		}
		report_add_clean(out, word);
	}
}

void
report_add_field(struct buf *out, const char *name, struct str value)
{
	buf_add_c(out, name);
	buf_add_c(out, ": ");
	report_add_clean(out, value);
	buf_add_c(out, "\r\n");
}

void
report_add_date(struct buf *out, const char *name, int64_t unix_ms)
{
	char date[CLOCK_RFC5322_MAX];

	clock_rfc5322(unix_ms, date, sizeof(date));
	report_add_field(out, name, str_c(date));
}
