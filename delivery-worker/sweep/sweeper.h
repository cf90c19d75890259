/* The automatic sweep (lib/sweep/sweep.h): every worker checks now and then
 * whether one is due, and one of them starts it. */
#ifndef SP_WORKER_SWEEPER_H
#define SP_WORKER_SWEEPER_H

struct worker;
struct sweeper;

/* worker: borrowed for the sweeper's lifetime. */
struct sweeper *sweeper_new(struct worker *w);
/* Starts no more sweeps; one in progress is given up, and another worker starts it again. */
void sweeper_stop(struct sweeper *s);
void sweeper_free(struct sweeper **s);

#endif
