/* The parts that all signature fields which we make have in common. */
#ifndef SP_DKIM_COMPOSE_H
#define SP_DKIM_COMPOSE_H

#include "lib/base/buf.h"
#include "lib/dkim/header.h"

/* The list for h=, folded, and the fields in it in relaxed canonical form: the last of each
 * name first (RFC 6376, 5.4.2). */
void dkim_compose_names(const struct dkim_fields *fields, struct buf *names, struct buf *canonical);
/* Appends a value to "b=" in folded lines, and ends the field. */
void dkim_compose_base64(struct buf *out, struct str base64);

#endif
