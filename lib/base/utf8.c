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
