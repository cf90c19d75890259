/* base64 and base64url, strict: one text for each sequence of bytes. */
#include "lib/base/base64.h"

#define BASE64_COMMON "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

static const char base64_alphabet[] = BASE64_COMMON "+/";
static const char base64_url_alphabet[] = BASE64_COMMON "-_";

/* Without padding: 2, 3 or 4 digits for 1, 2 or 3 bytes. */
static void
base64_add_digits(struct str data, const char *alphabet, struct buf *out)
{
	for (size_t i = 0; i < data.len; i += 3) {
		size_t left = data.len - i;
		uint32_t v = (uint32_t)(unsigned char)data.p[i] << 16;
		char quad[4];

		if (left > 1)
			v |= (uint32_t)(unsigned char)data.p[i + 1] << 8;
		if (left > 2)
			v |= (unsigned char)data.p[i + 2];
		for (unsigned j = 0; j < 4; j++)
			quad[j] = alphabet[v >> (18 - 6 * j) & 63];
		buf_add(out, quad, left > 2 ? 4 : left + 1);
	}
}

void
base64_encode(struct str data, struct buf *out)
{
	static const char *const padding[3] = {"", "==", "="};

	base64_add_digits(data, base64_alphabet, out);
	buf_add_c(out, padding[data.len % 3]);
}

void
base64url_encode(struct str data, struct buf *out)
{
	base64_add_digits(data, base64_url_alphabet, out);
}

/* Value of one digit, or -1. */
static int
base64_value(char c, const char *alphabet)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == alphabet[62] ? 62 : c == alphabet[63] ? 63 : -1;
}

/* text: digits only, without padding. */
static bool
base64_take_digits(struct str text, const char *alphabet, struct buf *out)
{
	for (size_t i = 0; i < text.len; i += 4) {
		size_t digits = text.len - i < 4 ? text.len - i : 4;
		uint32_t v = 0;

		for (size_t j = 0; j < 4; j++) {
			int digit = j < digits ? base64_value(text.p[i + j], alphabet) : 0;
			if (digit < 0)
				return false;
			v = v << 6 | (uint32_t)digit;
		}
		/* Bits that no byte uses must be zero; otherwise two texts would mean the same. */
		if (digits == 1 || (digits == 2 && (v & 0xffff) != 0) || (digits == 3 && (v & 0xff) != 0))
			return false;
		for (size_t j = 0; j + 1 < digits; j++)
			buf_add_byte(out, (char)(v >> (16 - 8 * j)));
	}
	return true;
}

bool
base64_decode(struct str text, struct buf *out)
{
	if (text.len % 4 != 0)
		return false;
	/* At most two; a third is no digit. */
	for (unsigned i = 0; i < 2 && text.len != 0 && text.p[text.len - 1] == '='; i++)
		text.len--;
	return base64_take_digits(text, base64_alphabet, out);
}

bool
base64url_decode(struct str text, struct buf *out)
{
	return base64_take_digits(text, base64_url_alphabet, out);
}
