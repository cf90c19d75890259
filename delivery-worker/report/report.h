/* REPORT jobs: delivery status notifications (RFC 3461-3464, RFC 6533) about
 * messages that failed, are late or have arrived. */
#ifndef SP_WORKER_REPORT_H
#define SP_WORKER_REPORT_H

#include "delivery-worker/jobs/job.h"
#include "lib/base/buf.h"

void report_start(struct job *job);

/* ---- The text, pure; for the job and its test ---- */
struct report_input {
	const Stagepost__Job *job;
	const char *hostname;
	int64_t now_ms;
	int64_t expire_ms;   /* spool expire_after: until when a late message is retried */
	struct str original; /* from after the Return-Path line: the header, or the whole message */
	bool original_is_whole;
};

struct report_output {
	struct buf body; /* owner: the caller; Return-Path line and message */
	uint32_t return_path_length;
	bool eight_bit;
	bool global;   /* the fields are of the type of RFC 6533 */
	bool smtputf8; /* the sender's own address needs it */
};

void report_compose(const struct report_input *in, struct report_output *out);

/* How much of the original is included: the whole message only for a failure,
 * if the sender asked for it (RET=FULL), it is at most REPORT_WHOLE_MAX, and it
 * need not be protected from eavesdroppers (REQUIRETLS). */
#define REPORT_WHOLE_MAX  (1024 * 1024 - 4096)
#define REPORT_HEADER_MAX (64 * 1024)
bool report_wants_whole(const Stagepost__Job *job);

#endif
