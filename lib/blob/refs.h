/* References to blobs.
 *
 * A blob starts with one reference, the writer's, which passes to the spool
 * entry or the mailbox record. Only further references are counted, in the hash
 * blobrefs:{<pack>} (field "<offset>", value the number of extra references),
 * so the common message with one owner costs Redis nothing.
 *
 * A reference is added before it is needed and dropped after it is gone: a
 * crash in between can leak a blob (the sweep finds it), but never lose one. */
#ifndef SP_BLOB_REFS_H
#define SP_BLOB_REFS_H

#include "lib/blob/blob.h"
#include "lib/redis/redis.h"

typedef void blob_on_ref(void *arg, const struct err *err);

/* Adds count more references. */
void blob_ref_add(struct redis *r, const struct blob_id *id, unsigned count, blob_on_ref *cb, void *arg);
/* Drops one reference to each. A blob without references is released or, while a
 * backup runs (backup:hold), put into the list backup:held. Fire and forget: the
 * sweep finds whatever failed. */
void blob_ref_drop(struct redis *r, struct blob_store *s, const struct blob_id *ids, size_t count);
/* Deletes the count of a blob that nothing refers to, as the sweep has verified. */
void blob_ref_forget(struct redis *r, const struct blob_id *id);

#endif
