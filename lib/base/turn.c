#include "lib/base/turn.h"

#include <sys/eventfd.h>

#include "lib/base/check.h"

int
turn_descriptor(void)
{
	static int fd = -1; /* stays open */

	if (fd < 0)
		fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	CHECK(fd >= 0);
	return fd;
}

struct event *
turn_event_new(struct event_base *base, event_callback_fn cb, void *arg)
{
	struct event *e = event_new(base, turn_descriptor(), EV_WRITE, cb, arg);

	CHECK(e != NULL);
	return e;
}
