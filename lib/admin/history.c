#include "lib/admin/history.h"

#include <inttypes.h>

#include "lib/admin/private.h"
#include "lib/base/clock.h"

/* A broker that is silent for longer within a minute has lost its messages to another,
 * which counts them. Brokers report every ten seconds. */
enum { HISTORY_SILENT_S = 25 };

struct history {
	int64_t first; /* minute */
	unsigned taken;
};

static int64_t
history_count(const redisReply *fields, const char *name)
{
	int64_t count = 0;

	str_to_i64(redis_field(fields, name), &count);
	return count;
}

/* "queue:<broker>" is "messages second". */
static bool
history_queue_field(const redisReply *fields, size_t i, int64_t *messages_out, int64_t *second_out)
{
	struct str messages, second;

	return str_starts(redis_str(fields->element[i]), STR("queue:")) &&
	       str_cut(redis_str(fields->element[i + 1]), ' ', &messages, &second) &&
	       str_to_i64(messages, messages_out) && str_to_i64(second, second_out);
}

/* False: nobody has reported. */
static bool
history_queue(const redisReply *fields, int64_t *out)
{
	int64_t newest = -1, messages, second;

	*out = 0;
	for (size_t i = 0; i + 1 < fields->elements; i += 2)
		if (history_queue_field(fields, i, &messages, &second) && second > newest)
			newest = second;
	for (size_t i = 0; i + 1 < fields->elements; i += 2)
		if (history_queue_field(fields, i, &messages, &second) && second >= newest - HISTORY_SILENT_S)
			*out += messages;
	return newest >= 0;
}

static void
history_on_minute(struct admin_call *call, const redisReply *reply, const struct err *err)
{
	static const char *const names[] = {"in", "delivered", "deferred"};
	struct history *h = call->state;
	cJSON *minute = cJSON_CreateObject();
	int64_t queue;

	admin_call_note(call, err);
	cJSON_AddItemToArray(cJSON_GetObjectItem(call->result, "minutes"), minute);
	admin_add_time(minute, "time", (uint64_t)(h->first + h->taken) * 60 * 1000);
	for (size_t i = 0; reply != NULL && i < sizeof(names) / sizeof(names[0]); i++)
		cJSON_AddNumberToObject(minute, names[i], (double)history_count(reply, names[i]));
	if (reply != NULL && history_queue(reply, &queue))
		cJSON_AddNumberToObject(minute, "queue", (double)queue);
	if (++h->taken == ADMIN_HISTORY_MINUTES)
		admin_call_end(call, call->failure.code != ERR_NONE ? &call->failure : NULL);
}

struct admin_call *
admin_history(struct admin *a, admin_on_result *cb, void *arg)
{
	struct admin_call *call = admin_call_new(a, cb, arg);
	struct history *h = arena_new(&call->op.arena, struct history);

	call->state = h;
	call->result = cJSON_CreateObject();
	cJSON_AddArrayToObject(call->result, "minutes");
	h->first = clock_unix_ms() / 60000 - ADMIN_HISTORY_MINUTES + 1;
	for (unsigned i = 0; i < ADMIN_HISTORY_MINUTES; i++) {
		struct str minute = str_c(arena_printf(&call->op.arena, "%" PRId64, h->first + i));

		admin_ask(call, history_on_minute, "HGETALL", redis_key(&call->op.arena, KEY_CLUSTER_MINUTE, minute), 0,
			  NULL);
	}
	return call;
}
