/* Patterns of LIST and LSUB (RFC 9051, 6.3.9): "*" matches anything, "%" matches
 * anything within one level. Pure; the time is bounded by the product of the lengths. */
#ifndef SP_FRONTEND_IMAP_PARSE_PATTERN_H
#define SP_FRONTEND_IMAP_PARSE_PATTERN_H

#include <stdbool.h>

#include "lib/base/str.h"

/* INBOX as the first level matches in any case. */
bool imap_pattern_matches(struct str pattern, struct str name);

#endif
