/* The structure of a MIME message (RFC 2045, 2046), determined in one pass over
 * pieces of any size: the positions of each part's header and body. Memory is
 * bounded by the limits of digest.h, whatever the input. */
#ifndef SP_MIME_PARSER_H
#define SP_MIME_PARSER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/mime/header.h"

enum mime_kind { MIME_LEAF, MIME_MULTIPART, MIME_MESSAGE };

/* Offsets are bytes from the start of the message. */
struct mime_part {
	enum mime_kind kind;
	uint32_t index;					   /* in the order of their starts; the message itself is 0 */
	struct mime_part *parent;			   /* NULL: the message */
	struct mime_part *first_child, *last_child, *next; /* children of a MULTIPART; a MESSAGE has one child */
	unsigned depth;
	uint64_t header_start;
	uint64_t body_start;
	uint64_t body_end;
	uint64_t lines;		/* line ends in the body */
	struct str header;	/* the block as received, up to MIME_HEADER_BYTES_MAX; in the arena */
	struct mime_value type; /* never empty: text/plain if none is given; composite only for a composite */
	struct str boundary;	/* MULTIPART */
};

struct mime_parser;

struct mime_parser *mime_parser_new(void);
void mime_parser_free(struct mime_parser **p);
void mime_parser_feed(struct mime_parser *p, struct str piece);
/* After the last piece: the message's root part, owned by the parser's arena. */
struct mime_part *mime_parser_end(struct mime_parser *p);
unsigned mime_parser_part_count(const struct mime_parser *p);
/* For computations on the parts: lives as long as the parser. */
struct arena *mime_parser_arena(struct mime_parser *p);

#endif
