/* Compression of a connection's bytes in both directions (RFC 4978: raw DEFLATE, RFC
 * 1951). Needs about 64 KiB for output and 40 KiB for input. */
#ifndef SP_FRONTEND_CORE_DEFLATE_H
#define SP_FRONTEND_CORE_DEFLATE_H

#include <event2/buffer.h>
#include <stdbool.h>

struct deflate;

/* Compressed data may expand a thousandfold. No more is decompressed while this many
 * bytes are waiting. */
#define DEFLATE_INPUT_MAX (64 * 1024)

struct deflate *deflate_new(void);
void deflate_free(struct deflate **d);
struct evbuffer *deflate_plain_input(struct deflate *d);
struct evbuffer *deflate_plain_output(struct deflate *d);
/* From the wire to the plain input. -1: the data is not DEFLATE, or the stream has ended. */
int deflate_take(struct deflate *d, struct evbuffer *wire);
/* Decompression stopped because enough is waiting: there may be more even if the wire is empty. */
bool deflate_may_hold_more(const struct deflate *d);
/* Moves all of the plain output to the wire, flushed so that the peer can read all of it. */
void deflate_give(struct deflate *d, struct evbuffer *wire);

#endif
