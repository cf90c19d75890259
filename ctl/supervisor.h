/* Keeps a set of child processes running: what dies is started again within a
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

/* Output of child NAME goes to LOG_DIR/NAME.log, appended. Pids are kept in
 * RUN_DIR/NAME.pid. Both borrowed. */
struct supervisor *supervisor_new(const char *log_dir, const char *run_dir);
void supervisor_free(struct supervisor **s); /* all must be stopped */

/* Starts a child; argv and environment additions ("NAME=value") end with NULL
 * and are copied. stage: those of a higher one are stopped first. */
int supervisor_start(struct supervisor *s, const char *name, unsigned stage, const char *const *argv,
		     const char *const *env, struct err *err);

/* Restarts what has died; call it at least every 100 ms or so, or after
 * SIGCHLD. Says each restart on standard output. */
void supervisor_tend(struct supervisor *s);

/* Has any child been started again more than `times` times? (Then something
 * is wrong with it, and its name is returned; else NULL.) */
const char *supervisor_failing(const struct supervisor *s, unsigned times);

/* SIGTERM stage by stage; SIGKILL to what stays longer than grace_ms. */
void supervisor_stop(struct supervisor *s, int grace_ms);

/* A signal to all of a stage that run. */
void supervisor_signal(struct supervisor *s, unsigned stage, int signal_number);

#endif
