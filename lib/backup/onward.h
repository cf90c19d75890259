/* Restored mailboxes continue with numbers that no client has seen.
 *
 * Between the backup and the end of the old store, clients saw messages, flags and
 * expunges that are lost. If numbering continued from the backup, a new message
 * would get the UID of one that a client still has in its cache, and that client
 * would show one for the other. So UIDVALIDITY, UIDs and ids stay as they were, but
 * the next numbers are far beyond all that were ever used: UIDs, modseqs, ids of
 * messages and folders. All records get a modseq that is new to every client, and
 * the log of tombstones starts empty, so clients that ask for changes (CONDSTORE,
 * QRESYNC) are told everything. Address books start with a new version.
 *
 * Likewise accounts that were made since the backup had numbers on Linux machines, where
 * files still have them: they are not given to others. */
#ifndef SP_BACKUP_ONWARD_H
#define SP_BACKUP_ONWARD_H

#include <stdbool.h>

#include "lib/backup/rdb.h"

#define BACKUP_ONWARD_MODSEQ  (INT64_C(1) << 32)
#define BACKUP_ONWARD_EMAILS  (INT64_C(1) << 32)
#define BACKUP_ONWARD_UIDS    100000
#define BACKUP_ONWARD_FOLDERS 1000
#define BACKUP_ONWARD_NUMBERS 1000

struct backup_onward {
	struct buf value;
};

/* Changes *entry, whose value may then be stored in o (until the next call).
 * *drop_out: the entry must not be restored. -1: it is damaged. */
int backup_onward_take(struct backup_onward *o, struct rdb_entry *entry, bool *drop_out, struct err *err);
void backup_onward_fini(struct backup_onward *o);

#endif
