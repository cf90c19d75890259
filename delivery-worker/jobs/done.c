#include "delivery-worker/jobs/done.h"

#include "lib/base/crashpoint.h"

/* Must it not be done twice? Filing itself refuses a repeat, and a deferred recipient may as well be tried again. */
static bool
done_is_worth_keeping(const struct job *job)
{
	if (job->msg->kind != STAGEPOST__JOB_KIND__REMOTE || job->disowned)
		return false;
	for (size_t i = 0; i < job->msg->n_recipients; i++)
		if (job->results[i]->outcome != STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED &&
		    job->results[i]->outcome != STAGEPOST__RECIPIENT_RESULT__OUTCOME__POSTPONED)
			return true;
	return false;
}

static void
done_send(const struct givers *g, struct ended_list *ended, const struct job *job)
{
	Stagepost__JobDone done = STAGEPOST__JOB_DONE__INIT;
	Stagepost__Frame frame = STAGEPOST__FRAME__INIT;

	done.job = job->msg->job;
	done.n_results = job->msg->n_recipients;
	done.results = job->results;
	done.retry_after_ms = job->retry_after_ms;
	done.verdict = job->verdict;
	done.store_trouble = job->host_is_ill;
	if (job->destination_trouble != NULL)
		done.destination_trouble = (char *)job->destination_trouble;
	frame.body_case = STAGEPOST__FRAME__BODY_JOB_DONE;
	frame.job_done = &done;
	if (job->peer != NULL)
		givers_send(g, job->peer, &frame);
	if (done_is_worth_keeping(job))
		ended_keep(ended, job->msg, &frame);
}

static const char *const done_outcomes[] = {"delivered", "deferred", "failed", "expanded", "relayed", "postponed"};

static void
done_log(const struct job *job)
{
	for (size_t i = 0; i < job->msg->n_recipients; i++) {
		const Stagepost__RecipientResult *r = job->results[i];

		log_info(&job->log, "recipient served", F_C("kind", job->kind->name),
			 F_C("to", job_recipient(job, r->recipient)->address),
			 F_C("outcome", done_outcomes[r->outcome]), F_C("code", r->code), F_C("text", r->text),
			 F_C("remote", r->remote), F_I64("ms", r->duration_ms));
	}
}

void
done_tell(const struct givers *g, struct ended_list *ended, const struct job *job)
{
	if (log_enabled(LOG_INFO) && job->msg->kind != STAGEPOST__JOB_KIND__CHECK)
		done_log(job);
	CRASHPOINT("job-done");
	done_send(g, ended, job);
	CRASHPOINT("reported");
}
