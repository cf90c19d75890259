/* A thread that makes signatures: one with RSA takes about 1 ms, which is too long for an
 * event loop that serves many. Jobs are done in the order in which they came. */
#ifndef SP_DKIM_SIGNER_H
#define SP_DKIM_SIGNER_H

#include <event2/event.h>
#include <stdbool.h>

struct dkim_signer;

/* The thread starts with the first job. */
struct dkim_signer *dkim_signer_new(struct event_base *base);
/* Waits for the job in hand. What has not been answered ends unwanted. */
void dkim_signer_free(struct dkim_signer **s);

/* Owned by the signer from dkim_signer_run() until on_end(), which frees it. */
struct dkim_job {
	void (*run)(struct dkim_job *job); /* on the thread; touches nothing but the job */
	/* On the loop, never from within dkim_signer_run(). Unwanted: the signer is being freed,
	 * and nobody is called back. */
	void (*on_end)(struct dkim_job *job, bool is_wanted);
	struct dkim_job *next; /* private */
};

void dkim_signer_run(struct dkim_signer *s, struct dkim_job *job);
/* For a job that failed before it began: on_end() comes, run() does not. */
void dkim_signer_end(struct dkim_signer *s, struct dkim_job *job);

#endif
