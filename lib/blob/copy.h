/* Copies of bodies in another folder, at the same place in packs of the same name:
 * what `stagepost backup` makes and `stagepost restore` reads. Synchronous.
 *
 * A copy has holes where nothing was copied. Bodies are given in the order of
 * blob_copy_order(), so that each pack is opened and synced once; in that
 * order a second copy costs a look at each body that stands already. */
#ifndef SP_BLOB_COPY_H
#define SP_BLOB_COPY_H

#include <stdbool.h>

#include "lib/blob/blob.h"

enum blob_copied {
	BLOB_COPY_MADE,
	BLOB_COPY_STOOD,   /* it was there */
	BLOB_COPY_MISSING, /* the source has it no more */
	BLOB_COPY_DAMAGED, /* the source has it, but not as it was written */
};

enum blob_copy_way {
	/* Into packs that may be there already; what is between is left alone. */
	BLOB_COPY_ADDS,
	/* Into packs that are written whole: what is between is told released, so that
	 * the store can work with them. A pack is there when it is whole. */
	BLOB_COPY_WRITES,
	/* Nowhere: only looks whether they are good. BLOB_COPY_STOOD then. */
	BLOB_COPY_LOOKS,
};

struct blob_copier;

/* Folders, borrowed as long as it lives. to: NULL for BLOB_COPY_LOOKS; must be
 * there. */
struct blob_copier *blob_copier_new(const char *from, const char *to, enum blob_copy_way way);
/* Copies one body, whose checksum is verified. trusted: it is known to be whole
 * where it stands already; else that is verified. -1: the copy cannot be
 * written. */
int blob_copier_take(struct blob_copier *c, const struct blob_id *id, bool trusted, enum blob_copied *copied_out,
		     struct err *err);
/* Syncs the last pack. After a failure: only gives up. NULLs *c. */
int blob_copier_finish(struct blob_copier **c, struct err *err);
void blob_copier_drop(struct blob_copier **c);

/* By pack and place; for qsort(). */
int blob_copy_order(const void *a, const void *b);

/* Gives the space of all bodies of a copy's folder back that are not among `keep`
 * (in the order above, of any number), and removes packs without one. */
int blob_copy_prune(const char *folder, const struct blob_id *keep, size_t count, struct err *err);

/* How many packs lie in a folder; 0 if there is none. */
size_t blob_copy_count_packs(const char *folder);

#endif
