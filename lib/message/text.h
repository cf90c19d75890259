/* The words of a text, as a preview or a snippet shows them. Pure. */
#ifndef SP_MESSAGE_TEXT_H
#define SP_MESSAGE_TEXT_H

#include "lib/base/arena.h"
#include "lib/base/str.h"

/* Of the beginning of a text in UTF-8, max_chars characters at most: white space
 * is one space; HTML without its tags, comments, head, styles and scripts. In
 * the arena. *full_out: more text would change nothing. Costs the same for each
 * byte, whatever it is. */
struct str message_text_words(struct str utf8, bool html, unsigned max_chars, struct arena *arena, bool *full_out);

#endif
