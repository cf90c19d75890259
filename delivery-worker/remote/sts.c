/* MTA-STS for one job (RFC 8461): mail goes only to hosts that the destination's
 * policy names, and only if their certificate is valid for the name. If DANE
 * says what a host's certificate must be, only that counts (section 2). Records
 * that DANE cannot use say nothing. */
#include "delivery-worker/remote/sts.h"

#include <stdio.h>
#include <string.h>

#include "delivery-worker/remote/tally.h"

static bool
sts_is_wanted(const struct remote_work *w)
{
	const struct settings_smtp_out *s = work_settings(w);

	return s->enable_mta_sts && (s->enable_tls || w->job->msg->envelope->require_tls) &&
	       !w->job->msg->envelope->tls_optional;
}

/* The store did not answer, or its answer makes no sense: not the destination's
 * fault. Only this one key may be damaged, so the host does not count as
 * unhealthy; a store that is away is noticed elsewhere. */
static void
sts_postpone(struct remote_work *w, const char *reason)
{
	struct err err;

	err_set(&err, ERR_CORRUPT, "MTA-STS: %s", reason);
	log_warning(&w->job->log, "mail waits until the policy is known", F_C("domain", w->job->msg->destination),
		    F_ERR(&err));
	w->sts.on_end(w, &err);
}

static void
sts_take(struct remote_work *w, const struct sts_answer *answer)
{
	struct arena *arena = &w->job->arena;
	struct err err;

	w->sts.problem = answer->problem;
	w->sts.reason = arena_strdup(arena, answer->reason);
	if (answer->state == STS_UNKNOWN) {
		sts_postpone(w, w->sts.reason);
		return;
	}
	if (answer->state == STS_FOUND) {
		/* What was kept had been read before. */
		if (sts_policy_parse(arena_str(arena, answer->policy), arena, &w->sts.policy, &err) != 0) {
			sts_postpone(w, err.text);
			return;
		}
		w->sts.found = w->sts.policy.mode != STS_MODE_NONE;
	}
	w->sts.on_end(w, NULL);
}

static void
sts_on_found(void *arg, const struct sts_answer *answer)
{
	struct remote_work *w = arg;

	w->sts.lookup = NULL;
	sts_take(w, answer);
}

void
sts_init(struct remote_work *w, sts_on_end *on_end)
{
	w->sts.on_end = on_end;
}

void
sts_stop(struct remote_work *w)
{
	sts_cancel(&w->sts.lookup);
}

void
sts_look_up(struct remote_work *w)
{
	struct str domain = str_c(w->job->msg->destination);
	struct sts_answer answer;

	if (!sts_is_wanted(w))
		w->sts.on_end(w, NULL);
	else if (sts_known(w->remote->sts, domain, &answer))
		sts_take(w, &answer);
	else
		w->sts.lookup = sts_find(w->remote->sts, domain, sts_on_found, w);
}

bool
sts_is_enforced(const struct remote_work *w)
{
	return w->sts.found && w->sts.policy.mode == STS_MODE_ENFORCE;
}

static void
sts_note_trouble(struct remote_work *w, const struct route_host *h, const char *code, const char *text)
{
	work_note_trouble(w, code, text, h->name.p, true);
	log_info(&w->job->log, "host skipped", F_STR("host", h->name), F_C("reason", text));
}

bool
sts_allows(struct remote_work *w, const struct route_host *h)
{
	bool named;

	if (w->route.is_relay || h->tlsa_count > 0)
		return true;
	named = w->sts.found && sts_policy_allows(&w->sts.policy, h->name);
	if (sts_is_enforced(w) && !named) {
		tally_not_named(w, h);
		sts_note_trouble(w, h, "4.7.5", "the domain's MTA-STS policy does not name this host");
		return false;
	}
	/* RFC 8689, 4.2.1: the name must come from a trusted source. */
	if (w->job->msg->envelope->require_tls && !w->route.is_secure && !named) {
		sts_note_trouble(w, h, "5.7.10",
				 "the message requires TLS, and neither DNSSEC nor MTA-STS confirms the server's name");
		return false;
	}
	return true;
}
