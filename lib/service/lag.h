/* How late the event loop is: the time that everything else waits for it.
 * Measured with a timer whose due time is known. Private to lib/service. */
#ifndef SP_SERVICE_LAG_H
#define SP_SERVICE_LAG_H

#include <event2/event.h>

#include "lib/base/buf.h"

struct lag;

struct lag *lag_new(struct event_base *base);
void lag_free(struct lag **l);
/* Longest delay of the last minute (at least of its last half), in ms. */
int64_t lag_longest_ms(const struct lag *l);
/* A histogram and that maximum, for Prometheus. */
void lag_render(const struct lag *l, struct buf *out);

#endif
