/* The messages of the queue that a filter lets through. */
#ifndef SP_CTL_QUEUE_WALK_H
#define SP_CTL_QUEUE_WALK_H

#include <cjson/cJSON.h>

#include "ctl/ctl.h"

/* What is not given is NULL or 0. Texts match any part, in any case; domains
 * match whole. */
struct queue_filter {
	const char *state, *sender, *recipient, *answer;
	const char *domain;	 /* of the sender or of a recipient */
	const char *destination; /* domain of a recipient that still waits */
	int64_t older_than_ms;
};
#define QUEUE_FILTER_ARGS \
	"[--state S] [--sender TEXT] [--recipient TEXT] [--domain D] [--destination D] [--answer TEXT] [--older-than " \
	"DURATION]"

/* Takes the options out of argv; 1 after a complaint. */
int queue_filter_take(struct queue_filter *f, int *argc, char **argv);
bool queue_filter_is_empty(const struct queue_filter *f);

/* visit gets each message's summary (message.h), which it owns; false ends the
 * walk. 0, or 1 after a complaint. */
int queue_walk(struct ctl *ctl, const struct queue_filter *f, bool (*visit)(void *arg, cJSON *m), void *arg);

#endif
