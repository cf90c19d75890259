/* Evaluates the keys that search bodies (MATCH_HEADER, MATCH_BODY, MATCH_TEXT) in one
 * message after another, span by span: the header of each part, with decoded fields,
 * then the part itself if it is text, decoded and converted to UTF-8. Other parts are
 * skipped. The finder tells the caller what to read and is fed with it; it reads
 * nothing itself.
 *
 *	message_finder_init(&f, tree, &scratch);
 *	for each message {
 *		message_finder_begin(&f, digest);
 *		while (message_finder_wants(&f, &offset, &bytes))
 *			... read that much, or less; message_finder_feed(&f, piece) ...
 *		known.found = f.found;  message_match(tree, &known) ...
 *	}
 *	message_finder_fini(&f); */
#ifndef SP_MESSAGE_FIND_H
#define SP_MESSAGE_FIND_H

#include "lib/base/buf.h"
#include "lib/message/decode.h"
#include "lib/message/match.h"

#define MESSAGE_EXPENSIVE_KEYS_MAX 64 /* of the keys that always search the message */

struct message_finder {
	const struct message_key *keys[MESSAGE_KEYS_MAX]; /* borrowed from the tree; by slot */
	bool found[MESSAGE_KEYS_MAX];			  /* in the current message */
	unsigned key_count, expensive_count;
	struct arena *scratch;		  /* borrowed; reset at each use */
	const struct mime_digest *digest; /* borrowed */

	/* The current span, in bytes of the message; read up to offset. */
	uint32_t part, next_part;
	bool in_header, header_seen;
	uint64_t offset, end;
	struct message_decoder decoder;
	struct buf text; /* owner: read or decoded, but not searched yet */
};

/* Collects the keys of a tree and numbers them (slot). False: there are too many. */
bool message_finder_init(struct message_finder *f, struct message_key *tree, struct arena *scratch);
/* Begins the next message. digest: must stay valid until that is done. */
void message_finder_begin(struct message_finder *f, const struct mime_digest *digest);
/* True if more than the message's header is searched. */
bool message_finder_wants_texts(const struct message_finder *f);
/* Which part of the message is needed next; the caller may read fewer bytes.
 * False: everything is found, or cannot be. */
bool message_finder_wants(struct message_finder *f, uint64_t *offset_out, uint64_t *bytes_out);
/* Feeds the beginning of the requested span, and no more than the span. Empty:
 * it cannot be read; results so far count. */
void message_finder_feed(struct message_finder *f, struct str piece);
/* Frees its memory. The structure must be all zero before the first use. */
void message_finder_fini(struct message_finder *f);

#endif
