/* Aliases of a domain. Targets are added and removed one by one, so that two
 * administrators do not undo each other's changes. */
#include "frontend/web/private.h"
#include "lib/admin/accounts.h"

void
web_alias_list(struct web_request *w)
{
	struct directory_page page;

	if (web_take_page(w, &page))
		w->call = admin_alias_page(&w->web->admin, str_c(w->domain), &page, web_on_result, w);
}

void
web_alias_show(struct web_request *w)
{
	w->call = admin_alias_show(&w->web->admin, str_c(w->address), web_on_result, w);
}

/* ---- Adding ---- */

/* A fault of the body, which is told beside its member. */
static void
aliases_refuse(struct web_request *w, const char *member, const char *text)
{
	cJSON *faults = cJSON_CreateObject();

	cJSON_AddStringToObject(faults, member, text);
	web_refuse_fields(w, faults);
}

/* The targets of the body; NULL: refused. They are counted before they are read: a body
 * may have a hundred thousand. */
static const struct str *
aliases_take_targets(struct web_request *w, unsigned *count_out)
{
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(w->body, "targets"), *target;
	int count = cJSON_GetArraySize(list);
	char address[DIRECTORY_ADDRESS_MAX];
	struct str *targets;

	if (count == 0 || count > DIRECTORY_TARGETS_MAX) {
		aliases_refuse(w, "targets",
			       arena_printf(http_arena(w->r), "there must be 1 to %d of them", DIRECTORY_TARGETS_MAX));
		return NULL;
	}
	targets = arena_array(http_arena(w->r), struct str, (size_t)count);
	*count_out = 0;
	cJSON_ArrayForEach (target, list) {
		struct str text = str_c(target->valuestring);
		if (!directory_canonical_address(text, address)) {
			aliases_refuse(w, "targets",
				       arena_printf(http_arena(w->r), "'%.*s' is not an address",
						    STR_ARG(str_first_utf8(text, 100))));
			return NULL;
		}
		targets[(*count_out)++] = arena_str(http_arena(w->r), str_c(address));
	}
	return targets;
}

void
web_alias_add(struct web_request *w)
{
	const struct str *targets;
	unsigned count;

	if (!directory_canonical_address(web_member(w, "address"), w->address) ||
	    !str_eq(directory_domain_of(str_c(w->address)), str_c(w->domain))) {
		aliases_refuse(w, "address", arena_printf(http_arena(w->r), "it must be an address of %s", w->domain));
		return;
	}
	targets = aliases_take_targets(w, &count);
	if (targets == NULL)
		return;
	w->location = arena_printf(http_arena(w->r), "/api/v1/domains/%s/aliases/%s", w->domain, w->address);
	web_change_begin(w, "alias added", w->address, web_change_detail(w));
	directory_alias_add(w->web->admin.directory, str_c(w->address), targets, count, web_on_changed, w);
}

/* ---- One target; the whole alias ---- */

/* NULL: refused. */
static struct str *
aliases_take_target(struct web_request *w)
{
	struct str *target = arena_new(http_arena(w->r), struct str), text = web_arg(w, "target");
	char address[DIRECTORY_ADDRESS_MAX];

	if (!directory_canonical_address(text, address)) {
		web_refuse(w, 422, "'%.*s' is not an address", STR_ARG(str_first_utf8(text, 100)));
		return NULL;
	}
	*target = arena_str(http_arena(w->r), str_c(address));
	return target;
}

void
web_target_add(struct web_request *w)
{
	struct str *target = aliases_take_target(w);

	if (target == NULL)
		return;
	web_change_begin(w, "alias target added", w->address, arena_strdup(http_arena(w->r), target->p));
	directory_alias_add(w->web->admin.directory, str_c(w->address), target, 1, web_on_changed, w);
}

void
web_target_remove(struct web_request *w)
{
	struct str *target = aliases_take_target(w);

	if (target == NULL)
		return;
	web_change_begin(w, "alias target removed", w->address, arena_strdup(http_arena(w->r), target->p));
	directory_alias_delete(w->web->admin.directory, str_c(w->address), target, 1, web_on_changed, w);
}

void
web_alias_remove(struct web_request *w)
{
	web_change_begin(w, "alias removed", w->address, NULL);
	directory_alias_delete(w->web->admin.directory, str_c(w->address), NULL, 0, web_on_changed, w);
}
