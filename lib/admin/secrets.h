/* The sealed texts of the store (lib/secret/seal.h): with which key each is sealed, and
 * sealing them anew, so that an old key can be removed. secrets_table.h says where they
 * are. */
#ifndef SP_ADMIN_SECRETS_H
#define SP_ADMIN_SECRETS_H

#include "lib/admin/admin.h"

typedef void admin_on_examined(void *arg, uint64_t examined);

/* {"current": id of the first key, "places": [{"place", "keys": {id: count}}],
 * "examined", "old": not sealed with the first key, "resealed", "unreadable":
 * [{"key", "field", "error"}] (at most 100), "unreadable_count"}. The counts are those
 * after the change.
 *
 * Without a->seals nothing is opened: "current" and what needs it are left out, and
 * `reseals` is refused (ERR_DENIED).
 *
 * reseals: what another key has sealed is sealed with the first one. Each text is
 * replaced only if it is still the one that was read; one that has changed is read again.
 * So it may be stopped at any time, run again, or run twice at once. A text that cannot
 * be opened stays as it is. on_progress may be NULL. */
struct admin_call *admin_secrets(struct admin *a, bool reseals, admin_on_examined *on_progress, admin_on_result *cb,
				 void *arg);

#endif
