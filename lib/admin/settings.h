/* Settings as an operator sees them. Stored values are read directly from the
 * hashes, so that he sees what he wrote, valid or not; the table defines their
 * meaning. A name is "smtp-out:example.com.outbound_ipv4": GROUP.FIELD or
 * GROUP:DOMAIN.FIELD. */
#ifndef SP_ADMIN_SETTINGS_H
#define SP_ADMIN_SETTINGS_H

#include "lib/admin/admin.h"
#include "lib/base/str.h"

/* Settings of one group, or of all (NULL): [{"name", "value", "set", "good", "planned"},
 * ...], a group's domain overrides come before its own values. value is the one in force,
 * or the default if the stored one is invalid. A secret that is set is "(secret)".
 * ERR_NOT_FOUND: no such group. */
struct admin_call *admin_settings_list(struct admin *a, const char *group, admin_on_result *cb, void *arg);

/* The meaning and allowed values of a setting; does not use the store. NULL: err. */
cJSON *admin_settings_describe(const char *name, struct err *err);

/* {"name", "value", "origin": "domain", "group" or "default", "secret"}; value is
 * included even for a secret. ERR_INVALID: the stored value is invalid. */
struct admin_call *admin_settings_get(struct admin *a, const char *name, admin_on_result *cb, void *arg);

struct admin_setting {
	struct str name, value;
};
/* 0: the setting exists; the value may be stored (for a name that exists). */
int admin_settings_check_name(struct str name, struct err *err);
int admin_settings_check_value(const struct admin_setting *setting, struct err *err);
/* All are checked before the first is stored. Values of the same hash take
 * effect as one change. */
struct admin_call *admin_settings_set(struct admin *a, const struct admin_setting *settings, size_t count,
				      admin_on_done *cb, void *arg);
/* Back to the default or, for a domain, to the group's value. */
struct admin_call *admin_settings_unset(struct admin *a, const struct str *names, size_t count, admin_on_done *cb,
					void *arg);

/* {"errors": [{"name", "text"}, ...], "warnings": [...]}: errors are invalid
 * stored values; warnings are values that are valid but dangerous, or have no
 * effect. a->settings must have been read. */
struct admin_call *admin_settings_check(struct admin *a, admin_on_result *cb, void *arg);

#endif
