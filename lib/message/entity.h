/* Character references of HTML: those by name that HTML 4 has, and of the later
 * ones what mail uses (the letters of Europe's languages, punctuation). Pure. */
#ifndef SP_MESSAGE_ENTITY_H
#define SP_MESSAGE_ENTITY_H

#include <stdint.h>

#include "lib/base/str.h"

#define HTML_ENTITY_MAX 31 /* bytes of a name, or of a number's digits */

/* The character of a name ("eacute", without "&" and ";"); 0: not known. */
uint32_t html_entity_find(struct str name);
/* The character that a number stands for; 0: none that may stand in a text. */
uint32_t html_entity_character(uint32_t number);

#endif
