/* Workers: their frames and their silence. */
#ifndef SP_BROKER_WORKERS_H
#define SP_BROKER_WORKERS_H

#include "spool-broker/jobs/jobs.h"

/* Handles leases that ran out and workers that fell silent. */
void workers_tick(struct broker *b);

/* Frames from workers; each one also shows that the peer is alive. */
void workers_on_hello(struct broker *b, struct str peer, const Stagepost__Frame *frame);
void workers_on_renew(struct broker *b, struct str peer, const Stagepost__Frame *frame);
void workers_on_done(struct broker *b, struct str peer, const Stagepost__Frame *frame);
void workers_on_heard(struct broker *b, struct str peer);

#endif
