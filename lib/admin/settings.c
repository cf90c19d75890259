/* One setting: describe, get, set, unset. */
#include "lib/admin/settings.h"

#include <string.h>

#include "lib/admin/settings_private.h"
#include "lib/base/check.h"

cJSON *
admin_settings_describe(const char *name, struct err *err)
{
	struct setting_name n;
	struct arena arena;
	char allowed[300];
	cJSON *o;

	if (setting_name_parse(str_c(name), &n, err) != 0)
		return NULL;
	arena_init(&arena);
	settings_describe_allowed(n.row, allowed, sizeof(allowed));
	o = cJSON_CreateObject();
	cJSON_AddStringToObject(o, "group", n.row->group);
	cJSON_AddStringToObject(o, "field", n.row->field);
	admin_add_str(o, "default", setting_with_unit(&arena, n.row, str_c(n.row->default_text)));
	cJSON_AddStringToObject(o, "allowed", allowed);
	cJSON_AddStringToObject(o, "scope", n.row->scope == SCOPE_DOMAIN ? "domain" : "global");
	cJSON_AddStringToObject(o, "meaning", n.row->help);
	if (n.row->planned)
		cJSON_AddStringToObject(o, "planned", "not used yet");
	arena_fini(&arena);
	return o;
}

/* ---- Reading ---- */
struct get {
	const char *text; /* the name as given */
	struct setting_name name;
	const char *origin; /* what was requested */
};

static void
get_end(struct admin_call *call, const char *origin, struct str value)
{
	const struct get *g = call->state;

	call->result = cJSON_CreateObject();
	cJSON_AddStringToObject(call->result, "name", g->text);
	admin_add_str(call->result, "value", setting_with_unit(&call->op.arena, g->name.row, value));
	cJSON_AddStringToObject(call->result, "origin", origin);
	cJSON_AddBoolToObject(call->result, "secret", settings_is_secret(g->name.row));
	admin_call_end(call, NULL);
}

static void get_ask(struct admin_call *call, const char *origin);

static void
get_on_stored(struct admin_call *call, const redisReply *reply, const struct err *err)
{
	struct get *g = call->state;
	struct str stored = redis_str(reply);
	struct err bad;

	if (err != NULL) {
		admin_call_end(call, err);
	} else if (reply->type != REDIS_REPLY_STRING && strcmp(g->origin, "domain") == 0) {
		g->name.domain = STR_NONE;
		get_ask(call, "group");
	} else if (reply->type != REDIS_REPLY_STRING) {
		get_end(call, "default", str_c(g->name.row->default_text));
	} else if (settings_check_value(g->name.row, stored, NULL) != 0) {
		err_set(&bad, ERR_INVALID, "the stored value '%.*s' is invalid; the last valid one stays in force",
			STR_ARG(str_first(stored, 120)));
		admin_call_end(call, &bad);
	} else {
		get_end(call, g->origin, stored);
	}
}

static void
get_ask(struct admin_call *call, const char *origin)
{
	struct get *g = call->state;
	struct str field = str_c(g->name.row->field);

	g->origin = origin;
	admin_ask(call, get_on_stored, "HGET", setting_name_key(&call->op.arena, &g->name), 1, &field);
}

struct admin_call *
admin_settings_get(struct admin *a, const char *name, admin_on_result *cb, void *arg)
{
	struct admin_call *call = admin_call_new(a, cb, arg);
	struct get *g = arena_new(&call->op.arena, struct get);
	struct err err;

	call->state = g;
	g->text = arena_strdup(&call->op.arena, name);
	if (setting_name_parse(str_c(g->text), &g->name, &err) != 0)
		admin_call_refuse(call, err.code, "%s", err.text);
	else
		get_ask(call, g->name.domain.len != 0 ? "domain" : "group");
	return call;
}

/* ---- Storing ---- */
/* Settings of one hash, stored by one command. */
struct change {
	struct str key;
	struct str *words; /* of HSET or HDEL */
	size_t count;
};

struct changes {
	struct change *list; /* in the call's arena */
	size_t count, due;
	size_t room; /* the maximum number of words in a change */
};

static struct change *
changes_of_key(struct admin_call *call, struct str key)
{
	struct changes *c = call->state;

	for (size_t i = 0; i < c->count; i++)
		if (str_eq(c->list[i].key, key))
			return &c->list[i];
	c->list[c->count] = (struct change){.key = key, .words = arena_array(&call->op.arena, struct str, c->room)};
	return &c->list[c->count++];
}

static void
changes_on_stored(struct admin_call *call, const redisReply *reply, const struct err *err)
{
	struct changes *c = call->state;

	(void)reply;
	admin_call_note(call, err);
	if (--c->due == 0)
		admin_call_end(call, call->failure.code != ERR_NONE ? &call->failure : NULL);
}

static void
changes_send(struct admin_call *call, const char *verb)
{
	struct changes *c = call->state;

	c->due = c->count;
	for (size_t i = 0; i < c->count; i++)
		admin_ask(call, changes_on_stored, verb, c->list[i].key, c->list[i].count, c->list[i].words);
	if (c->count == 0)
		admin_call_refuse(call, ERR_INVALID, "no setting was given");
}

/* value NULL: only the name. */
static int
changes_add(struct admin_call *call, struct str name, const struct str *value, struct err *err)
{
	struct arena *arena = &call->op.arena;
	struct setting_name n;
	struct change *change;

	if (setting_name_parse(name, &n, err) != 0)
		return -1;
	change = changes_of_key(call, setting_name_key(arena, &n));
	change->words[change->count++] = str_c(n.row->field);
	if (value != NULL)
		change->words[change->count++] = arena_str(arena, *value);
	return 0;
}

static struct admin_call *
changes_new(struct admin *a, size_t count, admin_on_done *cb, void *arg)
{
	struct admin_call *call = admin_call_new_order(a, cb, arg);
	struct changes *c = arena_new(&call->op.arena, struct changes);

	call->state = c;
	c->list = arena_array(&call->op.arena, struct change, count + 1);
	c->room = 2 * count;
	return call;
}

int
admin_settings_check_name(struct str name, struct err *err)
{
	struct setting_name n;
	return setting_name_parse(name, &n, err);
}

int
admin_settings_check_value(const struct admin_setting *setting, struct err *err)
{
	struct setting_name n;

	CHECK(setting_name_parse(setting->name, &n, NULL) == 0);
	return settings_check_value(n.row, setting->value, err);
}

static int
changes_check(const struct admin_setting *setting, struct err *err)
{
	if (admin_settings_check_name(setting->name, err) != 0)
		return -1;
	if (admin_settings_check_value(setting, err) == 0)
		return 0;
	err_prefix(err, "%.*s", STR_ARG(setting->name));
	return -1;
}

struct admin_call *
admin_settings_set(struct admin *a, const struct admin_setting *settings, size_t count, admin_on_done *cb, void *arg)
{
	struct admin_call *call = changes_new(a, count, cb, arg);
	struct err err;

	for (size_t i = 0; i < count; i++)
		if (changes_check(&settings[i], &err) != 0 ||
		    changes_add(call, settings[i].name, &settings[i].value, &err) != 0) {
			admin_call_refuse(call, err.code, "%s", err.text);
			return call;
		}
	changes_send(call, "HSET");
	return call;
}

struct admin_call *
admin_settings_unset(struct admin *a, const struct str *names, size_t count, admin_on_done *cb, void *arg)
{
	struct admin_call *call = changes_new(a, count, cb, arg);
	struct err err;

	for (size_t i = 0; i < count; i++)
		if (changes_add(call, names[i], NULL, &err) != 0) {
			admin_call_refuse(call, err.code, "%s", err.text);
			return call;
		}
	changes_send(call, "HDEL");
	return call;
}
