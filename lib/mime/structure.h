/* ENVELOPE, BODY and BODYSTRUCTURE in the form that IMAP sends (RFC 9051, 7.5.2). */
#ifndef SP_MIME_STRUCTURE_H
#define SP_MIME_STRUCTURE_H

#include "lib/base/buf.h"
#include "lib/mime/parser.h"

/* arena: for intermediate results. */
void mime_write_envelope(struct str header, struct arena *arena, struct buf *out);
void mime_write_structure(const struct mime_part *root, bool extended, struct arena *arena, struct buf *out);
/* A string: quoted if possible, else a literal; NIL if p is NULL. */
void mime_write_nstring(struct str s, struct buf *out);

#endif
