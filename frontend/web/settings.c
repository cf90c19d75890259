/* Protocol settings: read, changed as one step, taken back. */
#include <stdio.h>
#include <string.h>

#include "frontend/web/private.h"
#include "lib/admin/settings_hash.h"
#include "lib/settings/settings.h"

/* "smtp-in" or "smtp-in:example.com": the hash that is meant. */
struct settings_state {
	struct str group;
	char domain[DIRECTORY_DOMAIN_MAX]; /* canonical; empty: the group's own */
	struct admin_settings_change *changes;
	size_t count;
};

/* The names of destinations are not domains that somebody here administers. */
static bool
settings_is_of_domains(const struct settings_row *row)
{
	return row->scope == SCOPE_DOMAIN && strcmp(row->group, "destination") != 0;
}

/* Those of a domain that reach beyond it: other domains' users and mail, what the cluster
 * has for all, credentials of others. Who administers the domain alone may not set them. */
static const struct {
	const char *group, *field;
} settings_beyond[] = {
	{"ldap", "visibility"},	 /* other domains' addresses */
	{"smtp-in", "priority"}, /* before the mail of others */
	{"smtp-in", "allow_high_priority"},
	{"smtp-out", "outbound_ipv4"}, /* addresses with a reputation */
	{"smtp-out", "outbound_ipv6"},
	{"smtp-out", "relay_host"}, /* connections from inside the network */
	{"smtp-out", "relay_user"},
	{"smtp-out", "relay_password"},
	{"mailbox", "default_quota"}, /* disk space */
	{"spam", "outbound_spam"},    /* spam to others */
};

static bool
settings_may_set(const struct web_request *w, struct str group, struct str field)
{
	if (w->who.role == WEB_SYSTEM_ADMIN)
		return true;
	for (size_t i = 0; i < sizeof(settings_beyond) / sizeof(settings_beyond[0]); i++)
		if (str_eq(str_c(settings_beyond[i].group), group) && str_eq(str_c(settings_beyond[i].field), field))
			return false;
	return true;
}

/* False: refused. */
static bool
settings_guard(struct web_request *w, struct str field)
{
	const struct settings_state *s = w->state;

	if (settings_may_set(w, s->group, field))
		return true;
	web_refuse(w, 403, "only a system_admin may change %.*s", STR_ARG(field));
	return false;
}

/* The path says it: settings/smtp-in, settings/smtp-in:example.com, or
 * domains/example.com/settings/smtp-in. NULL: refused. */
static struct settings_state *
settings_target(struct web_request *w)
{
	struct settings_state *s = arena_new(http_arena(w->r), struct settings_state);
	struct str text = web_arg(w, "group"), domain;

	w->state = s;
	if (w->domain[0] != '\0') {
		s->group = text;
		str_copy(str_c(w->domain), s->domain, sizeof(s->domain));
		if (str_index(text, ':') < 0 && !str_eq(text, STR("destination")))
			return s;
		web_refuse(w, 404, "there is no group '%.*s' of settings for a domain",
			   STR_ARG(str_first_utf8(text, 100)));
		return NULL;
	}
	if (str_cut(text, ':', &s->group, &domain) && !directory_canonical_domain(domain, s->domain)) {
		web_refuse(w, 404, "'%.*s' is not a domain", STR_ARG(str_first_utf8(domain, 100)));
		return NULL;
	}
	return s;
}

/* Those that a domain can override: from the table alone. */
void
web_domain_settings_list(struct web_request *w)
{
	cJSON *o = cJSON_CreateObject(), *groups = cJSON_AddArrayToObject(o, "groups"), *group;
	unsigned count;
	const struct settings_row *rows = settings_rows(&count);
	const char *last = "";

	for (unsigned i = 0; i < count; i++) {
		if (!settings_is_of_domains(&rows[i]) || strcmp(rows[i].group, last) == 0)
			continue;
		last = rows[i].group;
		group = cJSON_CreateObject();
		cJSON_AddStringToObject(group, "name", last);
		cJSON_AddItemToArray(groups, group);
	}
	web_answer(w, 200, o);
}

static void
settings_on_groups(void *arg, cJSON *result, const struct err *err)
{
	web_answer_list(arg, "groups", result, err);
}

void
web_settings_list(struct web_request *w)
{
	w->call = admin_settings_groups(&w->web->admin, settings_on_groups, w);
}

/* The rows say which of them the caller may not change. */
static void
settings_on_group(void *arg, cJSON *result, const struct err *err)
{
	struct web_request *w = arg;
	const struct settings_state *s = w->state;
	cJSON *row;

	cJSON_ArrayForEach (row, cJSON_GetObjectItem(result, "rows"))
		if (!settings_may_set(w, s->group, str_c(cJSON_GetStringValue(cJSON_GetObjectItem(row, "field")))))
			cJSON_AddStringToObject(row, "by", web_role_name(WEB_SYSTEM_ADMIN));
	web_on_versioned(w, result, err);
}

void
web_settings_get(struct web_request *w)
{
	struct settings_state *s = settings_target(w);

	if (s != NULL)
		w->call = admin_settings_group(&w->web->admin, s->group, str_c(s->domain), settings_on_group, w);
}

/* ---- Changing ---- */

static void
settings_on_changed(void *arg, cJSON *result, const struct err *err)
{
	struct web_request *w = arg;
	const cJSON *change;

	cJSON_ArrayForEach (change, cJSON_GetObjectItem(result, "changes")) {
		char *detail = cJSON_PrintUnformatted(change);
		web_audit(w, "setting changed", cJSON_GetStringValue(cJSON_GetObjectItem(change, "name")), detail);
		cJSON_free(detail);
	}
	if (web_is_still_there(w, result))
		web_on_versioned(w, result, err);
}

static void
settings_change(struct web_request *w)
{
	struct settings_state *s = w->state;

	http_hold(w->r);
	admin_settings_group_change(&w->web->admin, s->group, str_c(s->domain), web_expected(w), s->changes, s->count,
				    settings_on_changed, w);
}

/* NULL: it may be stored. A change of a secret may be nothing but a text. */
static const char *
settings_take(struct web_request *w, const cJSON *member)
{
	struct settings_state *s = w->state;
	struct arena *arena = http_arena(w->r);
	struct admin_settings_change *c = &s->changes[s->count++];
	const struct settings_row *row = settings_row_find(s->group, str_c(member->string));
	struct err err;

	if (row == NULL)
		return "there is no such setting";
	if (s->domain[0] != '\0' && row->scope != SCOPE_DOMAIN)
		return "it cannot be set for one domain";
	c->field = str_c(row->field);
	if (cJSON_IsNull(member))
		return NULL;
	if (cJSON_IsString(member))
		c->value = str_c(arena_strdup(arena, member->valuestring));
	else if (cJSON_IsBool(member))
		c->value = str_c(cJSON_IsTrue(member) ? "on" : "off");
	else if (cJSON_IsNumber(member))
		c->value = str_c(arena_printf(arena, "%.17g", member->valuedouble));
	else
		return "the value must be a string, a number, true or false";
	return settings_check_value(row, c->value, &err) != 0 ? arena_strdup(arena, err.text) : NULL;
}

void
web_settings_put(struct web_request *w)
{
	struct settings_state *s = settings_target(w);
	const cJSON *member;
	cJSON *faults;

	if (s == NULL)
		return;
	cJSON_ArrayForEach (member, w->body)
		if (!settings_guard(w, str_c(member->string)))
			return;
	s->changes =
		arena_array(http_arena(w->r), struct admin_settings_change, (size_t)cJSON_GetArraySize(w->body) + 1);
	faults = cJSON_CreateObject();
	cJSON_ArrayForEach (member, w->body) {
		const char *fault = settings_take(w, member);
		if (fault != NULL)
			cJSON_AddStringToObject(faults, member->string, fault);
	}
	if (faults->child == NULL) {
		cJSON_Delete(faults);
		settings_change(w);
		return;
	}
	web_refuse_fields(w, faults);
}

void
web_settings_unset(struct web_request *w)
{
	struct settings_state *s = settings_target(w);

	if (s == NULL)
		return;
	s->changes = arena_new(http_arena(w->r), struct admin_settings_change);
	s->changes[0].field = web_arg(w, "field");
	s->count = 1;
	if (settings_row_find(s->group, web_arg(w, "field")) == NULL)
		web_refuse(w, 404, "there is no such setting");
	else if (settings_guard(w, web_arg(w, "field")))
		settings_change(w);
}
