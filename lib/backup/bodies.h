/* The bodies that a snapshot refers to: those of the messages in the spool, and
 * bodies and digests of the messages in mailboxes. */
#ifndef SP_BACKUP_BODIES_H
#define SP_BACKUP_BODIES_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/err.h"
#include "lib/blob/blob.h"

struct backup_body {
	struct blob_id id; /* first: in the order of blob_copy_order() */
	bool is_digest;	   /* can be recomputed from the body: no loss if it is missing */
};

struct backup_bodies {
	struct backup_body *list; /* owner; sorted, each once */
	size_t count;
	size_t capacity;
	uint64_t keys;	     /* in the snapshot's database */
	uint64_t unreadable; /* damaged envelopes: it is not known what they refer to */
};

/* Reads the whole snapshot. database: the number of ours. Adds to bodies and
 * sorts the list again. */
int backup_bodies_read(struct backup_bodies *bodies, const char *rdb_path, unsigned database, struct err *err);
void backup_bodies_fini(struct backup_bodies *bodies);
bool backup_bodies_have(const struct backup_bodies *bodies, const struct blob_id *id);

#endif
