/* DMARC reports that others have sent, added up by the address that sent mail in a domain's name. */
#ifndef SP_CTL_DMARC_SUMS_H
#define SP_CTL_DMARC_SUMS_H

#include <cjson/cJSON.h>

#include "ctl/ctl.h"
#include "lib/directory/directory.h"

struct dmarc_source;
struct dmarc_seen;

struct dmarc_sums {
	struct arena *arena;		   /* borrowed; of all that is kept */
	char domain[DIRECTORY_DOMAIN_MAX]; /* empty: all */
	int64_t since_s;		   /* unix; reports that end before are left out */
	struct dmarc_source *sources;
	struct dmarc_seen *seen;
	unsigned reports, repeated, skipped; /* skipped: rows */
	cJSON *unreadable;		     /* owner */
};

/* domain, since (a day): NULL: not given. 1 after an error message, and then there is nothing to free. */
int dmarc_sums_init(struct dmarc_sums *s, struct arena *arena, const char *domain, const char *since);
void dmarc_sums_fini(struct dmarc_sums *s);
/* A report, or several, in any form that lib/dmarcrpt/unpack.h knows. name: for what is said if it cannot be
 * read. False: there is none in it, and nothing was noted. */
bool dmarc_sums_add(struct dmarc_sums *s, const char *name, struct str data);
void dmarc_sums_note(struct dmarc_sums *s, const char *name, const char *why);
/* Prints them. It is an error if none of so many sources could be read. Returns the exit status. */
int dmarc_sums_print(const struct ctl *ctl, struct dmarc_sums *s, unsigned sources);

#endif
