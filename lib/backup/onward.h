/* Mailboxes that are restored go on where no client has been.
 *
 * Between the backup and the end of the old store, clients saw messages, flags and
 * expunges that are lost. If the numbers of the backup went on being counted, a new
 * message would get the UID of one that a client still has in its cache, and that
 * client would show the one for the other. So UIDVALIDITY, UIDs and ids stay as they
 * were, and what is numbered next is far behind all that was: UIDs, modseqs, ids of
 * messages and folders. All records get a modseq that is new to every client, and
 * the log of what is gone begins anew: so clients that ask for what has changed
 * (CONDSTORE, QRESYNC) are told everything. */
#ifndef SP_BACKUP_ONWARD_H
#define SP_BACKUP_ONWARD_H

#include <stdbool.h>

#include "lib/backup/rdb.h"

#define BACKUP_ONWARD_MODSEQ  (INT64_C(1) << 32)
#define BACKUP_ONWARD_EMAILS  (INT64_C(1) << 32)
#define BACKUP_ONWARD_UIDS    100000
#define BACKUP_ONWARD_FOLDERS 1000

struct backup_onward {
	struct buf value;
};

/* Changes *entry, whose value may then lie in o (until the next call). *drop_out: it
 * is not to be restored. -1: it is damaged. */
int backup_onward_take(struct backup_onward *o, struct rdb_entry *entry, bool *drop_out, struct err *err);
void backup_onward_fini(struct backup_onward *o);

#endif
