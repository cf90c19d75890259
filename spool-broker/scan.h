/* A walk through all messages of this broker, a shard at a time, so that other
 * work goes on in between. */
#ifndef SP_BROKER_SCAN_H
#define SP_BROKER_SCAN_H

#include <stdbool.h>

struct broker;
struct message;

struct scan_ops {
	void (*visit)(void *arg, struct message *m); /* changes nothing of the queue */
	void (*end)(void *arg, bool whole);	     /* once; not whole: the broker ends */
};

/* false: too many are under way; end() is not called. */
bool scan_start(struct broker *b, const struct scan_ops *ops, void *arg);
void scans_free(struct broker *b);

#endif
