/* Private to lib/admin/retrieve*.c. */
#ifndef SP_ADMIN_RETRIEVE_PRIVATE_H
#define SP_ADMIN_RETRIEVE_PRIVATE_H

#include "lib/admin/private.h"
#include "lib/admin/retrieve.h"
#include "lib/retrieve/store.h"

cJSON *retrieve_tell(const struct retrieve_entry *entry);
/* Canonical, in the call's arena. False: the call is refused. */
bool retrieve_take_address(struct admin_call *call, struct str address, struct str *out);

#endif
