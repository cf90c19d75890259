/* Limits that hold for all brokers together: asks the store for a share of
 * them, as the REMOTE schedule wishes. In Redis a hash for each site,
 * spool:permits:{<site>}: "b:<broker>" → what it holds and until when, and the
 * tokens of the rate. Nothing is lost with it: what a broker that died has held
 * comes free when its time is up. */
#ifndef SP_BROKER_PERMITS_H
#define SP_BROKER_PERMITS_H

struct broker;

/* Sends the wishes that are due; the answers go to the schedule. */
void permits_ask(struct broker *b);

#endif
