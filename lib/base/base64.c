/* base64, strict. */
#include "lib/base/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void
base64_encode(struct str data, struct buf *out)
{
	for (size_t i = 0; i < data.len; i += 3) {
		size_t left = data.len - i;
		uint32_t v = (uint32_t)(unsigned char)data.p[i] << 16;
		char quad[4];

		if (left > 1)
			v |= (uint32_t)(unsigned char)data.p[i + 1] << 8;
		if (left > 2)
			v |= (unsigned char)data.p[i + 2];
		quad[0] = alphabet[v >> 18];
		quad[1] = alphabet[v >> 12 & 63];
		quad[2] = left > 1 ? alphabet[v >> 6 & 63] : '=';
		quad[3] = left > 2 ? alphabet[v & 63] : '=';
		buf_add(out, quad, sizeof(quad));
	}
}

/* Value of one character, or -1. */
static int
value_of(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool
base64_decode(struct str text, struct buf *out)
{
	if (text.len % 4 != 0)
		return false;
	for (size_t i = 0; i < text.len; i += 4) {
		bool last = i + 4 == text.len;
		unsigned padding = !last ? 0 : text.p[i + 3] != '=' ? 0 : text.p[i + 2] != '=' ? 1 : 2;
		uint32_t v = 0;

		for (unsigned j = 0; j < 4; j++) {
			int digit = j >= 4 - padding ? 0 : value_of(text.p[i + j]);
			if (digit < 0)
				return false;
			v = v << 6 | (uint32_t)digit;
		}
		/* Bits that no byte uses must be zero; otherwise two texts would mean the same. */
		if ((padding == 1 && (v & 0xff) != 0) || (padding == 2 && (v & 0xffff) != 0))
			return false;
		buf_add_byte(out, (char)(v >> 16));
		if (padding < 2)
			buf_add_byte(out, (char)(v >> 8));
		if (padding < 1)
			buf_add_byte(out, (char)v);
	}
	return true;
}
