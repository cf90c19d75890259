/* Copies all bodies of a snapshot from one folder of packs to another, or verifies
 * them in place. Synchronous; may take hours. */
#ifndef SP_BACKUP_TRANSFER_H
#define SP_BACKUP_TRANSFER_H

#include "lib/backup/bodies.h"
#include "lib/blob/copy.h"

enum { BACKUP_FAULTS_NAMED = 100 };

/* Lost or damaged bodies. */
struct backup_faults {
	uint64_t missing, damaged;
	unsigned named; /* how many of them are listed by name, as far as there is room */
	struct blob_id ids[BACKUP_FAULTS_NAMED];
};

struct backup_transfer {
	const char *from, *to; /* borrowed; to NULL for BLOB_COPY_LOOKS */
	enum blob_copy_way way;
	const struct backup_bodies *bodies;  /* borrowed */
	const struct backup_bodies *trusted; /* borrowed; NULL: none. These are already synced at the destination */
	/* Called before each body, so it must be fast; -1 with err aborts. */
	int (*on_turn)(void *arg, const struct backup_transfer *t, struct err *err);
	void *arg;
	/* So far: */
	size_t done; /* of bodies */
	uint64_t good, good_bytes;
	uint64_t made, made_bytes; /* of these, copied now */
	uint64_t digests_lost;
	struct backup_faults faults;
};

/* Bad bodies are counted and do not end the transfer. */
int backup_transfer_run(struct backup_transfer *t, struct err *err);

#endif
