/* Ranges of a result. */
#include "frontend/imap/parse/partial.h"

static bool
partial_take_signed(struct imap_lexer *l, int64_t *out)
{
	bool negative = imap_lex_try(l, '-');
	uint32_t v;

	if (!imap_lex_nz_number(l, &v))
		return false;
	*out = negative ? -(int64_t)v : (int64_t)v;
	return true;
}

bool
imap_lex_partial(struct imap_lexer *l, struct imap_partial *out)
{
	if (!partial_take_signed(l, &out->first) || !imap_lex_char(l, ':') || !partial_take_signed(l, &out->last))
		return false;
	return (out->first < 0) == (out->last < 0) || imap_lex_fail(l, "a partial range must not count from both ends");
}

void
imap_partial_range(const struct imap_partial *p, uint32_t count, uint32_t *begin_out, uint32_t *end_out)
{
	int64_t a = p->first, b = p->last;

	if (a < 0) {
		a = count + a + 1;
		b = count + b + 1;
	}
	if (a > b) {
		int64_t swap = a;
		a = b;
		b = swap;
	}
	a = a < 1 ? 1 : a;
	b = b > count ? count : b;
	*begin_out = a <= b ? (uint32_t)(a - 1) : 0;
	*end_out = a <= b ? (uint32_t)b : 0;
}

void
imap_partial_print(const struct imap_partial *p, struct buf *out)
{
	buf_printf(out, "%lld:%lld", (long long)p->first, (long long)p->last);
}
