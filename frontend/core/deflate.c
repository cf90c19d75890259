/* Compression. */
#include "frontend/core/deflate.h"

#include <zlib.h>

#include "lib/base/check.h"
#include "lib/base/mem.h"

enum { PIECE = 16 * 1024, WINDOW_BITS_IN = -15, WINDOW_BITS_OUT = -13, MEMORY_LEVEL = 6, LEVEL = 4 };

struct deflate {
	z_stream in, out;
	struct evbuffer *plain_in, *plain_out; /* owner */
	bool stopped;			       /* at DEFLATE_INPUT_MAX */
};

struct deflate *
deflate_new(void)
{
	struct deflate *d = mem_new(struct deflate);

	CHECK(inflateInit2(&d->in, WINDOW_BITS_IN) == Z_OK);
	CHECK(deflateInit2(&d->out, LEVEL, Z_DEFLATED, WINDOW_BITS_OUT, MEMORY_LEVEL, Z_DEFAULT_STRATEGY) == Z_OK);
	d->plain_in = evbuffer_new();
	d->plain_out = evbuffer_new();
	CHECK(d->plain_in != NULL && d->plain_out != NULL);
	return d;
}

void
deflate_free(struct deflate **dp)
{
	struct deflate *d = *dp;

	if (d == NULL)
		return;
	*dp = NULL;
	inflateEnd(&d->in);
	deflateEnd(&d->out);
	evbuffer_free(d->plain_in);
	evbuffer_free(d->plain_out);
	mem_free(d);
}

struct evbuffer *
deflate_plain_input(struct deflate *d)
{
	return d->plain_in;
}

struct evbuffer *
deflate_plain_output(struct deflate *d)
{
	return d->plain_out;
}

/* Uses the first contiguous piece of a buffer as zlib's input. */
static size_t
first_piece(struct evbuffer *from, z_stream *z)
{
	struct evbuffer_iovec piece;

	if (evbuffer_peek(from, -1, NULL, &piece, 1) < 1)
		return 0;
	z->next_in = piece.iov_base;
	z->avail_in = piece.iov_len > PIECE ? PIECE : (uInt)piece.iov_len;
	return z->avail_in;
}

bool
deflate_may_hold_more(const struct deflate *d)
{
	return d->stopped;
}

int
deflate_take(struct deflate *d, struct evbuffer *wire)
{
	unsigned char out[PIECE];
	size_t given;
	int result;

	while (evbuffer_get_length(d->plain_in) < DEFLATE_INPUT_MAX && (given = first_piece(wire, &d->in)) != 0) {
		d->in.next_out = out;
		d->in.avail_out = sizeof(out);
		result = inflate(&d->in, Z_SYNC_FLUSH);
		evbuffer_drain(wire, given - d->in.avail_in);
		evbuffer_add(d->plain_in, out, sizeof(out) - d->in.avail_out);
		if (result != Z_OK && result != Z_BUF_ERROR)
			return -1;
	}
	/* What has already been taken from the wire may hold more. */
	while (evbuffer_get_length(d->plain_in) < DEFLATE_INPUT_MAX) {
		d->in.next_in = NULL;
		d->in.avail_in = 0;
		d->in.next_out = out;
		d->in.avail_out = sizeof(out);
		result = inflate(&d->in, Z_SYNC_FLUSH);
		if (result != Z_OK && result != Z_BUF_ERROR)
			return -1;
		if (d->in.avail_out == sizeof(out))
			break;
		evbuffer_add(d->plain_in, out, sizeof(out) - d->in.avail_out);
	}
	d->stopped = evbuffer_get_length(d->plain_in) >= DEFLATE_INPUT_MAX;
	return 0;
}

static void
compress_piece(struct deflate *d, int flush, struct evbuffer *wire)
{
	unsigned char out[PIECE];

	do {
		d->out.next_out = out;
		d->out.avail_out = sizeof(out);
		CHECK(deflate(&d->out, flush) != Z_STREAM_ERROR);
		evbuffer_add(wire, out, sizeof(out) - d->out.avail_out);
	} while (d->out.avail_out == 0);
}

void
deflate_give(struct deflate *d, struct evbuffer *wire)
{
	size_t given;

	if (evbuffer_get_length(d->plain_out) == 0)
		return;
	while ((given = first_piece(d->plain_out, &d->out)) != 0) {
		compress_piece(d, given == evbuffer_get_length(d->plain_out) ? Z_SYNC_FLUSH : Z_NO_FLUSH, wire);
		CHECK(d->out.avail_in == 0);
		evbuffer_drain(d->plain_out, given);
	}
}
