/* What a broker reports about itself in its heartbeat. */
#include "spool-broker/admin/status.h"

#include "lib/base/clock.h"
#include "lib/service/metrics.h"
#include "spool-broker/broker.h"
#include "spool-broker/jobs/jobs.h"
#include "spool-broker/queue/message.h"
#include "spool-broker/schedule/heap.h"
#include "spool-broker/schedule/schedule.h"
#include "spool-broker/spool/shards.h"
#include "spool-broker/spool/writer.h"

static const char *const kind_names[BROKER_KINDS] = {"local", "remote", "report", NULL, "check"};

/* At most this many sites with trouble are listed. */
enum { TROUBLES_NAMED = 20 };

static void
broker_status_add_number(cJSON *into, const char *name, double value)
{
	cJSON_AddNumberToObject(into, name, value);
}

static void
status_add_shards(const struct broker *b, cJSON *into)
{
	cJSON *owned = cJSON_AddArrayToObject(into, "shards");

	for (unsigned i = 0; i < b->shards->count; i++)
		if (b->shards->list[i].state == SHARD_OWNED || b->shards->list[i].state == SHARD_LEAVING)
			cJSON_AddItemToArray(owned, cJSON_CreateNumber(i));
	broker_status_add_number(into, "shards_suspended", shards_count(b, SHARD_SUSPENDED));
	broker_status_add_number(into, "shard_count", b->shards->count);
}

static void
status_add_trouble(void *arg, const struct site *site)
{
	cJSON *list = arg, *item;

	if (site->trouble == NULL || cJSON_GetArraySize(list) >= TROUBLES_NAMED)
		return;
	item = cJSON_CreateObject();
	cJSON_AddStringToObject(item, "site", site->name);
	cJSON_AddStringToObject(item, "trouble", site->trouble);
	broker_status_add_number(item, "next_probe_ms", heap_has(&site->wake) ? (double)site->wake.time_ms : 0);
	cJSON_AddItemToArray(list, item);
}

/* Counts parts, each with the recipients of one message for one destination. */
static void
status_add_queue(struct broker *b, cJSON *into)
{
	cJSON *queue = cJSON_AddObjectToObject(into, "queue"), *kinds = cJSON_AddObjectToObject(into, "parts");
	cJSON *troubles = cJSON_AddArrayToObject(into, "troubles");
	unsigned ready = 0, deferred = 0, active = 0;

	for (unsigned i = 0; i < BROKER_KINDS; i++) {
		struct schedule_counts c = b->ops->counts(b->schedules[i]);
		cJSON *kind;
		if (kind_names[i] == NULL)
			continue;
		kind = cJSON_AddObjectToObject(kinds, kind_names[i]);
		broker_status_add_number(kind, "queued", c.ready);
		broker_status_add_number(kind, "active", c.active);
		broker_status_add_number(kind, "deferred", c.deferred);
		broker_status_add_number(kind, "destinations", c.destinations);
		broker_status_add_number(kind, "sites", c.sites);
		ready += c.ready;
		deferred += c.deferred;
		active += c.active;
		b->ops->each_site(b->schedules[i], status_add_trouble, troubles);
	}
	broker_status_add_number(queue, "messages", (double)b->messages->count);
	broker_status_add_number(queue, "queued", ready);
	broker_status_add_number(queue, "active", active);
	broker_status_add_number(queue, "deferred", deferred);
	broker_status_add_number(queue, "held", b->messages->held);
	metrics_set(M_SPOOL_QUEUED, ready + active);
	metrics_set(M_SPOOL_DEFERRED, deferred);
	metrics_set(M_SPOOL_HELD, b->messages->held);
}

static void
status_add_workers(const struct broker *b, cJSON *into)
{
	cJSON *list = cJSON_AddArrayToObject(into, "workers");
	struct worker *w, *next;

	HASH_ITER (hh, b->jobs->workers, w, next) {
		cJSON *item;
		if (w->lost)
			continue;
		item = cJSON_CreateObject();
		cJSON_AddStringToObject(item, "id", w->name);
		for (unsigned i = 0; i < BROKER_KINDS; i++) {
			cJSON *kind;
			if (kind_names[i] == NULL)
				continue;
			kind = cJSON_AddObjectToObject(item, kind_names[i]);
			broker_status_add_number(kind, "slots", w->slots[i]);
			broker_status_add_number(kind, "active", w->active[i]);
		}
		cJSON_AddItemToArray(list, item);
	}
}

void
status_describe(struct broker *b, cJSON *into)
{
	unsigned owned = shards_count(b, SHARD_OWNED);

	cJSON_AddStringToObject(into, "endpoint", bus_server_endpoint(b->bus));
	broker_status_add_number(into, "brokers", b->brokers);
	status_add_shards(b, into);
	status_add_queue(b, into);
	status_add_workers(b, into);
	broker_status_add_number(into, "hand_overs_waiting", (double)b->writes->waiting);
	broker_status_add_number(into, "taken_over", (double)b->shards->taken_over);
	metrics_set(M_SPOOL_SHARDS, owned);
}
