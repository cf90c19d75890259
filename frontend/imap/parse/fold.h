/* Texts as SEARCH and SORT compare them: i;unicode-casemap (RFC 5051) in
 * spirit, but with full case folding, so that "STRASSE" finds "Straße".
 * Decomposed: "e" finds what begins with it under any accent, and an accent
 * sorts behind its letter. Ordinary letters in capitals. Pure. */
#ifndef SP_FRONTEND_IMAP_PARSE_FOLD_H
#define SP_FRONTEND_IMAP_PARSE_FOLD_H

#include "lib/base/arena.h"
#include "lib/base/str.h"

/* In the arena. Malformed UTF-8 gives U+FFFD. */
struct str imap_fold(struct str utf8, struct arena *arena);
/* Does the text, not folded, contain what imap_fold() gave of another? What it
 * needs for that lies in scratch. */
bool imap_fold_contains(struct str utf8, struct str folded_needle, struct arena *scratch);

#endif
