/* Operations on borrowed text. Case folding covers ASCII only. */
#include "lib/base/str.h"

#include "lib/base/mem.h"

static char
str_lower_byte(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool
str_eq(struct str a, struct str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

bool
str_eq_ci(struct str a, struct str b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (str_lower_byte(a.p[i]) != str_lower_byte(b.p[i]))
			return false;
	return true;
}

int
str_cmp(struct str a, struct str b)
{
	size_t common = a.len < b.len ? a.len : b.len;
	int order = common != 0 ? memcmp(a.p, b.p, common) : 0;
	if (order != 0)
		return order;
	return a.len < b.len ? -1 : a.len > b.len;
}

bool
str_starts(struct str s, struct str prefix)
{
	return s.len >= prefix.len && str_eq(str_first(s, prefix.len), prefix);
}

bool
str_starts_ci(struct str s, struct str prefix)
{
	return s.len >= prefix.len && str_eq_ci(str_first(s, prefix.len), prefix);
}

bool
str_ends_ci(struct str s, struct str suffix)
{
	return s.len >= suffix.len && str_eq_ci(str_from(s, s.len - suffix.len), suffix);
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str
str_trim(struct str s)
{
	while (s.len != 0 && is_blank(s.p[0]))
		s = str_from(s, 1);
	while (s.len != 0 && is_blank(s.p[s.len - 1]))
		s.len--;
	return s;
}

struct str
str_from(struct str s, size_t from)
{
	if (from > s.len)
		from = s.len;
	if (from == 0)
		return s;
	return (struct str){s.p + from, s.len - from};
}

struct str
str_first(struct str s, size_t count)
{
	if (count < s.len)
		s.len = count;
	return s;
}

ptrdiff_t
str_index(struct str s, char c)
{
	const char *at = s.len != 0 ? memchr(s.p, c, s.len) : NULL;
	return at != NULL ? at - s.p : -1;
}

ptrdiff_t
str_rindex(struct str s, char c)
{
	const char *at = s.len != 0 ? memrchr(s.p, c, s.len) : NULL;
	return at != NULL ? at - s.p : -1;
}

bool
str_cut(struct str s, char c, struct str *head_out, struct str *tail_out)
{
	ptrdiff_t at = str_index(s, c);
	if (at < 0) {
		*head_out = s;
		*tail_out = STR_NONE;
		return false;
	}
	*head_out = str_first(s, (size_t)at);
	*tail_out = str_from(s, (size_t)at + 1);
	return true;
}

bool
str_next_word(struct str *rest, const char *separators, struct str *word_out)
{
	struct str s = *rest;
	size_t end = 0;

	while (s.len != 0 && s.p[0] != '\0' && strchr(separators, s.p[0]) != NULL)
		s = str_from(s, 1);
	if (s.len == 0) {
		*rest = s;
		return false;
	}
	while (end < s.len && (s.p[end] == '\0' || strchr(separators, s.p[end]) == NULL))
		end++;
	*word_out = str_first(s, end);
	*rest = str_from(s, end);
	return true;
}

bool
str_to_u64(struct str s, uint64_t *value_out)
{
	uint64_t value = 0;

	if (s.len == 0)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		unsigned digit = (unsigned)(unsigned char)s.p[i] - '0';
		if (digit > 9)
			return false;
		if (__builtin_mul_overflow(value, 10u, &value) || __builtin_add_overflow(value, digit, &value))
			return false;
	}
	*value_out = value;
	return true;
}

bool
str_to_i64(struct str s, int64_t *value_out)
{
	bool negative = s.len > 1 && s.p[0] == '-';
	uint64_t magnitude;

	if (!str_to_u64(negative ? str_from(s, 1) : s, &magnitude) || magnitude > (uint64_t)INT64_MAX + negative)
		return false;
	*value_out = (int64_t)(negative ? 0 - magnitude : magnitude);
	return true;
}

char *
str_dup(struct str s)
{
	return mem_strndup(s.p, s.len);
}

bool
str_copy(struct str s, char *dst, size_t size)
{
	size_t count = s.len < size ? s.len : size - 1;
	if (count != 0)
		memcpy(dst, s.p, count);
	dst[count] = '\0';
	return count == s.len;
}

void
str_lower(char *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		p[i] = str_lower_byte(p[i]);
}

bool
str_is_printable_ascii(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] < 0x20 || s.p[i] > 0x7e)
			return false;
	return true;
}

bool
str_has_eight_bit(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] >= 0x80)
			return true;
	return false;
}

size_t
str_utf8_sequence(struct str s)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char *p = (const unsigned char *)s.p;
	uint32_t code;
	size_t len;

	if (s.len == 0)
		return 0;
	if (p[0] < 0x80)
		return 1;
	len = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	if (p[0] < 0xc2 || p[0] > 0xf4 || len > s.len)
		return 0;
	code = p[0] & (0xffu >> (len + 1));
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (p[i] & 0x3fu);
	}
	if (code < smallest[len] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	return len;
}

struct str
str_first_utf8(struct str s, size_t len)
{
	size_t last;

	s = str_first(s, len);
	last = s.len;
	while (last > 0 && s.len - last < 3 && ((unsigned char)s.p[last - 1] & 0xc0) == 0x80)
		last--;
	if (last > 0 && str_utf8_sequence(str_from(s, last - 1)) == 0)
		s.len = last - 1;
	return s;
}

bool
str_is_utf8(struct str s)
{
	while (s.len != 0) {
		size_t len = str_utf8_sequence(s);
		if (len == 0)
			return false;
		s = str_from(s, len);
	}
	return true;
}

unsigned
str_distance(struct str a, struct str b)
{
	enum { LONGEST = 64 };
	unsigned row[LONGEST + 1];

	if (a.len > LONGEST || b.len > LONGEST)
		return LONGEST;
	for (unsigned j = 0; j <= b.len; j++)
		row[j] = j;
	for (unsigned i = 1; i <= a.len; i++) {
		unsigned diagonal = row[0];
		row[0] = i;
		for (unsigned j = 1; j <= b.len; j++) {
			unsigned above = row[j];
			unsigned change = diagonal + (str_lower_byte(a.p[i - 1]) != str_lower_byte(b.p[j - 1]));
			unsigned best = above + 1 < row[j - 1] + 1 ? above + 1 : row[j - 1] + 1;
			row[j] = change < best ? change : best;
			diagonal = above;
		}
	}
	return row[b.len];
}
