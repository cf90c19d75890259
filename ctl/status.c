/* `stagepost status`: every process, the queue, the store. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/commands.h"
#include "ctl/output.h"
#include "ctl/postmaster.h"
#include "ctl/sweep.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/redis/url.h"

/* Heartbeats come every second. */
enum { SILENT_MS = 10 * 1000 };

static void
add_text_or_number(cJSON *o, const char *name, struct str value, bool number)
{
	int64_t v;

	if (number && str_to_i64(value, &v))
		cJSON_AddNumberToObject(o, name, (double)v);
	else
		output_add_str(o, name, value);
}

/* One process by its heartbeat: the fixed fields, then what its kind says. */
static cJSON *
process_record(const redisReply *fields)
{
	cJSON *o = cJSON_CreateObject(), *status, *item, *next;
	int64_t beat = 0;
	char *text;

	output_add_str(o, "kind", redis_field(fields, "kind"));
	output_add_str(o, "id", redis_field(fields, "id"));
	add_text_or_number(o, "pid", redis_field(fields, "pid"), true);
	output_add_str(o, "host", redis_field(fields, "host"));
	add_text_or_number(o, "started_ms", redis_field(fields, "started_ms"), true);
	str_to_i64(redis_field(fields, "heartbeat_ms"), &beat);
	cJSON_AddNumberToObject(o, "heartbeat_age_ms", (double)(clock_unix_ms() - beat));
	output_add_str(o, "settings_version", redis_field(fields, "settings_version"));
	text = str_dup(redis_field(fields, "status"));
	status = cJSON_Parse(text);
	mem_free(text);
	for (item = status != NULL ? status->child : NULL; item != NULL; item = next) {
		next = item->next;
		cJSON_DetachItemViaPointer(status, item);
		cJSON_AddItemToObject(o, item->string, item);
	}
	cJSON_Delete(status);
	return o;
}

static cJSON *
read_processes(struct ctl *ctl, struct err *err)
{
	redisReply *ids = ctl_redis(ctl, err, "ZRANGE", "cluster:procs", "0", "-1", NULL);
	cJSON *list = cJSON_CreateArray();

	if (ids == NULL)
		return NULL;
	for (size_t i = 0; i < ids->elements; i++) {
		char key[300];
		redisReply *fields;
		snprintf(key, sizeof(key), "cluster:proc:%s", ids->element[i]->str);
		fields = ctl_redis(ctl, err, "HGETALL", key, NULL);
		if (fields != NULL && fields->elements != 0)
			cJSON_AddItemToArray(list, process_record(fields));
		if (fields != NULL)
			freeReplyObject(fields);
	}
	freeReplyObject(ids);
	return list;
}

/* The brokers' counts, added up. */
static cJSON *
sum_queue(const cJSON *processes)
{
	static const char *const names[] = {"messages", "queued", "active", "deferred", "held"};
	cJSON *sum = cJSON_CreateObject();
	const cJSON *process;

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		double total = 0;
		cJSON_ArrayForEach (process, processes) {
			const cJSON *n = cJSON_GetObjectItem(cJSON_GetObjectItem(process, "queue"), names[i]);
			total += cJSON_IsNumber(n) ? n->valuedouble : 0;
		}
		cJSON_AddNumberToObject(sum, names[i], total);
	}
	return sum;
}

static void
read_config(struct ctl *ctl, const char *name, char *out, size_t size)
{
	struct err err;
	redisReply *reply = ctl_redis(ctl, &err, "CONFIG", "GET", name, NULL);

	str_copy(STR("unknown"), out, size);
	if (reply == NULL)
		return;
	if (reply->elements == 2)
		str_copy(redis_str(reply->element[1]), out, size);
	freeReplyObject(reply);
}

static bool
status_is_worse(const char *state, const char *than)
{
	static const char *const order[] = {"unknown", "ok", "full", "failing"};
	unsigned a = 0, b = 0;

	for (unsigned i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		a = strcmp(state, order[i]) == 0 ? i : a;
		b = strcmp(than, order[i]) == 0 ? i : b;
	}
	return a > b;
}

/* What the processes that write bodies say of the store: the worst of it, and
 * the least free space. */
static void
add_blobs_health(cJSON *store, const cJSON *processes)
{
	const cJSON *process;
	const char *worst = "unknown", *problem = NULL, *who = "";
	double least = -1;
	char health[400];

	cJSON_ArrayForEach (process, processes) {
		const cJSON *blobs = cJSON_GetObjectItem(process, "blobs");
		const cJSON *free_bytes = cJSON_GetObjectItem(blobs, "free_bytes");
		const char *state = cJSON_GetStringValue(cJSON_GetObjectItem(blobs, "state"));

		if (state == NULL || strcmp(state, "unknown") == 0)
			continue;
		if (cJSON_IsNumber(free_bytes) && (least < 0 || free_bytes->valuedouble < least))
			least = free_bytes->valuedouble;
		if (!status_is_worse(state, worst))
			continue;
		worst = state;
		problem = cJSON_GetStringValue(cJSON_GetObjectItem(blobs, "problem"));
		who = cJSON_GetStringValue(cJSON_GetObjectItem(process, "id"));
	}
	if (least >= 0)
		cJSON_AddNumberToObject(store, "blobs_free_bytes", least);
	if (strcmp(worst, "unknown") == 0)
		snprintf(health, sizeof(health), "unknown: no process that writes bodies has told");
	else if (problem == NULL)
		snprintf(health, sizeof(health), "ok");
	else
		snprintf(health, sizeof(health), "%s: %s says: %s",
			 strcmp(worst, "full") == 0 ? "FULL, new mail is refused for now" : "TAKES NO BODIES", who,
			 problem);
	cJSON_AddStringToObject(store, "health", health);
}

static cJSON *
store_record(struct ctl *ctl, const cJSON *processes)
{
	cJSON *o = cJSON_CreateObject();
	char appendonly[32], fsync[32], shown[REDIS_URL_SHOWN_MAX];

	read_config(ctl, "appendonly", appendonly, sizeof(appendonly));
	read_config(ctl, "appendfsync", fsync, sizeof(fsync));
	redis_url_show(ctl->layout.redis_url, shown, sizeof(shown));
	cJSON_AddStringToObject(o, "redis", shown);
	cJSON_AddStringToObject(
		o, "promise",
		strcmp(appendonly, "yes") == 0 && strcmp(fsync, "always") == 0
			? "every answered change is synced"
			: "less than DURABLE: Redis runs without appendonly yes and appendfsync always");
	cJSON_AddBoolToObject(o, "durable", strcmp(appendonly, "yes") == 0 && strcmp(fsync, "always") == 0);
	cJSON_AddStringToObject(o, "appendonly", appendonly);
	cJSON_AddStringToObject(o, "appendfsync", fsync);
	cJSON_AddStringToObject(o, "blobs", ctl->layout.blobs_url);
	add_blobs_health(o, processes);
	return o;
}

/* What an operator should see to: one sentence each. */
static cJSON *
read_warnings(struct ctl *ctl, struct err *err)
{
	cJSON *list = cJSON_CreateArray();
	struct str *addresses;
	unsigned count;

	if (postmaster_find_unclaimed(ctl, &addresses, &count, err) != 0) {
		cJSON_Delete(list);
		return NULL;
	}
	if (count > 0)
		cJSON_AddItemToArray(list, cJSON_CreateString(postmaster_warning(ctl, addresses, count)));
	return list;
}

static double
number_of(const cJSON *o, const char *name)
{
	const cJSON *n = cJSON_GetObjectItem(o, name);
	return cJSON_IsNumber(n) ? n->valuedouble : 0;
}

/* Frontends that have the same pair say the same: once is enough. */
static bool
was_said(const cJSON *processes, const cJSON *certificate)
{
	const cJSON *process, *other;

	cJSON_ArrayForEach (process, processes)
		cJSON_ArrayForEach (other, cJSON_GetObjectItem(process, "certificates")) {
			if (other == certificate)
				return false;
			if (cJSON_Compare(other, certificate, true))
				return true;
		}
	return false;
}

static void
print_certificates(const cJSON *processes)
{
	const cJSON *process, *c;

	cJSON_ArrayForEach (process, processes)
		cJSON_ArrayForEach (c, cJSON_GetObjectItem(process, "certificates")) {
			const char *ends = cJSON_GetStringValue(cJSON_GetObjectItem(c, "ends"));
			const char *problem = cJSON_GetStringValue(cJSON_GetObjectItem(c, "problem"));
			if (was_said(processes, c))
				continue;
			printf("certificate: %s", cJSON_GetStringValue(cJSON_GetObjectItem(c, "name")));
			if (ends != NULL)
				printf(", ends %.10s (in %.0f days)", ends, number_of(c, "days_left"));
			if (problem != NULL)
				printf("; the files as they are now are NOT LOADED: %s", problem);
			printf("\n");
		}
}

static void
print_for_people(const cJSON *all)
{
	const cJSON *warning, *process, *queue = cJSON_GetObjectItem(all, "queue"),
					*store = cJSON_GetObjectItem(all, "store");

	printf("%-16s %-28s %-8s %-20s %-10s %s\n", "KIND", "ID", "PID", "HOST", "HEARTBEAT", "SETTINGS");
	cJSON_ArrayForEach (process, cJSON_GetObjectItem(all, "processes"))
		printf("%-16s %-28s %-8.0f %-20s %6.0f ms  %s\n",
		       cJSON_GetStringValue(cJSON_GetObjectItem(process, "kind")),
		       cJSON_GetStringValue(cJSON_GetObjectItem(process, "id")), number_of(process, "pid"),
		       cJSON_GetStringValue(cJSON_GetObjectItem(process, "host")),
		       number_of(process, "heartbeat_age_ms"),
		       cJSON_GetStringValue(cJSON_GetObjectItem(process, "settings_version")));
	printf("\nqueue: %.0f messages (%.0f queued, %.0f active, %.0f deferred, %.0f held)\n",
	       number_of(queue, "messages"), number_of(queue, "queued"), number_of(queue, "active"),
	       number_of(queue, "deferred"), number_of(queue, "held"));
	printf("store: %s; %s, %s", cJSON_GetStringValue(cJSON_GetObjectItem(store, "health")),
	       cJSON_GetStringValue(cJSON_GetObjectItem(store, "promise")),
	       cJSON_GetStringValue(cJSON_GetObjectItem(store, "blobs")));
	if (cJSON_HasObjectItem(store, "blobs_free_bytes"))
		printf(" (%.1f GB free)", number_of(store, "blobs_free_bytes") / 1e9);
	printf("\n");
	sweep_print(cJSON_GetObjectItem(all, "sweep"));
	print_certificates(cJSON_GetObjectItem(all, "processes"));
	cJSON_ArrayForEach (warning, cJSON_GetObjectItem(all, "warnings"))
		printf("warning: %s\n", cJSON_GetStringValue(warning));
}

/* A kind of process without which mail does not get through, and of which none has
 * been heard of; NULL: there is none such. */
static const char *
missing_kind(const cJSON *processes)
{
	static const char *const kinds[] = {"frontend", "spool-broker", "delivery-worker"};
	const cJSON *process;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		bool found = false;
		cJSON_ArrayForEach (process, processes)
			found |= strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(process, "kind")), kinds[i]) == 0 &&
				 number_of(process, "heartbeat_age_ms") < SILENT_MS;
		if (!found)
			return kinds[i];
	}
	return NULL;
}

/* The exit status: 1 where the cluster does no work, or takes no mail. */
static int
judge(const cJSON *all)
{
	const char *health = cJSON_GetStringValue(cJSON_GetObjectItem(cJSON_GetObjectItem(all, "store"), "health"));
	const char *missing = missing_kind(cJSON_GetObjectItem(all, "processes"));

	if (cJSON_GetArraySize(cJSON_GetObjectItem(all, "processes")) == 0)
		return ctl_fail("no process of the cluster runs, or none can reach its Redis");
	if (missing != NULL)
		return ctl_fail("no %s has been heard of for %d s", missing, SILENT_MS / 1000);
	return strcmp(health, "ok") == 0 || strncmp(health, "unknown", 7) == 0 ? 0 : ctl_fail("the store: %s", health);
}

int
command_status(struct ctl *ctl, int argc, char **argv)
{
	cJSON *all, *processes, *warnings, *sweep;
	struct err err;
	int status;

	if (ctl_has_unknown_option(argc, argv) || argc != 0)
		return ctl_usage("status");
	if (ctl_connect(ctl, &err) != 0)
		return ctl_fail("%s", err.text);
	processes = read_processes(ctl, &err);
	warnings = processes != NULL ? read_warnings(ctl, &err) : NULL;
	sweep = warnings != NULL ? sweep_record(ctl, &err) : NULL;
	if (sweep == NULL)
		return ctl_fail("%s", err.text);
	all = cJSON_CreateObject();
	cJSON_AddItemToObject(all, "processes", processes);
	cJSON_AddItemToObject(all, "queue", sum_queue(processes));
	cJSON_AddItemToObject(all, "store", store_record(ctl, processes));
	cJSON_AddItemToObject(all, "sweep", sweep);
	cJSON_AddItemToObject(all, "warnings", warnings);
	if (!ctl->json)
		print_for_people(all);
	status = judge(all);
	if (ctl->json)
		output_json(all); /* frees it */
	else
		cJSON_Delete(all);
	return status;
}
