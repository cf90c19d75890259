#include "delivery-worker/retrieve/wire/words.h"

#include <string.h>

#include "lib/base/check.h"

static uint32_t
words_character(struct str sequence)
{
	static const uint8_t masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	uint32_t c = (uint8_t)sequence.p[0] & masks[sequence.len];

	for (size_t i = 1; i < sequence.len; i++)
		c = c << 6 | ((uint8_t)sequence.p[i] & 0x3f);
	return c;
}

/* Marks and overrides of direction, and characters without width, make a text look like
 * another one; U+2028 and U+2029 end lines. */
static bool
words_is_hidden(uint32_t c)
{
	return (c >= 0x80 && c < 0xa0) || c == 0xad || c == 0x61c || c == 0x180e || (c >= 0x200b && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
	       (c >= 0xe000 && c < 0xf900) || (c & 0xfffe) == 0xfffe || c >= 0xe0000;
}

size_t
words_clean(struct str raw, char *out, size_t size)
{
	size_t used = 0;

	CHECK(size > 0);
	raw = str_trim(raw);
	while (raw.len > 0) {
		size_t len = str_utf8_sequence(raw);
		struct str shown = str_first(raw, len);
		uint32_t c;

		if (len == 0) {
			shown = STR("?");
			len = 1;
		}
		c = words_character(shown);
		if (c < 0x20 || c == 0x7f)
			shown = STR(" ");
		else if (words_is_hidden(c))
			shown = STR("?");
		if (used + shown.len >= size)
			break;
		memcpy(out + used, shown.p, shown.len);
		used += shown.len;
		raw = str_from(raw, len);
	}
	while (used > 0 && out[used - 1] == ' ')
		used--;
	out[used] = '\0';
	return used;
}
