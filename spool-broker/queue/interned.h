/* Texts that many messages share, each stored once: the answers of servers. */
#ifndef SP_BROKER_INTERNED_H
#define SP_BROKER_INTERNED_H

#include <stdint.h>
#include <uthash.h>

struct interned {
	UT_hash_handle hh; /* by text */
	uint32_t refs;
	char text[];
};

struct interned_table {
	struct interned *texts; /* owner: hash */
};

#define INTERNED_MAX 20000 /* texts; further ones are not kept */

/* Returns a reference; NULL: there are too many. */
struct interned *interned_get(struct interned_table *t, const char *text);
/* Sets *text to NULL; NULL is allowed. */
void interned_drop(struct interned_table *t, struct interned **text);

#endif
