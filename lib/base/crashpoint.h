/* Places where a test has the process die as if its host had: by SIGKILL.
 *
 * STAGEPOST_CRASH_AT=<name>:<marker file> arms one point. The process that
 * passes it dies if it can remove the marker file; so only one dies, once,
 * whoever else passes later. Without the variable a point costs one branch.
 *
 * STAGEPOST_STOP_AT, of the same form: it stops there (SIGSTOP) until the test lets
 * it go on (SIGCONT). */
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
