/* Decides who must be told what happened to a message (RFC 3461), and makes the jobs that write the reports. */
#include "spool-broker/jobs/report.h"

#include <openssl/evp.h>
#include <stdio.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/hex.h"
#include "lib/base/log.h"
#include "lib/service/metrics.h"
#include "lib/smtp/notify.h"
#include "spool-broker/broker.h"
#include "spool-broker/queue/message.h"
#include "spool-broker/queue/part.h"
#include "spool-broker/queue/work.h"

bool
report_concerns(const Stagepost__Recipient *r, const Stagepost__RecipientStatus *status, Stagepost__Job__Report report)
{
	bool silent = (r->notify & NOTIFY_NEVER) != 0;

	switch (report) {
	case STAGEPOST__JOB__REPORT__FAILURE:
		return !silent && status->state == STAGEPOST__RECIPIENT_STATE__FAILED && !status->reported &&
		       (r->notify == 0 || (r->notify & NOTIFY_FAILURE) != 0);
	case STAGEPOST__JOB__REPORT__SUCCESS:
		/* A server that supports DSN and has accepted a message sends the reports itself. */
		return !silent && !status->reported && (r->notify & NOTIFY_SUCCESS) != 0 &&
		       ((status->state == STAGEPOST__RECIPIENT_STATE__DELIVERED && (r->local || status->relayed)) ||
			(status->state == STAGEPOST__RECIPIENT_STATE__EXPANDED && status->expanded_here));
	case STAGEPOST__JOB__REPORT__DELAY:
		return !silent && status->state == STAGEPOST__RECIPIENT_STATE__QUEUED && !status->delay_reported &&
		       !status->kept && (r->notify == 0 || (r->notify & NOTIFY_DELAY) != 0);
	default: return false;
	}
}

static bool
report_concerns_any(const struct message *m, Stagepost__Job__Report report)
{
	for (unsigned i = 0; i < work_recipient_count(m->work); i++)
		if (report_concerns(work_recipient(m->work, i), work_status(m->work, i), report))
			return true;
	return false;
}

static bool
report_is_late(const struct broker *b, const struct message *m)
{
	int64_t after_ms = settings_spool(broker_settings(b), STR_NONE)->delay_warning_after;

	return after_ms > 0 && (m->flags & MESSAGE_DELAY_TOLD) == 0 && clock_unix_ms() >= m->received_ms + after_ms;
}

void
report_look(struct broker *b, struct message *m)
{
	CHECK(m->work != NULL);
	if ((m->flags & MESSAGE_NULL_SENDER) != 0 || parts_have_report(m))
		return;
	/* All recipients are looked at only if one of them ended in a way that may concern a report. */
	if (m->work->report_due && report_concerns_any(m, STAGEPOST__JOB__REPORT__FAILURE)) {
		part_make_report(b, m, STAGEPOST__JOB__REPORT__FAILURE);
		return;
	}
	if (m->work->report_due && report_concerns_any(m, STAGEPOST__JOB__REPORT__SUCCESS)) {
		part_make_report(b, m, STAGEPOST__JOB__REPORT__SUCCESS);
		return;
	}
	m->work->report_due = false;
	if (report_is_late(b, m)) {
		m->flags |= MESSAGE_DELAY_TOLD;
		if (report_concerns_any(m, STAGEPOST__JOB__REPORT__DELAY))
			part_make_report(b, m, STAGEPOST__JOB__REPORT__DELAY);
	}
}

/* Named after the recipients that it is about: made again after a crash it has
 * the same id, and a different one if more recipients have failed meanwhile. */
void
report_id(const struct message *m, Stagepost__Job__Report report, char out[SPOOL_ID_MAX])
{
	static const char *const purposes[] = {"failure", "delay", "success"};
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	unsigned char digest[EVP_MAX_MD_SIZE];
	char purpose[32], name[9];

	CHECK(md != NULL && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1 && (unsigned)report < 3);
	for (unsigned i = 0; i < work_recipient_count(m->work); i++) {
		uint32_t number = i;
		if (report_concerns(work_recipient(m->work, i), work_status(m->work, i), report))
			EVP_DigestUpdate(md, &number, sizeof(number));
	}
	CHECK(EVP_DigestFinal_ex(md, digest, NULL) == 1);
	EVP_MD_CTX_free(md);
	hex_write(digest, 4, name);
	snprintf(purpose, sizeof(purpose), "%s %s", purposes[report], name);
	spool_id_derive(str_c(m->id), purpose, 0, out);
}

void
report_done(struct message *m, Stagepost__Job__Report report, unsigned recipient)
{
	Stagepost__RecipientStatus *status = work_status(m->work, recipient);

	if (!report_concerns(work_recipient(m->work, recipient), status, report))
		return;
	if (report == STAGEPOST__JOB__REPORT__DELAY)
		status->delay_reported = true;
	else
		status->reported = true;
	m->work->dirty = true;
}
