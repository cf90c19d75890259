/* Compression of a connection's bytes in both directions (RFC 4978: raw DEFLATE,
 * RFC 1951). Some 64 KiB for what goes out and 40 KiB for what comes in. */
#ifndef SP_FRONTEND_CORE_DEFLATE_H
#define SP_FRONTEND_CORE_DEFLATE_H

#include <event2/buffer.h>
#include <stdbool.h>

struct deflate;

/* A compressed piece may be a thousand times larger in plain: no more is made
 * of it while so many bytes wait. */
#define DEFLATE_INPUT_MAX (64 * 1024)

struct deflate *deflate_new(void);
void deflate_free(struct deflate **d);
struct evbuffer *deflate_plain_input(struct deflate *d);
struct evbuffer *deflate_plain_output(struct deflate *d);
/* From the wire to the plain input. -1: that is no DEFLATE, or its end. */
int deflate_take(struct deflate *d, struct evbuffer *wire);
/* It stopped because enough waits: there may be more though the wire is empty. */
bool deflate_may_hold_more(const struct deflate *d);
/* All of the plain output to the wire, so that the peer can read all of it. */
void deflate_give(struct deflate *d, struct evbuffer *wire);

#endif
