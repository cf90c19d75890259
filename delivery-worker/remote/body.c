/* The data of a message: read from the blob store in pieces, with line ends and
 * dots corrected, written to the socket only as fast as it accepts them. The
 * first piece is read while the commands are still on their way.
 *
 * Sent with DATA, or in chunks (BDAT, RFC 3030) if the server supports both
 * CHUNKING and PIPELINING: a small message is then sent together with its
 * commands, without a round trip for the go-ahead. */
#include "delivery-worker/remote/body.h"

#include <stdio.h>

#include "delivery-worker/remote/state.h"
#include "lib/base/check.h"
#include "lib/base/crashpoint.h"

#define PIECE_BYTES (128 * 1024)
#define SMALL_BYTES (32 * 1024) /* sent in vain if no recipient is accepted */

static void body_read_more(struct smtp_client *c);

static void
body_encode(struct smtp_client *c, struct str piece)
{
	if (c->message->downgrade == NULL) {
		smtp_data_write(&c->body.writer, piece, &c->body.encoded);
		return;
	}
	buf_clear(&c->body.plain);
	downgrade_write(c->message->downgrade, piece, &c->body.plain);
	smtp_data_write(&c->body.writer, buf_str(&c->body.plain), &c->body.encoded);
}

static void
body_encode_end(struct smtp_client *c)
{
	if (c->message->downgrade != NULL) {
		buf_clear(&c->body.plain);
		downgrade_write_end(c->message->downgrade, &c->body.plain);
		smtp_data_write(&c->body.writer, buf_str(&c->body.plain), &c->body.encoded);
	}
	smtp_data_write_end(&c->body.writer, &c->body.encoded);
	c->body.is_read = true;
}

static void
body_on_piece(void *arg, const char *data, size_t len, const struct err *err)
{
	struct smtp_client *c = arg;
	uint64_t left;

	c->body.read = NULL;
	if (err != NULL || len == 0) {
		client_fail(c, SMTP_AT_BODY, "the message cannot be read: %s",
			    err != NULL ? err->text : "it is incomplete");
		return;
	}
	left = c->message->body.length - c->body.read_at;
	if (len > left)
		len = (size_t)left;
	body_encode(c, str_of(data, len));
	c->body.read_at += len;
	if (c->body.read_at >= c->message->body.length)
		body_encode_end(c);
	client_enter(c);
	if (c->body.go_ahead)
		body_pump(c);
	else
		c->body.on_read(c); /* it may be small enough to be sent ahead */
	client_leave(c);
}

static void
body_read_more(struct smtp_client *c)
{
	const struct smtp_message *m = c->message;

	CHECK(c->body.read == NULL && !c->body.is_read);
	c->body.read = blob_read(m->blobs, &m->body, c->body.read_at, PIECE_BYTES, body_on_piece, c);
}

void
body_init(struct smtp_client *c, void (*on_read)(struct smtp_client *c))
{
	c->body.on_read = on_read;
}

bool
body_is_small(const struct smtp_client *c)
{
	return c->body.is_read && c->body.encoded.len <= SMALL_BYTES;
}

void
body_begin(struct smtp_client *c)
{
	struct str extra = c->message->extra_header;

	c->body.is_started = true;
	c->body.read_at = c->message->offset;
	c->body.is_read = false;
	c->body.go_ahead = false;
	c->body.chunk_refused = false;
	c->body.chunking = c->caps.chunking && c->caps.pipelining;
	buf_clear(&c->body.encoded);
	smtp_data_writer_init(&c->body.writer, !c->body.chunking);
	if (c->message->downgrade != NULL)
		downgrade_begin(c->message->downgrade);
	if (extra.len > 0)
		smtp_data_write(&c->body.writer, extra, &c->body.encoded);
	if (c->body.read_at < c->message->body.length)
		body_read_more(c);
	else
		body_encode_end(c);
}

/* Converted data is sent; together with a last chunk or the dot, that is everything. */
static void
body_send_encoded(struct smtp_client *c)
{
	char command[48];
	int len;

	if (c->body.chunking && (c->body.encoded.len > 0 || c->body.is_read)) {
		len = snprintf(command, sizeof(command), "BDAT %zu%s\r\n", c->body.encoded.len,
			       c->body.is_read ? " LAST" : "");
		client_write(c, command, (size_t)len);
		if (!c->body.is_read)
			client_expect(c, STEP_CHUNK, 0);
	}
	if (c->body.encoded.len == 0)
		return;
	client_write(c, c->body.encoded.data, c->body.encoded.len);
	buf_clear(&c->body.encoded);
	connection_set_timer(&c->connection, c->options.command_timeout_ms);
}

void
body_pump(struct smtp_client *c)
{
	if (!c->body.go_ahead || c->state != CLIENT_SENDING || c->message->end_sent || c->body.chunk_refused)
		return;
	if (connection_output(&c->connection) >= CONNECTION_OUTPUT_HIGH)
		return; /* on_writable comes back here */
	if (c->body.read != NULL)
		return;
	body_send_encoded(c);
	if (!c->body.is_read) {
		body_read_more(c);
		return;
	}
	c->message->end_sent = true;
	client_expect(c, STEP_END, 0);
	CRASHPOINT("dot-given");
	client_set_timer(c);
}

void
body_go(struct smtp_client *c)
{
	c->body.go_ahead = true;
	if (!c->body.is_started)
		body_begin(c);
	body_pump(c);
}

void
body_send_empty(struct smtp_client *c)
{
	c->body.go_ahead = true;
	client_write(c, ".\r\n", 3);
	client_expect(c, STEP_END, 0);
}

void
body_refuse_chunk(struct smtp_client *c)
{
	c->body.chunk_refused = true;
}

void
body_end(struct smtp_client *c)
{
	if (c->body.read != NULL)
		blob_read_cancel(&c->body.read);
	c->body.is_started = false;
	c->body.go_ahead = false;
	buf_fini(&c->body.plain);
	/* Idle connections do not keep the memory of a large piece. */
	if (c->body.encoded.capacity > 16 * 1024)
		buf_fini(&c->body.encoded);
	else
		buf_clear(&c->body.encoded);
}
