/* Ranges of a result: "1:500", or counted from its end "-1:-100" (RFC 9394). Pure. */
#ifndef SP_FRONTEND_IMAP_PARSE_PARTIAL_H
#define SP_FRONTEND_IMAP_PARSE_PARTIAL_H

#include "frontend/imap/parse/lexer.h"
#include "lib/base/buf.h"

struct imap_partial {
	int64_t first, last; /* as the client wrote them; if negative, both count from the end; 0: no range */
};

bool imap_lex_partial(struct imap_lexer *l, struct imap_partial *out);
/* The positions that it selects in a result of `count`: from *begin_out up to, but
 * not including, *end_out. */
void imap_partial_range(const struct imap_partial *p, uint32_t count, uint32_t *begin_out, uint32_t *end_out);
void imap_partial_print(const struct imap_partial *p, struct buf *out);

#endif
