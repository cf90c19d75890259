/* The result of a recipient, from the results of everything that it expanded to. */
#include "delivery-worker/local/private.h"
#include "lib/smtp/notify.h"
#include "lib/smtp/orcpt.h"
#include "lib/spool/id.h"

#define DELIVERED STAGEPOST__RECIPIENT_RESULT__OUTCOME__DELIVERED
#define DEFERRED  STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED
#define FAILED	  STAGEPOST__RECIPIENT_RESULT__OUTCOME__FAILED
#define EXPANDED  STAGEPOST__RECIPIENT_RESULT__OUTCOME__EXPANDED

static bool
conclude_is_refused(const struct target *t)
{
	return t->kind == DIR_UNKNOWN || (t->kind == DIR_DISABLED && !t->domain_disabled) ||
	       (t->filing != NULL && t->filing->state == FILING_REFUSED);
}

static bool
conclude_is_deferred(const struct target *t)
{
	return t->kind == DIR_DISABLED && t->domain_disabled;
}

static bool
conclude_is_postponed(const struct target *t)
{
	return t->filing != NULL && t->filing->state == FILING_POSTPONED;
}

/* For postmaster or abuse, if nobody in the domain receives that mail yet. */
static void
conclude_unclaimed(struct job *job, uint32_t index, const struct target *t)
{
	struct str domain = directory_domain_of(t->address);
	const char *text = arena_printf(&job->arena,
					"kept until there is a recipient: %.*s has no admin, and the setting "
					"mailbox.postmaster does not name an account that accepts mail",
					STR_ARG(domain.len > 0 ? domain : STR("this server")));

	job_result(job, index, DEFERRED, "4.3.5", str_c(text))->kept = true;
}

/* What was retrieved may be gone where it came from, and no sender waits for a report: it is kept until
 * there is room for it. False: it was not retrieved, or there is no account any more. */
static bool
conclude_keep_retrieved(struct local_work *w, uint32_t index, const struct target *t)
{
	const char *text;

	if (local_retrieved(w) == NULL)
		return false;
	if (t->filing != NULL && t->filing->state == FILING_REFUSED)
		text = arena_printf(&w->job->arena, "retrieved, and kept: %.*s", STR_ARG(t->filing->text));
	else if (t->filing == NULL && t->kind == DIR_DISABLED)
		text = "retrieved, and kept: the mailbox is disabled";
	else
		return false;
	job_result(w->job, index, DEFERRED, "4.2.2", str_c(text))->kept = true;
	return true;
}

/* A recipient that resolved to exactly one account, or to nothing. */
static void
conclude_single(struct local_work *w, const struct local_recipient *r, const struct target *t)
{
	struct job *job = w->job;

	if (conclude_keep_retrieved(w, r->index, t))
		return;
	if (conclude_is_postponed(t))
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

/* NOTIFY for one of several targets (RFC 3461, 5.2.7): the success of all of
 * them is reported once, as the success of the alias. */
static uint32_t
conclude_notify_of_several(uint32_t notify)
{
	uint32_t left = notify & ~(uint32_t)NOTIFY_SUCCESS;

	return notify != 0 && left == 0 ? NOTIFY_NEVER : left;
}

static Stagepost__Recipient *
conclude_make_recipient(struct job *job, uint32_t from, const struct target *t, bool one_of_several)
{
	const Stagepost__Recipient *parent = job_recipient(job, from);
	Stagepost__Recipient *r = arena_new(&job->arena, Stagepost__Recipient);

	stagepost__recipient__init(r);
	r->address = (char *)t->address.p;
	r->original = parent->original != NULL && *parent->original != '\0' ? parent->original : parent->address;
	/* What the sender asked for, whoever receives the report (5.2.1). */
	r->orcpt = *parent->orcpt != '\0' ? parent->orcpt : (char *)smtp_orcpt_make(str_c(r->original), &job->arena).p;
	r->notify = one_of_several ? conclude_notify_of_several(parent->notify) : parent->notify;
	r->local = t->kind != DIR_NOT_LOCAL;
	return r;
}

/* Counts the targets that a result will name; false: with them the results
 * would exceed the number of recipients that a message may have, and a broker
 * refuses that. */
static bool
conclude_take_room(struct local_work *w, Stagepost__Recipient *const *fresh, unsigned count)
{
	size_t bytes = w->expanded_bytes;

	for (unsigned i = 0; i < count; i++)
		bytes += protobuf_c_message_get_packed_size(&fresh[i]->base) + 4;
	if (w->expanded_bytes != 0 && bytes > SPOOL_ENVELOPE_MAX)
		return false;
	w->expanded_bytes = bytes;
	return true;
}

/* Several targets, or a remote one. Remote, refused and kept targets become
 * recipients of their own, so that each is tried and reported by itself. A
 * deferred or postponed target holds all of it back: filed copies are known by
 * their delivery ids and are not filed again. */
static void
conclude_several(struct local_work *w, const struct local_recipient *r)
{
	struct job *job = w->job;
	Stagepost__Recipient **fresh = arena_array(&job->arena, Stagepost__Recipient *, r->target_count);
	Stagepost__RecipientResult *result;
	unsigned count = 0;

	for (unsigned i = 0; i < r->target_count; i++) {
		const struct target *t = &r->targets[i];

		if (conclude_is_postponed(t)) {
			job_postpone(job, r->index, &t->filing->err);
			return;
		}
		if (conclude_is_deferred(t)) {
			job_result(job, r->index, DEFERRED, "4.2.1", STR("a domain is disabled"));
			return;
		}
		if (t->kind == DIR_NOT_LOCAL || t->kind == DIR_UNCLAIMED || conclude_is_refused(t))
			fresh[count++] = conclude_make_recipient(job, r->index, t, r->target_count > 1);
	}
	if (count == 0) {
		job_result(job, r->index, DELIVERED, "2.0.0",
			   str_c(arena_printf(&job->arena, "filed in %u mailboxes", r->target_count)));
		return;
	}
	/* A result that does not fit a frame would never arrive. */
	if (!conclude_take_room(w, fresh, count)) {
		job_result(job, r->index, DEFERRED, "4.5.3",
			   STR("too many addresses for one delivery: the rest goes with the next"));
		return;
	}
	result = job_result(job, r->index, EXPANDED, "2.0.0",
			    str_c(arena_printf(&job->arena, "expanded to %u addresses", r->target_count)));
	result->n_new_recipients = count;
	result->new_recipients = fresh;
	result->expanded_here = r->target_count > 1;
}

void
local_conclude(struct local_work *w, const struct local_recipient *r)
{
	struct job *job = w->job;
	struct str address = str_c(job_recipient(job, r->index)->address);

	if (r->expand_failed && r->err.code == ERR_LIMIT)
		job_result(job, r->index, FAILED, "5.4.6", STR("the alias expands to too many addresses"));
	else if (r->expand_failed)
		job_postpone(job, r->index, &r->err);
	else if (r->target_count == 0)
		job_result(job, r->index, FAILED, "5.4.6", STR("the alias points to itself"));
	else if (r->target_count == 1 && r->targets[0].kind != DIR_NOT_LOCAL)
		conclude_single(w, r, &r->targets[0]);
	else if (r->target_count == 1 && str_eq_ci(r->targets[0].address, address))
		job_result(job, r->index, FAILED, "5.1.2", STR("the domain is no longer served here"));
	else
		conclude_several(w, r);
}
