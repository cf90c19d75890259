/* Import and export of accounts.
 *
 * An import checks everything first: the file (people.h), then the store: domains, room in
 * them, aliases of the same name. If anything is wrong, nothing is written, and
 * everything that is wrong is told. Then the accounts are added, or changed if they
 * exist, each in one order of the directory. An import that was killed is repeated: what it did is
 * done again with the same result. */
#ifndef SP_ADMIN_IMPORT_H
#define SP_ADMIN_IMPORT_H

#include "lib/admin/admin.h"
#include "lib/admin/people.h"

enum admin_import_step { ADMIN_IMPORT_CHECKING, ADMIN_IMPORT_WRITING };
typedef void admin_on_import_progress(void *arg, enum admin_import_step step, uint64_t done, uint64_t total);

/* people has been read, and outlives the call; complaints are added to it, and accounts that
 * exist are marked. If there is any complaint, or dry_run, nothing is written. Result:
 * {"added", "changed", "failed": [{"address", "line", "error"}]}: what was done, or would be.
 * If the store fails, the rest is not tried: "left" says how many. */
struct admin_call *admin_import(struct admin *a, struct people *people, bool dry_run,
				admin_on_import_progress *on_progress, admin_on_result *cb, void *arg);

/* Text of a file, in pieces; borrowed for the call. */
typedef void admin_on_export(void *arg, struct str piece, uint64_t done, uint64_t total);
/* The accounts of a domain, or of all (empty), in order, with their fields and, if wanted, the
 * hashes of their passwords. What people_read() reads from it are the same accounts. Result:
 * {"accounts", "photos"}: how many have one. LDIF has the photos; CSV cannot have them. */
struct admin_call *admin_export(struct admin *a, struct str domain, enum people_format format, bool with_passwords,
				admin_on_export *on_piece, admin_on_result *cb, void *arg);

#endif
