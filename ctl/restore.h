/* The two places to which `stagepost restore` writes Redis's part. */
#ifndef SP_CTL_RESTORE_H
#define SP_CTL_RESTORE_H

#include "ctl/backup.h"
#include "lib/backup/onward.h"
#include "lib/backup/rdb.h"

/* Must the key be restored? Then *entry becomes the entry to write
 * (lib/backup/onward.h). -1: it is damaged. (ctl/restore_entry.c) */
int restore_entry(struct backup_onward *onward, unsigned database, struct rdb_entry *entry, bool *wanted_out,
		  struct err *err);

/* ---- In the folder of a cluster that is not running: files that redis-server reads
 * when it starts (ctl/restore_files.c). ---- */
/* Does it contain a store already? */
bool restore_files_hold_data(const struct layout *l);
/* Puts them in place with one rename; the previous content is kept next to it. */
int restore_files_write(const struct layout *l, const char *rdb_path, unsigned database, uint64_t *keys_out,
			struct err *err);

/* ---- Into a running Redis, with its protocol (ctl/restore_redis.c). ---- */
/* ERR_EXISTS: it has keys, and replace is not set. ERR_DENIED: processes of a
 * cluster use it. With replace its keys are removed. */
int restore_redis_prepare(struct ctl *ctl, bool replace, struct err *err);
int restore_redis_write(struct ctl *ctl, const char *rdb_path, unsigned database, uint64_t *keys_out, struct err *err);

#endif
