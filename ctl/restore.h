/* The two places that `stagepost restore` writes Redis's part to. */
#ifndef SP_CTL_RESTORE_H
#define SP_CTL_RESTORE_H

#include "ctl/backup.h"
#include "lib/backup/onward.h"
#include "lib/backup/rdb.h"

/* Is the key to be restored? Then *entry becomes what is (lib/backup/onward.h). -1: it
 * is damaged. (ctl/restore_entry.c) */
int restore_entry(struct backup_onward *onward, unsigned database, struct rdb_entry *entry, bool *wanted_out,
		  struct err *err);

/* ---- Below the folder of a cluster that does not run: files that redis-server reads
 * when it starts (ctl/restore_files.c). ---- */
/* Is there a store in it already? */
bool restore_files_hold_data(const struct layout *l);
/* Puts them in place by one rename; what was there is kept beside it. */
int restore_files_write(const struct layout *l, const char *rdb_path, unsigned database, uint64_t *keys_out,
			struct err *err);

/* ---- Into a Redis that runs, by its protocol (ctl/restore_redis.c). ---- */
/* ERR_EXISTS: it has keys, and replace is not set. ERR_DENIED: processes of a
 * cluster work on it. With replace its keys are removed. */
int restore_redis_prepare(struct ctl *ctl, bool replace, struct err *err);
int restore_redis_write(struct ctl *ctl, const char *rdb_path, unsigned database, uint64_t *keys_out, struct err *err);

#endif
