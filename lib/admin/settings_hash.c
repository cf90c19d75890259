/* Hashes of settings as a whole, read and changed with their version. */
#include "lib/admin/settings_hash.h"

#include <string.h>

#include "lib/admin/settings_private.h"
#include "lib/base/mem.h"

REDIS_SCRIPT(settings_hash, "lib/admin/settings_hash.lua");

static const struct hash_group {
	const char *name, *help;
} hash_groups[] = {
#define HASH_GROUP(group, name, help) {name, help},
	SETTINGS_GROUPS(HASH_GROUP)
#undef HASH_GROUP
};

#define HASH_GROUP_COUNT (sizeof(hash_groups) / sizeof(hash_groups[0]))

static const struct hash_group *
hash_group_find(struct str name)
{
	for (size_t i = 0; i < HASH_GROUP_COUNT; i++)
		if (str_eq(str_c(hash_groups[i].name), name))
			return &hash_groups[i];
	return NULL;
}

static bool
hash_has_domains(const struct hash_group *group)
{
	unsigned count;
	const struct settings_row *rows = settings_rows(&count);

	for (unsigned i = 0; i < count; i++)
		if (strcmp(rows[i].group, group->name) == 0 && rows[i].scope == SCOPE_DOMAIN)
			return true;
	return false;
}

/* ---- The script ---- */

struct hash_key {
	const struct hash_group *group;
	struct str domain; /* canonical; empty: the group's own */
};

static struct str
hash_key_of(struct arena *arena, const struct hash_key *key)
{
	return key->domain.len == 0 ? redis_key(arena, KEY_SETTINGS, str_c(key->group->name))
				    : redis_key(arena, KEY_SETTINGS_DOMAIN, str_c(key->group->name), key->domain);
}

static void
hash_eval(struct admin_call *call, const struct hash_key *key, admin_on_reply *cb, size_t count, const struct str *args)
{
	admin_ask_script(call, cb, &settings_hash, hash_key_of(&call->op.arena, key), count, args);
}

static void
hash_read(struct admin_call *call, const struct hash_key *key, admin_on_reply *cb)
{
	hash_eval(call, key, cb, 2, (const struct str[]){STR(""), STR("0")});
}

/* Of the script's answer: the field as it was before; STR_NONE: it was not set. */
static struct str
hash_field(const redisReply *reply, const char *field)
{
	for (size_t i = 2; reply != NULL && i + 1 < reply->elements; i += 2)
		if (str_eq(redis_str(reply->element[i]), str_c(field)))
			return redis_str(reply->element[i + 1]);
	return STR_NONE;
}

/* ---- Rows ---- */

static void
hash_add_words(cJSON *o, const struct settings_row *row)
{
	struct str rest = row->type == SETTING_BOOL ? STR("on|off") : str_c(row->unit), word;
	cJSON *words;

	if (row->type != SETTING_BOOL && row->type != SETTING_ENUM)
		return;
	words = cJSON_AddArrayToObject(o, "words");
	while (str_next_word(&rest, "|", &word)) {
		char *text = str_dup(word);
		cJSON_AddItemToArray(words, cJSON_CreateString(text));
		mem_free(text);
	}
}

static void
hash_add_value(struct arena *arena, cJSON *o, const struct settings_row *row, struct str stored, struct str otherwise)
{
	bool secret = settings_is_secret(row);
	struct err err;

	admin_add_str(o, "value",
		      secret ? STR("") : setting_with_unit(arena, row, stored.p != NULL ? stored : otherwise));
	admin_add_str(o, "default", secret ? STR("") : setting_with_unit(arena, row, otherwise));
	cJSON_AddBoolToObject(o, "set", stored.p != NULL);
	if (stored.p != NULL && settings_check_value(row, stored, &err) != 0)
		cJSON_AddStringToObject(o, "error", err.text);
}

static cJSON *
hash_row(struct arena *arena, const struct settings_row *row, struct str domain, struct str stored,
	 struct str otherwise)
{
	cJSON *o = cJSON_CreateObject();
	char allowed[300];

	settings_describe_allowed(row, allowed, sizeof(allowed));
	cJSON_AddStringToObject(o, "name",
				arena_printf(arena, "%s%s%.*s.%s", row->group, domain.len != 0 ? ":" : "",
					     STR_ARG(domain), row->field));
	cJSON_AddStringToObject(o, "field", row->field);
	cJSON_AddStringToObject(o, "type", settings_type_name(row->type));
	hash_add_value(arena, o, row, stored, otherwise);
	cJSON_AddStringToObject(o, "allowed", allowed);
	cJSON_AddStringToObject(o, "unit", row->type == SETTING_DURATION ? row->unit : "");
	hash_add_words(o, row);
	cJSON_AddStringToObject(o, "help", row->help);
	cJSON_AddStringToObject(o, "scope", row->scope == SCOPE_DOMAIN ? "domain" : "global");
	cJSON_AddBoolToObject(o, "planned", row->planned);
	cJSON_AddBoolToObject(o, "secret", settings_is_secret(row));
	return o;
}

/* What is in force for a domain that overrides nothing. */
static struct str
hash_inherited(const struct settings_row *row, const redisReply *group)
{
	struct str stored = hash_field(group, row->field);

	return stored.p != NULL && settings_check_value(row, stored, NULL) == 0 ? stored : str_c(row->default_text);
}

/* inherited: of a domain, by row; NULL: the defaults. */
static cJSON *
hash_tell(struct arena *arena, const struct hash_key *key, const redisReply *reply, const struct str *inherited)
{
	unsigned count;
	const struct settings_row *rows = settings_rows(&count);
	cJSON *o = cJSON_CreateObject(), *list;

	cJSON_AddStringToObject(o, "name", key->group->name);
	cJSON_AddStringToObject(o, "help", key->group->help);
	if (key->domain.len != 0)
		admin_add_str(o, "domain", key->domain);
	admin_add_str(o, "version", redis_str(reply->element[1]));
	list = cJSON_AddArrayToObject(o, "rows");
	for (unsigned i = 0; i < count; i++) {
		const struct settings_row *row = &rows[i];
		if (strcmp(row->group, key->group->name) != 0 || (key->domain.len != 0 && row->scope != SCOPE_DOMAIN))
			continue;
		cJSON_AddItemToArray(list, hash_row(arena, row, key->domain, hash_field(reply, row->field),
						    inherited != NULL ? inherited[i] : str_c(row->default_text)));
	}
	return o;
}

/* ---- All groups ---- */

struct hash_groups_state {
	size_t answered;
	const struct setting_keys *keys;
};

static void
groups_add_domains(cJSON *o, const struct hash_group *group, const struct setting_keys *keys)
{
	cJSON *list;

	if (!hash_has_domains(group)) {
		cJSON_AddNullToObject(o, "domains");
		return;
	}
	list = cJSON_AddArrayToObject(o, "domains");
	for (size_t i = 0; i < keys->count; i++) {
		struct str suffix = setting_key_suffix(keys->list[i], group->name);
		char *text;
		if (suffix.len <= 1)
			continue;
		text = str_dup(str_from(suffix, 1));
		cJSON_AddItemToArray(list, cJSON_CreateString(text));
		mem_free(text);
	}
}

static void
groups_on_hash(struct admin_call *call, const redisReply *reply, const struct err *err)
{
	struct hash_groups_state *s = call->state;
	struct hash_key key = {&hash_groups[s->answered++], STR_NONE};

	admin_call_note(call, err);
	if (reply != NULL) {
		cJSON *o = hash_tell(&call->op.arena, &key, reply, NULL);
		groups_add_domains(o, key.group, s->keys);
		cJSON_AddItemToArray(call->result, o);
	}
	if (s->answered == HASH_GROUP_COUNT)
		admin_call_end(call, call->failure.code != ERR_NONE ? &call->failure : NULL);
}

static void
groups_on_keys(struct admin_call *call, const struct setting_keys *keys, const struct err *err)
{
	struct hash_groups_state *s = call->state;

	if (err != NULL) {
		admin_call_end(call, err);
		return;
	}
	s->keys = keys;
	for (size_t i = 0; i < HASH_GROUP_COUNT; i++)
		hash_read(call, &(struct hash_key){&hash_groups[i], STR_NONE}, groups_on_hash);
}

struct admin_call *
admin_settings_groups(struct admin *a, admin_on_result *cb, void *arg)
{
	struct admin_call *call = admin_call_new(a, cb, arg);

	call->state = arena_new(&call->op.arena, struct hash_groups_state);
	call->result = cJSON_CreateArray();
	setting_keys_read(call, groups_on_keys);
	return call;
}

/* ---- One ---- */

struct hash_state {
	struct hash_key key;
	struct str *inherited; /* of a domain: the group's values, by row */
	/* Of a change: */
	const struct admin_settings_change *changes;
	size_t count;
};

/* False: refused. */
static bool
hash_begin(struct admin_call *call, struct str group, struct str domain)
{
	struct hash_state *s = arena_new(&call->op.arena, struct hash_state);

	call->state = s;
	s->key = (struct hash_key){hash_group_find(group), arena_str(&call->op.arena, domain)};
	if (s->key.group == NULL)
		admin_call_refuse(call, ERR_NOT_FOUND, "there is no group of settings named '%.*s'", STR_ARG(group));
	else if (domain.len != 0 && !hash_has_domains(s->key.group))
		admin_call_refuse(call, ERR_NOT_FOUND, "nothing in %s can be set for one domain", s->key.group->name);
	else
		return true;
	return false;
}

static void
hash_on_own(struct admin_call *call, const redisReply *reply, const struct err *err)
{
	struct hash_state *s = call->state;

	if (err == NULL)
		call->result = hash_tell(&call->op.arena, &s->key, reply, s->inherited);
	admin_call_end(call, err);
}

/* The group's answer, before that of the domain. */
static void
hash_on_above(struct admin_call *call, const redisReply *reply, const struct err *err)
{
	struct hash_state *s = call->state;
	struct arena *arena = &call->op.arena;
	unsigned count;
	const struct settings_row *rows = settings_rows(&count);

	if (err != NULL) {
		admin_call_end(call, err);
		return;
	}
	s->inherited = arena_array(arena, struct str, count);
	for (unsigned i = 0; i < count; i++)
		s->inherited[i] = arena_str(arena, hash_inherited(&rows[i], reply));
	hash_read(call, &s->key, hash_on_own);
}

struct admin_call *
admin_settings_group(struct admin *a, struct str group, struct str domain, admin_on_result *cb, void *arg)
{
	struct admin_call *call = admin_call_new(a, cb, arg);

	if (hash_begin(call, group, domain)) {
		struct hash_state *s = call->state;
		struct hash_key above = {s->key.group, STR_NONE};
		hash_read(call, &above, domain.len != 0 ? hash_on_above : hash_on_own);
	}
	return call;
}

/* ---- Changing ---- */

static void
change_on_done(struct admin_call *call, const redisReply *reply, const struct err *err)
{
	struct hash_state *s = call->state;
	struct err stale;
	cJSON *list;

	if (err == NULL && redis_i64(reply->element[0], 0) == 0) {
		err_set(&stale, ERR_FENCED, "the settings of %s have been changed in the meantime", s->key.group->name);
		err = &stale;
	}
	if (err != NULL) {
		admin_call_end(call, err);
		return;
	}
	call->result = cJSON_CreateObject();
	admin_add_str(call->result, "version", redis_str(reply->element[1]));
	list = cJSON_AddArrayToObject(call->result, "changes");
	for (size_t i = 0; i < s->count; i++) {
		const struct admin_settings_change *c = &s->changes[i];
		const struct settings_row *row = settings_row_find(str_c(s->key.group->name), c->field);
		struct str old = hash_field(reply, row->field);
		cJSON *o = cJSON_CreateObject();
		cJSON_AddStringToObject(o, "name",
					arena_printf(&call->op.arena, "%s%s%.*s.%s", row->group,
						     s->key.domain.len != 0 ? ":" : "", STR_ARG(s->key.domain),
						     row->field));
		if (old.p != NULL && !settings_is_secret(row))
			admin_add_str(o, "old", old);
		if (c->value.p != NULL && !settings_is_secret(row))
			admin_add_str(o, "new", c->value);
		cJSON_AddItemToArray(list, o);
	}
	admin_call_end(call, NULL);
}

/* Copies the changes, which the answer tells, into the script's arguments. */
static struct str *
change_words(struct admin_call *call, const struct admin_settings_change *changes, size_t count, struct str version,
	     size_t *words_out)
{
	struct arena *arena = &call->op.arena;
	struct hash_state *s = call->state;
	struct admin_settings_change *copies = arena_array(arena, struct admin_settings_change, count);
	struct str *words = arena_array(arena, struct str, 2 + 2 * count);
	size_t set = 0, at = 2;

	for (size_t i = 0; i < count; i++) {
		copies[i].field = arena_str(arena, changes[i].field);
		if (changes[i].value.p == NULL)
			continue;
		copies[i].value = arena_str(arena, changes[i].value);
		words[at++] = copies[i].field;
		words[at++] = copies[i].value;
		set++;
	}
	for (size_t i = 0; i < count; i++)
		if (copies[i].value.p == NULL)
			words[at++] = copies[i].field;
	words[0] = arena_str(arena, version);
	words[1] = str_c(arena_printf(arena, "%zu", set));
	s->changes = copies;
	s->count = count;
	*words_out = at;
	return words;
}

struct admin_call *
admin_settings_group_change(struct admin *a, struct str group, struct str domain, struct str version,
			    const struct admin_settings_change *changes, size_t count, admin_on_result *cb, void *arg)
{
	struct admin_call *call = admin_call_new(a, cb, arg);
	const struct settings_row *row;
	struct str *words;
	size_t word_count;

	if (!hash_begin(call, group, domain))
		return call;
	for (size_t i = 0; i < count; i++) {
		row = settings_row_find(group, changes[i].field);
		if (row == NULL || (domain.len != 0 && row->scope != SCOPE_DOMAIN)) {
			admin_call_refuse(call, ERR_INVALID, "there is no setting %.*s here",
					  STR_ARG(changes[i].field));
			return call;
		}
	}
	if (count == 0) {
		admin_call_refuse(call, ERR_INVALID, "no setting is named");
		return call;
	}
	words = change_words(call, changes, count, version, &word_count);
	hash_eval(call, &((struct hash_state *)call->state)->key, change_on_done, word_count, words);
	return call;
}
