/* The signed parts of a message in their canonical forms (RFC 6376, 3.4). We sign the
 * relaxed ones; others may sign the simple ones. */
#ifndef SP_DKIM_CANON_H
#define SP_DKIM_CANON_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"

enum dkim_canon { DKIM_RELAXED, DKIM_SIMPLE };

#define DKIM_WHOLE_BODY UINT64_MAX

/* The hash of a body that comes in pieces of any size, with CRLF line ends. */
struct dkim_body {
	enum dkim_canon canon;
	EVP_MD_CTX *digest; /* owner */
	size_t line_ends;   /* CRLFs held back: empty lines at the end are ignored */
	bool space;	    /* blanks held back: blanks at the end of a line are ignored; relaxed only */
	bool any;	    /* a non-empty line was seen */
	struct buf out;	    /* canonical, not yet hashed */
	uint64_t limit;	    /* bytes of the canonical body that are hashed (l=) */
	uint64_t total;	    /* bytes of the canonical body so far, without those in out */
};

void dkim_body_init(struct dkim_body *b); /* relaxed, all of it */
void dkim_body_init_as(struct dkim_body *b, enum dkim_canon canon, uint64_t limit);
void dkim_body_fini(struct dkim_body *b);
void dkim_body_feed(struct dkim_body *b, struct str piece);
void dkim_body_end(struct dkim_body *b, unsigned char hash_out[32]);

/* Appends "name:value\r\n" for one field as written in a header (its line end
 * may be missing). */
void dkim_canon_field(struct str field, struct buf *out); /* relaxed */
void dkim_canon_field_as(enum dkim_canon canon, struct str field, struct buf *out);

#endif
