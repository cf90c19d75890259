/* Texts of a folder's messages that were computed once and are wanted again, in
 * the index beside the records: by kind, whose meaning is the caller's own (what
 * SORT compares).
 *
 * The bytes lie in a pool that never moves them: who holds a reference to it may
 * keep what he found there, whatever becomes of the messages meanwhile. */
#ifndef SP_FRONTEND_FOLDER_TEXTS_H
#define SP_FRONTEND_FOLDER_TEXTS_H

#include "frontend/folder/index.h"

/* Of one pool; once it is full it takes no more, and the next who asks for the
 * pool gets a new one. */
#define FOLDER_TEXTS_BYTES (32 * 1024 * 1024)

struct folder_text {
	uint32_t len;
	char bytes[];
};

/* The pool that the index has now; a reference. */
struct folder_pool *folder_texts_pool(struct folder_index *ix);
void folder_pool_unref(struct folder_pool **p);

/* kind: below FOLDER_TEXT_KINDS. NULL: not known, or in another pool. */
const struct folder_text *folder_texts_get(const struct folder_index *ix, const struct folder_pool *pool, unsigned kind,
					   uint32_t at);
/* Keeps a text of the message at a position. NULL: the pool is full, or is not the
 * index's any more. */
const struct folder_text *folder_texts_keep(struct folder_index *ix, struct folder_pool *pool, unsigned kind,
					    uint32_t at, struct str text);

#endif
