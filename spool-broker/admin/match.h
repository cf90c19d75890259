/* Does a message fit what an operator asks for? From what is kept of it here,
 * as far as that tells; else from what the spool has. */
#ifndef SP_BROKER_MATCH_H
#define SP_BROKER_MATCH_H

#include "spool-broker/queue/message.h"

enum match_result {
	MATCH_NO,
	MATCH_YES,
	MATCH_UNSURE /* has to be read */
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
/* state may be NULL. All but what the message alone can tell. */
bool match_entry(const struct match *match, const Stagepost__Envelope *e, const Stagepost__MessageState *state);

#endif
