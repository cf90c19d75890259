/* A job as received from its broker: copied and checked. */
#include "delivery-worker/jobs/job.h"

#include <string.h>

#include "lib/base/mem.h"
#include "lib/bus/frame.h"
#include "lib/spool/id.h"

static bool
job_is_sound(const Stagepost__Job *msg)
{
	size_t total;

	if (msg->envelope == NULL || msg->envelope->body == NULL || msg->n_recipients == 0)
		return false;
	if (msg->kind == STAGEPOST__JOB_KIND__REPORT && msg->state == NULL)
		return false;
	if (!spool_id_parse(str_c(msg->envelope->id), NULL, NULL))
		return false;
	total = msg->envelope->n_recipients;
	for (size_t i = 0; i < total; i++) {
		if (msg->envelope->recipients[i] == NULL)
			return false;
	}
	for (size_t i = 0; i < msg->n_recipients; i++) {
		if (msg->recipients[i] >= total)
			return false;
	}
	return true;
}

/* The broker sends all recipients in the envelope, including `added` ones; if
 * it left those in the state, they are moved to the envelope. */
static void
job_merge_added(Stagepost__Job *msg, struct arena *arena)
{
	Stagepost__Envelope *env = msg->envelope;
	size_t highest = 0, count;
	Stagepost__Recipient **all;

	for (size_t i = 0; i < msg->n_recipients; i++) {
		if (msg->recipients[i] > highest)
			highest = msg->recipients[i];
	}
	if (env == NULL || msg->state == NULL || msg->state->n_added == 0 || highest < env->n_recipients)
		return;
	count = env->n_recipients + msg->state->n_added;
	all = arena_array(arena, Stagepost__Recipient *, count);
	memcpy(all, env->recipients, sizeof(*all) * env->n_recipients);
	memcpy(all + env->n_recipients, msg->state->added, sizeof(*all) * msg->state->n_added);
	env->recipients = all;
	env->n_recipients = count;
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
	if (msg != NULL)
		job_merge_added(msg, &job->arena);
	if (msg == NULL || !job_is_sound(msg)) {
		job_free(job);
		return NULL;
	}
	job->worker = w;
	job->kind = kind;
	job->peer = peer;
	job->msg = msg;
	job->results = arena_array(&job->arena, Stagepost__RecipientResult *, msg->n_recipients);
	job->log = (struct log_context){.fields = {F_C("id", msg->envelope->id), F_ID("job", msg->job)}};
	return job;
}
