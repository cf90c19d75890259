/* A hash of settings as a whole, with its version: for those who show it, and change
 * it only if it still is what they have seen. */
#ifndef SP_ADMIN_SETTINGS_HASH_H
#define SP_ADMIN_SETTINGS_HASH_H

#include "lib/admin/admin.h"
#include "lib/base/str.h"

/* Of all groups, without the overrides of domains:
 * [{"name", "help", "version", "domains": [...], "rows": [...]}, ...]. domains: NULL if
 * no field can be overridden; else those that have overrides. A row:
 *
 *	{"name": "smtp-in.priority", "field", "type", "value", "default", "allowed",
 *	 "words": [...] of an enum or bool, "help", "scope": "domain" or "global",
 *	 "planned", "secret", "set", "error"}
 *
 * value is the stored one, good or bad; error says what is wrong with it. The value
 * of a secret is never told. */
struct admin_call *admin_settings_groups(struct admin *a, admin_on_result *cb, void *arg);
/* Of one group, or of a domain in it: {"name", "help", "domain", "version", "rows"}.
 * Of a domain only the rows that it can override; their default is the group's
 * value. domain is canonical, or empty. ERR_NOT_FOUND: there is no such group, or
 * nothing in it can be set for a domain. */
struct admin_call *admin_settings_group(struct admin *a, struct str group, struct str domain, admin_on_result *cb,
					void *arg);

struct admin_settings_change {
	struct str field, value; /* value.p NULL: back to the default */
};
/* All have been checked (settings_check_value()). version: what the hash must have;
 * empty: any. {"version", "changes": [{"name", "old", "new"}, ...]}; old and new are
 * missing where there is none, and where it is a secret. ERR_FENCED: it has been changed
 * meanwhile, and nothing is stored. */
struct admin_call *admin_settings_group_change(struct admin *a, struct str group, struct str domain, struct str version,
					       const struct admin_settings_change *changes, size_t count,
					       admin_on_result *cb, void *arg);

#endif
