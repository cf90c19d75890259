/* The TXT record that requests reports (RFC 8460, section 3). */
#ifndef SP_TLSPOLICY_RUA_H
#define SP_TLSPOLICY_RUA_H

#include <stdbool.h>

#include "lib/base/arena.h"
#include "lib/base/str.h"

#define RUA_MAX 10 /* more destinations are ignored */

struct rua {
	struct str uri;	    /* as written in the record */
	struct str address; /* mailto: the address, decoded but not checked. Empty: https */
};

struct rua_list {
	struct rua items[RUA_MAX];
	unsigned count;
};

/* texts: the TXT records of _smtp._tls.<domain>. False: no report is requested
 * (no valid record, or several). Everything is in the arena. */
bool rua_parse(const struct str *texts, unsigned count, struct arena *arena, struct rua_list *list_out);

#endif
