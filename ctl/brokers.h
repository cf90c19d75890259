/* All brokers of the cluster, asked together: each knows its part of the queue. */
#ifndef SP_CTL_BROKERS_H
#define SP_CTL_BROKERS_H

#include "ctl/ctl.h"
#include "proto/stagepost.pb-c.h"

struct brokers;

/* After ctl_connect(). Waits for an owner of every shard, 5 s at most; shards
 * that have none are named on standard error. NULL: err. */
struct brokers *brokers_new(struct ctl *ctl, struct err *err);
void brokers_free(struct brokers **b);
unsigned brokers_count(const struct brokers *b);
/* false: not all shards had an owner, or a broker did not answer. */
bool brokers_are_whole(const struct brokers *b);
/* The number of the one that owns the id's shard; -1: none does. */
int brokers_find(const struct brokers *b, const char *id);

/* A question to one, answered by the next brokers_wait(). frame->request is
 * set. */
void brokers_ask(struct brokers *b, unsigned number, Stagepost__Frame *frame);
void brokers_ask_all(struct brokers *b, Stagepost__Frame *frame);
void brokers_wait(struct brokers *b);
/* What it said; NULL: nothing. Lasts until the next question to anyone. */
const Stagepost__Frame *brokers_answer(const struct brokers *b, unsigned number);

#endif
