/* The preview of a message (RFC 8970): the first words of its first text part
 * that has any: plain text or HTML that is not an attachment and not within an
 * embedded message. It tells the caller what to read of the body and is fed
 * with it; it reads nothing itself. Pure.
 *
 *	message_preview_begin(&p, digest);
 *	while (message_preview_wants(&p, &offset, &bytes))
 *		... read that much, or less; message_preview_feed(&p, piece) ...
 *	text = message_preview_text(&p);
 *
 * Must be all zero at first. It may be used for one message after another,
 * which reuses its memory. message_preview_fini() is allowed at any time. */
#ifndef SP_MESSAGE_PREVIEW_H
#define SP_MESSAGE_PREVIEW_H

#include "lib/message/decode.h"

#define MESSAGE_PREVIEW_CHARS 200
#define MESSAGE_PREVIEW_TEXTS 8 /* parts that are tried until one has text */

struct message_preview {
	const struct mime_digest *digest; /* borrowed */
	/* The candidate parts, and the current one. */
	uint32_t texts[MESSAGE_PREVIEW_TEXTS];
	unsigned text_count, text_at;
	/* Of the current one. */
	uint64_t start, offset, end; /* bytes of the message; read up to offset */
	struct message_decoder decoder;
	struct buf decoded; /* owner */

	bool done;
	struct buf words; /* owner: the preview, UTF-8; empty: no part has text */
};

/* digest: must stay valid until the end. */
void message_preview_begin(struct message_preview *p, const struct mime_digest *digest);
/* Which bytes of the message are needed next. False: the preview is ready. */
bool message_preview_wants(const struct message_preview *p, uint64_t *offset_out, size_t *bytes_out);
/* Feeds the beginning of the requested bytes: not empty, and no more than those. */
void message_preview_feed(struct message_preview *p, struct str piece);
/* Valid once nothing more is needed; borrowed until the next begin. */
struct str message_preview_text(const struct message_preview *p);
void message_preview_fini(struct message_preview *p);

#endif
