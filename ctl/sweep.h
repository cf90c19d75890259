/* What `stagepost status` says about the sweep. */
#ifndef SP_CTL_SWEEP_H
#define SP_CTL_SWEEP_H

#include <cjson/cJSON.h>

/* Prints the status' "sweep" as one line, for people. */
void sweep_print(const cJSON *record);

#endif
