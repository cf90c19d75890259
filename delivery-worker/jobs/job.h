/* One job in progress, as its kind sees it: what to do, and the result of each recipient. */
#ifndef SP_WORKER_JOBS_JOB_H
#define SP_WORKER_JOBS_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "delivery-worker/worker.h"
#include "lib/base/arena.h"
#include "lib/base/log.h"
#include "proto/stagepost.pb-c.h"

#define ENHANCED_CODE_MAX 16 /* "5.1.1", with NUL */

struct job {
	struct worker *worker;	   /* borrowed */
	struct bus_peer *peer;	   /* borrowed; NULL: its broker is lost, or needs no report any more */
	const Stagepost__Job *msg; /* in the arena; checked; its envelope has its own recipients alone */
	const struct job_kind *kind;
	struct arena arena;	/* for the lifetime of the job */
	void *work;		/* the kind's own */
	struct log_context log; /* fields: id, job */
	bool disowned;		/* no report is needed any more: work that can be skipped is skipped */

	/* private to this folder */
	bool waits;			      /* for a slot: not started yet */
	Stagepost__RecipientResult **results; /* one per recipient of msg, NULL until it has one */
	const char *destination_trouble;
	Stagepost__SpamVerdict *verdict; /* in the arena; NULL: none */
	bool own_trouble;		 /* something of our own failed */
	bool host_is_ill;		 /* and would fail for other messages too */
	uint64_t retry_after_ms;
	int64_t started_ms;
	struct job *prev, *next;
};

struct job_kind {
	Stagepost__JobKind kind;
	const char *name;
	int64_t (*slots)(const struct settings *s); /* jobs of the kind at once */
	void (*start)(struct job *job);
	/* Nobody waits for the job any more (it is disowned): end it if that does no
	 * harm. It still ends with job_finish(). NULL: the kind checks for this
	 * itself. */
	void (*stop)(struct job *job);
};

/* In kinds.c; terminated by a NULL name, at most JOB_KINDS_MAX rows. */
#define JOB_KINDS_MAX 8
extern const struct job_kind job_kinds[];
/* NULL: there is none. */
const struct job_kind *job_kind_find(Stagepost__JobKind kind);
unsigned job_kind_index(const struct job_kind *k);

/* ---- For the kinds ---- */
/* Recipients are named by their index in the message; the job has only those that it
 * serves. Where in its lists one of them is: msg->recipients, the envelope's, the state's. */
size_t job_position(const struct job *job, uint32_t index);
const Stagepost__Recipient *job_recipient(const struct job *job, uint32_t index);

/* The result of one recipient that the job serves, for the caller to fill in; a
 * second call for the same recipient returns the same result. The text is
 * stripped of unprintable characters and cut to 4 KiB, or to less (but never
 * below 400 bytes) if the message has more than 63 recipients. */
Stagepost__RecipientResult *job_result(struct job *job, uint32_t recipient, Stagepost__RecipientResult__Outcome outcome,
				       const char *code, struct str text);
/* The same for all recipients that have no result yet. */
void job_result_rest(struct job *job, Stagepost__RecipientResult__Outcome outcome, const char *code, struct str text);
bool job_has_result(const struct job *job, uint32_t recipient);
/* The destination as a whole is in trouble. */
void job_set_trouble(struct job *job, struct str text);

/* ---- Our own trouble ----
 * A failure because the store, a body, a descriptor, memory or a resolver is
 * not available does not count as a try: the recipient is POSTPONED, which
 * costs it nothing, and another worker gets the job within seconds. err says
 * what failed; if the fault is in the host (err_is_of_host()) it counts against
 * this worker's health too. */
void job_postpone(struct job *job, uint32_t recipient, const struct err *err);
/* All recipients that have no result yet. */
void job_postpone_rest(struct job *job, const struct err *err);
/* The same if the body cannot be read, whatever the reason: a worker without
 * the folder of the bodies finds none of them. */
void job_postpone_unread(struct job *job, const struct err *err);
/* Only notes the trouble; the results are set elsewhere. */
void job_note_own_trouble(struct job *job, const struct err *err);

/* The result of a CHECK job; in the job's arena. */
void job_set_verdict(struct job *job, Stagepost__SpamVerdict *verdict);

/* Reports and frees the job; a recipient without a result is postponed. The
 * kind's own work must have been freed already. */
void job_finish(struct job *job);

/* ---- For the table of jobs ---- */
/* NULL: it is not a valid job. */
struct job *job_new(struct worker *w, const struct job_kind *kind, struct bus_peer *peer, const Stagepost__Job *given);
void job_free(struct job *job);

#endif
