/* Deadlines of messages: delay reports, expiry, the end of the wait for a check. */
#ifndef SP_BROKER_DEADLINES_H
#define SP_BROKER_DEADLINES_H

#include "spool-broker/queue/message.h"

void deadlines_init(struct broker *b);
/* Have settings changed on which deadlines depend? Then all are set anew. */
void deadlines_look(struct broker *b);

void deadline_set(struct broker *b, struct message *m);
void deadlines_run(struct broker *b, int64_t now_ms);
bool deadline_is_expired(const struct broker *b, const struct message *m, int64_t now_ms);

#endif
