/* The automatic sweep (lib/sweep/sweep.h): every worker looks now and then whether
 * one is due, and one of them begins it. */
#ifndef SP_WORKER_SWEEPER_H
#define SP_WORKER_SWEEPER_H

struct worker;
struct sweeper;

/* worker: borrowed for its life. */
struct sweeper *sweeper_new(struct worker *w);
/* Begins none any more; one under way is given up, for another worker to begin anew. */
void sweeper_stop(struct sweeper *s);
void sweeper_free(struct sweeper **s);

#endif
