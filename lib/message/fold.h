/* The form of texts in which searches and sorts compare them: i;unicode-casemap
 * (RFC 5051) in spirit, but with full case folding, so that "STRASSE" finds
 * "Straße". Characters are decomposed: "e" also finds it with any accent, and
 * an accented letter sorts after the plain one. Ordinary letters become
 * capitals. Pure. */
#ifndef SP_MESSAGE_FOLD_H
#define SP_MESSAGE_FOLD_H

#include "lib/base/arena.h"
#include "lib/base/str.h"

/* The result is in the arena. Malformed UTF-8 becomes U+FFFD. */
struct str message_fold(struct str utf8, struct arena *arena);
/* Does an unfolded text contain a folded one, as returned by message_fold()?
 * scratch is used for temporary memory. */
bool message_fold_contains(struct str utf8, struct str folded_needle, struct arena *scratch);

#endif
