/* The brokers, as the tool asks them: what they do not tell is said once. */
#ifndef SP_CTL_BROKERS_H
#define SP_CTL_BROKERS_H

#include "ctl/ctl.h"
#include "lib/admin/brokers.h"

/* After ctl_connect(). NULL after a complaint. */
struct admin_brokers *brokers_get(struct ctl *ctl);
/* Says the first problem of a result's "missing", unless one was said before, and
 * takes it out of the result. */
void brokers_tell_missing(struct ctl *ctl, cJSON *result);

#endif
