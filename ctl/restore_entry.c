/* One key of a snapshot, as it is restored. */
#include "ctl/restore.h"

/* Is it part of the cluster's state? Keys about running processes are not. */
static bool
entry_is_wanted(const struct rdb_entry *entry, unsigned database)
{
	static const char *const of_processes[] = {"cluster:proc:",   "cluster:procs",	"cluster:brokers",
						   "cluster:broker:", "cluster:shards", "backup:"};

	if (entry->database != database)
		return false;
	for (unsigned i = 0; i < sizeof(of_processes) / sizeof(of_processes[0]); i++)
		if (str_starts(entry->key, str_c(of_processes[i])))
			return false;
	return !str_starts(entry->key, STR("spool:{")) || !str_ends_ci(entry->key, STR("}:lease"));
}

int
restore_entry(struct backup_onward *onward, unsigned database, struct rdb_entry *entry, bool *wanted_out,
	      struct err *err)
{
	bool drop = false;

	*wanted_out = false;
	if (!entry_is_wanted(entry, database))
		return 0;
	if (backup_onward_take(onward, entry, &drop, err) != 0)
		return -1;
	*wanted_out = !drop;
	return 0;
}
