#include "delivery-worker/spam/check.h"

#include "lib/base/clock.h"
#include "lib/base/crashpoint.h"
#include "lib/service/metrics.h"
#include "lib/spam/ask.h"

static void
check_end_with_verdict(struct job *job, Stagepost__SpamVerdict *verdict)
{
	verdict->time_ms = (uint64_t)clock_unix_ms();
	verdict->duration_ms = (uint32_t)(clock_monotonic_ms() - job->started_ms);
	metrics_add(verdict->virus[0] != '\0' ? M_SPAM_VIRUS : verdict->is_spam ? M_SPAM_FOUND : M_SPAM_HAM, 1);
	log_info(&job->log, "message checked", F_C("engine", verdict->engine),
		 F_C("verdict", verdict->is_spam ? "spam" : "ham"),
		 F_I64("score_percent", (int64_t)(verdict->score * 100)), F_C("action", verdict->action),
		 F_C("virus", verdict->virus), F_I64("ms", verdict->duration_ms));
	CRASHPOINT("checked");
	job_set_verdict(job, verdict);
	job_result_rest(job, STAGEPOST__RECIPIENT_RESULT__OUTCOME__DELIVERED, "2.0.0", STR("checked"));
	job_finish(job);
}

static void
check_end_without(struct job *job, bool any_reached, const struct err *err)
{
	struct str text = str_c(arena_printf(&job->arena, "spam check: %s", err->text));

	metrics_add(M_SPAM_FAILED, 1);
	log_warning(&job->log, "message not checked", F_C("reason", err->text));
	/* No engine can be reached: other jobs need not try, until one finds that this has changed. */
	if (!any_reached)
		job_set_trouble(job, text);
	job_result_rest(job, STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED, "4.3.0", text);
	job_finish(job);
}

static const struct settings_spam *
check_settings(const struct job *job)
{
	return settings_spam(settings_current(job->worker->settings), STR_NONE);
}

static void
check_ask(struct job *job, const struct settings_list *engines, spam_on_asked *cb)
{
	const struct worker *w = job->worker;
	struct spam_ask_options options = {
		.base = w->base,
		.blobs = w->blobs,
		.dns = w->dns,
		.health = w->spam_health,
		.log = &job->log,
		.arena = &job->arena,
		.engines = engines,
		.envelope = job->msg->envelope,
		.timeout_ms = check_settings(job)->timeout,
	};
	struct spam_ask *ask = spam_ask_new(&options, cb, job);

	job->work = ask;
	spam_ask_start(ask);
}

static void
check_on_asked(void *arg, enum spam_asked how, Stagepost__SpamVerdict *verdict, struct err *err)
{
	struct job *job = arg;

	if (how == SPAM_ASKED_VERDICT)
		check_end_with_verdict(job, verdict);
	else if (how == SPAM_ASKED_NO_BODY) {
		err_prefix(err, "spam check");
		job_postpone_unread(job, err);
		job_finish(job);
	} else
		check_end_without(job, how == SPAM_ASKED_NONE_ANSWERED, err);
}

/* What has no virus may still be spam. */
static void
check_on_scanned(void *arg, enum spam_asked how, Stagepost__SpamVerdict *verdict, struct err *err)
{
	struct job *job = arg;
	const struct settings_list *engines = &check_settings(job)->engine;

	if (how != SPAM_ASKED_VERDICT || verdict->is_spam || engines->count == 0)
		check_on_asked(arg, how, verdict, err);
	else
		check_ask(job, engines, check_on_asked);
}

void
check_start(struct job *job)
{
	const struct settings_spam *s = check_settings(job);

	if (s->virus_scanner.count != 0)
		check_ask(job, &s->virus_scanner, check_on_scanned);
	else
		check_ask(job, &s->engine, check_on_asked);
}

void
check_stop(struct job *job)
{
	spam_ask_stop(job->work);
	job_finish(job);
}
