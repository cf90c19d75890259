/* The state of the blob store in readiness, heartbeat, metrics and log. Private
 * to lib/service. */
#ifndef SP_SERVICE_BODIES_H
#define SP_SERVICE_BODIES_H

#include "lib/service/service.h"

/* Watches the store, if this kind of process writes bodies. */
void bodies_watch(struct service *s);
/* Why mail cannot be stored: a constant text. NULL: it can be stored, or the
 * disk is merely full, in which case the process can still do other work. */
const char *bodies_why_not_ready(const struct service *s);
/* Adds "blobs": state, free bytes, problem. */
void bodies_add_status(const struct service *s, cJSON *status);

#endif
