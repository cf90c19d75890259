#include "spool-broker/admin/history.h"

#include <stdio.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/redis/keys.h"
#include "lib/service/metrics.h"
#include "spool-broker/broker.h"
#include "spool-broker/queue/message.h"

enum { HISTORY_MS = 10 * 1000, HISTORY_LIFE_MS = 65 * 60 * 1000, NUMBER_MAX = 24 };

REDIS_SCRIPT(history_script, "spool-broker/admin/history.lua");

/* What is counted, and under which name. */
static const struct {
	const char *name;
	enum metric metric;
} history_counts[] = {
	{"in", M_SPOOL_TAKEN},
	{"delivered", M_DELIVERED_LOCAL},
	{"delivered", M_DELIVERED_REMOTE},
	{"deferred", M_DEFERRED_RECIPIENTS},
};

enum { HISTORY_COUNTS = sizeof(history_counts) / sizeof(history_counts[0]) };

struct history {
	int64_t told[HISTORY_COUNTS];
	int64_t next_ms; /* monotonic */
};

struct history *
history_new(void)
{
	struct history *h = mem_new(struct history);

	for (unsigned i = 0; i < HISTORY_COUNTS; i++)
		h->told[i] = metrics_get(history_counts[i].metric);
	return h;
}

void
history_free(struct history **h)
{
	mem_free(*h);
	*h = NULL;
}

static struct str
history_number(int64_t number, char out[NUMBER_MAX])
{
	snprintf(out, NUMBER_MAX, "%lld", (long long)number);
	return str_c(out);
}

static void
history_save(const struct broker *b)
{
	struct history *h = b->history;
	char numbers[HISTORY_COUNTS + 4][NUMBER_MAX], key[64];
	struct str args[4 + 2 * HISTORY_COUNTS], minute;
	int64_t now_s = clock_unix_ms() / 1000;
	size_t count = 4;

	args[0] = history_number(HISTORY_LIFE_MS, numbers[HISTORY_COUNTS]);
	args[1] = str_c(b->config.id);
	args[2] = history_number((int64_t)b->messages->count, numbers[HISTORY_COUNTS + 1]);
	args[3] = history_number(now_s % 60, numbers[HISTORY_COUNTS + 2]);
	minute = history_number(now_s / 60, numbers[HISTORY_COUNTS + 3]);
	for (unsigned i = 0; i < HISTORY_COUNTS; i++) {
		int64_t now = metrics_get(history_counts[i].metric);
		if (now == h->told[i])
			continue;
		args[count++] = str_c(history_counts[i].name);
		args[count++] = history_number(now - h->told[i], numbers[i]);
		h->told[i] = now;
	}
	minute = redis_key_print(key, sizeof(key), KEY_CLUSTER_MINUTE, minute);
	redis_eval(b->config.redis, NULL, NULL, &history_script, 1, &minute, count, args);
}

void
history_tick(struct broker *b, bool last)
{
	int64_t now_ms = clock_monotonic_ms();

	/* What a store that is away misses is added when it is back. */
	if ((now_ms < b->history->next_ms && !last) || !redis_is_connected(b->config.redis))
		return;
	b->history->next_ms = now_ms + HISTORY_MS;
	history_save(b);
}
