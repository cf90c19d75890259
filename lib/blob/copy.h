/* Copies of bodies in another folder, at the same offsets in packs of the same
 * name: `stagepost backup` makes them and `stagepost restore` reads them.
 * Synchronous.
 *
 * A copy has holes where nothing was copied. Bodies must be passed in the order of
 * blob_copy_order(), so that each pack is opened and synced once. In that order a
 * second copy only checks the bodies that are already there. */
#ifndef SP_BLOB_COPY_H
#define SP_BLOB_COPY_H

#include <stdbool.h>

#include "lib/blob/blob.h"

enum blob_copied {
	BLOB_COPY_MADE,
	BLOB_COPY_STOOD,   /* it was already there */
	BLOB_COPY_MISSING, /* the source no longer has it */
	BLOB_COPY_DAMAGED, /* the source's copy is damaged */
};

enum blob_copy_way {
	/* Into packs that may already exist; the space in between is left alone. */
	BLOB_COPY_ADDS,
	/* Into packs that are written completely: the space in between is marked
	 * released, so that the store can work with them. A pack appears when it is
	 * complete. */
	BLOB_COPY_WRITES,
	/* Nowhere: only verifies the bodies. The result is then BLOB_COPY_STOOD. */
	BLOB_COPY_LOOKS,
};

struct blob_copier;

/* Folders are borrowed for the copier's lifetime. to: NULL for BLOB_COPY_LOOKS;
 * must exist. */
struct blob_copier *blob_copier_new(const char *from, const char *to, enum blob_copy_way way);
/* Copies one body and verifies its checksum. trusted: an existing copy is known
 * to be good; otherwise it is verified too. -1: the copy cannot be written. */
int blob_copier_take(struct blob_copier *c, const struct blob_id *id, bool trusted, enum blob_copied *copied_out,
		     struct err *err);
/* Syncs the last pack; after a failure only cleans up. Sets *c to NULL. */
int blob_copier_finish(struct blob_copier **c, struct err *err);
void blob_copier_drop(struct blob_copier **c);

/* By pack and offset; for qsort(). */
int blob_copy_order(const void *a, const void *b);

/* Frees the space of all bodies in a copy's folder that are not in `keep` (in the
 * order above, of any number), and removes packs that hold none of those. */
int blob_copy_prune(const char *folder, const struct blob_id *keep, size_t count, struct err *err);

/* The number of packs in a folder; 0 if the folder does not exist. */
size_t blob_copy_count_packs(const char *folder);

#endif
