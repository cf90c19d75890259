/* What recipients resolve to: accounts here, addresses elsewhere, or nothing. */
#include "delivery-worker/local/private.h"
#include "lib/base/check.h"

/* Must it be treated as spam in the recipient's domain, because of what proves its sender? */
static bool
expand_is_forged(const struct job *job, struct str domain)
{
	const Stagepost__Envelope *e = job->msg->envelope;
	const struct settings_mail_auth *s = settings_mail_auth(settings_current(job->worker->settings), domain);

	return s->verify &&
	       ((e->dmarc_failed && s->dmarc_enforcement) || (e->spf_failed && s->spf_fail_action != SPF_FAIL_NONE));
}

/* What to do with spam in the recipient's domain. */
static void
expand_judge(struct filing *f)
{
	const struct job *job = f->work->job;
	struct str domain = directory_domain_of(f->address);
	int action = settings_spam(settings_current(job->worker->settings), domain)->spam_action;

	/* A fresh message is given as it was handed over, with the verdict that came along. */
	const Stagepost__SpamVerdict *v = job->msg->verdict != NULL ? job->msg->verdict : job->msg->envelope->checked;

	if ((v == NULL || !v->is_spam) && !expand_is_forged(job, domain))
		return;
	f->junk = action == SPAM_ACTION_JUNK;
	f->tagged = action != SPAM_ACTION_NONE;
}

static struct filing *
expand_filing_for(struct local_work *w, const struct directory_target *t)
{
	struct arena *arena = &w->job->arena;
	struct filing *f;

	for (f = w->filings; f != NULL; f = f->next) {
		if (str_eq(f->address, t->address) && str_eq(f->detail, t->detail))
			return f;
	}
	f = arena_new(arena, struct filing);
	f->work = w;
	f->address = arena_str(arena, t->address);
	f->detail = arena_str(arena, t->detail);
	f->quota_bytes = t->quota_bytes;
	expand_judge(f);
	if (w->last_filing != NULL)
		w->last_filing->next = f;
	else
		w->filings = f;
	w->last_filing = f;
	w->filing_count++;
	return f;
}

static void
expand_back(struct local_work *w)
{
	CHECK(op_back(&w->op));
	if (!op_waits(&w->op))
		w->on_expanded(w);
}

static void
expand_on_expanded(void *arg, const struct directory_target *targets, unsigned count, const struct err *err)
{
	struct local_recipient *r = arg;
	struct local_work *w = r->work;

	if (err != NULL) {
		r->expand_failed = true;
		r->err = *err;
	} else {
		r->targets = arena_array(&w->job->arena, struct target, count + 1);
		r->target_count = count;
		for (unsigned i = 0; i < count; i++) {
			struct target *t = &r->targets[i];

			t->address = arena_str(&w->job->arena, targets[i].address);
			t->kind = targets[i].kind;
			t->domain_disabled = targets[i].domain_disabled;
			if (t->kind == DIR_USER)
				t->filing = expand_filing_for(w, &targets[i]);
		}
	}
	expand_back(w);
}

void
local_expand(struct local_work *w)
{
	/* One more than there are, so that immediate answers do not end the step before all have been asked. */
	op_hold(&w->op);
	for (unsigned i = 0; i < w->recipient_count; i++) {
		struct local_recipient *r = &w->recipients[i];

		op_hold(&w->op);
		directory_expand(w->job->worker->directory, str_c(job_recipient(w->job, r->index)->address),
				 expand_on_expanded, r);
	}
	expand_back(w);
}
