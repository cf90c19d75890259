/* What changes of domains, users, aliases and keys have in common. */
#include <string.h>

#include "frontend/web/private.h"
#include "lib/base/check.h"

enum { CHANGE_PAGE = 100, CHANGE_PAGE_MAX = 500 };

void
web_change_begin(struct web_request *w, const char *action, const char *target, const char *detail)
{
	w->action = action;
	w->target = target;
	w->detail = detail;
	http_hold(w->r);
}

bool
web_is_still_there(struct web_request *w, cJSON *result)
{
	if (http_back(w->r))
		return true;
	cJSON_Delete(result);
	return false;
}

void
web_on_changed(void *arg, const struct err *err)
{
	struct web_request *w = arg;

	if (err == NULL)
		web_audit(w, w->action, w->target, w->detail);
	if (!http_back(w->r))
		return;
	if (err != NULL)
		web_fail(w, err);
	else
		web_answer_done(w);
}

/* ---- The body as fields ---- */

static bool
change_is_among(const char *name, const char *const *names)
{
	for (; *names != NULL; names++)
		if (strcmp(name, *names) == 0)
			return true;
	return false;
}

/* As an operator would write it. */
static struct str
change_text(struct web_request *w, const cJSON *value)
{
	if (cJSON_IsString(value))
		return str_c(value->valuestring);
	if (cJSON_IsBool(value))
		return str_c(cJSON_IsTrue(value) ? "on" : "off");
	if (cJSON_IsNumber(value))
		return str_c(arena_printf(http_arena(w->r), "%.0f", value->valuedouble));
	CHECK(cJSON_IsNull(value));
	return STR("");
}

const struct directory_field *
web_take_fields(struct web_request *w, const char *const *others, web_check_field *check, unsigned *count_out)
{
	struct directory_field *fields =
		arena_array(http_arena(w->r), struct directory_field, (size_t)cJSON_GetArraySize(w->body) + 1);
	cJSON *faults = cJSON_CreateObject();
	const cJSON *member;
	struct err err;

	*count_out = 0;
	cJSON_ArrayForEach (member, w->body) {
		struct directory_field *f = &fields[*count_out];
		if (change_is_among(member->string, others))
			continue;
		*f = (struct directory_field){str_c(member->string), change_text(w, member)};
		if (check(f, &err) != 0)
			cJSON_AddStringToObject(faults, member->string, err.text);
		(*count_out)++;
	}
	if (faults->child == NULL) {
		cJSON_Delete(faults);
		return fields;
	}
	web_refuse_fields(w, faults);
	return NULL;
}

const char *
web_change_detail(struct web_request *w)
{
	cJSON *copy = cJSON_Duplicate(w->body, true);
	const char *detail;
	char *text;

	for (const struct web_member *m = w->endpoint->body; m->name != NULL; m++)
		if ((m->flags & WEB_SECRET) != 0)
			cJSON_DeleteItemFromObjectCaseSensitive(copy, m->name);
	text = cJSON_PrintUnformatted(copy);
	detail = arena_strdup(http_arena(w->r), text);
	cJSON_free(text);
	cJSON_Delete(copy);
	return detail;
}

/* ---- Pages ---- */

bool
web_take_page(struct web_request *w, struct directory_page *page)
{
	uint64_t limit = CHANGE_PAGE;
	struct str text;

	*page = (struct directory_page){STR(""), STR(""), 0};
	http_parameter(w->r, STR("after"), &page->after);
	http_parameter(w->r, STR("query"), &page->query);
	if (http_parameter(w->r, STR("limit"), &text) &&
	    (!str_to_u64(text, &limit) || limit < 1 || limit > CHANGE_PAGE_MAX)) {
		web_refuse(w, 422, "limit is 1 to %d", CHANGE_PAGE_MAX);
		return false;
	}
	page->limit = (unsigned)limit;
	return true;
}
