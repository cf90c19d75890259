/* A complete message: synced, signed, handed to a broker.
 *
 * SUBMIT_OK is reported only when the body is synced and the broker has confirmed
 * that the envelope is durable, in this order: an entry of the spool never refers to a
 * body that may not be on the disk. (Both syncs in parallel were tried, and gained
 * little: docs/benchmarks.md.)
 *
 * The submission outlives an owner that does not wait for all this; late answers then
 * only clean up. */
#include "frontend/milter/message.h"
#include "frontend/submit/private.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/crashpoint.h"

/* Long enough for another broker to take over. After that the client is told to try
 * again, long before it gives up (RFC 5321, 4.5.3.2.6). */
enum { HAND_OVER_TIMEOUT_MS = 15 * 1000 };

static void
accept_log(const struct submit *s)
{
	const struct submit_options *o = &s->options;

	metrics_add(M_SMTP_MESSAGES, 1);
	metrics_add(M_SMTP_BYTES, (int64_t)s->size_bytes);
	log_info(&s->log, "message accepted", F_STR("from", o->reverse_path), F_C("to", s->recipients->record.address),
		 F_I64("recipients", s->recipient_count), F_I64("size", s->size_bytes), F_C("helo", o->helo),
		 F_C("with", o->protocol), F_C("account", o->account != NULL ? o->account : ""),
		 F_C("auth", s->mail_auth != NULL ? s->mail_auth : ""),
		 F_C("client", s->op.cancelled ? "gone" : "told"));
}

/* May be called more than once for a message, which is counted once. */
static void
accept_fail(struct submit *s, const struct err *err)
{
	if (s->result == SUBMIT_OK)
		metrics_add(M_SMTP_DEFERRED_MESSAGES, 1);
	s->result = submit_result_of(err);
}

/* ---- The hand-over ---- */

static void
accept_on_handed_over(void *arg, const struct err *err)
{
	struct submit *s = arg;

	metrics_add(M_HANDOVER_US, clock_monotonic_us() - s->handed_over_us);
	metrics_add(err == NULL ? M_HANDOVERS : M_HANDOVERS_FAILED, 1);
	if (err == NULL) {
		CRASHPOINT("handed-over");
		s->is_blob_ours = false;
		accept_log(s);
	} else {
		/* Without an answer the message may be in the spool after all, and own the body. */
		if (!bus_is_certain(err))
			s->is_blob_ours = false;
		log_warning(&s->log, "message not handed over", F_C("kind", err_code_name(err->code)), F_ERR(err));
		accept_fail(s, err);
	}
	if (op_back(&s->op))
		s->on_done(s->on_done_arg, s->result);
}

static void
accept_hand_over(struct submit *s)
{
	const Stagepost__Envelope *e = submit_envelope(s);

	s->handed_over_us = clock_monotonic_us();
	op_hold(&s->op);
	bus_hand_over(s->frontend->bus, e, HAND_OVER_TIMEOUT_MS, accept_on_handed_over, s);
}

/* ---- What must end before the hand-over ---- */

static void accept_ask_milters(struct submit *s);
static void accept_ask_engines(struct submit *s);

/* The sync or the signing has ended, in either order. A client that has gone in the
 * meantime will send the message again: nothing is kept. */
static void
accept_on_part(struct submit *s)
{
	if (!op_back(&s->op) || op_waits(&s->op))
		return;
	if (s->result != SUBMIT_OK)
		s->on_done(s->on_done_arg, s->result);
	else if (!s->is_milted)
		accept_ask_milters(s);
	else if (!s->is_engines_asked)
		accept_ask_engines(s);
	else
		accept_hand_over(s);
}

static void
accept_on_synced(void *arg, const struct blob_id *id, const struct err *err)
{
	struct submit *s = arg;

	if (err != NULL) {
		log_warning(&s->log, "body not synced", F_ERR(err));
		accept_fail(s, err);
	} else {
		CRASHPOINT("body-synced");
		s->blob = *id;
		s->is_blob_ours = true;
	}
	accept_on_part(s);
}

static void
accept_on_signed(struct submit *s, const struct err *err)
{
	if (err != NULL) {
		log_warning(&s->log, "DKIM keys not read", F_ERR(err));
		accept_fail(s, err);
	}
	accept_on_part(s);
}

static bool
accept_is_for_later(enum submit_result result)
{
	return result == SUBMIT_MILTER_TEMPFAIL || result == SUBMIT_SPAM_TEMPFAIL || result == SUBMIT_MAILBOX_FULL ||
	       result == SUBMIT_STORE_FULL || result == SUBMIT_UNAVAILABLE;
}

static void
accept_count_refusal(const struct submit *s)
{
	metrics_add(accept_is_for_later(s->result) ? M_SMTP_DEFERRED_MESSAGES : M_SMTP_REFUSED_MESSAGES, 1);
}

/* What is complete is synced and signed; signed only when milters have seen it. */
static void
accept_store(struct submit *s)
{
	if (!s->is_milted)
		s->is_milted = !submit_milters_wanted(s);
	op_hold(&s->op);
	if (s->is_milted)
		op_hold(&s->op);
	blob_append_commit(&s->append, accept_on_synced, s);
	if (s->is_milted)
		submit_sign_end(s, accept_on_signed);
}

/* ---- Milters ---- */

static void
accept_on_rewritten(struct submit *s)
{
	struct blob_store *blobs = s->frontend->service->blobs;

	s->is_milting = false;
	CHECK(op_back(&s->op));
	if (s->result != SUBMIT_OK) {
		accept_count_refusal(s);
		s->on_done(s->on_done_arg, s->result);
		return;
	}
	/* All of it has been copied. */
	s->is_blob_ours = false;
	blob_release(blobs, &s->blob);
	accept_store(s);
}

static void
accept_on_milted(struct submit *s, enum submit_milters_end end)
{
	const struct milter_message *m = submit_milters_message(s->milters);

	s->is_milted = true;
	if (end == SUBMIT_MILTERS_DONE && m->is_changed) {
		CRASHPOINT("milters-asked");
		submit_rewrite_begin(s, m, accept_on_rewritten);
		return;
	}
	s->is_milting = false;
	CHECK(op_back(&s->op));
	if (end == SUBMIT_MILTERS_DONE) {
		op_hold(&s->op);
		submit_sign_end(s, accept_on_signed);
		return;
	}
	if (end == SUBMIT_MILTERS_REFUSED)
		accept_count_refusal(s);
	else
		log_info(&s->log, "message discarded by a milter", F_STR("from", s->options.reverse_path));
	s->on_done(s->on_done_arg, s->result);
}

static void
accept_ask_milters(struct submit *s)
{
	op_hold(&s->op);
	s->is_milting = true;
	submit_milters_ask(s, accept_on_milted);
}

/* ---- Spam engines and virus scanners ---- */

static void
accept_on_engines(struct submit *s)
{
	s->is_engines_asked = true;
	s->is_asking_engines = false;
	CHECK(op_back(&s->op));
	CRASHPOINT("engines-asked");
	if (s->result == SUBMIT_OK) {
		accept_hand_over(s);
		return;
	}
	accept_count_refusal(s);
	s->on_done(s->on_done_arg, s->result);
}

static void
accept_ask_engines(struct submit *s)
{
	op_hold(&s->op);
	s->is_asking_engines = true;
	submit_engines_ask(s, accept_on_engines);
}

static void
accept_on_verified(void *arg, const struct verify_outcome *outcome)
{
	struct submit *s = arg;
	enum submit_result judged;

	/* submit_free() would have freed the check. */
	s->is_checking = false;
	CHECK(op_back(&s->op));
	judged = submit_judge(s, outcome);
	if (judged != SUBMIT_OK) {
		submit_refuse(s, judged);
		metrics_add(M_SMTP_REFUSED_MESSAGES, 1);
		s->on_done(s->on_done_arg, judged);
		return;
	}
	if (!submit_add_front(s)) {
		accept_count_refusal(s);
		s->on_done(s->on_done_arg, s->result);
		return;
	}
	accept_store(s);
}

bool
submit_commit(struct submit *s, submit_on_done *on_done, void *arg)
{
	CHECK(s->on_done == NULL);
	if (!submit_end_data(s)) {
		accept_count_refusal(s);
		return false;
	}
	s->on_done = on_done;
	s->on_done_arg = arg;
	if (!s->options.verifies) {
		accept_store(s);
		return true;
	}
	op_hold(&s->op);
	s->is_checking = true;
	verify_check_end(s->check, accept_on_verified, s);
	return true;
}
