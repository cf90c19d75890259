/* The hashes settings:* as they were last read: the values in force, and the
 * invalid entries. Private to lib/settings. */
#ifndef SP_SETTINGS_HASHES_H
#define SP_SETTINGS_HASHES_H

#include <hiredis/hiredis.h>

#include "lib/base/check.h"
#include "lib/settings/private.h"

#define uthash_fatal(message) CHECKF(false, "%s", message)
#include <uthash.h>

/* An invalid entry of a hash. */
struct settings_finding {
	char *name; /* key: "smtp-out:example.com.port"; owner */
	char *text; /* owner */
	bool seen;  /* by the current reading */
	UT_hash_handle hh;
};

struct settings_hash {
	char *name;			    /* key: the part after "settings:"; owner */
	const struct settings_group *group; /* NULL: there is no such group */
	const struct settings_row *rows;    /* of the group */
	unsigned row_count;
	char *domain;			   /* lower case; NULL: the group itself; owner */
	char **texts;			   /* by row: the last valid text, NULL: the default; owner */
	struct settings_finding *findings; /* owner */
	bool is_empty;			   /* the key did not exist at the last reading */
	bool reading, again, dirty;	   /* used by lib/settings/live.c */
	UT_hash_handle hh;
};

/* Called for each finding that is new or has changed (text not NULL), and for
 * each that is gone (text NULL). */
typedef void settings_on_report(void *arg, const char *name, const char *text);

struct settings_hash *settings_hash_find(struct settings_hash *table, struct str name);
struct settings_hash *settings_hash_get(struct settings_hash **table, struct str name);
void settings_hash_remove(struct settings_hash **table, struct settings_hash *h);

/* Applies the result of HGETALL: valid texts take effect, invalid ones leave
 * the last valid one in force. True if a text in force changed. Each new
 * finding is logged. */
bool settings_hash_apply(struct settings_hash *h, const redisReply *pairs, settings_on_report *on_report, void *arg);
/* The key could not be read because it is not a hash. */
void settings_hash_apply_wrong_type(struct settings_hash *h, settings_on_report *on_report, void *arg);

/* Builds a snapshot of all texts in force. Sorts the table by name. */
const struct settings *settings_hashes_build(struct settings_hash **table);

#endif
