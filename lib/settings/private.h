/* Shared by the files of lib/settings; nobody else includes it. */
#ifndef SP_SETTINGS_PRIVATE_H
#define SP_SETTINGS_PRIVATE_H

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/settings/settings.h"

/* No value of any type may be longer than this, in bytes. */
#define SETTINGS_VALUE_MAX  65536
#define SETTINGS_DOMAIN_MAX 255

#define SETTINGS_GROUP_ID(group, name, help) GROUP_##group,
enum settings_group_id { SETTINGS_GROUPS(SETTINGS_GROUP_ID) GROUP_COUNT };
#undef SETTINGS_GROUP_ID

/* One struct per group, in the order of enum settings_group_id. */
#define SETTINGS_GROUP_MEMBER(group, name, help) struct settings_##group group;
struct settings_values {
	SETTINGS_GROUPS(SETTINGS_GROUP_MEMBER)
};
#undef SETTINGS_GROUP_MEMBER

struct settings_group {
	const char *name;
	const char *help;
	size_t offset; /* of its struct in struct settings_values */
	size_t size;   /* of its struct */
};
extern const struct settings_group settings_groups[GROUP_COUNT];

/* NULL: no such group. */
const struct settings_group *settings_group_find(struct str name);
/* The group's rows are contiguous; count_out: their number. */
const struct settings_row *settings_group_rows(const struct settings_group *group, unsigned *count_out);
/* Offset of the row's value in its group's struct. */
size_t settings_row_offset(const struct settings_row *row);
/* The nearest known group name, or NULL. */
const char *settings_nearest_group(struct str name);

/* Parses text as the row's type into *member_out (of that type); strings and
 * lists are copied into arena. Nothing is written on failure. */
int settings_parse(const struct settings_row *row, struct str text, struct arena *arena, void *member_out,
		   struct err *err);
/* As an operator would write it. */
void settings_format(const struct settings_row *row, const void *member, struct buf *out);

/* ---- Building a snapshot ---- */
struct settings_input {
	const struct settings_row *row;
	struct str domain; /* lower case; empty: the group itself */
	struct str text;   /* one that settings_check_value() allows */
};
/* Applies the defaults, then the inputs of groups, then those of domains. The
 * result has one reference. A domain with a relay_host of its own does not get the
 * group's relay_user and relay_password. */
const struct settings *settings_build(const struct settings_input *inputs, size_t count);

/* ---- Warnings ---- one bit each, in the order of the table in warnings.c */
unsigned settings_warning_bits(const struct settings *s);
const char *settings_warning_name(unsigned bit);
const char *settings_warning_text(unsigned bit);

#endif
