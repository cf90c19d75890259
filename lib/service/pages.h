/* What /metrics, /healthz and /readyz say. Private. */
#ifndef SP_SERVICE_PAGES_H
#define SP_SERVICE_PAGES_H

#include "lib/service/monitor.h"
#include "lib/service/service.h"

/* Of a struct service. */
extern const struct monitor_page service_pages[];

#endif
