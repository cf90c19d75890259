#include "lib/http/chunked.h"

#include "lib/base/hex.h"

enum { SIZE_DIGITS_MAX = 15 };

/* Everything but data is parsed byte by byte. */
static enum http_chunked_state
chunked_take_size(struct http_chunked *c, char byte)
{
	int digit = hex_value(byte);

	if (digit >= 0) {
		if (c->digits++ == SIZE_DIGITS_MAX)
			return HTTP_CHUNK_BAD;
		c->left = c->left * 16 + (unsigned)digit;
		return HTTP_CHUNK_SIZE;
	}
	if (c->digits == 0)
		return HTTP_CHUNK_BAD;
	if (byte == ';')
		return HTTP_CHUNK_EXTENSION;
	return byte == '\r' ? HTTP_CHUNK_SIZE_LF : HTTP_CHUNK_BAD;
}

static enum http_chunked_state
chunked_take_extension(struct http_chunked *c, char byte)
{
	if (byte == '\r')
		return HTTP_CHUNK_SIZE_LF;
	if (((unsigned char)byte < 0x20 && byte != '\t') || byte == 0x7f || ++c->extension > HTTP_EXTENSION_MAX)
		return HTTP_CHUNK_BAD;
	return HTTP_CHUNK_EXTENSION;
}

static enum http_chunked_state
chunked_take_trailer(struct http_chunked *c, char byte)
{
	if (++c->trailer_bytes > HTTP_TRAILERS_MAX)
		return HTTP_CHUNK_BAD;
	if (byte == '\r')
		return HTTP_CHUNK_TRAILER_LF;
	if (((unsigned char)byte < 0x20 && byte != '\t') || byte == 0x7f)
		return HTTP_CHUNK_BAD;
	c->line_bytes++;
	return HTTP_CHUNK_TRAILER;
}

static enum http_chunked_state
chunked_end_trailer(struct http_chunked *c)
{
	bool last = c->line_bytes == 0;

	c->line_bytes = 0;
	return last ? HTTP_CHUNK_DONE : HTTP_CHUNK_TRAILER;
}

static enum http_chunked_state
chunked_begin_data(struct http_chunked *c)
{
	c->digits = c->extension = 0;
	return c->left != 0 ? HTTP_CHUNK_DATA : HTTP_CHUNK_TRAILER;
}

static enum http_chunked_state
chunked_take(struct http_chunked *c, char byte)
{
	switch (c->state) {
	case HTTP_CHUNK_SIZE: return chunked_take_size(c, byte);
	case HTTP_CHUNK_EXTENSION: return chunked_take_extension(c, byte);
	case HTTP_CHUNK_SIZE_LF: return byte == '\n' ? chunked_begin_data(c) : HTTP_CHUNK_BAD;
	case HTTP_CHUNK_DATA_CR: return byte == '\r' ? HTTP_CHUNK_DATA_LF : HTTP_CHUNK_BAD;
	case HTTP_CHUNK_DATA_LF: return byte == '\n' ? HTTP_CHUNK_SIZE : HTTP_CHUNK_BAD;
	case HTTP_CHUNK_TRAILER: return chunked_take_trailer(c, byte);
	case HTTP_CHUNK_TRAILER_LF: return byte == '\n' ? chunked_end_trailer(c) : HTTP_CHUNK_BAD;
	case HTTP_CHUNK_DATA:
	case HTTP_CHUNK_DONE:
	case HTTP_CHUNK_BAD: break;
	}
	return c->state;
}

size_t
http_chunked_feed(struct http_chunked *c, struct str piece, struct str *data_out)
{
	size_t at = 0;

	*data_out = STR_NONE;
	while (at < piece.len && c->state != HTTP_CHUNK_DATA && c->state != HTTP_CHUNK_DONE &&
	       c->state != HTTP_CHUNK_BAD)
		c->state = chunked_take(c, piece.p[at++]);
	if (c->state != HTTP_CHUNK_DATA || at == piece.len)
		return at;
	*data_out = str_from(piece, at);
	if (data_out->len > c->left)
		*data_out = str_first(*data_out, (size_t)c->left);
	c->left -= data_out->len;
	if (c->left == 0)
		c->state = HTTP_CHUNK_DATA_CR;
	return at + data_out->len;
}
