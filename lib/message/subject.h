/* The base subject (RFC 5256, 2.1): what is left of a subject without "Re:",
 * "Fwd:", "[list]" and the like. Pure. */
#ifndef SP_MESSAGE_SUBJECT_H
#define SP_MESSAGE_SUBJECT_H

#include <stdbool.h>

#include "lib/base/arena.h"
#include "lib/base/str.h"

/* subject: decoded, UTF-8. *is_reply_out (may be NULL): a removed part marks it
 * as a reply or a forward. The result may be in the arena. */
struct str message_base_subject(struct str subject, struct arena *arena, bool *is_reply_out);

#endif
