/* The options that select messages in the queue. */
#ifndef SP_CTL_QUEUE_FILTER_H
#define SP_CTL_QUEUE_FILTER_H

#include "ctl/ctl.h"
#include "proto/stagepost.pb-c.h"

#define QUEUE_FILTER_ARGS \
	"[--sender A] [--recipient A] [--domain D] [--destination D] [--older-than DURATION] [--state S] [--answer " \
	"TEXT]"

/* Takes them out of argv; *any_out: there was one. 0, or the exit status after an error message. */
int queue_filter_take(const char *command, int *argc, char **argv, Stagepost__QueueFilter *filter_out, bool *any_out);

#endif
