/* Encodes the data of a MIME part for a server that takes only 7 bits, piece by piece. */
#ifndef SP_WORKER_REMOTE_LEAF_ENCODER_H
#define SP_WORKER_REMOTE_LEAF_ENCODER_H

#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"

enum leaf_coding { LEAF_AS_IS, LEAF_QUOTED_PRINTABLE, LEAF_BASE64 };

/* All zero: as it is. */
struct leaf_encoder {
	enum leaf_coding coding; /* set it before the first data of a leaf */
	unsigned column;
	char space;	    /* LEAF_QUOTED_PRINTABLE: blank or tab not yet written, since it may end its line */
	struct buf raw;	    /* LEAF_BASE64: owner; not yet a complete line */
	bool held_line_end; /* LEAF_BASE64: it may belong to the boundary after it */
};

void leaf_encoder_take(struct leaf_encoder *e, struct str data, struct buf *out);
/* Writes what is held, and goes back to LEAF_AS_IS. at_boundary: the last line end belongs
 * to the boundary. out is not used, and may be NULL, if the coding is LEAF_AS_IS. */
void leaf_encoder_end(struct leaf_encoder *e, bool at_boundary, struct buf *out);
/* Forgets what is held. */
void leaf_encoder_reset(struct leaf_encoder *e);
void leaf_encoder_fini(struct leaf_encoder *e);

#endif
