/* Counters and gauges of the process. */
#include "lib/service/metrics.h"

#include <stdatomic.h>

#define METRICS_ROW(NAME, name, type, labels, help) {name, #type, labels, help},
static const struct {
	const char *name, *type, *labels, *help;
} rows[METRICS_COUNT] = {METRICS_TABLE(METRICS_ROW)};

static atomic_int_fast64_t values[METRICS_COUNT];

void
metrics_add(enum metric m, int64_t amount)
{
	atomic_fetch_add_explicit(&values[m], amount, memory_order_relaxed);
}

void
metrics_set(enum metric m, int64_t value)
{
	atomic_store_explicit(&values[m], value, memory_order_relaxed);
}

int64_t
metrics_get(enum metric m)
{
	return atomic_load_explicit(&values[m], memory_order_relaxed);
}

void
metrics_render(struct buf *out)
{
	for (unsigned i = 0; i < METRICS_COUNT; i++) {
		/* Rows with the same name are adjacent in the table. */
		if (i == 0 || strcmp(rows[i].name, rows[i - 1].name) != 0)
			buf_printf(out, "# HELP stagepost_%s %s\n# TYPE stagepost_%s %s\n", rows[i].name, rows[i].help,
				   rows[i].name, rows[i].type);
		buf_printf(out, rows[i].labels[0] != '\0' ? "stagepost_%s{%s} %lld\n" : "stagepost_%s%s %lld\n",
			   rows[i].name, rows[i].labels, (long long)metrics_get((enum metric)i));
	}
}
