/* What a connection says and hears until it is ready, and who judges a reply. */
#ifndef SP_WORKER_REMOTE_DIALOGUE_H
#define SP_WORKER_REMOTE_DIALOGUE_H

#include "delivery-worker/remote/connection.h"

/* Of a connection of a struct smtp_client, which is their arg. */
extern const struct connection_events dialogue_events;

/* Connects. */
void dialogue_begin(struct smtp_client *c);

#endif
