/* How the cluster is: its processes by their heartbeats, the queue, the store. */
#ifndef SP_ADMIN_STATUS_H
#define SP_ADMIN_STATUS_H

#include "lib/admin/admin.h"
#include "lib/base/buf.h"

/* {"processes": [...], "queue": {...}, "store": {...}, "sweep": {...},
 * "warnings": [...]}: each
 * process with what it says of itself, what the brokers count added up, what
 * the store promises and how it is, what an operator should see to. */
struct admin_call *admin_status(struct admin *a, admin_on_result *cb, void *arg);

/* Of such a result: false where the cluster does no work or takes no mail; why is
 * added to reason. */
bool admin_status_is_good(const cJSON *status, struct buf *reason);
/* The certificates of all frontends, each once: an array that the caller deletes,
 * while the status stays. {"name", "ends", "days_left", "problem"}. */
cJSON *admin_status_certificates(const cJSON *status);

#endif
