/* base64 and quoted-printable. */
#include "lib/message/decode.h"

#include <string.h>

#include "lib/base/hex.h"

void
message_decoder_init(struct message_decoder *d, enum mime_encoding encoding)
{
	*d = (struct message_decoder){.encoding = encoding};
}

enum { PAD = 64, SKIP = 128 };

/* The class of each character: 0 to 63, PAD or SKIP. */
static const uint8_t *
decode_base64_table(void)
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
decode_base64(struct message_decoder *d, struct str piece, struct buf *out)
{
	const uint8_t *table = decode_base64_table();
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

/* ---- quoted-printable ----
 *
 * Bytes whose meaning is still open are held back: white space that may be at
 * the end of a line (where it is deleted), and "=" with what follows it (a
 * byte, or a soft line end with or without white space). So the held text is
 * one of: white space, "=", "=X", "=" and white space; except after "=X", a CR
 * may follow. */

static bool
decode_is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static void
decode_hold(struct message_decoder *d, char c)
{
	d->held[d->held_count++] = c;
}

/* It was plain text after all. */
static void
decode_put_held(struct message_decoder *d, struct buf *out)
{
	buf_add(out, d->held, d->held_count);
	d->held_count = 0;
}

/* The first digit of "=X"; -1: something else is held. */
static int
decode_held_digit(const struct message_decoder *d)
{
	return d->held_count == 2 && d->held[0] == '=' ? hex_value(d->held[1]) : -1;
}

/* The held text is at the end of a line. */
static void
decode_end_line(struct message_decoder *d, struct buf *out)
{
	if (d->held[0] != '=')
		buf_add_c(out, d->held[d->held_count - 1] == '\r' ? "\r\n" : "\n");
	d->held_count = 0;
}

/* Handles the next byte while some are held. False: it must be handled again,
 * now that none are held. */
static bool
decode_take_behind_held(struct message_decoder *d, char c, struct buf *out)
{
	bool behind_cr = d->held[d->held_count - 1] == '\r';
	int high = decode_held_digit(d), low = hex_value(c);
	bool half = high >= 0;

	if (high >= 0 && low >= 0) {
		buf_add_byte(out, (char)(high << 4 | low));
		d->held_count = 0;
		return true;
	}
	if (!half && c == '\n') {
		decode_end_line(d, out);
		return true;
	}
	if (!half && !behind_cr && d->held_count < MESSAGE_DECODER_HELD &&
	    (c == '\r' || decode_is_blank(c) || (d->held_count == 1 && d->held[0] == '=' && low >= 0))) {
		decode_hold(d, c);
		return true;
	}
	decode_put_held(d, out);
	return false;
}

/* The start of the white space that ends at `end`, not before `from`. Of a long run
 * it is only the last part: what is left after the buffer for held bytes was filled
 * and passed on repeatedly. */
static size_t
decode_blanks_start(struct str s, size_t from, size_t end)
{
	size_t start = end;

	while (start > from && decode_is_blank(s.p[start - 1]))
		start--;
	return start < end ? start + (end - start - 1) / MESSAGE_DECODER_HELD * MESSAGE_DECODER_HELD : end;
}

/* The number of literal bytes: up to an "=", or to white space that is, or may
 * be, at the end of a line. */
static size_t
decode_plain_run(struct str s)
{
	const char *escape = memchr(s.p, '=', s.len), *lf;
	size_t limit = escape != NULL ? (size_t)(escape - s.p) : s.len, from = 0, end, start;

	while ((lf = memchr(s.p + from, '\n', limit - from)) != NULL) {
		end = (size_t)(lf - s.p);
		end -= end > from && s.p[end - 1] == '\r';
		start = decode_blanks_start(s, from, end);
		if (start < end)
			return start;
		from = (size_t)(lf - s.p) + 1;
	}
	if (limit < s.len)
		return limit;
	end = limit - (limit > from && s.p[limit - 1] == '\r');
	start = decode_blanks_start(s, from, end);
	return start < end ? start : limit;
}

static void
decode_quoted(struct message_decoder *d, struct str piece, struct buf *out)
{
	buf_reserve(out, piece.len + sizeof(d->held));
	while (piece.len != 0) {
		size_t plain;
		if (d->held_count != 0) {
			if (decode_take_behind_held(d, piece.p[0], out))
				piece = str_from(piece, 1);
			continue;
		}
		plain = decode_plain_run(piece);
		buf_add(out, piece.p, plain);
		piece = str_from(piece, plain);
		if (piece.len != 0) {
			decode_hold(d, piece.p[0]);
			piece = str_from(piece, 1);
		}
	}
}

void
message_decoder_feed(struct message_decoder *d, struct str piece, struct buf *out)
{
	if (d->encoding == MIME_BASE64)
		decode_base64(d, piece, out);
	else if (d->encoding == MIME_QUOTED_PRINTABLE)
		decode_quoted(d, piece, out);
	else
		buf_add_str(out, piece);
}

void
message_decoder_end(struct message_decoder *d, struct buf *out)
{
	/* The line end after a part belongs to the boundary, so white space and an
	 * "=" are at the end of a line here too. */
	if (d->held_count != 0 && (decode_held_digit(d) >= 0 || d->held[d->held_count - 1] == '\r'))
		decode_put_held(d, out);
	d->held_count = 0;
}
