/* Names of mailboxes: UTF-8, levels separated by '/'. */
#ifndef SP_MAILBOX_NAME_H
#define SP_MAILBOX_NAME_H

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

#define MAILBOX_NAME_MAX  1000
#define MAILBOX_LEVEL_MAX 255
#define MAILBOX_DEPTH_MAX 32

/* The name as it is stored ("inbox" and "Inbox/x" get INBOX in capitals).
 * ERR_INVALID with the reason: not UTF-8, control characters, an empty level,
 * too long or too deep. */
int mailbox_name_check(struct str name, struct arena *arena, struct str *name_out, struct err *err);

/* True if the names differ only in the case of letters (by Unicode case
 * folding) and in how characters are composed. */
bool mailbox_name_eq_any_case(struct str a, struct str b);

#endif
