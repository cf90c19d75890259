/* The milter protocol on the wire. */
#include "frontend/milter/wire.h"

#include "lib/base/buf.h"

static uint32_t
wire_u32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

enum milter_wire_result
milter_wire_peek(struct evbuffer *in, struct milter_packet *packet_out)
{
	unsigned char head[4];
	uint32_t length;
	const char *all;

	if (evbuffer_copyout(in, head, sizeof(head)) < (ev_ssize_t)sizeof(head))
		return MILTER_WIRE_MORE;
	length = wire_u32(head);
	if (length == 0 || length > MILTER_PACKET_MAX)
		return MILTER_WIRE_BAD;
	if (evbuffer_get_length(in) < sizeof(head) + length)
		return MILTER_WIRE_MORE;
	all = (const char *)evbuffer_pullup(in, (ev_ssize_t)(sizeof(head) + length));
	packet_out->kind = all[sizeof(head)];
	packet_out->data = str_of(all + sizeof(head) + 1, length - 1);
	return MILTER_WIRE_PACKET;
}

void
milter_wire_drop(struct evbuffer *in, const struct milter_packet *packet)
{
	evbuffer_drain(in, 5 + packet->data.len);
}

void
milter_wire_write(struct evbuffer *out, char kind, struct str data)
{
	uint32_t length = (uint32_t)data.len + 1;
	char head[5] = {(char)(length >> 24), (char)(length >> 16), (char)(length >> 8), (char)length, kind};

	evbuffer_add(out, head, sizeof(head));
	evbuffer_add(out, data.p, data.len);
}

bool
milter_wire_take_number(struct str *data, uint32_t *number_out)
{
	if (data->len < 4)
		return false;
	*number_out = wire_u32((const unsigned char *)data->p);
	*data = str_from(*data, 4);
	return true;
}

bool
milter_wire_take_text(struct str *data, struct str *text_out)
{
	ptrdiff_t end = str_index(*data, '\0');

	if (end < 0)
		return false;
	*text_out = str_first(*data, (size_t)end);
	*data = str_from(*data, (size_t)end + 1);
	return true;
}

/* ---- An own answer ---- */

static bool
wire_has_code(struct str line, struct str code)
{
	return str_starts(line, code) && (line.len == 3 || line.p[3] == ' ' || line.p[3] == '-');
}

/* One line, without what could break it, and not longer than SMTP allows. */
static void
wire_reply_line(struct buf *out, struct str code, char separator, struct str text)
{
	enum { TEXT_MAX = 500 };

	buf_add_str(out, code);
	buf_add_byte(out, separator);
	text = str_first(text, TEXT_MAX);
	for (size_t i = 0; i < text.len; i++)
		buf_add_byte(out, text.p[i] >= ' ' && text.p[i] < 127 ? text.p[i] : '?');
	buf_add_c(out, "\r\n");
}

bool
milter_wire_reply(struct str text, struct buf *out)
{
	enum { LINES_MAX = 32 };
	struct str code, line, next;
	bool more;

	text = str_trim(text);
	code = str_first(text, 3);
	if (code.len < 3 || (code.p[0] != '4' && code.p[0] != '5') || code.p[1] < '0' || code.p[1] > '9' ||
	    code.p[2] < '0' || code.p[2] > '9')
		return false;
	for (unsigned lines = 0; lines < LINES_MAX; lines++) {
		more = str_cut(text, '\n', &line, &next);
		line = str_trim(line);
		if (!wire_has_code(line, code))
			return false;
		more = more && lines + 1 < LINES_MAX;
		wire_reply_line(out, code, more ? '-' : ' ', str_from(line, 4));
		if (!more)
			return true;
		text = next;
	}
	return true;
}
