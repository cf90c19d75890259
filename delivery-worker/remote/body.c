/* The data of a message: read from the blob store in pieces, line ends and
 * dots put right, given to the socket only as fast as it takes them. The first
 * piece is read while the commands are still on their way.
 *
 * By DATA, or in chunks (BDAT, RFC 3030) where the server does both CHUNKING
 * and PIPELINING: a small message then goes out with its commands, without a
 * round trip for the go-ahead. */
#include <event2/buffer.h>
#include <stdio.h>

#include "delivery-worker/remote/client_private.h"
#include "lib/base/check.h"
#include "lib/base/crashpoint.h"

#define PIECE_BYTES (128 * 1024)
#define OUTPUT_HIGH (256 * 1024)
#define SMALL_BYTES (32 * 1024) /* sent in vain if no recipient is accepted */

static void read_more(struct smtp_client *c);

static void
encode(struct smtp_client *c, struct str piece)
{
	if (c->message->downgrade == NULL) {
		smtp_data_write(&c->writer, piece, &c->encoded);
		return;
	}
	buf_clear(&c->plain);
	downgrade_write(c->message->downgrade, piece, &c->plain);
	smtp_data_write(&c->writer, buf_str(&c->plain), &c->encoded);
}

static void
encode_end(struct smtp_client *c)
{
	if (c->message->downgrade != NULL) {
		buf_clear(&c->plain);
		downgrade_write_end(c->message->downgrade, &c->plain);
		smtp_data_write(&c->writer, buf_str(&c->plain), &c->encoded);
	}
	smtp_data_write_end(&c->writer, &c->encoded);
	c->body_read = true;
}

static void
on_piece(void *arg, const char *data, size_t len, const struct err *err)
{
	struct smtp_client *c = arg;
	uint64_t left;

	c->read = NULL;
	if (err != NULL || len == 0) {
		client_fail(c, SMTP_AT_BODY, "the message cannot be read: %s",
			    err != NULL ? err->text : "it is cut short");
		return;
	}
	left = c->message->body.length - c->read_at;
	if (len > left)
		len = (size_t)left;
	encode(c, str_of(data, len));
	c->read_at += len;
	if (c->read_at >= c->message->body.length)
		encode_end(c);
	client_enter(c);
	if (c->go_ahead)
		body_pump(c);
	else
		dialogue_advance(c); /* it may be small enough to be sent ahead */
	client_leave(c);
}

static void
read_more(struct smtp_client *c)
{
	const struct smtp_message *m = c->message;

	CHECK(c->read == NULL && !c->body_read);
	c->read = blob_read(m->blobs, &m->body, c->read_at, PIECE_BYTES, on_piece, c);
}

bool
body_is_small(const struct smtp_client *c)
{
	return c->body_read && c->encoded.len <= SMALL_BYTES;
}

void
body_begin(struct smtp_client *c)
{
	struct str extra = c->message->extra_header;

	c->body_started = true;
	c->read_at = c->message->offset;
	c->body_read = false;
	c->go_ahead = false;
	c->chunk_refused = false;
	c->chunking = c->caps.chunking && c->caps.pipelining;
	buf_clear(&c->encoded);
	smtp_data_writer_init(&c->writer, !c->chunking);
	if (c->message->downgrade != NULL)
		downgrade_begin(c->message->downgrade);
	if (extra.len > 0)
		smtp_data_write(&c->writer, extra, &c->encoded);
	if (c->read_at < c->message->body.length)
		read_more(c);
	else
		encode_end(c);
}

/* What is encoded goes out; with a last chunk, or the dot, it is all. */
static void
send_encoded(struct smtp_client *c)
{
	char command[48];
	int len;

	if (c->chunking && (c->encoded.len > 0 || c->body_read)) {
		len = snprintf(command, sizeof(command), "BDAT %zu%s\r\n", c->encoded.len, c->body_read ? " LAST" : "");
		client_write(c, command, (size_t)len);
		if (!c->body_read)
			dialogue_expect(c, STEP_CHUNK, 0);
	}
	if (c->encoded.len == 0)
		return;
	client_write(c, c->encoded.data, c->encoded.len);
	buf_clear(&c->encoded);
	client_set_timer(c, c->options.command_timeout_ms);
}

void
body_pump(struct smtp_client *c)
{
	if (!c->go_ahead || c->state != CLIENT_SENDING || c->message->end_sent || c->chunk_refused)
		return;
	if (evbuffer_get_length(bufferevent_get_output(c->bev)) >= OUTPUT_HIGH)
		return; /* on_writable() comes back here */
	if (c->read != NULL)
		return;
	send_encoded(c);
	if (!c->body_read) {
		read_more(c);
		return;
	}
	c->message->end_sent = true;
	dialogue_expect(c, STEP_END, 0);
	CRASHPOINT("dot-given");
	client_set_timer(c, dialogue_timeout(c));
}

void
body_go(struct smtp_client *c)
{
	c->go_ahead = true;
	if (!c->body_started)
		body_begin(c);
	body_pump(c);
}

void
body_send_empty(struct smtp_client *c)
{
	client_write(c, ".\r\n", 3);
	dialogue_expect(c, STEP_END, 0);
}

void
body_end(struct smtp_client *c)
{
	if (c->read != NULL)
		blob_read_cancel(&c->read);
	c->body_started = false;
	c->go_ahead = false;
	buf_fini(&c->plain);
	/* A large piece's memory is not kept over many idle connections. */
	if (c->encoded.capacity > 16 * 1024)
		buf_fini(&c->encoded);
	else
		buf_clear(&c->encoded);
}
