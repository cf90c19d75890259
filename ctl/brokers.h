/* The brokers, as the tool queries them: missing answers are reported once. */
#ifndef SP_CTL_BROKERS_H
#define SP_CTL_BROKERS_H

#include "ctl/ctl.h"
#include "lib/admin/brokers.h"

/* After ctl_connect(). NULL after an error message. */
struct admin_brokers *brokers_get(struct ctl *ctl);
/* Reports the first problem in a result's "missing", unless one was reported before, and removes it from the result. */
void brokers_tell_missing(struct ctl *ctl, cJSON *result);

#endif
