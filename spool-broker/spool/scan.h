/* A walk through all messages of this broker, in slices of the loop, so that other
 * work goes on in between. A message that is there from start to end is visited
 * once; one that is added or removed meanwhile may be visited. */
#ifndef SP_BROKER_SCAN_H
#define SP_BROKER_SCAN_H

#include <stdbool.h>

struct broker;
struct message;

struct scan_ops {
	void (*visit)(void *arg, struct message *m); /* frees no message */
	void (*end)(void *arg, bool whole);	     /* called once; not whole: the broker ends */
};

/* false: too many are in progress; end() is not called. */
bool scan_start(struct broker *b, const struct scan_ops *ops, void *arg);
/* A message is about to be freed: walks that would visit it next skip it. */
void scans_leave(struct broker *b, const struct message *m);
void scans_free(struct broker *b);

#endif
