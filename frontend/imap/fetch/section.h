/* Finds the bytes of a section in a message, using its digest. Pure. */
#ifndef SP_FRONTEND_IMAP_FETCH_SECTION_H
#define SP_FRONTEND_IMAP_FETCH_SECTION_H

#include "frontend/imap/parse/fetch_items.h"
#include "lib/base/buf.h"
#include "lib/mime/digest.h"

struct imap_extent {
	uint64_t start, end;	     /* bytes of the message */
	bool is_header;		     /* fields are to be filtered */
	enum mime_encoding encoding; /* BINARY: to be decoded; MIME_BINARY: nothing to decode */
};

/* False: the message has no such part (the answer is NIL). size: of the message, in
 * bytes. */
bool imap_section_find(const struct imap_section *s, const struct mime_digest *d, uint64_t size,
		       struct imap_extent *out);
/* Can it be found without a digest? */
bool imap_section_is_whole(const struct imap_section *s);

/* Appends those fields of a header that the section names, or those that it does not
 * name, with the blank line at the end. */
void imap_section_filter(const struct imap_section *s, struct str header, struct buf *out);

#endif
