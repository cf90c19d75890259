/* Character references of HTML: the named ones of HTML 4, and of the later ones
 * those that mail uses (letters of European languages, punctuation). Pure. */
#ifndef SP_MESSAGE_ENTITY_H
#define SP_MESSAGE_ENTITY_H

#include <stdint.h>

#include "lib/base/str.h"

#define HTML_ENTITY_MAX 31 /* bytes of a name, or of a number's digits */

/* The character of a name ("eacute", without "&" and ";"); 0: unknown. */
uint32_t html_entity_find(struct str name);
/* The character with this number; 0: not one that is allowed in a text. */
uint32_t html_entity_character(uint32_t number);

#endif
