/* The data of a message: read from the blob store in pieces, line ends and
 * dots put right, given to the socket only as fast as it takes them. The first
 * piece is read while the commands are still on their way. */
#include <event2/buffer.h>

#include "delivery-worker/remote/client_private.h"
#include "lib/base/check.h"
#include "lib/base/crashpoint.h"

#define PIECE_BYTES (128 * 1024)
#define OUTPUT_HIGH (256 * 1024)

static void read_more(struct smtp_client *c);

static void
encode(struct smtp_client *c, struct str piece)
{
	smtp_data_write(&c->writer, piece, &c->encoded);
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
	if (c->read_at >= c->message->body.length) {
		c->body_read = true;
		smtp_data_write_end(&c->writer, &c->encoded);
	}
	body_pump(c);
}

static void
read_more(struct smtp_client *c)
{
	const struct smtp_message *m = c->message;

	CHECK(c->read == NULL && !c->body_read);
	c->read = blob_read(m->blobs, &m->body, c->read_at, PIECE_BYTES, on_piece, c);
}

void
body_begin(struct smtp_client *c)
{
	c->body_started = true;
	c->read_at = c->message->offset;
	c->body_read = false;
	c->go_ahead = false;
	buf_clear(&c->encoded);
	smtp_data_writer_init(&c->writer, true);
	if (c->message->extra_header.len > 0)
		encode(c, c->message->extra_header);
	if (c->read_at < c->message->body.length) {
		read_more(c);
		return;
	}
	c->body_read = true;
	smtp_data_write_end(&c->writer, &c->encoded);
}

void
body_pump(struct smtp_client *c)
{
	if (!c->go_ahead || c->state != CLIENT_SENDING || c->message->end_sent)
		return;
	if (evbuffer_get_length(bufferevent_get_output(c->bev)) >= OUTPUT_HIGH)
		return; /* on_writable() comes back here */
	if (c->encoded.len > 0) {
		client_write(c, c->encoded.data, c->encoded.len);
		buf_clear(&c->encoded);
		client_set_timer(c, c->options.command_timeout_ms);
	}
	if (!c->body_read) {
		if (c->read == NULL)
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
	/* A large piece's memory is not kept over many idle connections. */
	if (c->encoded.capacity > 16 * 1024)
		buf_fini(&c->encoded);
	else
		buf_clear(&c->encoded);
}
