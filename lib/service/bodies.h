/* What becomes known of the blob store: readiness, heartbeat, metrics, log.
 * Private to lib/service. */
#ifndef SP_SERVICE_BODIES_H
#define SP_SERVICE_BODIES_H

#include "lib/service/service.h"

/* Has the store watched, if the kind of process writes bodies. */
void bodies_watch(struct service *s);
/* Why mail cannot be stored: a constant text; NULL: it can, or the disk is only
 * full: then the process still has much to do. */
const char *bodies_why_not_ready(const struct service *s);
/* "blobs": state, free bytes, what is wrong. */
void bodies_add_status(const struct service *s, cJSON *status);

#endif
