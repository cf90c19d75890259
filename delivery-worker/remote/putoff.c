/* A recipient that a server deferred is sent to the next server in the same try
 * (RFC 5321, 5.1). The first answer is kept meanwhile: if no other server
 * accepts the recipient, it says more than that there was no connection to the
 * last host.
 *
 * This applies only to 4yz answers, not to a message whose end was sent and not
 * answered: that server may have it, and another one would duplicate it. */
#include "delivery-worker/remote/putoff.h"

#include <string.h>

#include "delivery-worker/remote/work.h"
#include "lib/base/check.h"

#define DEFERRED   STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED
#define VISITS_MAX 2 /* servers that may defer recipients before the job ends (RFC 5321, 5.1: at least two) */

/* The result, unless another server has a better one. */
struct soft_answer {
	unsigned at_try; /* remote_work.tries when it came; 0: there is none */
	int code;
	char enhanced[ENHANCED_CODE_MAX];
	struct str text;
	char *remote, *tls;
};

void
put_off_init(struct remote_work *w)
{
	w->put_off.answers = arena_array(&w->job->arena, struct soft_answer, w->job->msg->n_recipients);
}

static struct soft_answer *
put_off_find(const struct remote_work *w, uint32_t index)
{
	return &w->put_off.answers[job_position(w->job, index)];
}

bool
put_off_note(struct remote_work *w, uint32_t index, const struct smtp_answer *a)
{
	struct soft_answer *soft = put_off_find(w, index);
	char name[SERVER_NAME_MAX];

	if (w->put_off.visits + 1 >= VISITS_MAX)
		return false;
	work_server_name(w, name);
	soft->at_try = w->tries;
	soft->code = a->code;
	str_copy(str_c(a->enhanced), soft->enhanced, sizeof(soft->enhanced));
	if (soft->enhanced[0] != '4')
		str_copy(STR("4.5.0"), soft->enhanced, sizeof(soft->enhanced));
	soft->text = a->text;
	soft->remote = arena_strdup(&w->job->arena, name);
	soft->tls = arena_strdup(&w->job->arena, w->client != NULL ? smtp_client_tls(w->client) : "");
	return true;
}

bool
put_off_is_here(const struct remote_work *w, uint32_t index)
{
	return put_off_find(w, index)->at_try == w->tries;
}

void
put_off_leave(struct remote_work *w)
{
	w->put_off.visits++;
}

bool
put_off_by_any(const struct remote_work *w)
{
	return w->put_off.visits > 0;
}

bool
put_off_by_enough(const struct remote_work *w)
{
	return w->put_off.visits >= VISITS_MAX;
}

void
put_off_settle(struct remote_work *w, bool only_here)
{
	for (size_t i = 0; i < w->job->msg->n_recipients; i++) {
		const struct soft_answer *soft = &w->put_off.answers[i];
		uint32_t index = w->job->msg->recipients[i];
		Stagepost__RecipientResult *r;

		if (soft->at_try == 0 || (only_here && soft->at_try != w->tries) || job_has_result(w->job, index))
			continue;
		r = job_result(w->job, index, DEFERRED, soft->enhanced, soft->text);
		r->remote = soft->remote;
		r->tls = soft->tls;
		if (soft->code == 421)
			job_set_trouble(w->job, soft->text);
	}
}
