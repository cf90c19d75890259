/* Values in the text of a response: atoms, strings, literals, numbers, lists. Pure. */
#ifndef SP_WORKER_RETRIEVE_IMAP_VALUES_H
#define SP_WORKER_RETRIEVE_IMAP_VALUES_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/str.h"

/* Each takes one value from the front of *rest; false: there is none of that kind. */
bool imap_take_char(struct str *rest, char c);
void imap_take_spaces(struct str *rest);
/* Up to a space, a parenthesis, a quote or a brace. With `brackets`, what stands in them
 * belongs to it, whatever it is: BODY[HEADER.FIELDS (TO)]. */
bool imap_take_atom(struct str *rest, bool brackets, struct str *atom_out);
bool imap_take_number(struct str *rest, uint64_t *number_out);
/* An atom, a quoted string or a literal; *is_nil_out: NIL (may be NULL). */
bool imap_take_string(struct str *rest, struct arena *arena, struct str *string_out, bool *is_nil_out);
/* Anything, lists included. */
bool imap_skip_value(struct str *rest);

#endif
