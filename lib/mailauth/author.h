/* The author's domain of a message: that of its From field (RFC 7489, 6.6.1). */
#ifndef SP_MAILAUTH_AUTHOR_H
#define SP_MAILAUTH_AUTHOR_H

#include "lib/base/arena.h"
#include "lib/base/str.h"

enum author_kind {
	AUTHOR_ONE,	/* one field, one domain; several addresses may share it */
	AUTHOR_NONE,	/* nobody is named: an empty group (RFC 6854) */
	AUTHOR_MISSING, /* no From field, or an empty one; RFC 5322, 3.6, asks for one */
	AUTHOR_SEVERAL, /* several From fields, or several domains: nobody can say who is meant */
	AUTHOR_BAD,	/* what is there is not a domain */
};

/* header: the message's header block. domain_out: as A-labels in lower case, in the
 * arena; empty unless AUTHOR_ONE. */
enum author_kind author_domain(struct str header, struct arena *arena, struct str *domain_out);

#endif
