/* Hexadecimal digits. */
#ifndef SP_BASE_HEX_H
#define SP_BASE_HEX_H

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

#endif
