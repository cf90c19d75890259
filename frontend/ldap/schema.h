/* Looking things up in the schema (schema_table.h), and the normal forms of values. */
#ifndef SP_FRONTEND_LDAP_SCHEMA_H
#define SP_FRONTEND_LDAP_SCHEMA_H

#include <stdbool.h>
#include <stdint.h>

#include "frontend/ldap/schema_table.h"
#include "lib/base/arena.h"
#include "lib/base/str.h"

#define LDAP_ATTRIBUTE_ID(id, ...) LDAP_AT_##id,
enum ldap_attribute { LDAP_ATTRIBUTES(LDAP_ATTRIBUTE_ID) LDAP_AT_COUNT, LDAP_AT_NONE = LDAP_AT_COUNT };
#undef LDAP_ATTRIBUTE_ID

#define LDAP_SYNTAX_ID(id, ...) LDAP_SYNTAX_##id,
enum ldap_syntax { LDAP_SYNTAXES(LDAP_SYNTAX_ID) LDAP_SYNTAX_COUNT };
#undef LDAP_SYNTAX_ID

#define LDAP_RULE_ID(id, ...) LDAP_RULE_##id,
enum ldap_rule { LDAP_RULES(LDAP_RULE_ID) LDAP_RULE_COUNT, LDAP_RULE_NONE = LDAP_RULE_COUNT };
#undef LDAP_RULE_ID

#define LDAP_CLASS_ID(id, ...) LDAP_CLASS_##id,
enum ldap_class { LDAP_CLASSES(LDAP_CLASS_ID) LDAP_CLASS_COUNT };
#undef LDAP_CLASS_ID

enum ldap_rule_kind { LDAP_EQUALITY, LDAP_ORDERING, LDAP_SUBSTRINGS };

/* The form in which two values that match are the same bytes. */
enum ldap_form {
	LDAP_FOLDED, /* letters folded, one space for several, none at the ends */
	LDAP_EXACT,  /* the same without folding */
	LDAP_IA5_FOLDED,
	LDAP_IA5_EXACT,
	LDAP_DIGITS, /* folded, without spaces and hyphens */
	LDAP_DN_TEXT,
	LDAP_OID_NAME,	/* of an object class */
	LDAP_TIME_TEXT, /* "20261130120000Z" */
	LDAP_UUID_TEXT,
	LDAP_BOOLEAN_TEXT,
	LDAP_INTEGER_TEXT, /* as wide as the widest, so that their order is that of their bytes */
};
enum { LDAP_FORM_COUNT = LDAP_INTEGER_TEXT + 1 };

enum { LDAP_IS_SINGLE = 1, LDAP_IS_OPERATIONAL = 2 };

struct ldap_attribute_type {
	const char *name, *others, *oid;
	enum ldap_attribute supertype; /* LDAP_AT_NONE: none */
	enum ldap_syntax syntax;
	enum ldap_rule equality, ordering, substrings;
	unsigned flags;
};
extern const struct ldap_attribute_type ldap_attribute_types[LDAP_AT_COUNT];

struct ldap_rule_type {
	const char *name, *oid;
	enum ldap_rule_kind kind;
	enum ldap_form form;
	enum ldap_syntax syntax;
};
extern const struct ldap_rule_type ldap_rule_types[LDAP_RULE_COUNT];

struct ldap_class_type {
	const char *name, *oid;
	enum ldap_class superclass;
	const char *kind, *must, *may;
};
extern const struct ldap_class_type ldap_class_types[LDAP_CLASS_COUNT];

struct ldap_syntax_type {
	const char *oid, *description;
};
extern const struct ldap_syntax_type ldap_syntax_types[LDAP_SYNTAX_COUNT];

/* By name or OID, in any case of letters. LDAP_AT_NONE: unknown, or it has options
 * (";lang-en"), of which the server knows none. */
enum ldap_attribute ldap_attribute_find(struct str description);
/* The attribute and its subtypes; 0 for LDAP_AT_NONE. */
uint64_t ldap_attribute_mask(enum ldap_attribute a);
/* All attributes that are operational, or are not. */
uint64_t ldap_attribute_all(bool operational);
enum ldap_rule ldap_rule_find(struct str name);
bool ldap_class_find(struct str name, enum ldap_class *class_out);
/* Is it well-formed as a description: a name or an OID, with options? */
bool ldap_is_description(struct str text);

/* What a value is to be prepared for. */
enum ldap_part { LDAP_WHOLE, LDAP_INITIAL, LDAP_ANY, LDAP_FINAL };
/* The normal form of a value, or of a piece of a substring assertion. The result is in
 * the arena, or is value itself. False: the value does not have the form's syntax. */
bool ldap_normalize(enum ldap_form form, enum ldap_part part, struct str value, struct arena *arena, struct str *out);

#endif
