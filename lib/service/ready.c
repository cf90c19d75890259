#include "lib/service/ready.h"

#include <utlist.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/service/bodies.h"
#include "lib/service/hook.h"

void
service_on_ready_check(struct service *s, const char *(*why_not_ready)(void *arg), void *arg)
{
	struct service_hook *hook = mem_new(struct service_hook);

	hook->why_not_ready = why_not_ready;
	hook->arg = arg;
	LL_APPEND(s->ready_hooks, hook);
}

static const char *
ready_find_trouble(struct service *s)
{
	struct service_hook *hook;

	if (!redis_is_connected(s->redis))
		return "Redis cannot be reached";
	if (!settings_live_is_read(s->settings))
		return "settings are not read yet";
	if (bodies_why_not_ready(s) != NULL)
		return bodies_why_not_ready(s);
	LL_FOREACH (s->ready_hooks, hook) {
		const char *why_not = hook->why_not_ready(hook->arg);
		if (why_not != NULL)
			return why_not;
	}
	return NULL;
}

const char *
service_why_not_ready(struct service *s)
{
	const char *trouble = ready_find_trouble(s);
	int64_t now = clock_monotonic_ms();

	if (s->draining)
		return "draining";
	if (trouble == NULL) {
		s->was_ready = true;
		s->trouble_since_ms = 0;
		return NULL;
	}
	if (s->trouble_since_ms == 0)
		s->trouble_since_ms = now;
	return s->was_ready && now - s->trouble_since_ms < s->patience_ms ? NULL : trouble;
}
