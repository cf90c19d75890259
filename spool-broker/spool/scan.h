/* A walk through all messages of this broker, in slices of the loop, so that other
 * work goes on in between. Whoever is there from its start to its end is visited
 * once; who comes or goes meanwhile, perhaps. */
#ifndef SP_BROKER_SCAN_H
#define SP_BROKER_SCAN_H

#include <stdbool.h>

struct broker;
struct message;

struct scan_ops {
	void (*visit)(void *arg, struct message *m); /* frees no message */
	void (*end)(void *arg, bool whole);	     /* once; not whole: the broker ends */
};

/* false: too many are under way; end() is not called. */
bool scan_start(struct broker *b, const struct scan_ops *ops, void *arg);
/* A message goes: walks that would come to it next go on behind it. */
void scans_leave(struct broker *b, const struct message *m);
void scans_free(struct broker *b);

#endif
