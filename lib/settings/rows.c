/* The table of settings as data, and searching it. */
#include <stddef.h>

#include "lib/settings/private.h"

#define GROUP_NAME(group, name, help) static const char name_of_##group[] = name;
SETTINGS_GROUPS(GROUP_NAME)

/* clang-format off */
#define ALL_ROWS(R) \
	SETTINGS_POP(R) \
	SETTINGS_IMAP(R) \
	SETTINGS_LDAP(R) \
	SETTINGS_SMTP_IN(R) SETTINGS_SMTP_OUT(R) SETTINGS_DESTINATION(R) SETTINGS_XMPP(R) SETTINGS_EWS(R) SETTINGS_EAS(R) SETTINGS_HTTP(R) SETTINGS_ACME(R) SETTINGS_SPOOL(R) \
		SETTINGS_AUTH(R) SETTINGS_MAILBOX(R) SETTINGS_SPAM(R) SETTINGS_MAIL_AUTH(R)
/* clang-format on */

#define ROW(g, f, t, default_value, u, low, high, s, h) \
	{.group = name_of_##g, \
	 .field = #f, \
	 .type = SETTING_##t, \
	 .default_text = default_value, \
	 .unit = u, \
	 .min = low, \
	 .max = high, \
	 .scope = (enum settings_scope)(~PLANNED & (s)), \
	 .planned = (PLANNED & (s)) != 0, \
	 .help = h},
static const struct settings_row rows[] = {ALL_ROWS(ROW)};

#define ROW_COUNT (sizeof(rows) / sizeof(rows[0]))

#define ROW_OFFSET(g, f, ...) offsetof(struct settings_##g, f),
static const size_t offsets[ROW_COUNT] = {ALL_ROWS(ROW_OFFSET)};

#define GROUP_ROW(g, n, h) \
	{.name = name_of_##g, \
	 .help = h, \
	 .offset = offsetof(struct settings_values, g), \
	 .size = sizeof(struct settings_##g)},
const struct settings_group settings_groups[GROUP_COUNT] = {SETTINGS_GROUPS(GROUP_ROW)};

const struct settings_row *
settings_rows(unsigned *count_out)
{
	*count_out = ROW_COUNT;
	return rows;
}

const struct settings_group *
settings_group_find(struct str name)
{
	for (size_t i = 0; i < GROUP_COUNT; i++)
		if (str_eq(str_c(settings_groups[i].name), name))
			return &settings_groups[i];
	return NULL;
}

const struct settings_row *
settings_group_rows(const struct settings_group *group, unsigned *count_out)
{
	size_t first = 0, end;
	while (rows[first].group != group->name)
		first++;
	for (end = first; end < ROW_COUNT && rows[end].group == group->name; end++)
		;
	*count_out = (unsigned)(end - first);
	return &rows[first];
}

const struct settings_row *
settings_row_find(struct str group, struct str field)
{
	for (size_t i = 0; i < ROW_COUNT; i++)
		if (str_eq(str_c(rows[i].field), field) && str_eq(str_c(rows[i].group), group))
			return &rows[i];
	return NULL;
}

bool
settings_is_secret(const struct settings_row *row)
{
	return row->type == SETTING_TEXT && str_eq(str_c(row->unit), STR("secret"));
}

size_t
settings_row_offset(const struct settings_row *row)
{
	return offsets[row - rows];
}

/* The best candidate seen so far: the one with the fewest edits. */
struct nearest {
	char wanted[64]; /* lower case */
	struct str name;
	unsigned distance; /* of best; anything further away does not count */
	const char *best;
};

static void
nearest_init(struct nearest *n, struct str name)
{
	n->best = NULL;
	n->name = str_first(name, sizeof(n->wanted));
	if (n->name.len > 0)
		memcpy(n->wanted, name.p, n->name.len);
	str_lower(n->wanted, n->name.len);
	n->name.p = n->wanted;
	/* A third of a name may be wrong; beyond that a hint would be misleading. */
	n->distance = (unsigned)(n->name.len / 3 + 1);
}

static void
nearest_try(struct nearest *n, const char *candidate)
{
	unsigned distance = str_distance(n->name, str_c(candidate));
	if (distance < n->distance || (n->best == NULL && distance == n->distance)) {
		n->distance = distance;
		n->best = candidate;
	}
}

const char *
settings_nearest(struct str group, struct str field)
{
	struct nearest n;
	nearest_init(&n, field);
	for (size_t i = 0; i < ROW_COUNT; i++)
		if (str_eq(str_c(rows[i].group), group))
			nearest_try(&n, rows[i].field);
	return n.best;
}

const char *
settings_nearest_group(struct str name)
{
	struct nearest n;
	nearest_init(&n, name);
	for (size_t i = 0; i < GROUP_COUNT; i++)
		nearest_try(&n, settings_groups[i].name);
	return n.best;
}
