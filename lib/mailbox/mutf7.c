/* Modified UTF-7. */
#include "lib/mailbox/mutf7.h"

#include <string.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>

#include "lib/base/mem.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static int
mutf7_digit_value(char c)
{
	const char *at = c != '\0' ? strchr(digits, c) : NULL;

	return at != NULL ? (int)(at - digits) : -1;
}

static void
mutf7_add_utf8(uint32_t c, struct buf *out)
{
	if (c < 0x80) {
		buf_add_byte(out, (char)c);
	} else if (c < 0x800) {
		buf_add_byte(out, (char)(0xc0 | c >> 6));
		buf_add_byte(out, (char)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		buf_add_byte(out, (char)(0xe0 | c >> 12));
		buf_add_byte(out, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_add_byte(out, (char)(0x80 | (c & 0x3f)));
	} else {
		buf_add_byte(out, (char)(0xf0 | c >> 18));
		buf_add_byte(out, (char)(0x80 | (c >> 12 & 0x3f)));
		buf_add_byte(out, (char)(0x80 | (c >> 6 & 0x3f)));
		buf_add_byte(out, (char)(0x80 | (c & 0x3f)));
	}
}

/* Handles one UTF-16 unit; *high is the first half of a pair, or 0. */
static bool
mutf7_add_unit(uint32_t unit, uint32_t *high, struct buf *out)
{
	if (unit >= 0xdc00 && unit < 0xe000) {
		if (*high == 0)
			return false;
		mutf7_add_utf8(0x10000 + ((*high - 0xd800) << 10) + (unit - 0xdc00), out);
		*high = 0;
		return true;
	}
	if (*high != 0)
		return false;
	if (unit >= 0xd800 && unit < 0xdc00) {
		*high = unit;
		return true;
	}
	/* Printable ASCII must not be encoded. */
	if (unit < 0x20 || (unit < 0x7f && unit >= 0x20))
		return false;
	mutf7_add_utf8(unit, out);
	return true;
}

/* Between '&' and '-'. */
static bool
mutf7_decode_shifted(struct str text, struct buf *out)
{
	uint32_t bits = 0, high = 0;
	unsigned count = 0;

	for (size_t i = 0; i < text.len; i++) {
		int value = mutf7_digit_value(text.p[i]);
		if (value < 0)
			return false;
		bits = bits << 6 | (uint32_t)value;
		count += 6;
		if (count >= 16) {
			count -= 16;
			if (!mutf7_add_unit(bits >> count & 0xffff, &high, out))
				return false;
			bits &= (1u << count) - 1;
		}
	}
	return count < 6 && bits == 0 && high == 0;
}

bool
mailbox_mutf7_decode(struct str text, struct buf *out)
{
	for (size_t i = 0; i < text.len; i++) {
		ptrdiff_t end;
		struct str shifted;
		if ((unsigned char)text.p[i] < 0x20 || (unsigned char)text.p[i] > 0x7e)
			return false;
		if (text.p[i] != '&') {
			buf_add_byte(out, text.p[i]);
			continue;
		}
		shifted = str_from(text, i + 1);
		end = str_index(shifted, '-');
		if (end < 0)
			return false;
		if (end == 0)
			buf_add_byte(out, '&');
		else if (!mutf7_decode_shifted(str_first(shifted, (size_t)end), out))
			return false;
		i += (size_t)end + 1;
	}
	return true;
}

/* The next character of well-formed UTF-8. */
static uint32_t
mutf7_next_char(struct str text, size_t *at)
{
	const unsigned char *p = (const unsigned char *)text.p + *at;
	unsigned len = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	uint32_t c = len == 1 ? p[0] : p[0] & (0x7fu >> len);

	for (unsigned i = 1; i < len && *at + i < text.len; i++)
		c = c << 6 | (p[i] & 0x3f);
	*at += len;
	return c;
}

struct shift {
	uint32_t bits;
	unsigned count;
	bool on;
};

static void
mutf7_add_shifted(struct shift *s, uint32_t unit, struct buf *out)
{
	if (!s->on)
		buf_add_byte(out, '&');
	s->on = true;
	s->bits = s->bits << 16 | unit;
	s->count += 16;
	while (s->count >= 6) {
		s->count -= 6;
		buf_add_byte(out, digits[s->bits >> s->count & 0x3f]);
	}
	s->bits &= (1u << s->count) - 1;
}

static void
mutf7_shift_back(struct shift *s, struct buf *out)
{
	if (!s->on)
		return;
	if (s->count != 0)
		buf_add_byte(out, digits[s->bits << (6 - s->count) & 0x3f]);
	buf_add_byte(out, '-');
	*s = (struct shift){0};
}

void
mailbox_mutf7_encode(struct str text, struct buf *out)
{
	struct shift s = {0};

	for (size_t i = 0; i < text.len;) {
		uint32_t c = mutf7_next_char(text, &i);
		if (c >= 0x20 && c < 0x7f) {
			mutf7_shift_back(&s, out);
			buf_add_byte(out, (char)c);
			if (c == '&')
				buf_add_byte(out, '-');
		} else if (c < 0x10000) {
			mutf7_add_shifted(&s, c, out);
		} else {
			mutf7_add_shifted(&s, 0xd800 + ((c - 0x10000) >> 10), out);
			mutf7_add_shifted(&s, 0xdc00 + ((c - 0x10000) & 0x3ff), out);
		}
	}
	mutf7_shift_back(&s, out);
}

static bool
mutf7_is_ascii(struct str text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.p[i] >= 0x80)
			return false;
	return true;
}

bool
mailbox_nfc(struct str text, struct buf *out)
{
	UErrorCode status = U_ZERO_ERROR;
	const UNormalizer2 *nfc = unorm2_getNFCInstance(&status);
	int32_t len, room = (int32_t)text.len * 3 + 1;
	UChar *wide, *normal;

	if (mutf7_is_ascii(text)) {
		buf_add_str(out, text);
		return true;
	}
	if (!str_is_utf8(text) || text.len > 64 * 1024)
		return false;
	wide = mem_alloc((text.len + 1) * sizeof(UChar));
	normal = mem_alloc((size_t)room * sizeof(UChar));
	u_strFromUTF8(wide, (int32_t)text.len + 1, &len, text.p, (int32_t)text.len, &status);
	len = unorm2_normalize(nfc, wide, len, normal, room, &status);
	if (U_SUCCESS(status)) {
		int32_t bytes = 0;
		char *to = buf_reserve(out, (size_t)len * 3 + 1);
		u_strToUTF8(to, len * 3 + 1, &bytes, normal, len, &status);
		out->len += (size_t)bytes;
		out->data[out->len] = '\0';
	}
	mem_free(wide);
	mem_free(normal);
	return U_SUCCESS(status);
}
