/* base64 and quoted-printable. */
#include "frontend/imap/decode.h"

void
imap_decode_init(struct imap_decoder *d, enum mime_encoding encoding)
{
	*d = (struct imap_decoder){.encoding = encoding};
}

static int
base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static void
decode_base64(struct imap_decoder *d, struct str piece, struct buf *out)
{
	for (size_t i = 0; i < piece.len; i++) {
		int v = base64_value(piece.p[i]);
		if (piece.p[i] == '=') /* the end of a block; another may follow */
			d->bit_count = 0;
		if (v < 0)
			continue;
		d->bits = d->bits << 6 | (uint32_t)v;
		d->bit_count += 6;
		if (d->bit_count >= 8) {
			d->bit_count -= 8;
			buf_add_byte(out, (char)(d->bits >> d->bit_count));
		}
	}
}

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
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
	for (size_t i = 0; i < piece.len; i++) {
		if (d->held_count != 0)
			put_escape(d, piece.p[i], out);
		else if (piece.p[i] == '=')
			d->held[d->held_count++] = '=';
		else
			buf_add_byte(out, piece.p[i]);
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
