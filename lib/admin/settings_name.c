/* Names of settings, and of the hashes that contain them. */
#include <stdlib.h>
#include <string.h>

#include "lib/admin/settings_private.h"

#define KEY_PREFIX "settings:"

int
setting_name_parse(struct str text, struct setting_name *n, struct err *err)
{
	ptrdiff_t dot = str_rindex(text, '.');

	/* A field has no dot; a domain may. */
	if (dot < 0)
		return err_set(err, ERR_INVALID, "'%.*s' is not GROUP.FIELD", STR_ARG(text));
	n->field = str_from(text, (size_t)dot + 1);
	str_cut(str_first(text, (size_t)dot), ':', &n->group, &n->domain);
	n->row = settings_row_find(n->group, n->field);
	if (n->row == NULL) {
		const char *near = settings_nearest(n->group, n->field);
		return err_set(err, ERR_NOT_FOUND, "there is no setting %.*s%s%s%s", STR_ARG(text),
			       near != NULL ? "; did you mean " : "", near != NULL ? near : "",
			       near != NULL ? "?" : "");
	}
	if (n->domain.len != 0 && n->row->scope != SCOPE_DOMAIN)
		return err_set(err, ERR_INVALID, "%s.%s cannot be set for one domain", n->row->group, n->row->field);
	return 0;
}

struct str
setting_name_key(struct arena *arena, const struct setting_name *n)
{
	char *domain;

	if (n->domain.len == 0)
		return redis_key(arena, KEY_SETTINGS, str_c(n->row->group));
	domain = arena_dup(arena, n->domain.p, n->domain.len);
	str_lower(domain, n->domain.len);
	return redis_key(arena, KEY_SETTINGS_DOMAIN, str_c(n->row->group), str_of(domain, n->domain.len));
}

struct str
setting_with_unit(struct arena *arena, const struct settings_row *row, struct str text)
{
	int64_t number;

	if (row->type != SETTING_DURATION || !str_to_i64(text, &number) || number == 0)
		return text;
	return str_c(arena_printf(arena, "%lld%s", (long long)number, row->unit));
}

/* ---- Keys ---- */
struct keys_walk {
	struct setting_keys keys;
	size_t room;
	setting_on_keys *cb;
	struct admin_call *call;
};

static void settings_name_ask_keys(struct keys_walk *w, struct str cursor);

static int
keys_compare(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* SCAN may return a key twice. */
static void
keys_tidy(struct setting_keys *keys)
{
	size_t kept = 0;

	if (keys->count > 1)
		qsort(keys->list, keys->count, sizeof(*keys->list), keys_compare);
	for (size_t i = 0; i < keys->count; i++)
		if (kept == 0 || !str_eq(keys->list[i], keys->list[kept - 1]))
			keys->list[kept++] = keys->list[i];
	keys->count = kept;
}

static void
keys_add(struct keys_walk *w, struct str key)
{
	struct arena *arena = &w->call->op.arena;

	if (w->keys.count == w->room) {
		struct str *more = arena_array(arena, struct str, w->room * 2 + 64);
		if (w->keys.count != 0)
			memcpy(more, w->keys.list, w->keys.count * sizeof(*more));
		w->keys.list = more;
		w->room = w->room * 2 + 64;
	}
	w->keys.list[w->keys.count++] = arena_str(arena, key);
}

static void
keys_on_page(void *arg, const redisReply *reply, const struct err *err)
{
	struct keys_walk *w = arg;
	struct str cursor;

	if (!op_back(&w->call->op))
		return;
	if (err != NULL) {
		w->cb(w->call, NULL, err);
		return;
	}
	cursor = redis_str(reply->element[0]);
	for (size_t i = 0; i < reply->element[1]->elements; i++)
		keys_add(w, redis_str(reply->element[1]->element[i]));
	if (!str_eq(cursor, STR("0"))) {
		settings_name_ask_keys(w, cursor);
		return;
	}
	keys_tidy(&w->keys);
	w->cb(w->call, &w->keys, NULL);
}

/* In pages: KEYS would block Redis for as long as it takes to list all keys. */
static void
settings_name_ask_keys(struct keys_walk *w, struct str cursor)
{
	op_hold(&w->call->op);
	redis_call(w->call->admin->redis, keys_on_page, w, 6,
		   (const struct str[]){STR("SCAN"), cursor, STR("MATCH"), STR(KEY_PREFIX "*"), STR("COUNT"),
					STR("1000")});
}

void
setting_keys_read(struct admin_call *call, setting_on_keys *cb)
{
	struct keys_walk *w = arena_new(&call->op.arena, struct keys_walk);

	w->call = call;
	w->cb = cb;
	settings_name_ask_keys(w, STR("0"));
}

struct str
setting_key_suffix(struct str key, const char *group)
{
	struct str name = str_from(key, strlen(KEY_PREFIX)), rest;

	if (!str_starts(name, str_c(group)))
		return STR_NONE;
	rest = str_from(name, strlen(group));
	return rest.len == 0 ? STR("") : rest.p[0] == ':' ? rest : STR_NONE;
}
