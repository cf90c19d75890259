#include "lib/base/utf8.h"

/* The second byte's range excludes overlong forms, surrogates and what is above
 * U+10FFFF. */
static bool
utf8_begin(struct utf8_check *u, unsigned char byte)
{
	if (byte < 0x80)
		return true;
	if (byte < 0xc2 || byte > 0xf4)
		return false;
	u->left = byte >= 0xf0 ? 3 : byte >= 0xe0 ? 2 : 1;
	u->low = byte == 0xe0 ? 0xa0 : byte == 0xf0 ? 0x90 : 0x80;
	u->high = byte == 0xed ? 0x9f : byte == 0xf4 ? 0x8f : 0xbf;
	return true;
}

bool
utf8_feed(struct utf8_check *u, struct str piece)
{
	for (size_t i = 0; i < piece.len; i++) {
		unsigned char byte = (unsigned char)piece.p[i];

		if (u->left == 0) {
			if (!utf8_begin(u, byte))
				return false;
			continue;
		}
		if (byte < u->low || byte > u->high)
			return false;
		u->low = 0x80;
		u->high = 0xbf;
		u->left--;
	}
	return true;
}

uint32_t
utf8_character(struct str sequence)
{
	static const uint8_t masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	uint32_t c = (uint8_t)sequence.p[0] & masks[sequence.len];

	for (size_t i = 1; i < sequence.len; i++)
		c = c << 6 | ((uint8_t)sequence.p[i] & 0x3f);
	return c;
}

/* Marks and overrides of direction make a text look like another one; U+2028 and U+2029
 * end lines. */
bool
utf8_is_hidden(uint32_t c)
{
	return (c >= 0x80 && c < 0xa0) || c == 0xad || c == 0x61c || c == 0x180e || (c >= 0x200b && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
	       (c >= 0xe000 && c < 0xf900) || (c & 0xfffe) == 0xfffe || c >= 0xe0000;
}

bool
utf8_has_hidden(struct str text)
{
	for (size_t len; (len = str_utf8_sequence(text)) != 0; text = str_from(text, len))
		if (utf8_is_hidden(utf8_character(str_first(text, len))))
			return true;
	return false;
}

struct str
utf8_clean_text(struct arena *arena, struct str text, size_t max)
{
	size_t len = text.len < max ? text.len : max;
	char *p;

	/* Cut between characters, not inside one. */
	while (len < text.len && len > 0 && ((unsigned char)text.p[len] & 0xc0) == 0x80)
		len--;
	p = arena_dup(arena, text.p, len);
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)p[i] < 0x20 || p[i] == 0x7f)
			p[i] = ' ';
	}
	if (!str_is_utf8(str_of(p, len))) {
		for (size_t i = 0; i < len; i++) {
			if ((unsigned char)p[i] >= 0x80)
				p[i] = '?';
		}
	}
	return str_of(p, len);
}
