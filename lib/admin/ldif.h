/* LDAP data as text: RFC 2849, content records and changes of the type "add". Pure. */
#ifndef SP_ADMIN_LDIF_H
#define SP_ADMIN_LDIF_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

enum { LDIF_VALUES_MAX = 500 };

struct ldif {
	struct str rest; /* borrowed: what has not been read */
	uint64_t next_line;
};

struct ldif_value {
	struct str name; /* without options ("cn;lang-de" is "cn"), as written */
	struct str value;
	uint64_t line;
};

struct ldif_record {
	uint64_t line; /* of its dn */
	struct str dn;
	struct ldif_value values[LDIF_VALUES_MAX];
	unsigned count;
};

void ldif_open(struct ldif *l, struct str text);
/* As csv_next(); a malformed record is passed over as a whole. */
int ldif_next(struct ldif *l, struct ldif_record *r, struct arena *arena, struct err *err);

/* Appends "name: value", in base64 if it must be, folded to 76 columns. */
void ldif_add(struct buf *out, const char *name, struct str value);
/* Appends a value escaped for a DN (RFC 4514). */
void ldif_add_rdn(struct buf *out, struct str value);

#endif
