/* What `stagepost status` says of the sweep. */
#ifndef SP_CTL_SWEEP_H
#define SP_CTL_SWEEP_H

#include <cjson/cJSON.h>

#include "ctl/ctl.h"

/* {"last": {...}, "running": {...}, "failed": {...}}, each where there is one. NULL: err. */
cJSON *sweep_record(struct ctl *ctl, struct err *err);
/* One line of it, for people. */
void sweep_print(const cJSON *record);

#endif
