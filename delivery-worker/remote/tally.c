/* TLS sessions with the hosts of domains, counted for TLS reports (RFC 8460).
 * Sessions that were never meant to use TLS, or not because of the domain, say
 * nothing about it: relay hosts, literals, mail whose sender does not require
 * it. */
#include "delivery-worker/remote/tally.h"

#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/hex.h"
#include "lib/tlspolicy/tally.h"

static const struct str tally_reason_not_named = STR("the policy does not name this host");

static bool
tally_is_counted(const struct remote_work *w)
{
	const char *destination = w->job->msg->destination;

	return work_settings(w)->tls_reports && !w->route.is_relay && destination[0] != '[' &&
	       !w->job->msg->envelope->tls_optional;
}

/* "_25._tcp.mx.example.org. IN TLSA 3 1 1 0123..." */
static struct str
tally_tlsa_text(const struct remote_work *w, const struct route_host *h, const struct dns_tlsa *r)
{
	char *hex = arena_alloc(&w->job->arena, 2 * r->data.len + 1);

	hex_write(r->data.p, r->data.len, hex);
	return str_c(arena_printf(&w->job->arena, "_%u._tcp.%.*s. IN TLSA %u %u %u %s", (unsigned)w->route.port,
				  STR_ARG(h->tlsa_base), r->usage, r->selector, r->matching, hex));
}

static void
tally_fill_tlsa(const struct remote_work *w, const struct route_host *h, struct tls_session *s)
{
	struct str *strings = arena_array(&w->job->arena, struct str, h->tlsa_total);

	for (unsigned i = 0; i < h->tlsa_total; i++)
		strings[i] = tally_tlsa_text(w, h, &h->tlsa[i]);
	s->policy = TLS_POLICY_TLSA;
	s->policy_domain = h->tlsa_base;
	s->strings = strings;
	s->string_count = h->tlsa_total;
}

static void
tally_fill_sts(const struct remote_work *w, struct tls_session *s)
{
	s->policy = TLS_POLICY_STS;
	s->strings = w->sts.policy.lines;
	s->string_count = w->sts.policy.line_count;
	s->mx_patterns = w->sts.policy.mx;
	s->mx_pattern_count = w->sts.policy.mx_count;
}

static void
tally_add(const struct remote_work *w, struct tls_session *s)
{
	s->domain = str_c(w->job->msg->destination);
	tally_count(w->job->worker->tally, clock_unix_ms(), s);
}

/* The policy that the domain has now cannot be fetched: reported besides the
 * session's own result if an older policy is in force, otherwise instead of
 * it. */
static bool
tally_add_sts_problem(const struct remote_work *w)
{
	struct tls_session s = {
		.policy = TLS_POLICY_STS,
		.result = w->sts.problem,
		.sending_ip = smtp_client_own_ip(w->client),
		.reason = str_c(w->sts.reason),
	};

	if (w->sts.problem == TLS_RESULT_OK)
		return false;
	tally_add(w, &s);
	return true;
}

/* For a new session with the current target. */
static void
tally_add_session(const struct remote_work *w, struct tls_session *s)
{
	const struct route_host *h = w->host;

	s->receiving_ip = w->target.ip;
	s->sending_ip = smtp_client_own_ip(w->client);
	s->mx_host = str_c(w->target.host);
	s->mx_helo = str_c(smtp_client_helo(w->client));
	if (h->tlsa_base.len > 0)
		tally_fill_tlsa(w, h, s);
	else if (tally_add_sts_problem(w) && !w->sts.found)
		return;
	else if (w->sts.found)
		tally_fill_sts(w, s);
	tally_add(w, s);
}

/* For an established session, by the rules of the policy that was applied. */
static enum tls_result
tally_result_of(const struct remote_work *w)
{
	if (*smtp_client_tls(w->client) == '\0')
		return TLS_RESULT_STARTTLS_NOT_SUPPORTED;
	if (w->host->tlsa_base.len > 0)
		return w->host->tlsa_count == 0 ? TLS_RESULT_TLSA_INVALID : TLS_RESULT_OK;
	return w->sts.found ? smtp_client_tls_result(w->client) : TLS_RESULT_OK;
}

void
tally_session(const struct remote_work *w)
{
	struct tls_session s = {.result = TLS_RESULT_OK};

	if (!tally_is_counted(w) || w->session.wish.level == TLS_NONE)
		return;
	s.result = tally_result_of(w);
	/* In testing mode it was not skipped for that. */
	if (s.result == TLS_RESULT_OK && w->host->tlsa_base.len == 0 && w->sts.found &&
	    !sts_policy_allows(&w->sts.policy, w->host->name)) {
		s.result = TLS_RESULT_VALIDATION_FAILURE;
		s.reason = tally_reason_not_named;
	}
	tally_add_session(w, &s);
}

void
tally_failure(const struct remote_work *w, const struct smtp_failure *f)
{
	struct tls_session s = {.result = f->tls_result, .reason = str_c(f->text)};

	if (f->stage != SMTP_AT_TLS || !tally_is_counted(w) || w->session.wish.level == TLS_NONE)
		return;
	if (s.result == TLS_RESULT_OK)
		s.result = TLS_RESULT_VALIDATION_FAILURE;
	tally_add_session(w, &s);
}

void
tally_no_records(const struct remote_work *w, const struct route_host *h, const struct err *err)
{
	struct tls_session s = {
		.policy = TLS_POLICY_TLSA,
		.policy_domain = w->dane.base,
		.result = TLS_RESULT_DNSSEC_INVALID,
		.mx_host = h->name,
		.reason = str_c(err->text),
	};

	if (tally_is_counted(w))
		tally_add(w, &s);
}

void
tally_not_named(const struct remote_work *w, const struct route_host *h)
{
	struct tls_session s = {
		.result = TLS_RESULT_VALIDATION_FAILURE, .mx_host = h->name, .reason = tally_reason_not_named};

	if (!tally_is_counted(w))
		return;
	tally_fill_sts(w, &s);
	tally_add(w, &s);
}
