/* Users of a domain: listed, added, shown, changed, removed.
 *
 * Nobody changes an account that may do more than his own, and nobody gives a role
 * that he does not have. */
#include <string.h>

#include "frontend/web/private.h"
#include "lib/admin/accounts.h"
#include "lib/settings/settings.h"

enum { USERS_PASSWORD_MAX = 1023 };

static const char *const users_not_fields[] = {"address", "password", NULL};

void
web_user_list(struct web_request *w)
{
	struct directory_page page;

	if (web_take_page(w, &page))
		w->call = admin_user_page(&w->web->admin, str_c(w->domain), &page, web_on_result, w);
}

void
web_user_show(struct web_request *w)
{
	w->call = admin_user_show(&w->web->admin, str_c(w->address), web_on_versioned, w);
}

/* ---- Who may change whom ---- */

static bool
users_has_role(struct str roles, struct str role)
{
	struct str word;

	while (str_next_word(&roles, " ,", &word))
		if (str_eq_ci(word, role))
			return true;
	return false;
}

/* False: refused. */
static bool
users_may_give_roles(struct web_request *w)
{
	if (w->who.role == WEB_SYSTEM_ADMIN || !users_has_role(web_member(w, "roles"), STR("system_admin")))
		return true;
	web_refuse(w, 403, "only a system_admin may give the role system_admin");
	return false;
}

/* Disk space is not the domain's own: its administrator gives no more of it than the
 * domain's default, or than the user has. user: NULL if he is new. False: refused. */
static bool
users_quota_is_fit(struct web_request *w, const struct directory_user *user)
{
	const struct settings *settings = settings_current(w->web->admin.settings);
	uint64_t most = (uint64_t)settings_mailbox(settings, str_c(w->domain))->default_quota, wanted;
	cJSON *faults;

	/* Empty is the default, and what is no size is refused as such. */
	if (w->who.role == WEB_SYSTEM_ADMIN || most == 0 || !directory_parse_size(web_member(w, "quota"), &wanted) ||
	    (user != NULL && user->quota_bytes == 0))
		return true;
	if (user != NULL && user->quota_bytes > most)
		most = user->quota_bytes;
	if (wanted != 0 && wanted <= most)
		return true;
	faults = cJSON_CreateObject();
	cJSON_AddStringToObject(faults, "quota",
				"only a system_admin may give more than the default quota of the domain");
	web_refuse_fields(w, faults);
	return false;
}

/* What is done once the account may be changed. */
struct users_state {
	void (*go_on)(struct web_request *w);
};

static void
users_judge(struct web_request *w, const struct directory_user *user)
{
	const struct users_state *s = w->state;
	struct web_identity owner;

	if (user != NULL)
		web_read_user(user, &owner);
	if (user == NULL)
		web_refuse(w, 404, "there is no user %s", w->address);
	else if (owner.role > w->who.role)
		web_refuse(w, 403, "only a system_admin may change a system_admin");
	else if (users_quota_is_fit(w, user))
		s->go_on(w);
}

static void
users_on_owner(void *arg, const struct directory_user *user, const struct err *err)
{
	struct web_request *w = arg;

	if (!http_back(w->r))
		return;
	if (err != NULL)
		web_fail(w, err);
	else
		users_judge(w, user);
}

void
web_guard_user(struct web_request *w, void (*go_on)(struct web_request *w))
{
	struct users_state *s = arena_new(http_arena(w->r), struct users_state);

	if (w->address[0] == '\0') {
		go_on(w);
		return;
	}
	w->state = s;
	s->go_on = go_on;
	http_hold(w->r);
	directory_user_show(w->web->admin.directory, str_c(w->address), users_on_owner, w);
}

static bool
users_is_own(const struct web_request *w)
{
	return str_eq(str_c(w->address), str_c(w->who.address));
}

/* Nobody locks himself out: there may be no other administrator. False: refused. */
static bool
users_keeps_own(struct web_request *w)
{
	const cJSON *roles = cJSON_GetObjectItemCaseSensitive(w->body, "roles");
	bool is_off = cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(w->body, "enabled"));

	if (!users_is_own(w) ||
	    (!is_off && (roles == NULL || users_has_role(web_member(w, "roles"), str_c(web_role_name(w->who.role))))))
		return true;
	web_refuse(w, 409, "you cannot disable your own account or take its role away");
	return false;
}

/* ---- Adding ---- */

static bool
users_password_is_fit(struct web_request *w, bool required)
{
	struct str password = web_member(w, "password");
	const char *fault = password.len > USERS_PASSWORD_MAX	      ? "it may have at most 1023 bytes"
			    : password.p != NULL && password.len == 0 ? "it is empty"
			    : required && password.p == NULL	      ? "it is missing"
								      : NULL;
	cJSON *faults;

	if (fault == NULL)
		return true;
	faults = cJSON_CreateObject();
	cJSON_AddStringToObject(faults, "password", fault);
	web_refuse_fields(w, faults);
	return false;
}

/* The address of the body, which must be one of the domain. */
static bool
users_take_address(struct web_request *w)
{
	cJSON *faults;

	if (directory_canonical_address(web_member(w, "address"), w->address) &&
	    str_eq(directory_domain_of(str_c(w->address)), str_c(w->domain)))
		return true;
	faults = cJSON_CreateObject();
	cJSON_AddStringToObject(faults, "address",
				arena_printf(http_arena(w->r), "it must be an address of %s", w->domain));
	web_refuse_fields(w, faults);
	return false;
}

void
web_user_add(struct web_request *w)
{
	const struct directory_field *fields;
	unsigned count;

	if (!users_take_address(w) || !users_password_is_fit(w, false) || !users_may_give_roles(w) ||
	    !users_quota_is_fit(w, NULL))
		return;
	fields = web_take_fields(w, users_not_fields, directory_user_check_field, &count);
	if (fields == NULL)
		return;
	w->location = arena_printf(http_arena(w->r), "/api/v1/domains/%s/users/%s", w->domain, w->address);
	web_change_begin(w, "user added", w->address, web_change_detail(w));
	admin_user_add(&w->web->admin, str_c(w->address), web_member(w, "password"), fields, count, web_on_changed, w);
}

/* ---- Changing ---- */

static void
users_set(struct web_request *w)
{
	const struct directory_field *fields;
	unsigned count;

	fields = web_take_fields(w, users_not_fields, directory_user_check_field, &count);
	if (fields == NULL)
		return;
	web_change_begin(w, "user changed", w->address, web_change_detail(w));
	directory_user_change(w->web->admin.directory, str_c(w->address), web_expected(w), fields, count,
			      web_on_changed, w);
}

void
web_user_set(struct web_request *w)
{
	if (users_may_give_roles(w) && users_keeps_own(w))
		web_guard_user(w, users_set);
}

static void
users_passwd(struct web_request *w)
{
	web_change_begin(w, "password changed", w->address, NULL);
	admin_user_passwd(&w->web->admin, str_c(w->address), web_member(w, "password"), web_on_changed, w);
}

void
web_user_passwd(struct web_request *w)
{
	/* A session or a token alone is not enough: the old password is needed. */
	if (users_is_own(w))
		web_refuse(w, 409, "use account/password to change your own password");
	else if (users_password_is_fit(w, true))
		web_guard_user(w, users_passwd);
}

/* ---- Removing ---- */

static void
users_remove(struct web_request *w)
{
	web_change_begin(w, "user removed", w->address, NULL);
	admin_user_delete(&w->web->admin, str_c(w->address), web_on_changed, w);
}

void
web_user_remove(struct web_request *w)
{
	if (users_is_own(w))
		web_refuse(w, 409, "you cannot remove your own account");
	else
		web_guard_user(w, users_remove);
}
