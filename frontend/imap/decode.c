/* base64 and quoted-printable. */
#include "frontend/imap/decode.h"

#include <string.h>

#include "lib/base/hex.h"

void
imap_decode_init(struct imap_decoder *d, enum mime_encoding encoding)
{
	*d = (struct imap_decoder){.encoding = encoding};
}

enum { PAD = 64, SKIP = 128 };

/* What each character is: 0 to 63, PAD or SKIP. */
static const uint8_t *
base64_table(void)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	static uint8_t table[256];

	if (table['A'] == table['B']) {
		memset(table, SKIP, sizeof(table));
		for (unsigned i = 0; i < 64; i++)
			table[(unsigned char)letters[i]] = (uint8_t)i;
		table['='] = PAD;
	}
	return table;
}

static void
decode_base64(struct imap_decoder *d, struct str piece, struct buf *out)
{
	const uint8_t *table = base64_table();
	const unsigned char *p = (const unsigned char *)piece.p, *end = p + piece.len;
	unsigned char *o = (unsigned char *)buf_reserve(out, piece.len / 4 * 3 + 6), *start = o;

	while (p < end) {
		uint8_t v;
		if (d->bit_count == 0 && end - p >= 4) {
			uint32_t w = table[p[0]], x = table[p[1]], y = table[p[2]], z = table[p[3]];
			if ((w | x | y | z) < PAD) {
				w = w << 18 | x << 12 | y << 6 | z;
				*o++ = (unsigned char)(w >> 16);
				*o++ = (unsigned char)(w >> 8);
				*o++ = (unsigned char)w;
				p += 4;
				continue;
			}
		}
		v = table[*p++];
		if (v == PAD) /* the end of a block; another may follow */
			d->bit_count = 0;
		if (v >= PAD)
			continue;
		d->bits = d->bits << 6 | v;
		d->bit_count += 6;
		if (d->bit_count >= 8) {
			d->bit_count -= 8;
			*o++ = (unsigned char)(d->bits >> d->bit_count);
		}
	}
	out->len += (size_t)(o - start);
	out->data[out->len] = '\0';
}

/* An "=" and what follows it, once it can be told what it is. */
static void
put_escape(struct imap_decoder *d, char c, struct buf *out)
{
	int high, low;

	d->held[d->held_count++] = c;
	if (d->held_count < 3 && d->held[1] != '\n')
		return;
	high = hex_value(d->held[1]);
	low = d->held_count > 2 ? hex_value(d->held[2]) : -1;
	if (d->held[1] == '\n' || (d->held[1] == '\r' && d->held[2] == '\n'))
		; /* a soft line end */
	else if (high >= 0 && low >= 0)
		buf_add_byte(out, (char)(high << 4 | low));
	else
		buf_add(out, d->held, d->held_count);
	d->held_count = 0;
}

static void
decode_quoted(struct imap_decoder *d, struct str piece, struct buf *out)
{
	buf_reserve(out, piece.len + sizeof(d->held));
	while (piece.len != 0) {
		const char *escape;
		size_t plain;
		if (d->held_count != 0) {
			put_escape(d, piece.p[0], out);
			piece = str_from(piece, 1);
			continue;
		}
		escape = memchr(piece.p, '=', piece.len);
		plain = escape != NULL ? (size_t)(escape - piece.p) : piece.len;
		buf_add(out, piece.p, plain);
		piece = str_from(piece, plain);
		if (piece.len != 0) {
			d->held[d->held_count++] = '=';
			piece = str_from(piece, 1);
		}
	}
}

void
imap_decode(struct imap_decoder *d, struct str piece, struct buf *out)
{
	if (d->encoding == MIME_BASE64)
		decode_base64(d, piece, out);
	else if (d->encoding == MIME_QUOTED_PRINTABLE)
		decode_quoted(d, piece, out);
	else
		buf_add_str(out, piece);
}

void
imap_decode_end(struct imap_decoder *d, struct buf *out)
{
	buf_add(out, d->held, d->held_count);
	d->held_count = 0;
}
