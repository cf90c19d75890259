/* Does a message match what an operator asks for? Decided from what is kept of
 * it in memory if that is enough, else from its spool entry. */
#ifndef SP_BROKER_MATCH_H
#define SP_BROKER_MATCH_H

#include "spool-broker/queue/message.h"

enum match_result {
	MATCH_NO,
	MATCH_YES,
	MATCH_UNSURE /* must be read from the spool */
};

/* An address, a domain, or part of either; any case. */
struct match_address {
	enum { MATCH_ANY, MATCH_ADDRESS, MATCH_DOMAIN, MATCH_TEXT } how;
	char *text; /* owner; of a domain with its "@" */
};

struct match {
	struct match_address sender, recipient;
	char *domain;	   /* owner, with its "@"; NULL: any, as in all that follow */
	char *destination; /* owner */
	char *answer;	   /* owner */
	int64_t before_ms; /* unix; INT64_MAX: any */
	int state;	   /* enum queue_state; -1: any */
};

/* filter may be NULL. false: no such state. */
bool match_init(struct match *m, const Stagepost__QueueFilter *filter);
void match_fini(struct match *m);

enum match_result match_message(const struct match *match, const struct message *m);
/* state may be NULL. Everything but what the message alone can tell. */
bool match_entry(const struct match *match, const Stagepost__Envelope *e, const Stagepost__MessageState *state);

#endif
