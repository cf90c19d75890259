/* Settings as an operator sees them. What is stored is read straight from the
 * hashes, so that he sees what he wrote, good or bad; the table says what it
 * means. A name is "smtp-out:example.com.outbound_ipv4": GROUP.FIELD or
 * GROUP:DOMAIN.FIELD. */
#ifndef SP_ADMIN_SETTINGS_H
#define SP_ADMIN_SETTINGS_H

#include "lib/admin/admin.h"
#include "lib/base/str.h"

/* Of one group, or of all (NULL): [{"name", "value", "set", "good", "planned"}, ...], the
 * overrides of a group's domains in front of its own. value is the one in force
 * unless what is stored is bad; then it is the default. A secret that is set is
 * "(secret)". ERR_NOT_FOUND: no such group. */
struct admin_call *admin_settings_list(struct admin *a, const char *group, admin_on_result *cb, void *arg);

/* What a setting means and what it may be; needs no store. NULL: err. */
cJSON *admin_settings_describe(const char *name, struct err *err);

/* {"name", "value", "origin": "domain", "group" or "default", "secret"}; value is
 * told of a secret too. ERR_INVALID: what is stored is bad. */
struct admin_call *admin_settings_get(struct admin *a, const char *name, admin_on_result *cb, void *arg);

struct admin_setting {
	struct str name, value;
};
/* 0: there is such a setting; its value may be stored (of a name that there is). */
int admin_settings_check_name(struct str name, struct err *err);
int admin_settings_check_value(const struct admin_setting *setting, struct err *err);
/* All are checked before the first is stored; what goes into one hash comes into
 * force as one change. */
struct admin_call *admin_settings_set(struct admin *a, const struct admin_setting *settings, size_t count,
				      admin_on_done *cb, void *arg);
/* Back to the default, or for a domain to the group's value. */
struct admin_call *admin_settings_unset(struct admin *a, const struct str *names, size_t count, admin_on_done *cb,
					void *arg);

/* {"errors": [{"name", "text"}, ...], "warnings": [...]}: what is stored and not
 * allowed; what is allowed and dangerous, or obeyed by nothing. a->settings has
 * been read. */
struct admin_call *admin_settings_check(struct admin *a, admin_on_result *cb, void *arg);

#endif
