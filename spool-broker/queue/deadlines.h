/* Deadlines of messages: delay reports, expiry, the end of the wait for a spam check. */
#ifndef SP_BROKER_DEADLINES_H
#define SP_BROKER_DEADLINES_H

#include "spool-broker/queue/message.h"

/* Settings on which deadlines depend. */
struct deadline_terms {
	int64_t expire_ms, bounce_expire_ms, delay_ms;
	int64_t check_ms; /* -1: waits for a check without limit */
	bool check_off;
};

struct deadlines {
	struct heap heap;	     /* of messages */
	struct deadline_terms terms; /* the settings they were computed from */
	bool walked;		     /* a walk is updating them */
};

struct deadlines *deadlines_new(const struct broker *b);
/* All messages must have been freed. */
void deadlines_free(struct deadlines **deadlines);
/* Have settings changed that deadlines depend on? If so, all deadlines are set again. */
void deadlines_look(struct broker *b);

void deadline_set(struct broker *b, struct message *m);
void deadlines_run(struct broker *b, int64_t now_ms);
bool deadline_is_expired(const struct broker *b, const struct message *m, int64_t now_ms);

#endif
