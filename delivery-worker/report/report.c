/* A REPORT job: reads what it needs of the original, signs the report, puts it
 * into the blob store and hands it over like any other message. The broker assigns
 * the report's id, which is the same at every try, so that a report is never sent
 * twice. */
#include "delivery-worker/report/report.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/blob/blob.h"
#include "lib/service/metrics.h"

#define HAND_OVER_MS 20000

struct report_work {
	struct job *job; /* borrowed */
	bool whole;
	bool is_local;
	struct report_output output;
	struct dkim_stream *dkim; /* owner */
	struct dkim_signing signing;
	struct str signatures; /* complete lines; in the job's arena */
	struct blob_id body;
};

static void
report_end(struct report_work *w, const struct err *err)
{
	struct job *job = w->job;

	buf_fini(&w->output.body);
	dkim_stream_free(&w->dkim);
	if (err != NULL) {
		/* The store did not return or accept its parts, or no broker accepted it. */
		log_warning(&job->log, "report not handed over", F_C("report", job->msg->report_id), F_ERR(err));
		job_postpone_rest(job, err);
	} else {
		log_info(&job->log, "report handed over", F_C("report", job->msg->report_id),
			 F_C("to", job->msg->envelope->reverse_path));
		job_result_rest(job, STAGEPOST__RECIPIENT_RESULT__OUTCOME__DELIVERED, "2.0.0", STR("reported"));
	}
	job_finish(job);
}

static void
report_on_handed_over(void *arg, const struct err *err)
{
	struct report_work *w = arg;

	/* In doubt the body stays; a sweep finds it if no broker refers to it. */
	if (err != NULL && bus_is_certain(err))
		blob_release(w->job->worker->blobs, &w->body);
	report_end(w, err);
}

static void
report_hand_over(struct report_work *w)
{
	struct job *job = w->job;
	Stagepost__Envelope env = STAGEPOST__ENVELOPE__INIT;
	Stagepost__Recipient to = STAGEPOST__RECIPIENT__INIT;
	Stagepost__Recipient *recipients[1] = {&to};
	Stagepost__Blob body = STAGEPOST__BLOB__INIT;

	to.address = job->msg->envelope->reverse_path;
	to.notify = 1; /* NEVER */
	to.local = w->is_local;
	body.pack = w->body.pack;
	body.offset = w->body.offset;
	body.length = w->body.length;
	env.id = job->msg->report_id;
	env.n_recipients = 1;
	env.recipients = recipients;
	env.body = &body;
	env.return_path_length = w->output.return_path_length;
	env.received_ms = (uint64_t)clock_unix_ms();
	env.protocol = (char *)"local";
	env.frontend = (char *)job->worker->name;
	env.smtputf8 = w->output.smtputf8;
	env.eight_bit = w->output.eight_bit;
	env.is_dsn = true;
	env.dkim = arena_dup(&job->arena, w->signatures.p, w->signatures.len);
	env.settings_version = settings_version(settings_current(job->worker->settings));
	bus_hand_over(job->worker->bus, &env, HAND_OVER_MS, report_on_handed_over, w);
}

static void
report_on_is_local(void *arg, bool is, const struct err *err)
{
	struct report_work *w = arg;

	if (err != NULL) {
		blob_release(w->job->worker->blobs, &w->body);
		report_end(w, err);
		return;
	}
	w->is_local = is;
	report_hand_over(w);
}

static void
report_on_stored(void *arg, const struct blob_id *id, const struct err *err)
{
	struct report_work *w = arg;
	struct str domain = directory_domain_of(str_c(w->job->msg->envelope->reverse_path));

	if (err != NULL) {
		report_end(w, err);
		return;
	}
	w->body = *id;
	if (domain.len == 0) { /* "postmaster" alone is a local recipient */
		w->is_local = true;
		report_hand_over(w);
	} else if (directory_is_local_domain(w->job->worker->directory, domain, &w->is_local, report_on_is_local, w))
		report_hand_over(w);
}

static void
report_store(struct report_work *w)
{
	struct err err;

	if (blob_put(w->job->worker->blobs, BLOB_BODY, w->output.body.data, w->output.body.len, NULL, report_on_stored,
		     w, &err) != 0)
		report_end(w, &err);
}

/* ---- Signing: for the domain in the report's From field ---- */
static void
report_on_end_of_signing(void *arg, enum dkim_outcome outcome, struct str fields, const struct err *err)
{
	struct report_work *w = arg;

	if (outcome == DKIM_KEYS_AWAY) {
		report_end(w, err);
		return;
	}
	if (outcome == DKIM_NOT_SIGNED)
		log_warning(&w->job->log, "report not signed", F_ERR(err));
	if (outcome == DKIM_SIGNED) {
		metrics_add(M_DKIM_SIGNED, 1);
		w->signatures = arena_str(&w->job->arena, fields);
	}
	report_store(w);
}

static void
report_sign(struct report_work *w)
{
	struct worker *worker = w->job->worker;
	char domain[DIRECTORY_DOMAIN_MAX];

	if (directory_canonical_domain(str_c(worker->hostname), domain))
		dkim_signing_add_all(&w->signing, arena_str(&w->job->arena, str_c(domain)));
	w->dkim = dkim_stream_new();
	dkim_stream_feed(w->dkim, str_from(buf_str(&w->output.body), w->output.return_path_length));
	dkim_signing_start(&w->signing, worker->dkim_keys, worker->dkim_signer, &w->dkim, report_on_end_of_signing, w);
}

static void
report_make(struct report_work *w, struct str original)
{
	struct job *job = w->job;
	const struct settings *s = settings_current(job->worker->settings);
	struct report_input in = {
		.job = job->msg,
		.hostname = job->worker->hostname,
		.now_ms = clock_unix_ms(),
		.expire_ms = settings_spool(s, STR_NONE)->expire_after,
		.original = original,
		.original_is_whole = w->whole,
	};

	report_compose(&in, &w->output);
	report_sign(w);
}

static void
report_on_original(void *arg, const char *data, size_t len, const struct err *err)
{
	struct report_work *w = arg;

	if (err != NULL && err->code != ERR_NOT_FOUND && err->code != ERR_CORRUPT) {
		report_end(w, err);
		return;
	}
	/* The sender must be told even if the body is lost. */
	if (err != NULL) {
		w->whole = false;
		report_make(w, STR_NONE);
		return;
	}
	report_make(w, str_of(data, len));
}

void
report_start(struct job *job)
{
	struct report_work *w = arena_new(&job->arena, struct report_work);
	const Stagepost__Envelope *env = job->msg->envelope;
	struct blob_id id = {env->body->pack, env->body->offset, env->body->length};

	job->work = w;
	w->job = job;
	if (*env->reverse_path == '\0' || *job->msg->report_id == '\0') {
		/* Nobody to tell: a bounce has no bounce. */
		job_result_rest(job, STAGEPOST__RECIPIENT_RESULT__OUTCOME__DELIVERED, "2.0.0",
				STR("no sender to report to"));
		job_finish(job);
		return;
	}
	w->whole = report_wants_whole(job->msg);
	blob_read(job->worker->blobs, &id, env->return_path_length, w->whole ? BLOB_READ_MAX : REPORT_HEADER_MAX,
		  report_on_original, w);
}
