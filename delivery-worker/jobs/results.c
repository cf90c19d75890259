/* The result of each recipient that a job serves. */
#include "delivery-worker/jobs/job.h"

#include <stdlib.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/utf8.h"

/* All lines of a server's reply are kept, because the links in them help the
 * sender. But a message's state holds a text for each recipient, so the texts
 * of one message share RESULT_TEXTS_MAX, and each gets at least 400 bytes. */
#define RESULT_TEXT_MAX	  4096
#define RESULT_TEXT_LEAST 400
#define RESULT_TEXTS_MAX  (256 * 1024)

static int
results_compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

size_t
job_position(const struct job *job, uint32_t index)
{
	const Stagepost__Job *msg = job->msg;
	const uint32_t *found =
		bsearch(&index, msg->recipients, msg->n_recipients, sizeof(*msg->recipients), results_compare);

	CHECKF(found != NULL, "job %llu does not serve recipient %u", (unsigned long long)msg->job, index);
	return (size_t)(found - msg->recipients);
}

const Stagepost__Recipient *
job_recipient(const struct job *job, uint32_t index)
{
	return job->msg->envelope->recipients[job_position(job, index)];
}

static size_t
result_text_max(const struct job *job)
{
	size_t share = RESULT_TEXTS_MAX / ((size_t)job->msg->recipient_total + 1);

	if (share > RESULT_TEXT_MAX)
		return RESULT_TEXT_MAX;
	return share > RESULT_TEXT_LEAST ? share : RESULT_TEXT_LEAST;
}

static Stagepost__RecipientResult **
result_slot(const struct job *job, uint32_t recipient)
{
	return &job->results[job_position(job, recipient)];
}

bool
job_has_result(const struct job *job, uint32_t recipient)
{
	return *result_slot(job, recipient) != NULL;
}

Stagepost__RecipientResult *
job_result(struct job *job, uint32_t recipient, Stagepost__RecipientResult__Outcome outcome, const char *code,
	   struct str text)
{
	Stagepost__RecipientResult **slot = result_slot(job, recipient);

	if (*slot == NULL) {
		*slot = arena_new(&job->arena, Stagepost__RecipientResult);
		stagepost__recipient_result__init(*slot);
		(*slot)->recipient = recipient;
	}
	(*slot)->outcome = outcome;
	(*slot)->code = arena_strdup(&job->arena, code);
	(*slot)->text = (char *)utf8_clean_text(&job->arena, text, result_text_max(job)).p;
	(*slot)->duration_ms = (uint32_t)(clock_monotonic_ms() - job->started_ms);
	return *slot;
}

void
job_result_rest(struct job *job, Stagepost__RecipientResult__Outcome outcome, const char *code, struct str text)
{
	for (size_t i = 0; i < job->msg->n_recipients; i++) {
		if (job->results[i] == NULL)
			job_result(job, job->msg->recipients[i], outcome, code, text);
	}
}

void
job_set_trouble(struct job *job, struct str text)
{
	job->destination_trouble = utf8_clean_text(&job->arena, text, RESULT_TEXT_LEAST).p;
}

/* ---- Our own trouble ---- */
void
job_note_own_trouble(struct job *job, const struct err *err)
{
	job->own_trouble = true;
	job->host_is_ill |= err_is_of_host(err);
}

void
job_postpone(struct job *job, uint32_t recipient, const struct err *err)
{
	job_note_own_trouble(job, err);
	job_result(job, recipient, STAGEPOST__RECIPIENT_RESULT__OUTCOME__POSTPONED, "4.3.0", str_c(err->text));
}

void
job_postpone_rest(struct job *job, const struct err *err)
{
	job_note_own_trouble(job, err);
	job_result_rest(job, STAGEPOST__RECIPIENT_RESULT__OUTCOME__POSTPONED, "4.3.0", str_c(err->text));
}

void
job_postpone_unread(struct job *job, const struct err *err)
{
	job->host_is_ill = true;
	job_postpone_rest(job, err);
}

void
job_set_verdict(struct job *job, Stagepost__SpamVerdict *verdict)
{
	job->verdict = verdict;
}
