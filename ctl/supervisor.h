/* Keeps a set of child processes running: one that dies is restarted within a
 * second. Stops them in groups, the last added first.
 *
 * Children die with the supervisor (PR_SET_PDEATHSIG), so a killed `up` leaves
 * nothing behind. */
#ifndef SP_CTL_SUPERVISOR_H
#define SP_CTL_SUPERVISOR_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/base/err.h"

struct supervisor;

/* The output of child NAME is appended to LOG_DIR/NAME.log. Pids are kept in RUN_DIR/NAME.pid. Both borrowed. */
struct supervisor *supervisor_new(const char *log_dir, const char *run_dir);
void supervisor_free(struct supervisor **s); /* all must be stopped */

/* Starts a child; argv and environment additions ("NAME=value") are terminated
 * by NULL and copied. stage: children of a higher stage are stopped first. */
int supervisor_start(struct supervisor *s, const char *name, unsigned stage, const char *const *argv,
		     const char *const *env, struct err *err);

/* Restarts children that have died; call it at least every 100 ms or so, or
 * after SIGCHLD. Reports each restart on standard output. */
void supervisor_tend(struct supervisor *s);

/* Has any child been restarted more than `times` times? Then something is wrong
 * with it, and its name is returned; otherwise NULL. */
const char *supervisor_failing(const struct supervisor *s, unsigned times);

/* Sends SIGTERM stage by stage, and SIGKILL to children that take longer than grace_ms. */
void supervisor_stop(struct supervisor *s, int grace_ms);

/* Sends a signal to all running children of a stage. */
void supervisor_signal(struct supervisor *s, unsigned stage, int signal_number);

#endif
