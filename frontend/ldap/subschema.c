/* cn=Subschema (RFC 4512, section 4.2), made from the tables of the schema. */
#include <pthread.h>

#include "frontend/ldap/entry.h"
#include "lib/base/buf.h"

static struct str
subschema_keep(struct buf *text, struct arena *arena)
{
	struct str kept = arena_str(arena, buf_str(text));

	buf_fini(text);
	return kept;
}

static struct str
subschema_attribute(unsigned i, struct arena *arena)
{
	const struct ldap_attribute_type *t = &ldap_attribute_types[i];
	struct buf text = BUF_EMPTY;

	if (t->others[0] != '\0')
		buf_printf(&text, "( %s NAME ( '%s' '%s' )", t->oid, t->name, t->others);
	else
		buf_printf(&text, "( %s NAME '%s'", t->oid, t->name);
	if (t->supertype != LDAP_AT_NONE)
		buf_printf(&text, " SUP %s", ldap_attribute_types[t->supertype].name);
	if (t->equality != LDAP_RULE_NONE)
		buf_printf(&text, " EQUALITY %s", ldap_rule_types[t->equality].name);
	if (t->ordering != LDAP_RULE_NONE)
		buf_printf(&text, " ORDERING %s", ldap_rule_types[t->ordering].name);
	if (t->substrings != LDAP_RULE_NONE)
		buf_printf(&text, " SUBSTR %s", ldap_rule_types[t->substrings].name);
	buf_printf(&text, " SYNTAX %s", ldap_syntax_types[t->syntax].oid);
	if ((t->flags & LDAP_IS_SINGLE) != 0)
		buf_add_c(&text, " SINGLE-VALUE");
	if ((t->flags & LDAP_IS_OPERATIONAL) != 0)
		buf_add_c(&text, " NO-USER-MODIFICATION USAGE directoryOperation");
	buf_add_c(&text, " )");
	return subschema_keep(&text, arena);
}

static struct str
subschema_class(unsigned i, struct arena *arena)
{
	const struct ldap_class_type *t = &ldap_class_types[i];
	struct buf text = BUF_EMPTY;

	buf_printf(&text, "( %s NAME '%s'", t->oid, t->name);
	if (t->superclass != i)
		buf_printf(&text, " SUP %s", ldap_class_types[t->superclass].name);
	buf_printf(&text, " %s", t->kind);
	if (t->must[0] != '\0')
		buf_printf(&text, " MUST ( %s )", t->must);
	if (t->may[0] != '\0')
		buf_printf(&text, " MAY ( %s )", t->may);
	buf_add_c(&text, " )");
	return subschema_keep(&text, arena);
}

static struct str
subschema_rule(unsigned i, struct arena *arena)
{
	const struct ldap_rule_type *t = &ldap_rule_types[i];

	return str_c(
		arena_printf(arena, "( %s NAME '%s' SYNTAX %s )", t->oid, t->name, ldap_syntax_types[t->syntax].oid));
}

static struct str
subschema_syntax(unsigned i, struct arena *arena)
{
	const struct ldap_syntax_type *t = &ldap_syntax_types[i];

	return str_c(arena_printf(arena, "( %s DESC '%s' )", t->oid, t->description));
}

static const struct str subschema_classes[] = {STR("top"), STR("subschema")};
static const struct str subschema_name[] = {STR("Subschema")};

static const struct {
	enum ldap_attribute attribute;
	unsigned count;
	struct str (*make)(unsigned i, struct arena *arena);
} subschema_rows[] = {
	{LDAP_AT_ATTRIBUTE_TYPES, LDAP_AT_COUNT, subschema_attribute},
	{LDAP_AT_OBJECT_CLASSES, LDAP_CLASS_COUNT, subschema_class},
	{LDAP_AT_MATCHING_RULES, LDAP_RULE_COUNT, subschema_rule},
	{LDAP_AT_SYNTAXES, LDAP_SYNTAX_COUNT, subschema_syntax},
};
enum { SUBSCHEMA_ROW_COUNT = sizeof(subschema_rows) / sizeof(subschema_rows[0]) };

/* Made at the first use, for all threads; unchanged from then on. */
static struct arena subschema_arena;
static struct str *subschema_items[SUBSCHEMA_ROW_COUNT];
static pthread_once_t subschema_once = PTHREAD_ONCE_INIT;

static void
subschema_make(void)
{
	arena_init(&subschema_arena);
	for (unsigned i = 0; i < SUBSCHEMA_ROW_COUNT; i++) {
		subschema_items[i] = arena_array(&subschema_arena, struct str, subschema_rows[i].count);
		for (unsigned k = 0; k < subschema_rows[i].count; k++)
			subschema_items[i][k] = subschema_rows[i].make(k, &subschema_arena);
	}
}

struct ldap_values
ldap_subschema_values(enum ldap_attribute a)
{
	if (a == LDAP_AT_OBJECT_CLASS)
		return (struct ldap_values){subschema_classes, 2};
	if (a == LDAP_AT_CN)
		return (struct ldap_values){subschema_name, 1};
	(void)pthread_once(&subschema_once, subschema_make);
	for (unsigned i = 0; i < SUBSCHEMA_ROW_COUNT; i++)
		if (subschema_rows[i].attribute == a)
			return (struct ldap_values){subschema_items[i], subschema_rows[i].count};
	return (struct ldap_values){NULL, 0};
}
