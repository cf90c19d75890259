/* May this program work on the store that it finds? See docs/upgrade.md. */
#ifndef SP_SERVICE_VERSIONS_H
#define SP_SERVICE_VERSIONS_H

#include <cjson/cJSON.h>

#include "lib/service/service.h"

/* Looks at cluster:store-version, which whoever comes first sets. A program that
 * cannot work with that version says so and ends: at once if it has only started,
 * else as at SIGTERM, with exit status 1. To be called at each connection, before
 * anything else is asked, and from time to time. */
void versions_check(struct service *s);

/* For the heartbeat: version, store_version, bus_version. */
void versions_add_status(cJSON *status);

#endif
