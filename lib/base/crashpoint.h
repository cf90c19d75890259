/* Places where a test can make the process die as if its host had failed: by
 * SIGKILL.
 *
 * STAGEPOST_CRASH_AT=<name>:<marker file> arms one point. A process that reaches it
 * dies if it can remove the marker file, so only one process dies, and only once,
 * even if others reach the point later. Without the variable a point costs one
 * branch.
 *
 * STAGEPOST_STOP_AT has the same form: the process stops there (SIGSTOP) until the
 * test continues it (SIGCONT). */
#ifndef SP_BASE_CRASHPOINT_H
#define SP_BASE_CRASHPOINT_H

#include <stdbool.h>

extern bool crashpoint_armed;
void crashpoint_init(void); /* reads the environment */
void crashpoint_pass(const char *name);

#define CRASHPOINT(name) \
	do { \
		if (__builtin_expect(crashpoint_armed, false)) \
			crashpoint_pass(name); \
	} while (0)

#endif
