/* The keys that look into bodies (MATCH_HEADER, MATCH_BODY, MATCH_TEXT): what is
 * found in the bytes of one message after another, span by span: the header of
 * each part, whose fields are decoded, then the part itself if it is a text,
 * freed of its encoding and turned into UTF-8. Other parts are passed over. Says
 * what is to be read, and is given that; reads nothing itself.
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

#define MESSAGE_EXPENSIVE_KEYS_MAX 64 /* of those that always look into the message */

struct message_finder {
	const struct message_key *keys[MESSAGE_KEYS_MAX]; /* borrowed from the tree; by slot */
	bool found[MESSAGE_KEYS_MAX];			  /* in the message in hand */
	unsigned key_count, expensive_count;
	struct arena *scratch;		  /* borrowed; reset at each use */
	const struct mime_digest *digest; /* borrowed */

	/* The span in hand, in bytes of the message; read up to offset. */
	uint32_t part, next_part;
	bool in_header, header_seen;
	uint64_t offset, end;
	struct message_decoder decoder;
	struct buf text; /* owner: what was read or decoded, and not looked at yet */
};

/* Collects the keys of a tree, and numbers them (slot). False: there are too many. */
bool message_finder_init(struct message_finder *f, struct message_key *tree, struct arena *scratch);
/* The next message. digest: stays until it is done with. */
void message_finder_begin(struct message_finder *f, const struct mime_digest *digest);
/* Is more than the message's header looked at? */
bool message_finder_wants_texts(const struct message_finder *f);
/* What of the message is wanted next: any number of bytes from there on. False:
 * all is found, or cannot be. */
bool message_finder_wants(struct message_finder *f, uint64_t *offset_out, uint64_t *bytes_out);
/* The beginning of what is wanted, not more. Empty: it cannot be read; what came
 * before counts. */
void message_finder_feed(struct message_finder *f, struct str piece);
/* Frees what it read. Begins as zeroes. */
void message_finder_fini(struct message_finder *f);

#endif
