/* What a domain publishes: its DKIM keys, and all its DNS records with their check. */
#include <stdlib.h>

#include "frontend/web/private.h"
#include "lib/admin/accounts.h"
#include "lib/admin/dns.h"
#include "lib/dns/dns.h"

/* ---- DKIM keys ---- */

static void
keys_on_list(void *arg, cJSON *result, const struct err *err)
{
	web_answer_list(arg, "keys", result, err);
}

void
web_dkim_list(struct web_request *w)
{
	static const struct admin_dkim_choice all = {.any_algorithm = true};

	w->call = admin_dkim_list(&w->web->admin, str_c(w->domain), &all, keys_on_list, w);
}

void
web_dkim_make(struct web_request *w)
{
	const cJSON *active = cJSON_GetObjectItemCaseSensitive(w->body, "active");
	struct str selector = web_member(w, "selector");
	enum dkim_algorithm algorithm = DKIM_RSA;
	cJSON *faults;

	if (selector.len != 0 && !dkim_selector_is_valid(selector)) {
		faults = cJSON_CreateObject();
		cJSON_AddStringToObject(faults, "selector", "it must be letters, digits and hyphens, parted by dots");
		web_refuse_fields(w, faults);
		return;
	}
	dkim_algorithm_parse(web_member(w, "algorithm"), &algorithm); /* the table allows no other */
	w->location = arena_printf(http_arena(w->r), "/api/v1/domains/%s/dkim", w->domain);
	web_change_begin(w, "DKIM key made", w->domain, web_change_detail(w));
	admin_dkim_make(&w->web->admin, str_c(w->domain), selector, algorithm, !cJSON_IsFalse(active), web_on_changed,
			w);
}

static void
keys_change(struct web_request *w, const char *action,
	    struct admin_call *order(struct admin *, struct str, struct str, admin_on_done *, void *))
{
	struct str selector = web_arg(w, "selector");

	web_change_begin(w, action, w->domain, arena_dup(http_arena(w->r), selector.p, selector.len));
	order(&w->web->admin, str_c(w->domain), selector, web_on_changed, w);
}

void
web_dkim_activate(struct web_request *w)
{
	keys_change(w, "DKIM key activated", admin_dkim_activate);
}

void
web_dkim_remove(struct web_request *w)
{
	keys_change(w, "DKIM key removed", admin_dkim_delete);
}

/* ---- DNS records ---- */

/* False: refused. */
static bool
keys_open_dns(struct web_request *w)
{
	struct web *web = w->web;
	struct err err;

	if (web->dns == NULL)
		web->dns = dns_new(web->admin.base, getenv("STAGEPOST_RESOLVER"), NULL, &err);
	web->admin.dns = web->dns;
	if (web->dns == NULL)
		web_fail(w, &err);
	return web->dns != NULL;
}

void
web_dns_records(struct web_request *w)
{
	struct str check = STR("");
	bool checked;

	http_parameter(w->r, STR("check"), &check);
	checked = str_eq(check, STR("true"));
	if (check.len != 0 && !checked && !str_eq(check, STR("false")))
		web_refuse(w, 422, "check is true or false");
	else if (!checked || keys_open_dns(w))
		w->call = admin_domain_dns(&w->web->admin, str_c(w->domain), checked, web_on_result, w);
}
