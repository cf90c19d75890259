/* TLS sessions towards the hosts of domains, counted for TLS reports (RFC 8460).
 * What was never to have TLS, or not by the domain's will, says nothing about
 * the domain: relay hosts, literals, mail whose sender does not care. */
#include <string.h>

#include "delivery-worker/remote/remote_private.h"
#include "lib/base/clock.h"
#include "lib/tlspolicy/tally.h"

static bool
is_counted(const struct remote_work *w)
{
	const char *destination = w->job->msg->destination;

	return work_settings(w)->tls_reports && !w->route.is_relay && destination[0] != '[' &&
	       !w->job->msg->envelope->tls_optional;
}

/* "_25._tcp.mx.example.org. IN TLSA 3 1 1 0123..." */
static struct str
tlsa_text(const struct remote_work *w, const struct route_host *h, const struct dns_tlsa *r)
{
	struct buf hex = BUF_EMPTY;
	struct str text;

	for (size_t i = 0; i < r->data.len; i++)
		buf_printf(&hex, "%02x", (unsigned char)r->data.p[i]);
	text = str_c(arena_printf(&w->job->arena, "_%u._tcp.%.*s. IN TLSA %u %u %u %.*s", (unsigned)w->route.port,
				  STR_ARG(h->tlsa_base), r->usage, r->selector, r->matching, STR_ARG(buf_str(&hex))));
	buf_fini(&hex);
	return text;
}

/* What was demanded of the host, and by whom. */
static void
fill_policy(const struct remote_work *w, const struct route_host *h, struct tls_session *s)
{
	struct str *strings;

	s->domain = str_c(w->job->msg->destination);
	if (h->tlsa_base.len == 0)
		return;
	strings = arena_array(&w->job->arena, struct str, h->tlsa_total);
	for (unsigned i = 0; i < h->tlsa_total; i++)
		strings[i] = tlsa_text(w, h, &h->tlsa[i]);
	s->policy = TLS_POLICY_TLSA;
	s->policy_domain = h->tlsa_base;
	s->strings = strings;
	s->string_count = h->tlsa_total;
}

static void
count(const struct remote_work *w, struct tls_session *s)
{
	s->receiving_ip = w->target.ip;
	s->sending_ip = smtp_client_own_ip(w->client);
	s->mx_host = str_c(w->target.host);
	s->mx_helo = str_c(smtp_client_helo(w->client));
	tally_count(w->job->worker->tally, clock_unix_ms(), s);
}

void
tally_session(const struct remote_work *w)
{
	struct tls_session s = {.result = TLS_RESULT_OK};

	if (!is_counted(w) || w->wish.level == TLS_NONE)
		return;
	fill_policy(w, w->host, &s);
	if (*smtp_client_tls(w->client) == '\0')
		s.result = TLS_RESULT_STARTTLS_NOT_SUPPORTED;
	else if (s.policy == TLS_POLICY_TLSA && w->host->tlsa_count == 0)
		s.result = TLS_RESULT_TLSA_INVALID;
	count(w, &s);
}

void
tally_failure(const struct remote_work *w, const struct smtp_failure *f)
{
	struct tls_session s = {.result = f->tls_result, .reason = str_c(f->text)};

	if (f->stage != SMTP_AT_TLS || !is_counted(w) || w->wish.level == TLS_NONE)
		return;
	if (s.result == TLS_RESULT_OK)
		s.result = TLS_RESULT_VALIDATION_FAILURE;
	fill_policy(w, w->host, &s);
	count(w, &s);
}

void
tally_no_records(const struct remote_work *w, const struct route_host *h, const struct err *err)
{
	struct tls_session s = {
		.domain = str_c(w->job->msg->destination),
		.policy = TLS_POLICY_TLSA,
		.policy_domain = w->dane.base,
		.result = TLS_RESULT_DNSSEC_INVALID,
		.mx_host = h->name,
		.reason = str_c(err->text),
	};

	if (is_counted(w))
		tally_count(w->job->worker->tally, clock_unix_ms(), &s);
}
