/* Reports what has stalled: once when it has made no progress for
 * settings:spool stall_after, and once when it recovers, in the log and as
 * spool_stalled in the metrics. */
#ifndef SP_BROKER_WATCHDOG_H
#define SP_BROKER_WATCHDOG_H

#include <stdbool.h>
#include <stdint.h>

#include "spool-broker/broker.h"

/* One thing under watch. */
struct watch {
	int64_t since_ms; /* monotonic: stalled since; 0: it makes progress */
	bool told;
};

struct watchdog {
	struct watch queues[BROKER_KINDS];
	struct watch store;
};

struct watchdog *watchdog_new(void);
void watchdog_free(struct watchdog **w);
/* At every tick. */
void watchdog_tick(struct broker *b);

#endif
