/* Limits that hold for all brokers together: asks the store for a share of
 * them, as the REMOTE schedule requests. Redis has a hash for each site,
 * spool:permits:{<site>}: "b:<broker>" → what it holds and until when, and the
 * tokens of the rate. Nothing depends on it for good: what a dead broker held
 * becomes free when it expires. */
#ifndef SP_BROKER_PERMITS_H
#define SP_BROKER_PERMITS_H

struct broker;

/* Sends the requests that are due; the answers go to the schedule. */
void permits_ask(struct broker *b);

#endif
