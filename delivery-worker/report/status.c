/* What a report says about one recipient, from its status in the message's state. */
#include "delivery-worker/report/private.h"

bool
report_is_smtp_reply(struct str text)
{
	if (text.len < 3 || text.p[0] < '2' || text.p[0] > '5' || (text.len > 3 && text.p[3] != ' '))
		return false;
	return text.p[1] >= '0' && text.p[1] <= '9' && text.p[2] >= '0' && text.p[2] <= '9';
}

const Stagepost__RecipientStatus *
report_status_of(const Stagepost__Job *job, size_t i)
{
	static const Stagepost__RecipientStatus none = STAGEPOST__RECIPIENT_STATUS__INIT;

	if (job->state == NULL || i >= job->state->n_status || job->state->status[i] == NULL)
		return &none;
	return job->state->status[i];
}

/* "5.1.1", and nothing else? */
static bool
status_is_enhanced_code(struct str s)
{
	unsigned dots = 0;

	if (s.len < 5 || s.len > 9 || (s.p[0] != '2' && s.p[0] != '4' && s.p[0] != '5') || s.p[1] != '.')
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '.')
			dots++;
		else if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	}
	return dots == 2 && s.p[s.len - 1] != '.';
}

static const char *
status_default_code(const Stagepost__Job *job)
{
	switch (job->report) {
	case STAGEPOST__JOB__REPORT__DELAY: return "4.0.0";
	case STAGEPOST__JOB__REPORT__SUCCESS: return "2.0.0";
	default: return "5.0.0";
	}
}

struct str
report_code_of(const Stagepost__Job *job, size_t i)
{
	struct str other = str_c(status_default_code(job));
	struct str code = str_c(report_status_of(job, i)->last_code);

	/* An old "4." code of a recipient that was given up does not mean "failed". */
	if (status_is_enhanced_code(code) &&
	    (code.p[0] == other.p[0] || job->report == STAGEPOST__JOB__REPORT__FAILURE))
		return code;
	return other;
}

const char *
report_action_of(const Stagepost__Job *job, size_t i)
{
	switch (job->report) {
	case STAGEPOST__JOB__REPORT__DELAY: return "delayed";
	case STAGEPOST__JOB__REPORT__SUCCESS:
		if (report_status_of(job, i)->state == STAGEPOST__RECIPIENT_STATE__EXPANDED)
			return "expanded";
		return report_status_of(job, i)->relayed ? "relayed" : "delivered";
	default: return "failed";
	}
}
