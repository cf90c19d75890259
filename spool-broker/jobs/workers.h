/* Workers: their frames, their silence. */
#ifndef SP_BROKER_WORKERS_H
#define SP_BROKER_WORKERS_H

#include "spool-broker/jobs/jobs.h"

/* Leases that ran out, workers that fell silent. */
void workers_tick(struct broker *b);

/* Frames of workers; each also tells that the peer lives. */
void workers_on_hello(struct broker *b, struct str peer, const Stagepost__Frame *frame);
void workers_on_renew(struct broker *b, struct str peer, const Stagepost__Frame *frame);
void workers_on_done(struct broker *b, struct str peer, const Stagepost__Frame *frame);
void workers_on_heard(struct broker *b, struct str peer);

#endif
