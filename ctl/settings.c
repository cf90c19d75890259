/* The commands settings list|describe|get|set|unset|check|reference.
 *
 * What is stored is read straight from the hashes, so that the tool sees what
 * an operator wrote, good or bad; the table says what it means. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/commands.h"
#include "ctl/output.h"
#include "ctl/postmaster.h"
#include "lib/base/buf.h"
#include "lib/base/mem.h"
#include "lib/settings/settings.h"

/* "smtp-out:example.com.outbound_ipv4": a field may have no dot, a domain may. */
struct setting_name {
	struct str group;
	struct str domain; /* empty: global */
	struct str field;
	char key[400]; /* the Redis hash */
	const struct settings_row *row;
};

static int
parse_name(struct str text, struct setting_name *n)
{
	ptrdiff_t dot = str_rindex(text, '.');
	struct str place;

	if (dot < 0)
		return ctl_fail("'%.*s' is not GROUP.FIELD", STR_ARG(text));
	place = str_first(text, (size_t)dot);
	n->field = str_from(text, (size_t)dot + 1);
	str_cut(place, ':', &n->group, &n->domain);
	n->row = settings_row_find(n->group, n->field);
	if (n->row == NULL) {
		const char *near = settings_nearest(n->group, n->field);
		return ctl_fail("there is no setting %.*s%s%s%s", STR_ARG(text), near != NULL ? "; did you mean " : "",
				near != NULL ? near : "", near != NULL ? "?" : "");
	}
	if (n->domain.len != 0 && n->row->scope != SCOPE_DOMAIN)
		return ctl_fail("%s.%s cannot be set for one domain", n->row->group, n->row->field);
	snprintf(n->key, sizeof(n->key), "settings:%.*s%s%.*s", STR_ARG(n->group), n->domain.len != 0 ? ":" : "",
		 STR_ARG(n->domain));
	str_lower(n->key, strlen(n->key));
	return 0;
}

/* The stored value of a field, or NULL; freed by the caller. -1: the store failed. */
static int
read_stored(struct ctl *ctl, const char *key, const char *field, char **value_out)
{
	struct err err;
	redisReply *reply = ctl_redis(ctl, &err, "HGET", key, field, NULL);

	if (reply == NULL) {
		ctl_fail("%s", err.text);
		return -1;
	}
	*value_out = reply->type == REDIS_REPLY_STRING ? str_dup(redis_str(reply)) : NULL;
	freeReplyObject(reply);
	return 0;
}

static int
connect_store(struct ctl *ctl)
{
	struct err err;
	return ctl_connect(ctl, &err) == 0 ? 0 : ctl_fail("%s", err.text);
}

/* As an operator would write it: a bare number of a duration gets its unit. */
static struct str
settings_with_unit(struct ctl *ctl, const struct settings_row *row, struct str text)
{
	int64_t number;

	if (row->type != SETTING_DURATION || !str_to_i64(text, &number) || number == 0)
		return text;
	return str_c(arena_printf(&ctl->arena, "%lld%s", (long long)number, row->unit));
}

static int
settings_compare_keys(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The keys of all hashes of settings in order, ended by NULL; NULL after a complaint. In
 * pages: KEYS would hold Redis as long as it has keys. */
static char **
settings_keys(struct ctl *ctl)
{
	char cursor[32] = "0", **keys = NULL;
	size_t count = 0;
	struct err err;

	do {
		redisReply *page = ctl_redis(ctl, &err, "SCAN", cursor, "MATCH", "settings:*", "COUNT", "1000", NULL);
		char **more;
		if (page == NULL) {
			ctl_fail("%s", err.text);
			return NULL;
		}
		str_copy(redis_str(page->element[0]), cursor, sizeof(cursor));
		more = arena_alloc(&ctl->arena, sizeof(*keys) * (count + page->element[1]->elements + 1));
		if (count != 0)
			memcpy(more, keys, sizeof(*keys) * count);
		keys = more;
		for (size_t i = 0; i < page->element[1]->elements; i++)
			keys[count++] = arena_dup(&ctl->arena, page->element[1]->element[i]->str,
						  page->element[1]->element[i]->len);
		keys[count] = NULL;
		freeReplyObject(page);
	} while (strcmp(cursor, "0") != 0);
	qsort(keys, count, sizeof(*keys), settings_compare_keys);
	return keys;
}

/* What stands behind "settings:<group>" in a key of the group: "" or ":<domain>"; else NULL. */
static const char *
settings_key_suffix(const char *key, const char *group)
{
	const char *name = key + strlen("settings:");
	size_t len = strlen(group);

	return strncmp(name, group, len) == 0 && (name[len] == '\0' || name[len] == ':') ? name + len : NULL;
}

static void
list_row(struct ctl *ctl, const struct settings_row *row, const char *key_suffix, struct str stored, cJSON *list)
{
	bool is_set = stored.p != NULL;
	bool good = !is_set || settings_check_value(row, stored, NULL) == 0;
	char name[500];
	struct str value;

	if (settings_is_secret(row) && good && stored.len > 0)
		stored = STR("(secret)");
	value = settings_with_unit(ctl, row, is_set && good ? stored : str_c(row->default_text));
	snprintf(name, sizeof(name), "%s%s.%s", row->group, key_suffix, row->field);
	if (list == NULL) {
		printf("%s=%.*s%s%s\n", name, STR_ARG(value),
		       !is_set ? ""
		       : good  ? "   (set)"
			       : "   (stored value is bad; see stagepost settings check)",
		       row->planned ? "   (planned: nothing obeys it yet)" : "");
		return;
	}
	cJSON *o = cJSON_CreateObject();
	cJSON_AddStringToObject(o, "name", name);
	output_add_str(o, "value", value);
	cJSON_AddBoolToObject(o, "set", is_set);
	cJSON_AddBoolToObject(o, "good", good);
	cJSON_AddBoolToObject(o, "planned", row->planned);
	cJSON_AddItemToArray(list, o);
}

/* Overrides: every hash settings:<group>:<domain>. A key that SCAN told twice is
 * told once: they stand in order. */
static int
list_overrides(struct ctl *ctl, const char *group, char **keys, cJSON *list)
{
	struct err err;

	for (size_t i = 0; keys[i] != NULL; i++) {
		const char *suffix = settings_key_suffix(keys[i], group);
		redisReply *fields;
		if (suffix == NULL || *suffix == '\0' || (i != 0 && strcmp(keys[i], keys[i - 1]) == 0))
			continue;
		fields = ctl_redis(ctl, &err, "HGETALL", keys[i], NULL);
		if (fields == NULL)
			return ctl_fail("%s", err.text);
		for (size_t f = 0; f + 1 < fields->elements; f += 2) {
			const struct settings_row *row = settings_row_find(str_c(group), redis_str(fields->element[f]));
			if (row != NULL)
				list_row(ctl, row, suffix, redis_str(fields->element[f + 1]), list);
		}
		freeReplyObject(fields);
	}
	return 0;
}

int
command_settings_list(struct ctl *ctl, int argc, char **argv)
{
	unsigned count;
	const struct settings_row *rows = settings_rows(&count);
	const char *last_group = "";
	cJSON *list;
	char **keys;
	bool any = false;

	if (ctl_has_unknown_option(argc, argv) || connect_store(ctl) != 0)
		return 1;
	if (argc > 1)
		return ctl_usage("settings list");
	keys = settings_keys(ctl);
	if (keys == NULL)
		return 1;
	list = ctl->json ? cJSON_CreateArray() : NULL;
	for (unsigned i = 0; i < count; i++) {
		char key[64], *stored;
		if (argc == 1 && strcmp(argv[0], rows[i].group) != 0)
			continue;
		any = true;
		if (strcmp(last_group, rows[i].group) != 0 && list_overrides(ctl, rows[i].group, keys, list) != 0)
			return 1;
		last_group = rows[i].group;
		snprintf(key, sizeof(key), "settings:%s", rows[i].group);
		if (read_stored(ctl, key, rows[i].field, &stored) != 0)
			return 1;
		list_row(ctl, &rows[i], "", str_c(stored), list);
		mem_free(stored);
	}
	if (!any)
		return ctl_fail("there is no group of settings named '%s'", argv[0]);
	if (list != NULL)
		output_json(list);
	return 0;
}

int
command_settings_describe(struct ctl *ctl, int argc, char **argv)
{
	struct setting_name n;
	char allowed[300];
	cJSON *o;

	if (argc != 1)
		return ctl_usage("settings describe");
	if (parse_name(str_c(argv[0]), &n) != 0)
		return 1;
	settings_describe_allowed(n.row, allowed, sizeof(allowed));
	o = cJSON_CreateObject();
	cJSON_AddStringToObject(o, "group", n.row->group);
	cJSON_AddStringToObject(o, "field", n.row->field);
	output_add_str(o, "default", settings_with_unit(ctl, n.row, str_c(n.row->default_text)));
	cJSON_AddStringToObject(o, "allowed", allowed);
	cJSON_AddStringToObject(o, "scope", n.row->scope == SCOPE_DOMAIN ? "domain" : "global");
	cJSON_AddStringToObject(o, "meaning", n.row->help);
	if (n.row->planned)
		cJSON_AddStringToObject(o, "planned", "nothing obeys it yet");
	output_record(ctl, o);
	return 0;
}

int
command_settings_get(struct ctl *ctl, int argc, char **argv)
{
	struct setting_name n;
	char *stored;

	if (argc != 1)
		return ctl_usage("settings get");
	if (parse_name(str_c(argv[0]), &n) != 0 || connect_store(ctl) != 0 ||
	    read_stored(ctl, n.key, n.row->field, &stored) != 0)
		return 1;
	if (stored == NULL && n.domain.len != 0) {
		char key[64];
		snprintf(key, sizeof(key), "settings:%s", n.row->group);
		if (read_stored(ctl, key, n.row->field, &stored) != 0)
			return 1;
	}
	if (stored != NULL && settings_check_value(n.row, str_c(stored), NULL) != 0) {
		ctl_fail("the stored value '%s' is bad; the last good one stays in force", stored);
		mem_free(stored);
		return 1;
	}
	printf("%.*s\n", STR_ARG(settings_with_unit(ctl, n.row, str_c(stored != NULL ? stored : n.row->default_text))));
	mem_free(stored);
	return 0;
}

int
command_settings_set(struct ctl *ctl, int argc, char **argv)
{
	if (argc < 1)
		return ctl_usage("settings set");
	/* All are checked before the first is stored. */
	for (int pass = 0; pass < 2; pass++) {
		if (pass == 1 && connect_store(ctl) != 0)
			return 1;
		for (int i = 0; i < argc; i++) {
			struct setting_name n;
			struct str name, value;
			struct err err;
			redisReply *reply;

			if (!output_cut_field(argv[i], &name, &value))
				return ctl_fail("'%s' is not GROUP.FIELD=VALUE", argv[i]);
			if (parse_name(name, &n) != 0)
				return 1;
			if (settings_check_value(n.row, value, &err) != 0)
				return ctl_fail("%.*s: %s", STR_ARG(name), err.text);
			if (pass == 0)
				continue;
			reply = ctl_redis(ctl, &err, "HSET", n.key, n.row->field, value.p, NULL);
			if (reply == NULL)
				return ctl_fail("%s", err.text);
			freeReplyObject(reply);
		}
	}
	return 0;
}

int
command_settings_unset(struct ctl *ctl, int argc, char **argv)
{
	if (argc < 1)
		return ctl_usage("settings unset");
	if (connect_store(ctl) != 0)
		return 1;
	for (int i = 0; i < argc; i++) {
		struct setting_name n = {0};
		struct err err;
		redisReply *reply;

		if (parse_name(str_c(argv[i]), &n) != 0 || n.row == NULL)
			return 1;
		reply = ctl_redis(ctl, &err, "HDEL", n.key, n.row->field, NULL);
		if (reply == NULL)
			return ctl_fail("%s", err.text);
		freeReplyObject(reply);
	}
	return 0;
}

static void
print_error(void *arg, const char *name, const char *text)
{
	unsigned *count = arg;

	printf("error: %s: %s\n", name, text);
	(*count)++;
}

static void
print_warning(void *arg, const char *name, const char *text)
{
	(void)arg;
	printf("warning: %s: %s\n", name, text);
}

static int
warn_of_postmaster(struct ctl *ctl)
{
	struct str *addresses;
	unsigned count;
	struct err err;

	if (postmaster_find_unclaimed(ctl, &addresses, &count, &err) != 0)
		return ctl_fail("%s", err.text);
	if (count > 0)
		print_warning(NULL, "mailbox.postmaster", postmaster_warning(ctl, addresses, count));
	return 0;
}

/* What somebody has set and nothing obeys: in a group, and its overrides. */
static int
warn_of_planned(struct ctl *ctl, const struct settings_row *row, char **keys)
{
	for (size_t i = 0; keys[i] != NULL; i++) {
		const char *suffix = settings_key_suffix(keys[i], row->group);
		char name[500], *stored;
		if (suffix == NULL || (i != 0 && strcmp(keys[i], keys[i - 1]) == 0))
			continue;
		if (read_stored(ctl, keys[i], row->field, &stored) != 0)
			return 1;
		snprintf(name, sizeof(name), "%s%s.%s", row->group, suffix, row->field);
		if (stored != NULL)
			print_warning(NULL, name, "planned: nothing obeys it yet");
		mem_free(stored);
	}
	return 0;
}

int
command_settings_check(struct ctl *ctl, int argc, char **argv)
{
	const struct settings_row *rows;
	struct settings_live *live;
	unsigned errors = 0, row_count;
	char **keys;

	if (ctl_has_unknown_option(argc, argv) || argc != 0)
		return ctl_usage("settings check");
	if (connect_store(ctl) != 0)
		return 1;
	live = ctl_settings(ctl);
	settings_live_errors(live, print_error, &errors);
	settings_warnings(settings_current(live), print_warning, NULL);
	if (warn_of_postmaster(ctl) != 0)
		return 1;
	rows = settings_rows(&row_count);
	keys = settings_keys(ctl);
	if (keys == NULL)
		return 1;
	for (unsigned i = 0; i < row_count; i++)
		if (rows[i].planned && warn_of_planned(ctl, &rows[i], keys) != 0)
			return 1;
	return errors == 0 ? 0 : 1;
}

int
command_settings_reference(struct ctl *ctl, int argc, char **argv)
{
	struct buf page = BUF_EMPTY;

	(void)ctl, (void)argc, (void)argv;
	settings_reference(&page);
	fwrite(page.data, 1, page.len, stdout);
	buf_fini(&page);
	return 0;
}
