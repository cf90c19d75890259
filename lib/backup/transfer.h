/* All bodies of a snapshot, from one folder of packs to another, or looked at where
 * they lie. Synchronous; may take hours. */
#ifndef SP_BACKUP_TRANSFER_H
#define SP_BACKUP_TRANSFER_H

#include "lib/backup/bodies.h"
#include "lib/blob/copy.h"

enum { BACKUP_FAULTS_NAMED = 100 };

/* Bodies that are lost or damaged. */
struct backup_faults {
	uint64_t missing, damaged;
	unsigned named; /* of them all, as far as there is room */
	struct blob_id ids[BACKUP_FAULTS_NAMED];
};

struct backup_transfer {
	const char *from, *to; /* borrowed; to NULL for BLOB_COPY_LOOKS */
	enum blob_copy_way way;
	const struct backup_bodies *bodies;  /* borrowed */
	const struct backup_bodies *trusted; /* borrowed; NULL: none. They were synced where they go */
	/* Called before each body, so it must be quick; -1 with err gives up. */
	int (*on_turn)(void *arg, const struct backup_transfer *t, struct err *err);
	void *arg;
	/* So far: */
	size_t done; /* of bodies */
	uint64_t good, good_bytes;
	uint64_t made, made_bytes; /* of them, copied now */
	uint64_t digests_lost;
	struct backup_faults faults;
};

/* Faults of bodies are counted, and do not end it. */
int backup_transfer_run(struct backup_transfer *t, struct err *err);

#endif
