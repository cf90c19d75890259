/* The words of a text as shown in a preview or a snippet. Pure. */
#ifndef SP_MESSAGE_TEXT_H
#define SP_MESSAGE_TEXT_H

#include "lib/base/arena.h"
#include "lib/base/str.h"

/* Takes at most max_chars characters from the beginning of a text in UTF-8.
 * White space is collapsed to single spaces; HTML loses its tags, comments,
 * head, styles and scripts. The result is in the arena. *full_out: more text
 * would change nothing. The cost per byte is constant, whatever the input. */
struct str message_text_words(struct str utf8, bool html, unsigned max_chars, struct arena *arena, bool *full_out);

#endif
