/* A message's header as DKIM sees it: gathered from a stream, and divided into whole
 * fields, byte by byte as they came. */
#ifndef SP_DKIM_HEADER_H
#define SP_DKIM_HEADER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/str.h"

#define DKIM_HEADER_MAX (256 * 1024) /* a larger header is neither signed nor verified */
#define DKIM_FIELDS_MAX 1000	     /* nor one with more fields */

/* All zero at first. */
struct dkim_header {
	struct buf text;   /* owner: with the blank line, or as much as has arrived */
	size_t line_start; /* position in the text */
	bool is_over;	   /* the blank line has come */
	bool is_too_large;
};

/* Takes what belongs to the header; returns the rest of the piece, which belongs to the
 * body. Once the header is too large everything is swallowed. */
struct str dkim_header_feed(struct dkim_header *h, struct str piece);
void dkim_header_fini(struct dkim_header *h);

struct dkim_field {
	struct str text; /* whole, with its line ends */
	struct str name; /* empty: it has none */
	uint32_t hash;	 /* of the name in lower case */
};

struct dkim_fields {
	struct dkim_field *items; /* in header order; in the arena */
	unsigned count;
};

/* False: there are too many. */
bool dkim_header_split(struct str header, struct arena *arena, struct dkim_fields *out);
bool dkim_field_is(const struct dkim_field *field, const char *name);
/* The last field of that name (hash: of the name) below `before`; -1: none. */
int dkim_field_find_last(const struct dkim_fields *fields, unsigned before, struct str name, uint32_t hash);
uint32_t dkim_field_hash(struct str name);
/* What follows the colon. */
struct str dkim_field_value(const struct dkim_field *field);

#endif
