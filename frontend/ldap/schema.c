#include "frontend/ldap/schema.h"

#include <string.h>

#define AT(id) LDAP_AT_##id
/* Supertypes and rules are written without their prefixes in the table. */
#define LDAP_ATTRIBUTE_ROW(id, n, o, number, super, syn, eq, ord, sub, bits) \
	{.name = n, \
	 .others = o, \
	 .oid = number, \
	 .supertype = LDAP_AT_##super, \
	 .syntax = LDAP_SYNTAX_##syn, \
	 .equality = LDAP_RULE_##eq, \
	 .ordering = LDAP_RULE_##ord, \
	 .substrings = LDAP_RULE_##sub, \
	 .flags = (bits)},
#define IS_SINGLE      LDAP_IS_SINGLE
#define IS_OPERATIONAL LDAP_IS_OPERATIONAL
const struct ldap_attribute_type ldap_attribute_types[LDAP_AT_COUNT] = {LDAP_ATTRIBUTES(LDAP_ATTRIBUTE_ROW)};
_Static_assert(LDAP_AT_COUNT <= 64, "a set of attributes is a mask of 64 bits");

#define LDAP_RULE_ROW(id, n, number, k, f, syn) \
	{.name = n, .oid = number, .kind = LDAP_##k, .form = LDAP_##f, .syntax = LDAP_SYNTAX_##syn},
const struct ldap_rule_type ldap_rule_types[LDAP_RULE_COUNT] = {LDAP_RULES(LDAP_RULE_ROW)};

#define LDAP_CLASS_ROW(id, n, number, super, k, required, optional) \
	{.name = n, .oid = number, .superclass = LDAP_CLASS_##super, .kind = k, .must = required, .may = optional},
const struct ldap_class_type ldap_class_types[LDAP_CLASS_COUNT] = {LDAP_CLASSES(LDAP_CLASS_ROW)};

#define LDAP_SYNTAX_ROW(id, number, text) {.oid = number, .description = text},
const struct ldap_syntax_type ldap_syntax_types[LDAP_SYNTAX_COUNT] = {LDAP_SYNTAXES(LDAP_SYNTAX_ROW)};

bool
ldap_is_description(struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.p[i];
		bool is_letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';

		if (!is_letter && !(c >= '0' && c <= '9') && (i == 0 || (c != '-' && c != '.' && c != ';')))
			return false;
	}
	return text.len != 0;
}

enum ldap_attribute
ldap_attribute_find(struct str description)
{
	struct str word;

	for (unsigned i = 0; i < LDAP_AT_COUNT; i++) {
		const struct ldap_attribute_type *type = &ldap_attribute_types[i];
		struct str others = str_c(type->others);

		if (str_eq_ci(description, str_c(type->name)) || str_eq(description, str_c(type->oid)))
			return (enum ldap_attribute)i;
		while (str_next_word(&others, " ", &word))
			if (str_eq_ci(description, word))
				return (enum ldap_attribute)i;
	}
	return LDAP_AT_NONE;
}

uint64_t
ldap_attribute_mask(enum ldap_attribute a)
{
	uint64_t mask = 0;

	if (a == LDAP_AT_NONE)
		return 0;
	for (unsigned i = 0; i < LDAP_AT_COUNT; i++)
		if (i == a || ldap_attribute_types[i].supertype == a)
			mask |= UINT64_C(1) << i;
	return mask;
}

uint64_t
ldap_attribute_all(bool operational)
{
	uint64_t mask = 0;

	for (unsigned i = 0; i < LDAP_AT_COUNT; i++)
		if (((ldap_attribute_types[i].flags & LDAP_IS_OPERATIONAL) != 0) == operational)
			mask |= UINT64_C(1) << i;
	return mask;
}

enum ldap_rule
ldap_rule_find(struct str name)
{
	for (unsigned i = 0; i < LDAP_RULE_COUNT; i++)
		if (str_eq_ci(name, str_c(ldap_rule_types[i].name)) || str_eq(name, str_c(ldap_rule_types[i].oid)))
			return (enum ldap_rule)i;
	return LDAP_RULE_NONE;
}

bool
ldap_class_find(struct str name, enum ldap_class *class_out)
{
	for (unsigned i = 0; i < LDAP_CLASS_COUNT; i++)
		if (str_eq_ci(name, str_c(ldap_class_types[i].name)) || str_eq(name, str_c(ldap_class_types[i].oid))) {
			*class_out = (enum ldap_class)i;
			return true;
		}
	return false;
}
