/* Hexadecimal digits. */
#ifndef SP_BASE_HEX_H
#define SP_BASE_HEX_H

#include <stddef.h>

/* The value, 0 to 15, of a digit in either case; -1: not a hexadecimal digit. */
static inline int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Writes 2 * len digits, in lower case, and a NUL. */
static inline void
hex_write(const void *bytes, size_t len, char *out)
{
	const unsigned char *b = (const unsigned char *)bytes;

	for (size_t i = 0; i < len; i++) {
		out[2 * i] = "0123456789abcdef"[b[i] >> 4];
		out[2 * i + 1] = "0123456789abcdef"[b[i] & 15];
	}
	out[2 * len] = '\0';
}

#endif
