/* Operations on accounts that involve more than the directory: what an account
 * contains, what is deleted with it, the keys that its domain signs with. Everything
 * else (adding, setting, listing) is in lib/directory. */
#ifndef SP_ADMIN_ACCOUNTS_H
#define SP_ADMIN_ACCOUNTS_H

#include "lib/admin/admin.h"
#include "lib/base/str.h"
#include "lib/dkim/keys.h"

struct directory_field;
struct directory_page;

/* {"name", "disabled", "deleting", "catch_all", "admins", "max_users", "users", "aliases",
 * "created_ms", "version"}: deleting: a forced removal has begun. version: another after
 * each change, for directory_domain_change(). */
struct admin_call *admin_domain_show(struct admin *a, struct str domain, admin_on_result *cb, void *arg);
/* Deletes a domain that has no users or aliases; if forced, together with them and
 * their mail. User after user, his mail first, so that a deleted account never
 * leaves any behind; from the first moment the domain accepts no mail and no accounts.
 * Called again after a failure, it continues. A mailbox takes some milliseconds. */
struct admin_call *admin_domain_delete(struct admin *a, struct str domain, bool forced, admin_on_done *cb, void *arg);

/* Adds a user with a password, whose verifiers are made off the loop; empty: none.
 * Fields are those of directory_user_add(). */
struct admin_call *admin_user_add(struct admin *a, struct str address, struct str password,
				  const struct directory_field *fields, unsigned count, admin_on_done *cb, void *arg);
struct admin_call *admin_user_passwd(struct admin *a, struct str address, struct str password, admin_on_done *cb,
				     void *arg);
/* {"address", "enabled", "display_name", "quota", "own_quota", "roles", "has_password",
 * "created_ms", "version", "book", "used_bytes", "messages", and those fields of
 * lib/directory/fields_table.h that have a value}: password verifiers are secrets and are
 * left out. quota: the one in force; own_quota: it is not the default. version: as of
 * domains. */
struct admin_call *admin_user_show(struct admin *a, struct str address, admin_on_result *cb, void *arg);
/* Deletes a user and his mail, in the same order: disable, delete the mail, delete the user. */
struct admin_call *admin_user_delete(struct admin *a, struct str address, admin_on_done *cb, void *arg);

/* Of one domain; empty: of all. {alias: [targets...], ...} */
struct admin_call *admin_alias_list(struct admin *a, struct str domain, admin_on_result *cb, void *arg);

/* ---- A page of a list (directory_page()); what page points to is copied ----
 * {"domains": [...], "next"}, {"users": [...], "next"}, {"aliases": [{"address", "targets"},
 * ...], "next"}: each as its show function tells it. next is the next page's `after`; it is
 * missing with the last page. What is deleted meanwhile is left out. */
struct admin_call *admin_domain_page(struct admin *a, const struct directory_page *page, admin_on_result *cb,
				     void *arg);
struct admin_call *admin_user_page(struct admin *a, struct str domain, const struct directory_page *page,
				   admin_on_result *cb, void *arg);
struct admin_call *admin_alias_page(struct admin *a, struct str domain, const struct directory_page *page,
				    admin_on_result *cb, void *arg);
/* {"address", "targets"} */
struct admin_call *admin_alias_show(struct admin *a, struct str address, admin_on_result *cb, void *arg);

/* ---- DKIM keys ---- */
/* Selects keys of a domain: those with the selector (empty: any) and the algorithm. */
struct admin_dkim_choice {
	struct str selector;
	enum dkim_algorithm algorithm;
	bool any_algorithm;
};
/* [{"selector", "algorithm", "state", "created_ms", "name", "record", "zone_line"}, ...] */
struct admin_call *admin_dkim_list(struct admin *a, struct str domain, const struct admin_dkim_choice *choice,
				   admin_on_result *cb, void *arg);
/* Makes a key, off the loop. selector empty: one made from the date. If the key
 * is active, it signs from now on in place of the previous key of its algorithm. */
struct admin_call *admin_dkim_make(struct admin *a, struct str domain, struct str selector,
				   enum dkim_algorithm algorithm, bool active, admin_on_done *cb, void *arg);
struct admin_call *admin_dkim_activate(struct admin *a, struct str domain, struct str selector, admin_on_done *cb,
				       void *arg);
struct admin_call *admin_dkim_delete(struct admin *a, struct str domain, struct str selector, admin_on_done *cb,
				     void *arg);

#endif
