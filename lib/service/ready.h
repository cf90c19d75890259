/* Is the process ready for work? Private; service.h tells the rules. */
#ifndef SP_SERVICE_READY_H
#define SP_SERVICE_READY_H

#include "lib/service/service.h"

/* Why it is not: a constant text; NULL: it is. Notes since when there is trouble. */
const char *service_why_not_ready(struct service *s);

#endif
