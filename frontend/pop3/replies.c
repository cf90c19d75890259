/* The table of replies. */
#include "frontend/pop3/replies.h"

#include "lib/base/check.h"

const struct pop3_reply *
pop3_reply_get(enum pop3_reply_name name)
{
#define POP3_REPLY_ROW(name, flags, text) {flags, text},
	static const struct pop3_reply replies[] = {POP3_REPLIES(POP3_REPLY_ROW)};
#undef POP3_REPLY_ROW

	CHECKF(name < POP3_REPLY_COUNT, "reply %d", (int)name);
	return &replies[name];
}
