/* For which names certificates are wanted: those under which clients and other
 * servers look for this cluster, from the settings and domains as they are now. */
#ifndef SP_ACME_NAMES_H
#define SP_ACME_NAMES_H

#include "lib/base/arena.h"
#include "lib/base/str.h"
#include "lib/settings/settings.h"

enum { ACME_NAMES_MAX = 5000, ACME_NAME_MAX = 254 };

struct acme_name {
	struct str name; /* lower case */
	bool is_own;	 /* the server's, or one that the operator names: not compared with the server's address */
};

struct acme_names {
	struct arena *arena; /* borrowed; holds all texts */
	struct acme_name *items;
	unsigned count;
	unsigned capacity;
	unsigned left_out; /* at least so many are more than ACME_NAMES_MAX; 0: none is */
};

/* A name that a CA can certify by http-01: at least two labels, no address, no
 * wildcard, not of a zone for private use. */
bool acme_name_is_public(struct str name);
/* Each name once: the server's, those of acme.names, then the hosts of the settings
 * and those of each domain (mta-sts, autoconfig, autodiscover). */
void acme_names_make(struct acme_names *names, struct arena *arena, const struct settings *settings,
		     struct str hostname, const struct str *domains, unsigned domain_count);
/* NULL: not wanted. */
const struct acme_name *acme_names_find(const struct acme_names *names, struct str name);

#endif
