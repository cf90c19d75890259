/* Address lists of headers (RFC 5322, 3.4), as ENVELOPE needs them. */
#ifndef SP_MIME_ADDRESS_H
#define SP_MIME_ADDRESS_H

#include <stdbool.h>

#include "lib/base/arena.h"
#include "lib/base/str.h"

#define MIME_ADDRESSES_MAX 10000 /* per field; the rest is dropped (but not the end of a group) */

enum mime_address_kind { MIME_MAILBOX, MIME_GROUP_START, MIME_GROUP_END };

struct mime_address {
	enum mime_address_kind kind;
	struct str name;    /* display name, raw (may contain encoded-words); for a group start: the group's */
	struct str mailbox; /* local part */
	struct str host;    /* domain; empty: none was there */
	struct str route;   /* obsolete source route (RFC 5322, 4.4): "@a,@b"; empty: none */
	struct mime_address *next;
};

/* The list in order, in the arena; NULL if it is empty. */
struct mime_address *mime_parse_addresses(struct str raw, struct arena *arena);

#endif
