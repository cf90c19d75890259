/* Every kind of job that this program can do. */
#include "delivery-worker/spam/check.h"
#include "delivery-worker/jobs/job.h"
#include "delivery-worker/local/local.h"
#include "delivery-worker/remote/remote.h"
#include "delivery-worker/report/report.h"

#define REPORTS_AT_ONCE 20

static int64_t
kinds_local_slots(const struct settings *s)
{
	return settings_smtp_out(s, STR_NONE)->max_local_threads;
}

static int64_t
kinds_remote_slots(const struct settings *s)
{
	return settings_smtp_out(s, STR_NONE)->max_delivery_threads;
}

static int64_t
kinds_report_slots(const struct settings *s)
{
	(void)s;
	return REPORTS_AT_ONCE;
}

static int64_t
kinds_check_slots(const struct settings *s)
{
	return settings_smtp_out(s, STR_NONE)->max_spam_check_threads;
}

/* clang-format off */
const struct job_kind job_kinds[] = {
	/* kind				 name	   slots	 start	       stop */
	{STAGEPOST__JOB_KIND__LOCAL,	 "local",  kinds_local_slots,	 local_start,  NULL},
	{STAGEPOST__JOB_KIND__REMOTE,	 "remote", kinds_remote_slots, remote_start, remote_stop},
	{STAGEPOST__JOB_KIND__REPORT,	 "report", kinds_report_slots, report_start, NULL},
	{STAGEPOST__JOB_KIND__CHECK,	 "check",  kinds_check_slots,	 check_start,  check_stop},
	{0,				 NULL,	   NULL,	 NULL,	       NULL},
};
/* clang-format on */

const struct job_kind *
job_kind_find(Stagepost__JobKind kind)
{
	for (const struct job_kind *k = job_kinds; k->name != NULL; k++) {
		if (k->kind == kind)
			return k;
	}
	return NULL;
}

unsigned
job_kind_index(const struct job_kind *k)
{
	return (unsigned)(k - job_kinds);
}
