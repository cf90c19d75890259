/* The last hour of the cluster in figures. */
#ifndef SP_ADMIN_HISTORY_H
#define SP_ADMIN_HISTORY_H

#include "lib/admin/admin.h"

#define ADMIN_HISTORY_MINUTES 60

/* {"minutes": [{"time": when it began, "in", "delivered", "deferred", "queue"}, ...]},
 * the oldest first, the current one last: messages that were accepted, recipients that
 * were delivered to, deliveries that were deferred, messages in the queue at its end.
 * "queue" is missing where no broker has reported. */
struct admin_call *admin_history(struct admin *a, admin_on_result *cb, void *arg);

#endif
