/* Domains: listed, added, shown, changed, removed. */
#include <string.h>

#include "frontend/web/private.h"
#include "lib/admin/accounts.h"

static const char *const domains_not_fields[] = {"name", NULL};

/* ---- Listing ---- */

static void
domains_on_own(void *arg, cJSON *result, const struct err *err)
{
	struct web_request *w = arg;
	cJSON *o;

	w->call = NULL;
	if (err != NULL) {
		web_fail(w, err);
		return;
	}
	o = cJSON_CreateObject();
	cJSON_AddItemToArray(cJSON_AddArrayToObject(o, "domains"), result);
	web_answer(w, 200, o);
}

/* An administrator of a domain sees his own alone. */
void
web_domain_list(struct web_request *w)
{
	struct directory_page page;

	if (!web_take_page(w, &page))
		return;
	if (w->who.role == WEB_SYSTEM_ADMIN)
		w->call = admin_domain_page(&w->web->admin, &page, web_on_result, w);
	else
		w->call = admin_domain_show(&w->web->admin, directory_domain_of(str_c(w->who.address)), domains_on_own,
					    w);
}

void
web_domain_show(struct web_request *w)
{
	w->call = admin_domain_show(&w->web->admin, str_c(w->domain), web_on_versioned, w);
}

/* ---- Adding and changing ---- */

void
web_domain_add(struct web_request *w)
{
	const struct directory_field *fields;
	struct str name = web_member(w, "name");
	unsigned count;
	cJSON *faults;

	if (!directory_canonical_domain(name, w->domain)) {
		faults = cJSON_CreateObject();
		cJSON_AddStringToObject(faults, "name", "it is not a domain name");
		web_refuse_fields(w, faults);
		return;
	}
	fields = web_take_fields(w, domains_not_fields, directory_domain_check_field, &count);
	if (fields == NULL)
		return;
	w->location = arena_printf(http_arena(w->r), "/api/v1/domains/%s", w->domain);
	web_change_begin(w, "domain added", w->domain, web_change_detail(w));
	directory_domain_add(w->web->admin.directory, str_c(w->domain), fields, count, web_on_changed, w);
}

/* What an administrator of the domain may not change: it would reach beyond it, or end
 * what only others can begin again. */
static bool
domains_may_set(struct web_request *w)
{
	const cJSON *member;

	if (w->who.role == WEB_SYSTEM_ADMIN)
		return true;
	cJSON_ArrayForEach (member, w->body)
		if (strcmp(member->string, "catch_all") != 0) {
			web_refuse(w, 403, "only a system_admin may change %s", member->string);
			return false;
		}
	return true;
}

void
web_domain_set(struct web_request *w)
{
	static const char *const none[] = {NULL};
	const struct directory_field *fields;
	unsigned count;

	if (!domains_may_set(w))
		return;
	fields = web_take_fields(w, none, directory_domain_check_field, &count);
	if (fields == NULL)
		return;
	web_change_begin(w, "domain changed", w->domain, web_change_detail(w));
	directory_domain_change(w->web->admin.directory, str_c(w->domain), web_expected(w), fields, count,
				web_on_changed, w);
}

/* ---- Removing ---- */

static void
domains_on_closed(void *arg, const struct err *err)
{
	struct web_request *w = arg;

	if (err == NULL) {
		web_audit(w, w->action, w->target, w->detail);
		web_removal_start(w);
	}
	if (!http_back(w->r))
		return;
	if (err != NULL)
		web_fail(w, err);
	else
		web_answer(w, 202, cJSON_CreateObject());
}

static void
domains_on_removed(void *arg, const struct err *err)
{
	struct web_request *w = arg;
	struct err told;

	if (err != NULL && err->code == ERR_DENIED) {
		err_set(&told, ERR_DENIED, "the domain has users or aliases; force=true removes them too");
		err = &told;
	}
	web_on_changed(w, err);
}

void
web_domain_remove(struct web_request *w)
{
	struct str force = STR("");
	bool forced;

	http_parameter(w->r, STR("force"), &force);
	forced = str_eq(force, STR("true"));
	if (force.len != 0 && !forced && !str_eq(force, STR("false"))) {
		web_refuse(w, 422, "force is true or false");
	} else if (str_eq(directory_domain_of(str_c(w->who.address)), str_c(w->domain))) {
		web_refuse(w, 409, "your own account is in this domain");
	} else if (forced) {
		web_change_begin(w, "domain removal begun", w->domain, NULL);
		directory_domain_close(w->web->admin.directory, str_c(w->domain), domains_on_closed, w);
	} else {
		web_change_begin(w, "domain removed", w->domain, NULL);
		directory_domain_delete(w->web->admin.directory, str_c(w->domain), false, domains_on_removed, w);
	}
}
