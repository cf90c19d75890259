/* Texts of a folder's messages that were computed once and will be needed again, kept
 * in the index beside the records. They are stored by kind, whose meaning is up to
 * the caller (what SORT compares).
 *
 * The bytes are stored in a pool that never moves them. The holder of a reference to
 * the pool may keep what it found there, whatever happens to the messages in the
 * meantime. */
#ifndef SP_FRONTEND_FOLDER_TEXTS_H
#define SP_FRONTEND_FOLDER_TEXTS_H

#include "frontend/folder/index.h"

/* Size of one pool. A full pool accepts no more, and the next request for the pool
 * returns a new one. */
#define FOLDER_TEXTS_BYTES (32 * 1024 * 1024)

struct folder_text {
	uint32_t len;
	char bytes[];
};

/* The index's current pool; a reference. */
struct folder_pool *folder_texts_pool(struct folder_index *ix);
void folder_pool_unref(struct folder_pool **p);

/* kind: below FOLDER_TEXT_KINDS. NULL: not known, or in another pool. */
const struct folder_text *folder_texts_get(const struct folder_index *ix, const struct folder_pool *pool, unsigned kind,
					   uint32_t at);
/* Keeps a text for the message at a position. NULL: the pool is full, or is no longer
 * the index's pool. */
const struct folder_text *folder_texts_keep(struct folder_index *ix, struct folder_pool *pool, unsigned kind,
					    uint32_t at, struct str text);

#endif
