/* Lists of tags, "name=value; name=value" (RFC 6376, 3.2), as in signatures and key
 * records; DMARC records and ARC fields have the same form. */
#ifndef SP_DKIM_TAGS_H
#define SP_DKIM_TAGS_H

#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"

#define DKIM_TAGS_MAX 40 /* in one list; with more it is malformed */

struct dkim_tag {
	struct str name;
	struct str value; /* as written, without white space at both ends; may be folded */
};

/* Takes the next tag off *rest; empty ones are skipped. *good_out is false if it is
 * malformed: then its name is empty, and its value the text. False: the end. */
bool dkim_tag_next(struct str *rest, struct dkim_tag *tag_out, bool *good_out);

struct dkim_tags {
	struct dkim_tag items[DKIM_TAGS_MAX];
	unsigned count;
};

/* Everything points into text. False: malformed (an empty tag, but at the end, too), or a
 * name is there twice. */
bool dkim_tags_parse(struct str text, struct dkim_tags *tags_out);
/* NULL: there is none. */
const struct dkim_tag *dkim_tags_find(const struct dkim_tags *tags, struct str name);
/* Its value; the default if there is none. */
struct str dkim_tags_value(const struct dkim_tags *tags, const char *name, const char *if_none);

/* Takes the next item off a value such as "a : b : c", without white space. False: the end. */
bool dkim_tag_item(struct str *rest, struct str *item_out);
/* Is the item among them? ASCII case does not matter. */
bool dkim_tag_has_item(struct str value, struct str item);
/* Appends the value without white space, for base64. */
void dkim_tag_squeeze(struct str value, struct buf *out);

#endif
