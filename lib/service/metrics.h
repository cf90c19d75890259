/* Counters and gauges of the process, for Prometheus. Any thread may add. */
#ifndef SP_SERVICE_METRICS_H
#define SP_SERVICE_METRICS_H

#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/service/metrics_table.h"

#define METRICS_ENUM(NAME, ...) M_##NAME,
enum metric { METRICS_TABLE(METRICS_ENUM) METRICS_COUNT };
#undef METRICS_ENUM

void metrics_add(enum metric m, int64_t amount); /* may be negative for a gauge */
void metrics_set(enum metric m, int64_t value);
int64_t metrics_get(enum metric m);
/* Text exposition format 0.0.4. */
void metrics_render(struct buf *out);

#endif
