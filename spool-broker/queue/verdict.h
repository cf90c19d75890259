/* The verdict of a spam engine or virus scanner in a message's state. */
#ifndef SP_BROKER_VERDICT_H
#define SP_BROKER_VERDICT_H

#include "spool-broker/queue/work.h"

/* Copied; the trace says so. host: the process that asked. */
void work_set_verdict(struct work *w, const Stagepost__SpamVerdict *given, const char *host);

#endif
