/* Distinguished names (RFC 4514), and what they name here:
 *
 *	dc=example,dc=com                        a domain
 *	ou=people,dc=example,dc=com              its accounts
 *	uid=alice,ou=people,dc=example,dc=com    alice@example.com
 *	ou=groups,dc=example,dc=com              its aliases and lists
 *	cn=sales,ou=groups,dc=example,dc=com     sales@example.com
 *	cn=Subschema                             the schema
 *	(empty)                                  the root DSE */
#ifndef SP_FRONTEND_LDAP_DN_H
#define SP_FRONTEND_LDAP_DN_H

#include "frontend/ldap/schema.h"
#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/str.h"
#include "lib/directory/directory.h"

enum { LDAP_RDNS_MAX = 32, LDAP_DN_BYTES_MAX = 4096 };

struct ldap_rdn {
	struct str type; /* as written */
	enum ldap_attribute attribute;
	struct str value;      /* without escapes */
	bool is_hex, is_multi; /* "#04...", or one of several with "+": no entry here has such a name */
};

struct ldap_dn {
	struct ldap_rdn rdns[LDAP_RDNS_MAX]; /* as written: the entry's own first */
	unsigned count;
};

/* False: malformed, or beyond the limits. Texts are in the arena, or in `text` itself. */
bool ldap_dn_parse(struct str text, struct arena *arena, struct ldap_dn *out);
/* The form in which DNs are compared. */
struct str ldap_dn_normal(const struct ldap_dn *dn, struct arena *arena);
/* The same at once, if the DN has plain names alone. Empty: take it apart. */
struct str ldap_dn_normal_plain(struct str text, struct arena *arena);

enum ldap_kind {
	LDAP_NOTHING, /* names nothing that could exist */
	LDAP_ROOT,
	LDAP_SUBSCHEMA,
	LDAP_DOMAIN,
	LDAP_PEOPLE,
	LDAP_GROUPS,
	LDAP_USER,
	LDAP_GROUP,
};

struct ldap_name {
	enum ldap_kind kind;
	struct str domain;		     /* canonical; in the arena. Also for LDAP_NOTHING below a domain */
	enum ldap_kind above;		     /* LDAP_NOTHING: the nearest that may exist */
	char address[DIRECTORY_ADDRESS_MAX]; /* LDAP_USER, LDAP_GROUP: canonical */
};

/* False: no DN. */
bool ldap_name_parse(struct str text, struct arena *arena, struct ldap_name *out);

/* DNs as they are answered. */
struct str ldap_dn_of(enum ldap_kind kind, struct str domain, struct str local_part, struct arena *arena);

#define LDAP_SUBSCHEMA_DN "cn=Subschema"

#endif
