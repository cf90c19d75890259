#include "delivery-worker/retrieve/wire/words.h"

#include <string.h>

#include "lib/base/check.h"
#include "lib/base/utf8.h"

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
		c = utf8_character(shown);
		if (c < 0x20 || c == 0x7f)
			shown = STR(" ");
		else if (utf8_is_hidden(c))
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
