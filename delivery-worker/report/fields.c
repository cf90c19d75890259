/* The fields of a delivery status notification (RFC 3464, section 2). In a
 * message/delivery-status they are ASCII, and other addresses are written in the
 * encoded form of RFC 6533; in a message/global-delivery-status they are UTF-8. */
#include <string.h>

#include "delivery-worker/report/private.h"
#include "lib/base/clock.h"
#include "lib/smtp/address.h"
#include "lib/smtp/orcpt.h"

/* Converts the text added from `start` on, if the type of the part allows only ASCII. */
static void
fields_end_text(const struct report_output *out, struct buf *b, size_t start)
{
	for (size_t i = start; i < b->len && !out->global; i++)
		if ((unsigned char)b->data[i] >= 0x80)
			b->data[i] = '?';
	buf_add_c(b, "\r\n");
}

static void
fields_add_text(const struct report_output *out, struct buf *b, const char *name, const char *type, struct str text)
{
	size_t start;

	buf_add_c(b, name);
	buf_add_c(b, ": ");
	buf_add_c(b, type);
	start = b->len;
	report_add_clean(b, text);
	fields_end_text(out, b, start);
}

/* All lines of the reply, on as many lines of ours as they need. */
static void
fields_add_diagnostic(const struct report_output *out, struct buf *b, const char *type, struct str text)
{
	size_t start;

	buf_printf(b, "Diagnostic-Code: %s", type);
	start = b->len;
	report_add_folded(b, text, " ");
	fields_end_text(out, b, start);
}

static void
fields_add_address(const struct report_output *out, struct buf *b, const char *name, struct str type,
		   struct str address)
{
	struct arena arena;
	bool utf8 = str_eq_ci(type, STR("utf-8"));

	arena_init(&arena);
	if (utf8 && !out->global)
		address = smtp_utf8_xtext_encode(address, &arena);
	fields_add_text(out, b, name, arena_printf(&arena, "%.*s; ", STR_ARG(type)), address);
	arena_fini(&arena);
}

/* As given by the sender, or, if we have expanded it, the address that the sender wrote to. */
static void
fields_add_original_recipient(const struct report_output *out, struct buf *b, const Stagepost__Recipient *r)
{
	struct smtp_orcpt orcpt;
	struct arena arena;

	arena_init(&arena);
	if (*r->orcpt != '\0' && smtp_orcpt_parse(str_c(r->orcpt), &arena, &orcpt))
		fields_add_address(out, b, "Original-Recipient", orcpt.type, orcpt.address);
	arena_fini(&arena);
}

static void
fields_add_remote(const struct report_output *out, struct buf *b, const Stagepost__RecipientStatus *s)
{
	struct str remote = str_c(s->last_remote), text = str_c(s->last_text), host, rest;
	bool reply = remote.len > 0 && report_is_smtp_reply(text);

	if (remote.len > 0) {
		str_cut(remote, ' ', &host, &rest);
		fields_add_text(out, b, "Remote-MTA", "dns; ", host);
	}
	if (text.len > 0)
		fields_add_diagnostic(out, b, reply ? "smtp; " : "X-Stagepost; ", text);
}

/* The last try, from the trace, unless the recipient was never tried. */
static int64_t
last_attempt_ms(const Stagepost__Job *job, size_t position)
{
	static const char *const tries[] = {"deferred", "failed", "filed", "sent", "expanded"};
	const Stagepost__MessageState *state = job->state;

	for (size_t i = state != NULL ? state->n_events : 0; i > 0; i--) {
		const Stagepost__TraceEvent *event = state->events[i - 1];
		for (size_t k = 0; k < sizeof(tries) / sizeof(tries[0]); k++)
			if (event->recipient == job->recipients[position] + 1 && strcmp(event->kind, tries[k]) == 0)
				return (int64_t)event->time_ms;
	}
	return 0;
}

static void
fields_add_recipient(const struct report_input *in, const struct report_output *out, struct buf *b, size_t i)
{
	const Stagepost__Recipient *r = in->job->envelope->recipients[i];
	bool utf8 = str_has_eight_bit(str_c(r->address));
	int64_t attempt_ms = last_attempt_ms(in->job, i);

	buf_add_c(b, "\r\n");
	fields_add_original_recipient(out, b, r);
	fields_add_address(out, b, "Final-Recipient", utf8 ? STR("utf-8") : STR("rfc822"), str_c(r->address));
	buf_printf(b, "Action: %s\r\nStatus: %.*s\r\n", report_action_of(in->job, i),
		   STR_ARG(report_code_of(in->job, i)));
	fields_add_remote(out, b, report_status_of(in->job, i));
	if (attempt_ms != 0)
		report_add_date(b, "Last-Attempt-Date", attempt_ms);
	report_add_field(b, "Final-Log-ID", str_c(in->job->envelope->id));
	if (in->job->report == STAGEPOST__JOB__REPORT__DELAY)
		report_add_date(b, "Will-Retry-Until", (int64_t)in->job->envelope->received_ms + in->expire_ms);
}

static void
fields_add_envelope_id(const struct report_output *out, struct buf *b, const char *envid)
{
	struct arena arena;
	struct str decoded;

	arena_init(&arena);
	if (*envid != '\0' && smtp_xtext_decode(str_c(envid), &arena, &decoded))
		fields_add_text(out, b, "Original-Envelope-Id", "", decoded);
	arena_fini(&arena);
}

void
report_add_status(const struct report_input *in, const struct report_output *out, struct buf *b, const char *boundary)
{
	const Stagepost__Job *job = in->job;

	buf_printf(b, "--%s\r\nContent-Type: message/%sdelivery-status\r\n%s\r\n", boundary,
		   out->global ? "global-" : "", out->global ? "Content-Transfer-Encoding: 8bit\r\n" : "");
	fields_add_envelope_id(out, b, job->envelope->dsn_envid);
	buf_printf(b, "Reporting-MTA: dns; %s\r\n", in->hostname);
	if (*job->envelope->client_helo != '\0')
		fields_add_text(out, b, "Received-From-MTA", "dns; ", str_c(job->envelope->client_helo));
	report_add_date(b, "Arrival-Date", (int64_t)job->envelope->received_ms);
	for (size_t i = 0; i < job->n_recipients; i++)
		fields_add_recipient(in, out, b, i);
	buf_add_c(b, "\r\n");
}
