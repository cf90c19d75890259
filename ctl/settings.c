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

static void
list_row(struct ctl *ctl, const struct settings_row *row, const char *key_suffix, struct str stored, cJSON *list)
{
	bool is_set = stored.p != NULL;
	bool good = !is_set || settings_check_value(row, stored, NULL) == 0;
	char name[500];

	if (settings_is_secret(row) && good && stored.len > 0)
		stored = STR("(secret)");
	snprintf(name, sizeof(name), "%s%s.%s", row->group, key_suffix, row->field);
	if (list == NULL) {
		printf("%s=%.*s%s%s\n", name, STR_ARG(is_set && good ? stored : str_c(row->default_text)),
		       !is_set ? ""
		       : good  ? "   (set)"
			       : "   (stored value is bad; see stagepost settings check)",
		       row->planned ? "   (planned: nothing obeys it yet)" : "");
		return;
	}
	cJSON *o = cJSON_CreateObject();
	cJSON_AddStringToObject(o, "name", name);
	output_add_str(o, "value", is_set && good ? stored : str_c(row->default_text));
	cJSON_AddBoolToObject(o, "set", is_set);
	cJSON_AddBoolToObject(o, "good", good);
	cJSON_AddBoolToObject(o, "planned", row->planned);
	cJSON_AddItemToArray(list, o);
	(void)ctl;
}

/* Overrides: every hash settings:<group>:<domain>. */
static int
list_overrides(struct ctl *ctl, const char *group, cJSON *list)
{
	char pattern[100];
	struct err err;
	redisReply *keys;

	snprintf(pattern, sizeof(pattern), "settings:%s:*", group);
	keys = ctl_redis(ctl, &err, "KEYS", pattern, NULL);
	if (keys == NULL)
		return ctl_fail("%s", err.text);
	for (size_t i = 0; i < keys->elements; i++) {
		const char *key = keys->element[i]->str;
		redisReply *fields = ctl_redis(ctl, &err, "HGETALL", key, NULL);
		for (size_t f = 0; fields != NULL && f + 1 < fields->elements; f += 2) {
			const struct settings_row *row = settings_row_find(str_c(group), redis_str(fields->element[f]));
			if (row != NULL)
				list_row(ctl, row, key + strlen("settings:") + strlen(group),
					 redis_str(fields->element[f + 1]), list);
		}
		if (fields != NULL)
			freeReplyObject(fields);
	}
	freeReplyObject(keys);
	return 0;
}

int
command_settings_list(struct ctl *ctl, int argc, char **argv)
{
	unsigned count;
	const struct settings_row *rows = settings_rows(&count);
	const char *last_group = "";
	cJSON *list;
	bool any = false;

	if (ctl_has_unknown_option(argc, argv) || connect_store(ctl) != 0)
		return 1;
	if (argc > 1)
		return ctl_usage("settings list");
	list = ctl->json ? cJSON_CreateArray() : NULL;
	for (unsigned i = 0; i < count; i++) {
		char key[64], *stored;
		if (argc == 1 && strcmp(argv[0], rows[i].group) != 0)
			continue;
		any = true;
		if (strcmp(last_group, rows[i].group) != 0 && list_overrides(ctl, rows[i].group, list) != 0)
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
	cJSON_AddStringToObject(o, "default", n.row->default_text);
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
	printf("%s\n", stored != NULL ? stored : n.row->default_text);
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
warn_of_planned(struct ctl *ctl, const struct settings_row *row)
{
	char pattern[100];
	struct err err;
	redisReply *keys;

	snprintf(pattern, sizeof(pattern), "settings:%s*", row->group);
	keys = ctl_redis(ctl, &err, "KEYS", pattern, NULL);
	if (keys == NULL)
		return ctl_fail("%s", err.text);
	for (size_t i = 0; i < keys->elements; i++) {
		const char *hash = keys->element[i]->str + strlen("settings:");
		size_t len = strlen(row->group);
		char name[500], *stored;
		if (hash[len] != '\0' && hash[len] != ':')
			continue; /* another group, whose name begins alike */
		if (read_stored(ctl, keys->element[i]->str, row->field, &stored) != 0)
			break;
		snprintf(name, sizeof(name), "%s.%s", hash, row->field);
		if (stored != NULL)
			print_warning(NULL, name, "planned: nothing obeys it yet");
		mem_free(stored);
	}
	freeReplyObject(keys);
	return 0;
}

int
command_settings_check(struct ctl *ctl, int argc, char **argv)
{
	const struct settings_row *rows;
	struct settings_live *live;
	unsigned errors = 0, row_count;

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
	for (unsigned i = 0; i < row_count; i++)
		if (rows[i].planned && warn_of_planned(ctl, &rows[i]) != 0)
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
