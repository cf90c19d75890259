#include "lib/admin/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/admin/postmaster.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/redis/url.h"

/* Heartbeats come every second. */
enum { STATUS_SILENT_MS = 10 * 1000 };

/* Filled by answers that come in parallel; the last one assembles the result. */
struct status {
	cJSON *processes;    /* borrowed: the result's */
	const char *warning; /* in the arena; NULL: none */
	char appendonly[32], appendfsync[32];
	unsigned due; /* parts */
};

/* ---- Processes ---- */
static void
status_add_number(cJSON *o, const char *name, struct str value)
{
	int64_t v;

	if (str_to_i64(value, &v))
		cJSON_AddNumberToObject(o, name, (double)v);
	else
		admin_add_str(o, name, value);
}

/* One process by its heartbeat: the fixed fields, then those of its kind. */
static cJSON *
status_process(const redisReply *fields)
{
	cJSON *o = cJSON_CreateObject(), *said, *item, *next;
	int64_t beat = 0;
	char *text;

	admin_add_str(o, "kind", redis_field(fields, "kind"));
	admin_add_str(o, "id", redis_field(fields, "id"));
	status_add_number(o, "pid", redis_field(fields, "pid"));
	admin_add_str(o, "host", redis_field(fields, "host"));
	status_add_number(o, "started_ms", redis_field(fields, "started_ms"));
	str_to_i64(redis_field(fields, "heartbeat_ms"), &beat);
	cJSON_AddNumberToObject(o, "heartbeat_age_ms", (double)(clock_unix_ms() - beat));
	admin_add_str(o, "settings_version", redis_field(fields, "settings_version"));
	text = str_dup(redis_field(fields, "status"));
	said = cJSON_Parse(text);
	mem_free(text);
	for (item = said != NULL ? said->child : NULL; item != NULL; item = next) {
		next = item->next;
		cJSON_DetachItemViaPointer(said, item);
		cJSON_AddItemToObject(o, item->string, item);
	}
	cJSON_Delete(said);
	return o;
}

/* The sum of the brokers' counts. */
static cJSON *
status_queue(const cJSON *processes)
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

/* ---- The store ---- */
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

/* The store as seen by the processes that write bodies: the worst state, and
 * the least free space. */
static void
status_add_health(cJSON *store, const cJSON *processes)
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
		snprintf(health, sizeof(health), "unknown: no process that writes bodies has reported it");
	else if (problem == NULL)
		snprintf(health, sizeof(health), "ok");
	else
		snprintf(health, sizeof(health), "%s: %s says: %s",
			 strcmp(worst, "full") == 0 ? "FULL, new mail is refused for now" : "CANNOT STORE BODIES", who,
			 problem);
	cJSON_AddStringToObject(store, "health", health);
}

static cJSON *
status_store(const struct admin_call *call)
{
	const struct status *s = call->state;
	bool durable = strcmp(s->appendonly, "yes") == 0 && strcmp(s->appendfsync, "always") == 0;
	cJSON *o = cJSON_CreateObject();
	char shown[REDIS_URL_SHOWN_MAX];

	redis_url_show(call->admin->redis_url, shown, sizeof(shown));
	cJSON_AddStringToObject(o, "redis", shown);
	cJSON_AddStringToObject(o, "promise",
				durable ? "every answered change is synced"
					: "NOT DURABLE: Redis runs without appendonly yes and appendfsync always");
	cJSON_AddBoolToObject(o, "durable", durable);
	cJSON_AddStringToObject(o, "appendonly", s->appendonly);
	cJSON_AddStringToObject(o, "appendfsync", s->appendfsync);
	cJSON_AddStringToObject(o, "blobs", call->admin->blobs_url);
	status_add_health(o, s->processes);
	return o;
}

/* ---- The sweep ---- */
static void
status_sweep_field(cJSON *o, const redisReply *fields, const char *name, const char *as, bool number)
{
	struct str value = redis_field(fields, name);
	int64_t v;

	if (number && str_to_i64(value, &v))
		cJSON_AddNumberToObject(o, as, (double)v);
	else if (!number && value.len != 0)
		admin_add_str(o, as, value);
}

/* Holders are shown without their own number: "<process> <number>". */
static void
status_sweep_process(cJSON *o, const redisReply *fields, const char *name, const char *as)
{
	struct str process, number;

	if (str_cut(redis_field(fields, name), ' ', &process, &number))
		admin_add_str(o, as, process);
}

static void
status_sweep_figures(cJSON *o, const redisReply *fields, const char *prefix)
{
	static const char *const names[] = {"started_ms", "end_ms",	    "examined", "referred",
					    "released",	  "released_bytes", "in_doubt"};
	char name[40];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(name, sizeof(name), "%s%s", prefix, names[i]);
		status_sweep_field(o, fields, name, names[i], true);
	}
}

static cJSON *
status_sweep(const redisReply *fields)
{
	cJSON *o = cJSON_CreateObject(), *part;
	int64_t until = 0;

	if (str_to_i64(redis_field(fields, "until_ms"), &until) && until > clock_unix_ms()) {
		part = cJSON_AddObjectToObject(o, "running");
		status_sweep_process(part, fields, "holder", "by");
		status_sweep_field(part, fields, "kind", "kind", false);
		status_sweep_figures(part, fields, "");
	}
	if (redis_field(fields, "last_end_ms").len != 0) {
		part = cJSON_AddObjectToObject(o, "last");
		status_sweep_process(part, fields, "last_by", "by");
		status_sweep_figures(part, fields, "last_");
	}
	if (redis_field(fields, "failed_ms").len != 0) {
		part = cJSON_AddObjectToObject(o, "failed");
		status_sweep_process(part, fields, "failed_by", "by");
		status_sweep_field(part, fields, "failed_ms", "end_ms", true);
		status_sweep_field(part, fields, "failure", "reason", false);
	}
	return o;
}

/* ---- Certificates ---- */
__attribute__((format(printf, 2, 3))) static void
status_warn(cJSON *warnings, const char *format, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	cJSON_AddItemToArray(warnings, cJSON_CreateString(text));
}

/* What the worker says that orders certificates, and what of it needs attention. */
static void
status_add_acme(cJSON *result, cJSON *warnings, const cJSON *processes)
{
	const cJSON *process, *one, *said = NULL, *failing, *left_out;
	const char *problem;

	cJSON_ArrayForEach (process, processes)
		/* Before one that only tells what it lacks. */
		if ((one = cJSON_GetObjectItem(process, "acme")) != NULL &&
		    (said == NULL || cJSON_HasObjectItem(one, "names")))
			said = one;
	if (said == NULL)
		return;
	cJSON_AddItemToObject(result, "acme", cJSON_Duplicate(said, true));
	problem = cJSON_GetStringValue(cJSON_GetObjectItem(said, "problem"));
	failing = cJSON_GetObjectItem(said, "failing");
	left_out = cJSON_GetObjectItem(said, "left_out");
	if (problem != NULL)
		status_warn(warnings, "certificates: %s", problem);
	if (cJSON_IsNumber(failing) && failing->valuedouble > 0)
		status_warn(warnings, "certificates: the orders of %.0f names failed; see `stagepost certificate list`",
			    failing->valuedouble);
	if (cJSON_IsNumber(left_out))
		status_warn(warnings, "certificates: there are too many names; %.0f have been left out",
			    left_out->valuedouble);
}

/* ---- Queries ---- */
static void
status_part_done(struct admin_call *call)
{
	struct status *s = call->state;

	cJSON *warnings;

	if (--s->due != 0)
		return;
	cJSON_AddItemToObject(call->result, "queue", status_queue(s->processes));
	cJSON_AddItemToObject(call->result, "store", status_store(call));
	warnings = cJSON_AddArrayToObject(call->result, "warnings");
	if (s->warning != NULL)
		cJSON_AddItemToArray(warnings, cJSON_CreateString(s->warning));
	status_add_acme(call->result, warnings, s->processes);
	admin_call_end(call, call->failure.code != ERR_NONE ? &call->failure : NULL);
}

/* A process that ended meanwhile is skipped. */
static void
status_on_process(struct admin_call *call, const redisReply *reply, const struct err *err)
{
	const struct status *s = call->state;

	if (err == NULL && reply->elements != 0)
		cJSON_AddItemToArray(s->processes, status_process(reply));
	status_part_done(call);
}

static void
status_on_ids(struct admin_call *call, const redisReply *reply, const struct err *err)
{
	struct status *s = call->state;

	admin_call_note(call, err);
	for (size_t i = 0; reply != NULL && i < reply->elements; i++) {
		struct str id = redis_str(reply->element[i]);
		s->due++;
		admin_ask(call, status_on_process, "HGETALL", redis_key(&call->op.arena, KEY_CLUSTER_PROC, id), 0,
			  NULL);
	}
	status_part_done(call);
}

static void
status_take_config(struct admin_call *call, const redisReply *reply, char out[32])
{
	str_copy(STR("unknown"), out, 32);
	if (reply != NULL && reply->elements == 2)
		str_copy(redis_str(reply->element[1]), out, 32);
	status_part_done(call);
}

static void
status_on_appendonly(struct admin_call *call, const redisReply *reply, const struct err *err)
{
	(void)err; /* a store that does not answer this */
	status_take_config(call, reply, ((struct status *)call->state)->appendonly);
}

static void
status_on_appendfsync(struct admin_call *call, const redisReply *reply, const struct err *err)
{
	(void)err;
	status_take_config(call, reply, ((struct status *)call->state)->appendfsync);
}

static void
status_on_sweep(struct admin_call *call, const redisReply *reply, const struct err *err)
{
	admin_call_note(call, err);
	if (err == NULL)
		cJSON_AddItemToObject(call->result, "sweep", status_sweep(reply));
	status_part_done(call);
}

static void
status_on_postmaster(struct admin_call *call, const char *warning, const struct err *err)
{
	struct status *s = call->state;

	admin_call_note(call, err);
	s->warning = warning;
	status_part_done(call);
}

static void
status_ask_config(struct admin_call *call, struct str name, admin_on_reply *cb)
{
	admin_ask_plain(call, cb, 3, (const struct str[]){STR("CONFIG"), STR("GET"), name});
}

static struct admin_call *
status_begin(struct admin *a, unsigned parts, admin_on_result *cb, void *arg)
{
	struct admin_call *call = admin_call_new(a, cb, arg);
	struct status *s = arena_new(&call->op.arena, struct status);

	call->state = s;
	call->result = cJSON_CreateObject();
	s->due = parts;
	s->processes = cJSON_AddArrayToObject(call->result, "processes");
	admin_ask(call, status_on_ids, "ZRANGE", str_c(redis_key_pattern(KEY_CLUSTER_PROCS)), 2,
		  (const struct str[]){STR("0"), STR("-1")});
	status_ask_config(call, STR("appendonly"), status_on_appendonly);
	status_ask_config(call, STR("appendfsync"), status_on_appendfsync);
	return call;
}

enum { STATUS_PARTS = 3 };

struct admin_call *
admin_status_brief(struct admin *a, admin_on_result *cb, void *arg)
{
	return status_begin(a, STATUS_PARTS, cb, arg);
}

struct admin_call *
admin_status(struct admin *a, admin_on_result *cb, void *arg)
{
	struct admin_call *call = status_begin(a, STATUS_PARTS + 2, cb, arg);

	admin_ask(call, status_on_sweep, "HGETALL", str_c(redis_key_pattern(KEY_SWEEP_STATE)), 0, NULL);
	postmaster_search(call, status_on_postmaster);
	return call;
}

/* ---- Judging a status ---- */

/* A kind of process that mail needs, of which none has been seen; NULL: none is
 * missing. */
static const char *
status_missing_kind(const cJSON *processes)
{
	static const char *const kinds[] = {"frontend", "spool-broker", "delivery-worker"};
	const cJSON *process;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		bool found = false;
		cJSON_ArrayForEach (process, processes) {
			const cJSON *age = cJSON_GetObjectItem(process, "heartbeat_age_ms");
			found |= strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(process, "kind")), kinds[i]) == 0 &&
				 age->valuedouble < STATUS_SILENT_MS;
		}
		if (!found)
			return kinds[i];
	}
	return NULL;
}

bool
admin_status_is_good(const cJSON *status, struct buf *reason)
{
	const char *health = cJSON_GetStringValue(cJSON_GetObjectItem(cJSON_GetObjectItem(status, "store"), "health"));
	const char *missing = status_missing_kind(cJSON_GetObjectItem(status, "processes"));

	if (cJSON_GetArraySize(cJSON_GetObjectItem(status, "processes")) == 0)
		buf_add_c(reason, "no process of the cluster runs, or none can reach its Redis");
	else if (missing != NULL)
		buf_printf(reason, "there has been no heartbeat of any %s for %d s", missing, STATUS_SILENT_MS / 1000);
	else if (strcmp(health, "ok") == 0 || strncmp(health, "unknown", 7) == 0)
		return true;
	else
		buf_printf(reason, "the store: %s", health);
	return false;
}

static bool
status_has_certificate(const cJSON *list, const cJSON *certificate)
{
	const cJSON *known;

	cJSON_ArrayForEach (known, list)
		if (cJSON_Compare(known, certificate, true))
			return true;
	return false;
}

cJSON *
admin_status_certificates(const cJSON *status)
{
	cJSON *list = cJSON_CreateArray();
	const cJSON *process, *c;

	/* Frontends with the same pair report the same certificate. */
	cJSON_ArrayForEach (process, cJSON_GetObjectItem(status, "processes"))
		cJSON_ArrayForEach (c, cJSON_GetObjectItem(process, "certificates"))
			if (!status_has_certificate(list, c))
				cJSON_AddItemToArray(list, cJSON_Duplicate(c, true));
	return list;
}
