/* /metrics, /healthz and /readyz on an internal address. Private. */
#ifndef SP_SERVICE_HTTP_H
#define SP_SERVICE_HTTP_H

#include "lib/service/service.h"

/* 0, or -1 if the port cannot be opened. */
int http_start(struct service *s, const char *address, int port, struct err *err);
void http_stop(struct service *s);
/* Why the process is not ready: a constant text; NULL: it is ready. */
const char *service_why_not_ready(struct service *s);

#endif
