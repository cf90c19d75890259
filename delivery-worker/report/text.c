/* What a delivery status notification says. Three parts: words for people,
 * fields for programs, and the original or its header. */
#include <inttypes.h>
#include <string.h>

#include "delivery-worker/report/private.h"
#include "lib/base/clock.h"

/* The texts of one kind of report. */
struct wording {
	const char *subject;
	const char *opening;
	const char *closing;
};

/* clang-format off */
static const struct wording wordings[] = {
	[STAGEPOST__JOB__REPORT__FAILURE] = {
		"Undelivered mail returned to sender",
		"Your message could not be delivered to the following recipients.",
		"No further attempts will be made for them.",
	},
	[STAGEPOST__JOB__REPORT__DELAY] = {
		"Delayed mail (still being retried)",
		"Your message has not yet been delivered to the following recipients.",
		"This is only a warning: you need not send the message again. It will be retried.",
	},
	[STAGEPOST__JOB__REPORT__SUCCESS] = {
		"Successful mail delivery report",
		"Your message was delivered to the following recipients.",
		"A recipient marked as relayed was passed to a server that sends no such reports.",
	},
};
/* clang-format on */

static const struct wording *
text_wording_of(const Stagepost__Job *job)
{
	unsigned report = (unsigned)job->report;

	return &wordings[report < sizeof(wordings) / sizeof(wordings[0]) ? report : 0];
}

static void
text_add_header(const struct report_input *in, struct report_output *out, const char *boundary)
{
	const Stagepost__Job *job = in->job;
	struct buf *b = &out->body;

	buf_add_c(b, "Return-Path: <>\r\n");
	out->return_path_length = (uint32_t)b->len;
	buf_printf(b, "From: Mail Delivery System <MAILER-DAEMON@%s>\r\n", in->hostname);
	buf_add_c(b, "To: <");
	report_add_clean(b, str_c(job->envelope->reverse_path));
	buf_printf(b, ">\r\nSubject: %s\r\n", text_wording_of(job)->subject);
	report_add_date(b, "Date", in->now_ms);
	buf_printf(b, "Message-ID: <%s@%s>\r\n", job->report_id, in->hostname);
	buf_add_c(b, "Auto-Submitted: auto-replied\r\n"
		     "MIME-Version: 1.0\r\n"
		     "Content-Type: multipart/report; report-type=delivery-status;\r\n");
	buf_printf(b, "\tboundary=\"%s\"\r\n", boundary);
	if (out->eight_bit)
		buf_add_c(b, "Content-Transfer-Encoding: 8bit\r\n");
	buf_add_c(b, "\r\n");
}

static void
text_add_words_on(const struct report_input *in, struct buf *b, size_t i)
{
	const Stagepost__Recipient *r = in->job->envelope->recipients[i];
	const Stagepost__RecipientStatus *s = report_status_of(in->job, i);

	buf_add_c(b, "<");
	report_add_clean(b, str_c(r->address));
	if (*r->original != '\0' && strcmp(r->original, r->address) != 0) {
		buf_add_c(b, "> (for <");
		report_add_clean(b, str_c(r->original));
		buf_add_c(b, ">)");
	} else
		buf_add_c(b, ">");
	buf_printf(b, ": %s (%.*s)\r\n", report_action_of(in->job, i), STR_ARG(report_code_of(in->job, i)));
	if (*s->last_remote != '\0') {
		buf_add_c(b, "    ");
		report_add_clean(b, str_c(s->last_remote));
		buf_add_c(b, report_is_smtp_reply(str_c(s->last_text)) ? " said:\r\n" : ":\r\n");
	}
	if (*s->last_text != '\0') {
		buf_add_c(b, "    ");
		report_add_folded(b, str_c(s->last_text), "    ");
		buf_add_c(b, "\r\n");
	}
	buf_add_c(b, "\r\n");
}

static void
text_add_words(const struct report_input *in, const struct report_output *out, struct buf *b, const char *boundary)
{
	const Stagepost__Job *job = in->job;
	const struct wording *w = text_wording_of(job);
	char date[CLOCK_RFC5322_MAX];

	buf_printf(b, "--%s\r\nContent-Type: text/plain; charset=utf-8\r\n%s\r\n", boundary,
		   out->eight_bit ? "Content-Transfer-Encoding: 8bit\r\n" : "");
	clock_rfc5322((int64_t)job->envelope->received_ms, date, sizeof(date));
	buf_printf(b, "This is the mail system at %s.\r\n\r\n%s\r\nIt was received on %s under the id %s.\r\n\r\n",
		   in->hostname, w->opening, date, job->envelope->id);
	for (size_t i = 0; i < job->n_recipients; i++)
		text_add_words_on(in, b, i);
	buf_printf(b, "%s\r\n\r\n", w->closing);
}

/* Up to the empty line, which is excluded. */
static struct str
text_header_of(struct str message)
{
	const char *end;

	if (message.len == 0 || str_starts(message, STR("\r\n")))
		return STR_NONE;
	end = memmem(message.p, message.len, "\r\n\r\n", 4);
	if (end != NULL)
		return str_first(message, (size_t)(end - message.p) + 2);
	/* If cut short: up to the last complete line. */
	for (size_t i = message.len; i > 0; i--) {
		if (message.p[i - 1] == '\n')
			return str_first(message, i);
	}
	return STR_NONE;
}

static void
text_add_original(const struct report_input *in, const struct report_output *out, struct buf *b, struct str original,
		  const char *boundary)
{
	bool global = (out->smtputf8 || in->job->envelope->smtputf8) && str_has_eight_bit(text_header_of(original));
	const char *type = in->original_is_whole ? (global ? "message/global" : "message/rfc822")
						 : (global ? "message/global-headers" : "text/rfc822-headers");

	buf_printf(b, "--%s\r\nContent-Type: %s\r\n%s\r\n", boundary, type,
		   str_has_eight_bit(original) ? "Content-Transfer-Encoding: 8bit\r\n" : "");
	buf_add_str(b, original);
	if (!str_ends_ci(original, STR("\r\n")))
		buf_add_c(b, "\r\n");
	buf_printf(b, "\r\n--%s--\r\n", boundary);
}

bool
report_wants_whole(const Stagepost__Job *job)
{
	return job->report == STAGEPOST__JOB__REPORT__FAILURE && strcmp(job->envelope->dsn_ret, "FULL") == 0 &&
	       !job->envelope->require_tls && job->envelope->body->length <= REPORT_WHOLE_MAX;
}

void
report_compose(const struct report_input *in, struct report_output *out)
{
	const Stagepost__Job *job = in->job;
	struct str original = in->original_is_whole ? in->original : text_header_of(in->original);
	bool fields = false;
	char boundary[64];

	memset(out, 0, sizeof(*out));
	out->smtputf8 = str_has_eight_bit(str_c(job->envelope->reverse_path));
	for (size_t i = 0; i < job->n_recipients; i++) {
		const Stagepost__Recipient *r = job->envelope->recipients[i];

		fields |= str_has_eight_bit(str_c(r->address)) || str_has_eight_bit(str_c(r->original)) ||
			  str_has_eight_bit(str_c(report_status_of(job, i)->last_text));
	}
	out->global = (out->smtputf8 || job->envelope->smtputf8) && fields;
	out->eight_bit = out->smtputf8 || fields || str_has_eight_bit(original);
	snprintf(boundary, sizeof(boundary), "=_%.40s/report", job->report_id);
	text_add_header(in, out, boundary);
	text_add_words(in, out, &out->body, boundary);
	report_add_status(in, out, &out->body, boundary);
	text_add_original(in, out, &out->body, original, boundary);
}
