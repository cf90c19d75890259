/* From a REMOTE job to the addresses that are tried, one after the other. */
#include "delivery-worker/remote/remote.h"

#include <stdio.h>
#include <string.h>

#include "delivery-worker/remote/remote_private.h"
#include "lib/base/check.h"

#define DEFERRED STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED
#define FAILED	 STAGEPOST__RECIPIENT_RESULT__OUTCOME__FAILED

const struct settings_smtp_out *
work_settings(const struct remote_work *w)
{
	return settings_smtp_out(settings_current(w->job->worker->settings), w->sender_domain);
}

void
work_finish(struct remote_work *w)
{
	struct job *job = w->job;

	CHECK(w->client == NULL && w->query == NULL && w->read == NULL);
	put_off_settle(w, false);
	downgrade_free(&w->downgrade);
	job_finish(job);
}

void
work_refuse(struct remote_work *w, const struct route_refusal *why)
{
	struct str text = str_c(why->text);

	if (!why->permanent)
		job_set_trouble(w->job, text);
	job_result_rest(w->job, why->permanent ? FAILED : DEFERRED, why->code, text);
	work_finish(w);
}

void
work_postpone(struct remote_work *w, const struct err *err)
{
	job_postpone_rest(w->job, err);
	work_finish(w);
}

/* ---- Targets ---- */
void
work_note_trouble(struct remote_work *w, const char *code, const char *text, const char *remote, bool is_ill)
{
	bool is_final = code[0] == '5';

	if (is_final && w->trouble_code[0] == '4')
		return;
	str_copy(str_c(code), w->trouble_code, sizeof(w->trouble_code));
	w->trouble = arena_strdup(&w->job->arena, text);
	str_copy(str_c(remote), w->trouble_remote, sizeof(w->trouble_remote));
	w->destination_ill = is_ill && !is_final;
}

/* A relay host without an address is our mistake, or that of our DNS: the
 * message waits until it is mended. */
static void
refuse_without_target(struct remote_work *w)
{
	struct route_refusal why = {.code = "4.3.5"};

	if (w->route.is_relay) {
		why.text = arena_printf(&w->job->arena, "our relay host %.*s (setting smtp-out.relay_host) %s",
					STR_ARG(w->route.hosts[0].name),
					w->dns_trouble ? "cannot be looked up now" : "has no address");
		work_refuse(w, &why);
	} else
		work_refuse(w, w->dns_trouble ? &route_dns_failed : &route_no_address);
}

static void
give_up(struct remote_work *w)
{
	struct job *job = w->job;

	if (!w->any_target) {
		refuse_without_target(w);
		return;
	}
	/* A server that put somebody off is there: the destination is not ill. */
	if (w->visits > 0)
		w->destination_ill = false;
	put_off_settle(w, false);
	for (size_t i = 0; i < job->msg->n_recipients; i++) {
		uint32_t index = job->msg->recipients[i];

		if (!job_has_result(job, index))
			job_result(job, index, w->trouble_code[0] == '5' ? FAILED : DEFERRED, w->trouble_code,
				   str_c(w->trouble))
				->remote = arena_strdup(&job->arena, w->trouble_remote);
	}
	if (w->destination_ill)
		job_set_trouble(job, str_c(w->trouble));
	work_finish(w);
}

static void
add_target(struct remote_work *w, const struct route_host *h, const struct ip *ip)
{
	struct candidate *c;
	struct smtp_target *t;

	if (w->target_count == TARGETS_MAX || w->postponed_count == TARGETS_MAX)
		return;
	c = &w->targets[w->target_count];
	c->host = h;
	t = &c->target;
	t->ip = *ip;
	t->port = w->route.port;
	str_copy(h->name, t->host, sizeof(t->host));
	w->any_target = true;
	if (pool_is_dead(w->remote->pool, t) || !remote_may_reach(w->remote, ip))
		w->postponed[w->postponed_count++] = *c;
	else
		w->target_count++;
}

/* IPv6 and IPv4 take turns, so that a family that leads nowhere costs one try
 * before the other comes. */
static void
add_targets(struct remote_work *w, const struct route_host *h, const struct ip *ips, unsigned count)
{
	unsigned next[2] = {0, 0}; /* of family 6, of family 4 */

	for (unsigned added = 0, turn = 0; added < count; turn = !turn) {
		unsigned *i = &next[turn], family = turn == 0 ? 6 : 4;

		while (*i < count && ips[*i].family != family)
			++*i;
		if (*i == count)
			continue;
		add_target(w, h, &ips[(*i)++]);
		added++;
	}
}

/* An address of our own ends the list: hosts of lower preference would only
 * send the message back (RFC 5321, 5.1). On other ports than SMTP's the
 * address says nothing. */
static bool
leads_back(const struct remote_work *w, const struct ip *ips, unsigned count)
{
	if (w->route.is_relay || w->route.port != 25)
		return false;
	for (unsigned i = 0; i < count; i++) {
		if (remote_is_own(w->remote, &ips[i]))
			return true;
	}
	return false;
}

static void
take_addresses(struct remote_work *w, const struct route_host *h, const struct ip *ips, unsigned count)
{
	if (leads_back(w, ips, count)) {
		w->next_host = w->route.count;
		if (!w->any_target) {
			work_refuse(w, &route_loops);
			return;
		}
	} else {
		add_targets(w, h, ips, count);
	}
	work_next_target(w);
}

static void
on_tlsa_known(struct remote_work *w, bool known)
{
	const struct route_host *h = &w->route.hosts[w->next_host - 1];

	if (known && sts_allows(w, h)) {
		take_addresses(w, h, w->dane.ips, w->dane.ip_count);
		return;
	}
	w->any_target = true; /* so that the trouble is told */
	work_next_target(w);
}

static void
on_ips(void *arg, const struct dns_answer *answer, const struct err *err)
{
	struct remote_work *w = arg;
	const struct route_host *h = &w->route.hosts[w->next_host - 1];

	w->query = NULL;
	if (err != NULL && err->code == ERR_IO) {
		work_postpone(w, err);
		return;
	}
	if (err != NULL) {
		log_info(&w->job->log, "host not found for now", F_STR("host", h->name), F_ERR(err));
		w->dns_trouble = true;
		work_note_trouble(w, route_dns_failed.code, route_dns_failed.text, h->name.p, true);
		take_addresses(w, h, NULL, 0);
		return;
	}
	dane_look_up(w, answer, on_tlsa_known);
}

static void
next_host(struct remote_work *w)
{
	const struct route_host *h = &w->route.hosts[w->next_host++];

	if (h->literal.family == 0)
		w->query = dns_query_ips(w->job->worker->dns, h->name, true, true, on_ips, w);
	else if (sts_allows(w, h))
		take_addresses(w, h, &h->literal, 1);
	else
		work_next_target(w);
}

void
work_next_target(struct remote_work *w)
{
	if (w->tries < TRIES_MAX && w->target_at == w->target_count && w->next_host == w->route.count &&
	    w->postponed_count > 0) {
		memcpy(w->targets, w->postponed, sizeof(w->postponed));
		w->target_count = w->postponed_count;
		w->target_at = w->postponed_count = 0;
	}
	if (w->tries >= TRIES_MAX || w->visits >= VISITS_MAX) {
		give_up(w);
	} else if (w->target_at < w->target_count) {
		w->host = w->targets[w->target_at].host;
		w->target = w->targets[w->target_at++].target;
		w->fresh_only = w->plain_only = w->no_source = false;
		session_try(w);
	} else if (w->next_host < w->route.count) {
		next_host(w);
	} else {
		give_up(w);
	}
}

void
work_next_host(struct remote_work *w)
{
	for (; w->target_at < w->target_count && w->postponed_count < TARGETS_MAX; w->target_at++)
		w->postponed[w->postponed_count++] = w->targets[w->target_at];
	work_next_target(w);
}

/* ---- Route ---- */
static void
on_mx(void *arg, const struct dns_answer *answer, const struct err *err)
{
	struct remote_work *w = arg;
	struct job *job = w->job;
	uint16_t port = (uint16_t)work_settings(w)->port;
	const struct route_refusal *refusal;

	w->query = NULL;
	if (err != NULL && err->code == ERR_IO) {
		work_postpone(w, err);
		return;
	}
	if (err != NULL)
		log_info(&job->log, "no MX records for now", F_C("domain", job->msg->destination), F_ERR(err));
	refusal = route_from_mx(answer, str_c(job->msg->destination), str_c(job->worker->hostname), port, &job->arena,
				&w->route);
	if (refusal != NULL) {
		work_refuse(w, refusal);
		return;
	}
	w->route.is_secure = answer->secure;
	sts_look_up(w, work_next_target);
}

static void
find_route(struct remote_work *w)
{
	static const struct route_refusal bad_relay = {false, "4.3.5", "the setting smtp-out.relay_host is no host"};
	const struct settings_smtp_out *s = work_settings(w);
	struct str destination = str_c(w->job->msg->destination);
	struct arena *arena = &w->job->arena;

	if (*s->relay_host != '\0') {
		if (!route_from_relay(str_c(s->relay_host), (uint16_t)s->port, arena, &w->route)) {
			work_refuse(w, &bad_relay);
			return;
		}
		w->route.is_secure = true; /* we were told by name, not by DNS */
		work_next_target(w);
	} else if (route_from_literal(destination, (uint16_t)s->port, arena, &w->route)) {
		w->route.is_secure = true;
		work_next_target(w);
	} else {
		w->query = dns_query_mx(w->job->worker->dns, destination, on_mx, w);
	}
}

/* ---- Start and stop ---- */
void
remote_start(struct job *job)
{
	struct remote_work *w = arena_new(&job->arena, struct remote_work);

	job->work = w;
	w->job = job;
	w->remote = job->worker->remote;
	w->sender_domain = directory_domain_of(str_c(job->msg->envelope->reverse_path));
	message_fill(w);
	put_off_begin(w);
	find_route(w);
}

void
remote_stop(struct job *job)
{
	struct remote_work *w = job->work;

	/* The server may have taken the message: hear it out. */
	if (w->client != NULL && w->message.end_sent)
		return;
	if (w->query != NULL)
		dns_cancel(&w->query);
	sts_cancel(&w->sts.lookup);
	session_drop(w);
	work_finish(w);
}
