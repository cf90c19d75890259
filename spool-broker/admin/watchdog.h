/* Names what stands still, once when it has for settings:spool stall_after, and
 * once when it goes on: in the log, and as spool_stalled in the metrics. */
#ifndef SP_BROKER_WATCHDOG_H
#define SP_BROKER_WATCHDOG_H

#include <stdbool.h>
#include <stdint.h>

#include "spool-broker/broker.h"

/* One thing that is watched. */
struct watch {
	int64_t since_ms; /* monotonic: it has stood still since; 0: it moves */
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
