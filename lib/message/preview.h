/* The preview of a message (RFC 8970): the first words of the first text that
 * says something: plain text or HTML that is not attached, of this message
 * rather than of one within it. Says what is to be read of the body, and is
 * given that; reads nothing itself. Pure.
 *
 *	message_preview_begin(&p, digest);
 *	while (message_preview_wants(&p, &offset, &bytes))
 *		... read that much, or less; message_preview_feed(&p, piece) ...
 *	text = message_preview_text(&p);
 *
 * Begins as zeroes; may be used for one message after another, which keeps its
 * memory. message_preview_fini() at any time. */
#ifndef SP_MESSAGE_PREVIEW_H
#define SP_MESSAGE_PREVIEW_H

#include "lib/message/decode.h"

#define MESSAGE_PREVIEW_CHARS 200
#define MESSAGE_PREVIEW_TEXTS 8 /* so many are looked at, until one says something */

struct message_preview {
	const struct mime_digest *digest; /* borrowed */
	/* The parts that may give it, and which is looked at. */
	uint32_t texts[MESSAGE_PREVIEW_TEXTS];
	unsigned text_count, text_at;
	/* Of that one. */
	uint64_t start, offset, end; /* bytes of the message; read up to offset */
	struct message_decoder decoder;
	struct buf decoded; /* owner */

	bool done;
	struct buf words; /* owner: the preview, UTF-8; empty: no text says anything */
};

/* digest: stays until the end. */
void message_preview_begin(struct message_preview *p, const struct mime_digest *digest);
/* What of the message, by bytes, is wanted next. False: the preview is there. */
bool message_preview_wants(const struct message_preview *p, uint64_t *offset_out, size_t *bytes_out);
/* The beginning of what was wanted: not empty, not more. */
void message_preview_feed(struct message_preview *p, struct str piece);
/* Once nothing is wanted; borrowed until the next begin. */
struct str message_preview_text(const struct message_preview *p);
void message_preview_fini(struct message_preview *p);

#endif
