/* TLSA records of a host that mail is sent to (RFC 7672). They count only when
 * DNSSEC secures the whole path to them: the host's name, its addresses (or, if the
 * name is an alias into an unsigned zone, the alias), and the records. If the path
 * is secure but the records cannot be looked up, the host is skipped: an attacker
 * who can suppress an answer must not be able to turn TLS off. */
#include "delivery-worker/remote/dane.h"

#include <stdio.h>
#include <string.h>

#include "delivery-worker/remote/tally.h"

static void dane_ask(struct remote_work *w, struct str base);

static bool
dane_is_wanted(const struct remote_work *w)
{
	const struct settings_smtp_out *s = work_settings(w);

	return s->enable_dane && s->enable_tls && !w->job->msg->envelope->tls_optional && w->route.is_secure;
}

/* Which records exist, if any, is not known now. */
static void
dane_end_unknown(struct remote_work *w, const struct err *err)
{
	const struct route_host *h = w->dane.host;
	char text[ERR_TEXT_MAX];

	if (err->code == ERR_IO) {
		w->dane.on_end(w, false, err);
		return;
	}
	snprintf(text, sizeof(text), "TLSA records cannot be looked up: %.150s", err->text);
	work_note_trouble(w, "4.7.5", text, h->name.p, true);
	log_warning(&w->job->log, "host skipped: TLSA lookup failed temporarily", F_STR("host", h->name), F_ERR(err));
	tally_no_records(w, h, err);
	w->dane.on_end(w, false, NULL);
}

/* Copied to the job's arena: the answer is freed with the query. */
static void
dane_keep_records(struct remote_work *w, const struct dns_answer *answer)
{
	struct arena *arena = &w->job->arena;
	struct route_host *h = w->dane.host;
	struct dns_tlsa *records = arena_array(arena, struct dns_tlsa, answer->tlsa_count);

	for (unsigned i = 0; i < answer->tlsa_count; i++) {
		records[i] = answer->tlsa[i];
		records[i].data = arena_str(arena, records[i].data);
	}
	h->tlsa_base = w->dane.base;
	h->tlsa = records;
	h->tlsa_total = answer->tlsa_count;
	h->tlsa_count = tls_usable_records(records, answer->tlsa_count);
}

static void
dane_on_tlsa(void *arg, const struct dns_answer *answer, const struct err *err)
{
	struct remote_work *w = arg;

	w->dane.query = NULL;
	if (err != NULL) {
		dane_end_unknown(w, err);
		return;
	}
	if (answer->secure && answer->tlsa_count > 0) {
		dane_keep_records(w, answer);
	} else if (!str_eq(w->dane.base, w->dane.original)) {
		dane_ask(w, w->dane.original); /* 2.2.2: otherwise the records of the original name */
		return;
	}
	w->dane.on_end(w, true, NULL);
}

static void
dane_ask(struct remote_work *w, struct str base)
{
	const char *name = arena_printf(&w->job->arena, "_%u._tcp.%.*s", (unsigned)w->route.port, STR_ARG(base));

	w->dane.base = base;
	w->dane.query = dns_query_tlsa(w->job->worker->dns, str_c(name), dane_on_tlsa, w);
}

/* The addresses are not secure: is the alias that led to them? (2.2.2) */
static void
dane_on_alias(void *arg, const struct dns_answer *answer, const struct err *err)
{
	struct remote_work *w = arg;

	w->dane.query = NULL;
	if (err != NULL)
		dane_end_unknown(w, err);
	else if (answer->secure && answer->canonical.len > 0)
		dane_ask(w, w->dane.original);
	else
		w->dane.on_end(w, true, NULL);
}

void
dane_init(struct remote_work *w, dane_on_end *on_end)
{
	w->dane.on_end = on_end;
}

void
dane_look_up(struct remote_work *w, struct route_host *h, const struct dns_answer *answer)
{
	struct arena *arena = &w->job->arena;
	struct ip *ips = arena_array(arena, struct ip, answer->ip_count + 1);
	struct dane *d = &w->dane;

	if (answer->ip_count > 0)
		memcpy(ips, answer->ips, sizeof(*ips) * answer->ip_count);
	d->host = h;
	d->ips = ips;
	d->ip_count = answer->ip_count;
	d->original = d->base = h->name;
	if (!dane_is_wanted(w) || answer->ip_count == 0)
		d->on_end(w, true, NULL);
	else if (answer->secure)
		dane_ask(w, answer->canonical.len > 0 ? arena_str(arena, answer->canonical) : d->original);
	else if (answer->canonical.len > 0)
		d->query = dns_query_cname(w->job->worker->dns, d->original, dane_on_alias, w);
	else
		d->on_end(w, true, NULL);
}

void
dane_cancel(struct remote_work *w)
{
	if (w->dane.query != NULL)
		dns_cancel(&w->dane.query);
}
