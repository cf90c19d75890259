/* Who refers to a blob.
 *
 * A blob is born with one reference: its writer's, which passes to the spool
 * entry or the mailbox record. Only further ones are counted, in the hash
 * blobrefs:{<pack>} (field "<offset>", value the count of extra references),
 * so the common message with one owner costs Redis nothing.
 *
 * A reference is added before it is needed and dropped after it is gone: a
 * crash between can leak a blob (the sweep finds it), never lose one. */
#ifndef SP_BLOB_REFS_H
#define SP_BLOB_REFS_H

#include "lib/blob/blob.h"
#include "lib/redis/redis.h"

typedef void blob_on_ref(void *arg, const struct err *err);

/* Adds count references more. */
void blob_ref_add(struct redis *r, const struct blob_id *id, unsigned count, blob_on_ref *cb, void *arg);
/* Drops one of each; those whose last it was are released, or while a backup runs
 * (backup:hold) put into the list backup:held. Fire and forget: what fails is
 * found by the sweep. */
void blob_ref_drop(struct redis *r, struct blob_store *s, const struct blob_id *ids, size_t count);
/* Nobody refers to it, whatever is counted: the sweep has seen so. */
void blob_ref_forget(struct redis *r, const struct blob_id *id);

#endif
