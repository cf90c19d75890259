/* The first words of a message (RFC 8970). Pure. */
#ifndef SP_FRONTEND_IMAP_PREVIEW_H
#define SP_FRONTEND_IMAP_PREVIEW_H

#include "lib/base/arena.h"
#include "lib/base/str.h"

#define IMAP_PREVIEW_CHARS 200

/* Of the beginning of a text in UTF-8: white space is one space; HTML without
 * its tags, comments, head, styles and scripts. In the arena. *full_out: more
 * text would change nothing. Costs the same for each byte, whatever it is. */
struct str imap_preview(struct str utf8, bool html, struct arena *arena, bool *full_out);

#endif
