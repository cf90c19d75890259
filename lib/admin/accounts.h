/* Accounts, where more than the directory takes part: what an account holds, what
 * goes when it ends, the keys that its domain signs with. All else is lib/directory's:
 * adding, setting, listing. */
#ifndef SP_ADMIN_ACCOUNTS_H
#define SP_ADMIN_ACCOUNTS_H

#include "lib/admin/admin.h"
#include "lib/base/str.h"
#include "lib/dkim/keys.h"

struct directory_field;

/* {"name", "disabled", "catch_all", "admins", "max_users", "users", "aliases", "created_ms"} */
struct admin_call *admin_domain_show(struct admin *a, struct str domain, admin_on_result *cb, void *arg);
/* Without users or aliases. Forced: with them and their mail. Mail goes first, so
 * that an account that is gone never leaves any behind; no new mail comes in
 * meanwhile, as the domain is disabled. Given again after a failure, it goes on. */
struct admin_call *admin_domain_delete(struct admin *a, struct str domain, bool forced, admin_on_done *cb, void *arg);

/* With a password, whose verifiers are made off the loop; empty: without. Fields as
 * of directory_user_add(). */
struct admin_call *admin_user_add(struct admin *a, struct str address, struct str password,
				  const struct directory_field *fields, unsigned count, admin_on_done *cb, void *arg);
struct admin_call *admin_user_passwd(struct admin *a, struct str address, struct str password, admin_on_done *cb,
				     void *arg);
/* {"address", "enabled", "display_name", "quota", "roles", "has_password", "created_ms",
 * "used_bytes", "messages"}: the verifiers of passwords are secrets. */
struct admin_call *admin_user_show(struct admin *a, struct str address, admin_on_result *cb, void *arg);
/* With its mail, in the same order: disabled, without mail, gone. */
struct admin_call *admin_user_delete(struct admin *a, struct str address, admin_on_done *cb, void *arg);

/* Of a domain; empty: of all. {alias: [targets...], ...} */
struct admin_call *admin_alias_list(struct admin *a, struct str domain, admin_on_result *cb, void *arg);

/* ---- DKIM keys ---- */
/* Which keys of a domain: those of the selector (empty: any), of the algorithm. */
struct admin_dkim_choice {
	struct str selector;
	enum dkim_algorithm algorithm;
	bool any_algorithm;
};
/* [{"selector", "algorithm", "state", "created_ms", "name", "record", "zone_line"}, ...] */
struct admin_call *admin_dkim_list(struct admin *a, struct str domain, const struct admin_dkim_choice *choice,
				   admin_on_result *cb, void *arg);
/* Makes a key, off the loop. selector empty: one that
 * tells the day. It signs from now on if it is active, in place of the one of its
 * algorithm. */
struct admin_call *admin_dkim_make(struct admin *a, struct str domain, struct str selector,
				   enum dkim_algorithm algorithm, bool active, admin_on_done *cb, void *arg);
struct admin_call *admin_dkim_activate(struct admin *a, struct str domain, struct str selector, admin_on_done *cb,
				       void *arg);
struct admin_call *admin_dkim_delete(struct admin *a, struct str domain, struct str selector, admin_on_done *cb,
				     void *arg);

#endif
