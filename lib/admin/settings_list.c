/* All settings, and errors in the settings. */
#include <stdio.h>
#include <string.h>

#include "lib/admin/postmaster.h"
#include "lib/admin/settings.h"
#include "lib/admin/settings_private.h"

/* ---- The list: the hashes of each group, those of its domains first ---- */
/* A hash that was requested; answers come in this order. */
struct list_hash {
	const char *group;
	struct str suffix; /* of its key: "" or ":<domain>" */
};

struct listing {
	const char *group; /* the only one to list; NULL: all */
	struct list_hash *hashes;
	size_t count, answered;
};

static void
list_add_row(struct admin_call *call, const struct settings_row *row, struct str suffix, struct str stored)
{
	bool is_set = stored.p != NULL;
	bool good = !is_set || settings_check_value(row, stored, NULL) == 0;
	cJSON *o = cJSON_CreateObject();
	char name[500];
	struct str value = is_set && good ? stored : str_c(row->default_text);

	if (settings_is_secret(row) && is_set && good && stored.len > 0)
		value = STR("(secret)");
	snprintf(name, sizeof(name), "%s%.*s.%s", row->group, STR_ARG(suffix), row->field);
	cJSON_AddStringToObject(o, "name", name);
	admin_add_str(o, "value", setting_with_unit(&call->op.arena, row, value));
	cJSON_AddBoolToObject(o, "set", is_set);
	cJSON_AddBoolToObject(o, "good", good);
	cJSON_AddBoolToObject(o, "planned", row->planned);
	cJSON_AddItemToArray(call->result, o);
}

/* For a domain: what is set. For a group: every row. */
static void
list_add_hash(struct admin_call *call, const struct list_hash *hash, const redisReply *fields)
{
	unsigned count;
	const struct settings_row *rows = settings_rows(&count);

	for (size_t i = 0; hash->suffix.len != 0 && i + 1 < fields->elements; i += 2) {
		const struct settings_row *row = settings_row_find(str_c(hash->group), redis_str(fields->element[i]));
		if (row != NULL)
			list_add_row(call, row, hash->suffix, redis_str(fields->element[i + 1]));
	}
	for (unsigned i = 0; hash->suffix.len == 0 && i < count; i++)
		if (strcmp(rows[i].group, hash->group) == 0)
			list_add_row(call, &rows[i], hash->suffix, redis_field(fields, rows[i].field));
}

static void
list_on_hash(struct admin_call *call, const redisReply *reply, const struct err *err)
{
	struct listing *l = call->state;
	const struct list_hash *hash = &l->hashes[l->answered++];

	admin_call_note(call, err);
	if (reply != NULL)
		list_add_hash(call, hash, reply);
	if (l->answered == l->count)
		admin_call_end(call, call->failure.code != ERR_NONE ? &call->failure : NULL);
}

static void
list_plan(struct listing *l, const char *group, const struct setting_keys *keys)
{
	for (size_t i = 0; i < keys->count; i++) {
		struct str suffix = setting_key_suffix(keys->list[i], group);
		if (suffix.len != 0)
			l->hashes[l->count++] = (struct list_hash){group, suffix};
	}
	l->hashes[l->count++] = (struct list_hash){group, STR("")};
}

static void
list_on_keys(struct admin_call *call, const struct setting_keys *keys, const struct err *err)
{
	struct listing *l = call->state;
	struct arena *arena = &call->op.arena;
	const struct settings_row *rows;
	unsigned count;

	if (err != NULL) {
		admin_call_end(call, err);
		return;
	}
	rows = settings_rows(&count);
	l->hashes = arena_array(arena, struct list_hash, keys->count + count);
	for (unsigned i = 0; i < count; i++)
		if ((i == 0 || strcmp(rows[i].group, rows[i - 1].group) != 0) &&
		    (l->group == NULL || strcmp(l->group, rows[i].group) == 0))
			list_plan(l, rows[i].group, keys);
	for (size_t i = 0; i < l->count; i++)
		admin_ask(call, list_on_hash, "HGETALL",
			  redis_key(arena, KEY_SETTINGS,
				    str_c(arena_printf(arena, "%s%.*s", l->hashes[i].group,
						       STR_ARG(l->hashes[i].suffix)))),
			  0, NULL);
}

static bool
list_has_group(const char *group)
{
	unsigned count;
	const struct settings_row *rows = settings_rows(&count);

	for (unsigned i = 0; i < count; i++)
		if (strcmp(rows[i].group, group) == 0)
			return true;
	return false;
}

struct admin_call *
admin_settings_list(struct admin *a, const char *group, admin_on_result *cb, void *arg)
{
	struct admin_call *call = admin_call_new(a, cb, arg);
	struct listing *l = arena_new(&call->op.arena, struct listing);

	call->state = l;
	call->result = cJSON_CreateArray();
	l->group = group != NULL ? arena_strdup(&call->op.arena, group) : NULL;
	if (group != NULL && !list_has_group(group))
		admin_call_refuse(call, ERR_NOT_FOUND, "there is no group of settings named '%s'", group);
	else
		setting_keys_read(call, list_on_keys);
	return call;
}

/* ---- The check ---- */
struct checking {
	cJSON *errors, *warnings; /* borrowed: the result's */
	/* Values that are set but have no effect: requested from each hash of a planned row. */
	const char **names;
	size_t count, answered;
};

static void
check_add(cJSON *list, const char *name, const char *text)
{
	cJSON *o = cJSON_CreateObject();

	cJSON_AddStringToObject(o, "name", name);
	cJSON_AddStringToObject(o, "text", text);
	cJSON_AddItemToArray(list, o);
}

static void
check_on_finding(void *list, const char *name, const char *text)
{
	check_add(list, name, text);
}

static void
check_on_planned(struct admin_call *call, const redisReply *reply, const struct err *err)
{
	struct checking *c = call->state;
	const char *name = c->names[c->answered++];

	admin_call_note(call, err);
	if (reply != NULL && reply->type == REDIS_REPLY_STRING)
		check_add(c->warnings, name, "planned: not used yet");
	if (c->answered == c->count)
		admin_call_end(call, call->failure.code != ERR_NONE ? &call->failure : NULL);
}

static void
check_ask_planned(struct admin_call *call, const struct settings_row *row, const struct setting_keys *keys)
{
	struct checking *c = call->state;
	struct str field = str_c(row->field);

	for (size_t i = 0; i < keys->count; i++) {
		struct str suffix = setting_key_suffix(keys->list[i], row->group);
		if (suffix.p == NULL)
			continue;
		c->names[c->count++] =
			arena_printf(&call->op.arena, "%s%.*s.%s", row->group, STR_ARG(suffix), row->field);
		admin_ask(call, check_on_planned, "HGET", keys->list[i], 1, &field);
	}
}

static size_t
check_count_planned(const struct setting_keys *keys)
{
	unsigned count;
	const struct settings_row *rows = settings_rows(&count);
	size_t found = 0;

	for (unsigned i = 0; i < count; i++)
		for (size_t k = 0; rows[i].planned && k < keys->count; k++)
			found += setting_key_suffix(keys->list[k], rows[i].group).p != NULL;
	return found;
}

static void
check_on_keys(struct admin_call *call, const struct setting_keys *keys, const struct err *err)
{
	struct checking *c = call->state;
	const struct settings_row *rows;
	unsigned count;

	if (err != NULL) {
		admin_call_end(call, err);
		return;
	}
	rows = settings_rows(&count);
	c->names = arena_array(&call->op.arena, const char *, check_count_planned(keys) + 1);
	for (unsigned i = 0; i < count; i++)
		if (rows[i].planned)
			check_ask_planned(call, &rows[i], keys);
	if (c->count == 0)
		admin_call_end(call, NULL);
}

static void
check_on_postmaster(struct admin_call *call, const char *warning, const struct err *err)
{
	const struct checking *c = call->state;

	if (err != NULL) {
		admin_call_end(call, err);
		return;
	}
	if (warning != NULL)
		check_add(c->warnings, "mailbox.postmaster", warning);
	setting_keys_read(call, check_on_keys);
}

struct admin_call *
admin_settings_check(struct admin *a, admin_on_result *cb, void *arg)
{
	struct admin_call *call = admin_call_new(a, cb, arg);
	struct checking *c = arena_new(&call->op.arena, struct checking);

	call->state = c;
	call->result = cJSON_CreateObject();
	c->errors = cJSON_AddArrayToObject(call->result, "errors");
	c->warnings = cJSON_AddArrayToObject(call->result, "warnings");
	settings_live_errors(a->settings, check_on_finding, c->errors);
	settings_warnings(settings_current(a->settings), check_on_finding, c->warnings);
	postmaster_search(call, check_on_postmaster);
	return call;
}
