/* Checks that every domain has a recipient for postmaster and abuse (RFC 5321,
 * 4.5.1). A part of calls; private to lib/admin. */
#ifndef SP_ADMIN_POSTMASTER_H
#define SP_ADMIN_POSTMASTER_H

#include "lib/admin/private.h"

/* warning: "there is no recipient for mail to ..., ... and 3 more; it is kept in the queue ...",
 * in the call's arena; NULL without err: all domains have one. */
typedef void postmaster_on_found(struct admin_call *call, const char *warning, const struct err *err);
/* Queries the directory for all local domains. Calls back later. */
void postmaster_search(struct admin_call *call, postmaster_on_found *cb);

#endif
