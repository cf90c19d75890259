#include "delivery-worker/remote/leaf_encoder.h"

#include "lib/base/base64.h"

enum {
	QP_LINE_MAX = 75,  /* without the '=' of a soft line break */
	BASE64_BYTES = 57, /* of a line of 76 characters */
};

/* ---- Quoted-printable ---- */

static void
leaf_qp_put(struct leaf_encoder *e, const char *text, unsigned len, struct buf *out)
{
	if (e->column + len > QP_LINE_MAX) {
		buf_add(out, "=\r\n", 3);
		e->column = 0;
	}
	buf_add(out, text, len);
	e->column += len;
}

static void
leaf_qp_escape(struct leaf_encoder *e, char c, struct buf *out)
{
	static const char hex[] = "0123456789ABCDEF";
	unsigned char u = (unsigned char)c;

	leaf_qp_put(e, (const char[]){'=', hex[u >> 4], hex[u & 15]}, 3, out);
}

static void
leaf_qp_byte(struct leaf_encoder *e, char c, struct buf *out)
{
	unsigned char u = (unsigned char)c;

	if (e->space != '\0') {
		if (c == '\r')
			leaf_qp_escape(e, e->space, out);
		else
			leaf_qp_put(e, &e->space, 1, out);
		e->space = '\0';
	}
	if (c == '\r') {
		buf_add(out, "\r\n", 2);
		e->column = 0;
	} else if (c == '\n') {
		/* was written together with its CR */
	} else if (c == ' ' || c == '\t') {
		e->space = c;
	} else if (c == '=' || u < 0x20 || u > 0x7e) {
		leaf_qp_escape(e, c, out);
	} else {
		leaf_qp_put(e, &c, 1, out);
	}
}

/* ---- base64 ---- */

static void
leaf_base64_line(struct leaf_encoder *e, struct buf *out)
{
	base64_encode(buf_str(&e->raw), out);
	buf_add(out, "\r\n", 2);
	buf_clear(&e->raw);
}

static void
leaf_base64_byte(struct leaf_encoder *e, char c, struct buf *out)
{
	buf_add_byte(&e->raw, c);
	if (e->raw.len == BASE64_BYTES)
		leaf_base64_line(e, out);
}

static void
leaf_base64_line_end(struct leaf_encoder *e, struct buf *out)
{
	leaf_base64_byte(e, '\r', out);
	leaf_base64_byte(e, '\n', out);
	e->held_line_end = false;
}

static void
leaf_base64_data(struct leaf_encoder *e, struct str data, struct buf *out)
{
	for (size_t i = 0; i < data.len; i++) {
		if (e->held_line_end)
			leaf_base64_line_end(e, out);
		if (data.p[i] == '\n')
			e->held_line_end = true;
		else if (data.p[i] != '\r')
			leaf_base64_byte(e, data.p[i], out);
	}
}

/* ---- Either ---- */

void
leaf_encoder_take(struct leaf_encoder *e, struct str data, struct buf *out)
{
	if (e->coding == LEAF_BASE64)
		leaf_base64_data(e, data, out);
	else if (e->coding == LEAF_AS_IS)
		buf_add_str(out, data);
	else
		for (size_t i = 0; i < data.len; i++)
			leaf_qp_byte(e, data.p[i], out);
}

void
leaf_encoder_end(struct leaf_encoder *e, bool at_boundary, struct buf *out)
{
	if (e->coding == LEAF_BASE64) {
		if (e->held_line_end && !at_boundary)
			leaf_base64_line_end(e, out);
		if (e->raw.len > 0)
			leaf_base64_line(e, out);
	} else if (e->coding == LEAF_QUOTED_PRINTABLE && e->space != '\0') {
		leaf_qp_escape(e, e->space, out);
	}
	leaf_encoder_reset(e);
}

void
leaf_encoder_reset(struct leaf_encoder *e)
{
	buf_clear(&e->raw);
	e->coding = LEAF_AS_IS;
	e->column = 0;
	e->space = '\0';
	e->held_line_end = false;
}

void
leaf_encoder_fini(struct leaf_encoder *e)
{
	buf_fini(&e->raw);
}
