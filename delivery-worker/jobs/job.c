/* A job as received from its broker: copied and checked. */
#include "delivery-worker/jobs/job.h"

#include "lib/base/mem.h"
#include "lib/bus/frame.h"
#include "lib/spool/id.h"

/* Indexes in ascending order, and a recipient in the envelope for each. */
static bool
job_recipients_are_sound(const Stagepost__Job *msg)
{
	const Stagepost__Envelope *e = msg->envelope;
	bool own = msg->recipient_total != 0;

	if (msg->n_recipients == 0 || (own && e->n_recipients != msg->n_recipients))
		return false;
	for (size_t i = 0; i < e->n_recipients; i++) {
		if (e->recipients[i] == NULL)
			return false;
	}
	for (size_t i = 0; i < msg->n_recipients; i++) {
		if (msg->recipients[i] >= (own ? msg->recipient_total : e->n_recipients))
			return false;
		if (i != 0 && msg->recipients[i] <= msg->recipients[i - 1])
			return false;
	}
	return true;
}

static bool
job_is_sound(const Stagepost__Job *msg)
{
	if (msg->envelope == NULL || msg->envelope->body == NULL || !job_recipients_are_sound(msg))
		return false;
	if (msg->kind == STAGEPOST__JOB_KIND__REPORT && msg->state == NULL)
		return false;
	return spool_id_parse(str_c(msg->envelope->id), NULL, NULL);
}

/* An earlier broker sends all recipients of the message, and their statuses: the job's own are picked. */
static void
job_pick_own(Stagepost__Job *msg)
{
	Stagepost__Envelope *e = msg->envelope;
	Stagepost__MessageState *state = msg->state;

	if (msg->recipient_total != 0)
		return;
	msg->recipient_total = (uint32_t)e->n_recipients;
	/* An index is never below its position, so the lists shrink in place. */
	for (size_t i = 0; i < msg->n_recipients; i++) {
		e->recipients[i] = e->recipients[msg->recipients[i]];
		if (state != NULL && msg->recipients[i] < state->n_status)
			state->status[i] = state->status[msg->recipients[i]];
	}
	e->n_recipients = msg->n_recipients;
	if (state != NULL && state->n_status > msg->n_recipients)
		state->n_status = msg->n_recipients;
}

void
job_free(struct job *job)
{
	arena_fini(&job->arena);
	mem_free(job);
}

struct job *
job_new(struct worker *w, const struct job_kind *kind, struct bus_peer *peer, const Stagepost__Job *given)
{
	struct job *job = mem_new(struct job);
	struct buf packed = BUF_EMPTY;
	Stagepost__Job *msg;

	arena_init(&job->arena);
	bus_message_pack(&given->base, &packed);
	msg = bus_message_unpack(&stagepost__job__descriptor, buf_str(&packed), &job->arena);
	buf_fini(&packed);
	if (msg == NULL || !job_is_sound(msg)) {
		job_free(job);
		return NULL;
	}
	job_pick_own(msg);
	job->worker = w;
	job->kind = kind;
	job->peer = peer;
	job->msg = msg;
	job->results = arena_array(&job->arena, Stagepost__RecipientResult *, msg->n_recipients);
	job->log = (struct log_context){.fields = {F_C("id", msg->envelope->id), F_ID("job", msg->job)}};
	return job;
}
