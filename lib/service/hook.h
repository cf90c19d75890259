/* What a program has asked to be called for. Private to lib/service. */
#ifndef SP_SERVICE_HOOK_H
#define SP_SERVICE_HOOK_H

struct service_hook {
	void (*on_drain)(void *arg);
	const char *(*why_not_ready)(void *arg);
	void *arg;
	struct service_hook *next;
};

#endif
