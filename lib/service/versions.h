/* Checks whether this program can work with the store that it finds. See docs/upgrade.md. */
#ifndef SP_SERVICE_VERSIONS_H
#define SP_SERVICE_VERSIONS_H

#include <cjson/cJSON.h>

#include "lib/service/service.h"

/* Checks cluster:store-version, which the first process sets. A program that
 * cannot work with that version logs this and exits with status 1: at once if it
 * has just started, else as after SIGTERM. Must be called at each connection,
 * before any other request, and from time to time. */
void versions_check(struct service *s);

/* For the heartbeat: version, store_version, bus_version. */
void versions_add_status(cJSON *status);

#endif
