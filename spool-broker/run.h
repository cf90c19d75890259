/* The life of a broker: its frames, its timer, its start and end. */
#ifndef SP_BROKER_RUN_H
#define SP_BROKER_RUN_H

#include "spool-broker/broker.h"

/* Starts. It makes no connections itself, but announces this broker and takes shards as soon as Redis answers. */
struct broker *broker_new(const struct broker_config *config, struct err *err);
/* Intake stops, jobs in progress get a moment to end, the leases are given up; then on_drained. */
void broker_drain(struct broker *b, void (*on_drained)(void *arg), void *arg);
void broker_free(struct broker **b);
/* It owns shards, or the other brokers have left none for it. */
bool broker_is_ready(const struct broker *b);

#endif
