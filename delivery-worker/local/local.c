/* The way of a LOCAL job through its steps; private.h names them. */
#include "delivery-worker/local/local.h"

#include "delivery-worker/local/private.h"
#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/base/mem.h"
#include "lib/blob/refs.h"
#include "lib/smtp/notify.h"
#include "lib/smtp/orcpt.h"
#include "lib/spool/id.h"

#define DELIVERED STAGEPOST__RECIPIENT_RESULT__OUTCOME__DELIVERED
#define DEFERRED  STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED
#define FAILED	  STAGEPOST__RECIPIENT_RESULT__OUTCOME__FAILED
#define EXPANDED  STAGEPOST__RECIPIENT_RESULT__OUTCOME__EXPANDED

static void refer(struct local_work *w);

/* ---- Conclude ---- */
static bool
target_is_refused(const struct target *t)
{
	return t->kind == DIR_UNKNOWN || (t->kind == DIR_DISABLED && !t->domain_disabled) ||
	       (t->filing != NULL && t->filing->state == FILING_REFUSED);
}

static bool
target_is_deferred(const struct target *t)
{
	return t->kind == DIR_DISABLED && t->domain_disabled;
}

static bool
target_is_postponed(const struct target *t)
{
	return t->filing != NULL && t->filing->state == FILING_POSTPONED;
}

/* For postmaster or abuse, and the domain has nobody yet who takes that. */
static void
conclude_unclaimed(struct job *job, uint32_t index, const struct target *t)
{
	struct str domain = directory_domain_of(t->address);
	const char *text = arena_printf(&job->arena,
					"kept until there is somebody to take it: %.*s has no admin, and the setting "
					"mailbox.postmaster names nobody who takes mail",
					STR_ARG(domain.len > 0 ? domain : STR("this server")));

	job_result(job, index, DEFERRED, "4.3.5", str_c(text))->kept = true;
}

/* A recipient that came to exactly one account, or to nothing. */
static void
conclude_single(struct local_work *w, const struct local_recipient *r, const struct target *t)
{
	struct job *job = w->job;

	if (target_is_postponed(t))
		job_postpone(job, r->index, &t->filing->err);
	else if (t->filing != NULL && t->filing->state == FILING_REFUSED)
		job_result(job, r->index, FAILED, t->filing->code, t->filing->text);
	else if (t->filing != NULL)
		job_result(job, r->index, DELIVERED, "2.0.0", t->filing->text);
	else if (t->kind == DIR_UNCLAIMED)
		conclude_unclaimed(job, r->index, t);
	else if (t->kind == DIR_DISABLED && t->domain_disabled)
		job_result(job, r->index, DEFERRED, "4.2.1", STR("the domain is disabled"));
	else if (t->kind == DIR_DISABLED)
		job_result(job, r->index, FAILED, "5.2.1", STR("the mailbox is disabled"));
	else
		job_result(job, r->index, FAILED, "5.1.1", STR("there is no such mailbox here"));
}

/* NOTIFY, one of several targets (RFC 3461, 5.2.7): the success of them all is
 * told once, as that of the alias. */
static uint32_t
notify_of_several(uint32_t notify)
{
	uint32_t left = notify & ~(uint32_t)NOTIFY_SUCCESS;

	return notify != 0 && left == 0 ? NOTIFY_NEVER : left;
}

static Stagepost__Recipient *
make_recipient(struct job *job, uint32_t from, const struct target *t, bool one_of_several)
{
	const Stagepost__Recipient *parent = job_recipient(job, from);
	Stagepost__Recipient *r = arena_new(&job->arena, Stagepost__Recipient);

	stagepost__recipient__init(r);
	r->address = (char *)t->address.p;
	r->original = parent->original != NULL && *parent->original != '\0' ? parent->original : parent->address;
	/* What the sender asked for, whoever is told of it (5.2.1). */
	r->orcpt = *parent->orcpt != '\0' ? parent->orcpt : (char *)smtp_orcpt_make(str_c(r->original), &job->arena).p;
	r->notify = one_of_several ? notify_of_several(parent->notify) : parent->notify;
	r->local = t->kind != DIR_NOT_LOCAL;
	return r;
}

/* Counts those that a result is to name; false: with them the results would be
 * more than a message may have of recipients in all, which a broker refuses. */
static bool
take_room(struct local_work *w, Stagepost__Recipient *const *fresh, unsigned count)
{
	size_t bytes = w->expanded_bytes;

	for (unsigned i = 0; i < count; i++)
		bytes += protobuf_c_message_get_packed_size(&fresh[i]->base) + 4;
	if (w->expanded_bytes != 0 && bytes > SPOOL_ENVELOPE_MAX)
		return false;
	w->expanded_bytes = bytes;
	return true;
}

/* Several targets, or a remote one. Those that are remote, those that are
 * refused, and those that are kept, become recipients of their own, so that each
 * is tried and reported by itself. A deferred or postponed one holds all of it back: filed copies are known by
 * their delivery ids and not filed again. */
static void
conclude_several(struct local_work *w, const struct local_recipient *r)
{
	struct job *job = w->job;
	Stagepost__Recipient **fresh = arena_array(&job->arena, Stagepost__Recipient *, r->target_count);
	Stagepost__RecipientResult *result;
	unsigned count = 0;

	for (unsigned i = 0; i < r->target_count; i++) {
		const struct target *t = &r->targets[i];

		if (target_is_postponed(t)) {
			job_postpone(job, r->index, &t->filing->err);
			return;
		}
		if (target_is_deferred(t)) {
			job_result(job, r->index, DEFERRED, "4.2.1", STR("a domain is disabled"));
			return;
		}
		if (t->kind == DIR_NOT_LOCAL || t->kind == DIR_UNCLAIMED || target_is_refused(t))
			fresh[count++] = make_recipient(job, r->index, t, r->target_count > 1);
	}
	if (count == 0) {
		job_result(job, r->index, DELIVERED, "2.0.0",
			   str_c(arena_printf(&job->arena, "filed in %u mailboxes", r->target_count)));
		return;
	}
	/* A result that no frame takes would never arrive. */
	if (!take_room(w, fresh, count)) {
		job_result(job, r->index, DEFERRED, "4.5.3",
			   STR("more addresses than one delivery may name: in the next"));
		return;
	}
	result = job_result(job, r->index, EXPANDED, "2.0.0",
			    str_c(arena_printf(&job->arena, "expanded to %u addresses", r->target_count)));
	result->n_new_recipients = count;
	result->new_recipients = fresh;
	result->expanded_here = r->target_count > 1;
}

static void
conclude(struct local_work *w, const struct local_recipient *r)
{
	struct job *job = w->job;
	struct str address = str_c(job_recipient(job, r->index)->address);

	if (r->expand_failed && r->err.code == ERR_LIMIT)
		job_result(job, r->index, FAILED, "5.4.6", STR("the alias leads to too many addresses"));
	else if (r->expand_failed)
		job_postpone(job, r->index, &r->err);
	else if (r->target_count == 0)
		job_result(job, r->index, FAILED, "5.4.6", STR("the alias leads to itself"));
	else if (r->target_count == 1 && r->targets[0].kind != DIR_NOT_LOCAL)
		conclude_single(w, r, &r->targets[0]);
	else if (r->target_count == 1 && str_eq_ci(r->targets[0].address, address))
		job_result(job, r->index, FAILED, "5.1.2", STR("the domain is not served here any more"));
	else
		conclude_several(w, r);
}

static void
drop_references(struct local_work *w, const struct blob_id *id, unsigned count)
{
	while (count-- > 0)
		blob_ref_drop(w->job->worker->redis, w->job->worker->blobs, id, 1);
}

static void
finish(struct local_work *w)
{
	struct job *job = w->job;

	for (unsigned i = 0; i < w->recipient_count; i++)
		conclude(w, &w->recipients[i]);
	drop_references(w, &w->body, w->spare_body_refs);
	if (!blob_id_is_none(&w->digest))
		drop_references(w, &w->digest, w->spare_digest_refs);
	for (unsigned i = 0; i < w->recipient_count; i++) {
		job->results[i]->reference_passed = w->reference_passed;
		job->results[i]->in_doubt = w->in_doubt;
	}
	job_finish(job);
}

/* ---- File ---- */
void
local_filed(struct local_work *w)
{
	finish(w);
}

/* None has begun. */
static void
postpone_all_filings(struct local_work *w, const struct err *err)
{
	for (struct filing *f = w->filings; f != NULL; f = f->next) {
		f->state = FILING_POSTPONED;
		f->err = *err;
	}
	finish(w);
}

/* Between two steps: is the job another's by now? Then it ends without filing. */
static bool
give_up_if_disowned(struct local_work *w)
{
	static const struct err disowned = {ERR_FENCED, "the job is another's now"};

	if (!w->job->disowned)
		return false;
	w->spare_digest_refs = 1; /* the writer's, if there is a digest */
	postpone_all_filings(w, &disowned);
	return true;
}

/* ---- Refer ---- */
static void
on_digest_referred(void *arg, const struct err *err)
{
	struct local_work *w = arg;

	if (err != NULL) {
		/* Filed without one: mailboxes compute it when they are asked. */
		memset(&w->digest, 0, sizeof(w->digest));
	}
	local_file(w);
}

static void
on_body_referred(void *arg, const struct err *err)
{
	struct local_work *w = arg;

	if (err != NULL) {
		log_warning(&w->job->log, "no reference to the body", F_ERR(err));
		w->spare_digest_refs = 1; /* the writer's */
		postpone_all_filings(w, err);
	} else if (w->filing_count > 1 && !blob_id_is_none(&w->digest)) {
		blob_ref_add(w->job->worker->redis, &w->digest, w->filing_count - 1, on_digest_referred, w);
	} else {
		local_file(w);
	}
}

static void
refer(struct local_work *w)
{
	if (give_up_if_disowned(w))
		return;
	/* The digest's first reference is its writer's, that is ours. */
	if (w->passes_reference || w->body_gone)
		local_file(w);
	else
		blob_ref_add(w->job->worker->redis, &w->body, w->filing_count, on_body_referred, w);
}

/* ---- Digest ---- */
static void read_more(struct local_work *w);

static void
store_digest(struct local_work *w)
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
on_body(void *arg, const char *data, size_t len, const struct err *err)
{
	struct local_work *w = arg;

	if (err == NULL && len == 0) {
		static const struct err cut = {ERR_CORRUPT, "the message's body is cut short"};

		err = &cut;
	}
	if (err != NULL) {
		mime_digest_abort(&w->digest_builder);
		log_error(&w->job->log, "body not read", F_ERR(err));
		if (err->code != ERR_NOT_FOUND) {
			w->job->host_is_ill = true;
			postpone_all_filings(w, err);
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
		give_up_if_disowned(w);
		return;
	}
	if (w->read_bytes < w->body.length) {
		read_more(w);
		return;
	}
	store_digest(w);
	refer(w);
}

static void
read_more(struct local_work *w)
{
	blob_read(w->job->worker->blobs, &w->body, w->read_bytes, LOCAL_READ_BYTES, on_body, w);
}

/* ---- Expand ---- */
/* Only where the message ends in this one mailbox: any other recipient or target
 * still needs the spool's reference. An alias may lead elsewhere at another try:
 * that one would find no body, were the reference passed and dropped meanwhile. */
static bool
may_pass_reference(const struct local_work *w)
{
	const struct local_recipient *r = &w->recipients[0];

	return w->job->msg->pass_reference && w->recipient_count == 1 && w->filing_count == 1 && r->target_count == 1 &&
	       str_eq_ci(r->targets[0].address, str_c(job_recipient(w->job, r->index)->address));
}

void
local_expanded(struct local_work *w)
{
	if (w->filing_count == 0) {
		finish(w);
		return;
	}
	if (give_up_if_disowned(w))
		return;
	w->passes_reference = may_pass_reference(w);
	w->digest_builder = mime_digest_begin();
	if (w->body.length == 0) {
		store_digest(w);
		refer(w);
		return;
	}
	read_more(w);
}

void
local_start(struct job *job)
{
	struct local_work *w = arena_new(&job->arena, struct local_work);
	const Stagepost__Blob *body = job->msg->envelope->body;

	job->work = w;
	w->job = job;
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
