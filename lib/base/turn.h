/* The loop's next turn: used to continue work done in slices (lib/base/slice.h).
 *
 * An event that is activated, or has no delay, runs before the loop polls for input
 * again, however often it is activated, so nothing else gets a turn. A timer is as
 * coarse as the loop's clock: some milliseconds. A descriptor that is always ready
 * is reported once per poll, together with all other input. */
#ifndef SP_BASE_TURN_H
#define SP_BASE_TURN_H

#include <event2/event.h>

/* A descriptor that is always writable; nothing is ever written. One per process. */
int turn_descriptor(void);
/* Calls cb once at the next turn after each event_add(it, NULL). The caller must free it. */
struct event *turn_event_new(struct event_base *base, event_callback_fn cb, void *arg);

#endif
