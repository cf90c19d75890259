/* What FETCH, SEARCH, SORT and THREAD need to know of a message beyond its
 * index record, computed once from the body: envelope, body structure,
 * positions of the parts, decoded texts. One self-contained binary record,
 * versioned, with a checksum; readers get pointers into it without parsing
 * anything.
 *
 * The builder is fed the body in pieces of any size and uses bounded memory
 * (limits below), whatever the message looks like. A malformed message is
 * interpreted as well as possible and is never an error. */
#ifndef SP_MIME_DIGEST_H
#define SP_MIME_DIGEST_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"

#define MIME_PARTS_MAX	       10000
#define MIME_DEPTH_MAX	       100
#define MIME_HEADER_BYTES_MAX  (1024 * 1024)	  /* of one header block; the rest is ignored */
#define MIME_HEADERS_BYTES_MAX (16 * 1024 * 1024) /* of all of a message's parts together */

/* ---- Building ---- */
struct mime_digest_builder;

struct mime_digest_builder *mime_digest_begin(void);
void mime_digest_feed(struct mime_digest_builder *b, struct str piece);
/* Appends the digest to out. Frees *b and sets it to NULL. */
void mime_digest_end(struct mime_digest_builder **b, struct buf *out);
void mime_digest_abort(struct mime_digest_builder **b);

/* ---- Reading ---- */
enum mime_digest_text {
	/* In the form that IMAP sends (RFC 9051, 7.5.2), strings quoted or as literals. */
	DIGEST_ENVELOPE,
	DIGEST_BODY,
	DIGEST_BODYSTRUCTURE,
	/* Decoded, in UTF-8. */
	DIGEST_SUBJECT,
	DIGEST_FROM, /* "Name <box@host>, ..." of all fields of that name, for SEARCH */
	DIGEST_TO,
	DIGEST_CC,
	DIGEST_BCC,
	DIGEST_FROM_BOX, /* local part of the first address, for SORT (RFC 5256) */
	DIGEST_TO_BOX,
	DIGEST_CC_BOX,
	DIGEST_FROM_DISPLAY, /* name or address of the first, for SORT=DISPLAY (RFC 5957) */
	DIGEST_TO_DISPLAY,
	DIGEST_MESSAGE_ID, /* with brackets; empty: none */
	DIGEST_REFERENCES, /* ids of References, else of In-Reply-To, separated by spaces */
	DIGEST_TEXTS
};

enum mime_encoding { MIME_7BIT, MIME_8BIT, MIME_BINARY, MIME_QUOTED_PRINTABLE, MIME_BASE64, MIME_OTHER_ENCODING };

struct mime_digest_part {
	uint32_t parent;	/* index of the parent; the root's own for the root */
	uint32_t number;	/* among its siblings, from 1: BODY[1.2] */
	uint8_t kind;		/* enum mime_kind of parser.h: 0 leaf, 1 multipart, 2 message/rfc822 */
	uint8_t encoding;	/* enum mime_encoding */
	bool is_text;		/* text/anything */
	bool is_plain, is_html; /* text/plain, text/html */
	bool is_attachment;	/* by its Content-Disposition */
	uint64_t header_start, body_start, body_end; /* bytes of the message */
	struct str charset;			     /* empty: none specified */
};

struct mime_digest {
	struct str texts[DIGEST_TEXTS]; /* borrowed from the record */
	uint32_t header_bytes;		/* of the message's header with its blank line */
	bool has_date;
	int64_t date;	      /* Date:, unix seconds */
	int16_t zone_minutes; /* of the Date: field */
	bool repeats;	      /* Subject or Message-ID occurs more than once: the texts are those of the first */
	uint32_t part_count;
	const char *parts; /* packed; mime_digest_part_at() */
	const char *record;
};

/* False: not a digest of this version, or damaged: it must be recomputed. */
bool mime_digest_read(struct str record, struct mime_digest *out);
/* The same for bytes known to be intact (the blob store has verified its own
 * checksum over them). */
bool mime_digest_read_sound(struct str record, struct mime_digest *out);
struct mime_digest_part mime_digest_part_at(const struct mime_digest *d, uint32_t index);
/* Finds a part by its section numbers, "1.2" as {1, 2} (count 0: the message).
 * IMAP's rules: a message that is not a multipart has part 1, its body (RFC 9051,
 * 6.4.5.1); numbers after a message/rfc822 part refer to the message it contains.
 * -1: none. */
int64_t mime_digest_find_part(const struct mime_digest *d, const uint32_t *numbers, unsigned count);
/* The part that a message/rfc822 part contains; for any other part, the part itself. */
uint32_t mime_digest_content(const struct mime_digest *d, uint32_t index);

#endif
