/* Deadlines of messages: delay reports, expiry, the end of the wait for a check. */
#ifndef SP_BROKER_DEADLINES_H
#define SP_BROKER_DEADLINES_H

#include "spool-broker/queue/message.h"

/* Settings on which deadlines depend. */
struct deadline_terms {
	int64_t expire_ms, bounce_expire_ms, delay_ms;
	int64_t check_ms; /* -1: a check is waited for without end */
	bool check_off;
};

struct deadlines {
	struct heap heap;	     /* of messages */
	struct deadline_terms terms; /* by which they were set */
	bool walked;		     /* a walk sets them anew */
};

struct deadlines *deadlines_new(const struct broker *b);
/* All messages must be gone. */
void deadlines_free(struct deadlines **deadlines);
/* Have settings changed on which deadlines depend? Then all are set anew. */
void deadlines_look(struct broker *b);

void deadline_set(struct broker *b, struct message *m);
void deadlines_run(struct broker *b, int64_t now_ms);
bool deadline_is_expired(const struct broker *b, const struct message *m, int64_t now_ms);

#endif
