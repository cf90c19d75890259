/* The loop's next turn: what is done in slices (lib/base/slice.h) comes back by it.
 *
 * An event that is made active, or has no delay, is run before the loop looks for
 * input again, as often as it comes back: it gives no turn. A timer is as coarse
 * as the loop's clock, some milliseconds. What is found ready when the loop looks
 * for input comes once each time, beside whatever else has come. */
#ifndef SP_BASE_TURN_H
#define SP_BASE_TURN_H

#include <event2/event.h>

/* Always ready to be written; nothing is. Of the process. */
int turn_descriptor(void);
/* cb once at the next turn after each event_add(it, NULL). The caller's to free. */
struct event *turn_event_new(struct event_base *base, event_callback_fn cb, void *arg);

#endif
