/* What `stagepost status` says of the sweep. */
#ifndef SP_CTL_SWEEP_H
#define SP_CTL_SWEEP_H

#include <cjson/cJSON.h>

/* One line of the status' "sweep", for people. */
void sweep_print(const cJSON *record);

#endif
