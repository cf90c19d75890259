/* The signed parts of a message, in the relaxed canonical form (RFC 6376, 3.4.2
 * and 3.4.4). */
#ifndef SP_DKIM_CANON_H
#define SP_DKIM_CANON_H

#include <openssl/evp.h>
#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"

/* The hash of a body that comes in pieces of any size, with CRLF line ends. */
struct dkim_body {
	EVP_MD_CTX *digest; /* owner */
	size_t line_ends;   /* CRLFs held back: empty lines at the end are ignored */
	bool space;	    /* blanks held back: blanks at the end of a line are ignored */
	bool any;	    /* a non-empty line was seen */
	struct buf out;	    /* canonical, not yet hashed */
};

void dkim_body_init(struct dkim_body *b);
void dkim_body_fini(struct dkim_body *b);
void dkim_body_feed(struct dkim_body *b, struct str piece);
void dkim_body_end(struct dkim_body *b, unsigned char hash_out[32]);

/* Appends "name:value\r\n" for one field as written in a header (its line end
 * may be missing). */
void dkim_canon_field(struct str field, struct buf *out);

#endif
