/* What `stagepost backup` and `stagepost restore` share. */
#ifndef SP_CTL_BACKUP_H
#define SP_CTL_BACKUP_H

#include "ctl/ctl.h"
#include "lib/backup/manifest.h"

/* ---- The hold: bodies without a reference are kept while a backup runs ---- */

/* ERR_EXISTS: a backup to another folder has it. id: of our folder; the hold of an
 * earlier backup to it that died is taken over. */
int backup_hold_take(struct ctl *ctl, const char *id, struct err *err);
/* Call this more often than every minute; it asks Redis only when that is due. */
int backup_hold_renew(struct ctl *ctl, const char *id, struct err *err);
void backup_hold_end(struct ctl *ctl, const char *id);
/* Releases the bodies that were kept. */
int backup_hold_drain(struct ctl *ctl, struct err *err);

/* ---- Progress, for the user: on standard error ---- */
struct backup_progress {
	const char *what;
	int64_t told_ms; /* monotonic */
	bool open;	 /* the line has not ended */
};
/* total 0: not known. Prints at most once a second, or every half minute if standard error is not a terminal. */
void backup_progress_tell(struct backup_progress *p, uint64_t done, uint64_t total);
void backup_progress_end(struct backup_progress *p);

/* A new file of this mode, synced. */
int backup_copy_file(const char *from, const char *to, unsigned mode, struct err *err);

/* ---- Verifying ---- */

/* The backup to work on: the named one, or the last (NULL). */
int backup_choose(const struct backup_folder *f, const char *name, char name_out[BACKUP_NAME_MAX], struct err *err);
/* Reads the whole backup: digests, the snapshot, every body that it refers to.
 * bodies_out gets the bodies. -1: err; ERR_CORRUPT if something has changed since
 * it was made. faults_out: faults of bodies, including those known when it was
 * made. */
int backup_verify(const struct backup_folder *f, const char *name, struct backup_manifest *manifest_out,
		  struct backup_bodies *bodies_out, struct backup_faults *faults_out, struct err *err);
/* A line for each fault, on standard error. */
void backup_print_faults(const struct backup_faults *faults, uint64_t unreadable);

#endif
