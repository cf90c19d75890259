/* A LOCAL job's way through its steps, which private.h lists. */
#include "delivery-worker/local/local.h"

#include "delivery-worker/local/private.h"
#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/blob/refs.h"
#include "lib/spool/id.h"

/* ---- The end ---- */
static void
local_drop_references(struct local_work *w, const struct blob_id *id, unsigned count)
{
	while (count-- > 0)
		blob_ref_drop(w->job->worker->redis, w->job->worker->blobs, id, 1);
}

static void
local_finish(struct local_work *w)
{
	struct job *job = w->job;

	for (unsigned i = 0; i < w->recipient_count; i++)
		local_conclude(w, &w->recipients[i]);
	local_drop_references(w, &w->body, w->spare_body_refs);
	if (!blob_id_is_none(&w->digest))
		local_drop_references(w, &w->digest, w->spare_digest_refs);
	for (unsigned i = 0; i < w->recipient_count; i++) {
		job->results[i]->reference_passed = w->reference_passed;
		job->results[i]->in_doubt = w->in_doubt;
	}
	op_cancel(&w->op);
	job_finish(job);
}

/* ---- Ending early ---- */
/* None has begun. */
static void
local_postpone_all_filings(struct local_work *w, const struct err *err)
{
	for (struct filing *f = w->filings; f != NULL; f = f->next) {
		f->state = FILING_POSTPONED;
		f->err = *err;
	}
	local_finish(w);
}

/* Between two steps: does the job belong to another worker by now? Then it ends without filing. */
static bool
local_give_up_if_disowned(struct local_work *w)
{
	static const struct err disowned = {ERR_FENCED, "the job belongs to another worker now"};

	if (!w->job->disowned)
		return false;
	w->spare_digest_refs = 1; /* the writer's reference, if there is a digest */
	local_postpone_all_filings(w, &disowned);
	return true;
}

/* ---- Refer ---- */
static void
local_on_digest_referred(void *arg, const struct err *err)
{
	struct local_work *w = arg;

	if (err != NULL) {
		/* Filed without a digest: mailboxes compute it when asked for it. */
		memset(&w->digest, 0, sizeof(w->digest));
	}
	local_file(w);
}

static void
local_on_body_referred(void *arg, const struct err *err)
{
	struct local_work *w = arg;

	if (err != NULL) {
		log_warning(&w->job->log, "no reference to the body", F_ERR(err));
		w->spare_digest_refs = 1; /* the writer's */
		local_postpone_all_filings(w, err);
	} else if (w->filing_count > 1 && !blob_id_is_none(&w->digest)) {
		blob_ref_add(w->job->worker->redis, &w->digest, w->filing_count - 1, local_on_digest_referred, w);
	} else {
		local_file(w);
	}
}

static void
local_refer(struct local_work *w)
{
	if (local_give_up_if_disowned(w))
		return;
	/* The digest's first reference belongs to its writer, that is, to us. */
	if (w->passes_reference || w->body_gone)
		local_file(w);
	else
		blob_ref_add(w->job->worker->redis, &w->body, w->filing_count, local_on_body_referred, w);
}

/* ---- Digest ---- */
static void local_read_more(struct local_work *w);

static void
local_store_digest(struct local_work *w)
{
	struct buf digest = BUF_EMPTY;
	struct err err;

	mime_digest_end(&w->digest_builder, &digest);
	if (blob_put(w->job->worker->blobs, BLOB_DIGEST, digest.data, digest.len, &w->digest, NULL, NULL, &err) != 0) {
		log_warning(&w->job->log, "digest not stored", F_ERR(&err));
		memset(&w->digest, 0, sizeof(w->digest));
	}
	buf_fini(&digest);
}

static void
local_on_body(void *arg, const char *data, size_t len, const struct err *err)
{
	struct local_work *w = arg;

	if (err == NULL && len == 0) {
		static const struct err cut = {ERR_CORRUPT, "the body of the message is incomplete"};

		err = &cut;
	}
	if (err != NULL) {
		mime_digest_abort(&w->digest_builder);
		log_error(&w->job->log, "body not read", F_ERR(err));
		if (err->code != ERR_NOT_FOUND) {
			w->job->host_is_ill = true;
			local_postpone_all_filings(w, err);
			return;
		}
		w->body_gone = true;
		local_file(w);
		return;
	}
	mime_digest_feed(w->digest_builder, str_of(data, len));
	w->read_bytes += len;
	if (w->job->disowned) {
		mime_digest_abort(&w->digest_builder);
		local_give_up_if_disowned(w);
		return;
	}
	if (w->read_bytes < w->body.length) {
		local_read_more(w);
		return;
	}
	local_store_digest(w);
	local_refer(w);
}

static void
local_read_more(struct local_work *w)
{
	blob_read(w->job->worker->blobs, &w->body, w->read_bytes, LOCAL_READ_BYTES, local_on_body, w);
}

/* ---- Expand ---- */
/* Only if the message ends in this one mailbox: any other recipient or target
 * still needs the spool's reference. An alias may lead elsewhere at another try,
 * and that try would find no body if the reference had been passed on and dropped
 * meanwhile. */
static bool
local_may_pass_reference(const struct local_work *w)
{
	const struct local_recipient *r = &w->recipients[0];

	return w->job->msg->pass_reference && w->recipient_count == 1 && w->filing_count == 1 && r->target_count == 1 &&
	       str_eq_ci(r->targets[0].address, str_c(job_recipient(w->job, r->index)->address));
}

static void
local_on_expanded(struct local_work *w)
{
	if (w->filing_count == 0) {
		local_finish(w);
		return;
	}
	if (local_give_up_if_disowned(w))
		return;
	w->passes_reference = local_may_pass_reference(w);
	w->digest_builder = mime_digest_begin();
	if (w->body.length == 0) {
		local_store_digest(w);
		local_refer(w);
		return;
	}
	local_read_more(w);
}

void
local_start(struct job *job)
{
	struct local_work *w = arena_new(&job->arena, struct local_work);
	const Stagepost__Blob *body = job->msg->envelope->body;

	job->work = w;
	w->job = job;
	op_init(&w->op, NULL);
	w->on_expanded = local_on_expanded;
	w->on_filed = local_finish;
	CHECKF(spool_id_parse(str_c(job->msg->envelope->id), NULL, &w->spooled_ms), "id %s", job->msg->envelope->id);
	w->body = (struct blob_id){body->pack, body->offset, body->length};
	w->recipient_count = (unsigned)job->msg->n_recipients;
	w->recipients = arena_array(&job->arena, struct local_recipient, w->recipient_count);
	for (unsigned i = 0; i < w->recipient_count; i++) {
		w->recipients[i].work = w;
		w->recipients[i].index = job->msg->recipients[i];
	}
	local_expand(w);
}
