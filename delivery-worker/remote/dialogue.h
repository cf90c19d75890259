/* What a connection sends and receives until it is ready, and which function handles a reply. */
#ifndef SP_WORKER_REMOTE_DIALOGUE_H
#define SP_WORKER_REMOTE_DIALOGUE_H

#include "delivery-worker/net/connection.h"

struct smtp_client;

/* For a connection of a struct smtp_client, which is the callbacks' arg. */
extern const struct connection_events dialogue_events;

/* Connects. */
void dialogue_begin(struct smtp_client *c);

#endif
