/* From a REMOTE job to the addresses that are tried, one after another. */
#include "delivery-worker/remote/remote.h"

#include <stdio.h>

#include "delivery-worker/remote/work.h"
#include "lib/base/check.h"

#define DEFERRED STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED
#define FAILED	 STAGEPOST__RECIPIENT_RESULT__OUTCOME__FAILED

#define TRIES_MAX 12 /* connections for one job */

static void remote_next_target(struct remote_work *w);

/* ---- The end ---- */
static void
remote_finish(struct remote_work *w)
{
	struct job *job = w->job;

	CHECK(w->client == NULL && w->query == NULL && w->dane.query == NULL);
	put_off_settle(w, false);
	message_fini(w);
	job_finish(job);
}

static void
remote_refuse(struct remote_work *w, const struct route_refusal *why)
{
	struct str text = str_c(why->text);

	if (!why->permanent)
		job_set_trouble(w->job, text);
	job_result_rest(w->job, why->permanent ? FAILED : DEFERRED, why->code, text);
	remote_finish(w);
}

/* Our own trouble (job.h): recipients that have no result yet go to another worker. */
static void
remote_postpone(struct remote_work *w, const struct err *err)
{
	job_postpone_rest(w->job, err);
	remote_finish(w);
}

/* A relay host without an address is our own mistake, or one in our DNS: the message waits until it is corrected. */
static void
remote_refuse_without_target(struct remote_work *w)
{
	struct route_refusal why = {.code = "4.3.5"};

	if (w->route.is_relay) {
		why.text = arena_printf(&w->job->arena, "our relay host %.*s (setting smtp-out.relay_host) %s",
					STR_ARG(w->route.hosts[0].name),
					w->dns_trouble ? "cannot be looked up now" : "has no address");
		remote_refuse(w, &why);
	} else
		remote_refuse(w, w->dns_trouble ? &route_dns_failed : &route_no_address);
}

static void
remote_give_up(struct remote_work *w)
{
	const struct trouble *t = &w->trouble;
	struct job *job = w->job;

	if (!w->any_target) {
		remote_refuse_without_target(w);
		return;
	}
	put_off_settle(w, false);
	for (size_t i = 0; i < job->msg->n_recipients; i++) {
		uint32_t index = job->msg->recipients[i];

		if (!job_has_result(job, index))
			job_result(job, index, t->code[0] == '5' ? FAILED : DEFERRED, t->code, str_c(t->text))->remote =
				arena_strdup(&job->arena, t->remote);
	}
	/* A server that deferred a recipient is reachable: the destination is not in trouble. */
	if (t->is_ill && !put_off_by_any(w))
		job_set_trouble(job, str_c(t->text));
	remote_finish(w);
}

/* ---- Targets ---- */
/* An address of our own ends the list: hosts of lower preference would only
 * send the message back (RFC 5321, 5.1). On ports other than SMTP's the address
 * says nothing. */
static bool
remote_leads_back(const struct remote_work *w, const struct ip *ips, unsigned count)
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
remote_take_addresses(struct remote_work *w, const struct route_host *h, const struct ip *ips, unsigned count)
{
	if (remote_leads_back(w, ips, count)) {
		w->next_host = w->route.count;
		if (!w->any_target) {
			remote_refuse(w, &route_loops);
			return;
		}
	} else {
		targets_add(&w->targets, w->remote, h, w->route.port, ips, count);
		w->any_target |= count > 0;
	}
	remote_next_target(w);
}

static void
remote_take_host(struct remote_work *w, const struct route_host *h, const struct ip *ips, unsigned count)
{
	if (sts_allows(w, h)) {
		remote_take_addresses(w, h, ips, count);
		return;
	}
	w->any_target = true; /* so that the trouble is reported */
	remote_next_target(w);
}

static void
remote_on_tlsa(struct remote_work *w, bool known, const struct err *ours)
{
	if (ours != NULL) {
		remote_postpone(w, ours);
	} else if (known) {
		remote_take_host(w, w->dane.host, w->dane.ips, w->dane.ip_count);
	} else {
		w->any_target = true;
		remote_next_target(w);
	}
}

static void
remote_on_ips(void *arg, const struct dns_answer *answer, const struct err *err)
{
	struct remote_work *w = arg;
	struct route_host *h = &w->route.hosts[w->next_host - 1];

	w->query = NULL;
	if (err != NULL && err->code == ERR_IO) {
		remote_postpone(w, err);
		return;
	}
	if (err != NULL) {
		log_info(&w->job->log, "host lookup failed temporarily", F_STR("host", h->name), F_ERR(err));
		w->dns_trouble = true;
		work_note_trouble(w, route_dns_failed.code, route_dns_failed.text, h->name.p, true);
		remote_take_addresses(w, h, NULL, 0);
		return;
	}
	dane_look_up(w, h, answer);
}

static void
remote_next_host(struct remote_work *w)
{
	const struct route_host *h = &w->route.hosts[w->next_host++];

	if (h->literal.family == 0)
		w->query = dns_query_ips(w->job->worker->dns, h->name, true, true, remote_on_ips, w);
	else
		remote_take_host(w, h, &h->literal, 1);
}

static void
remote_next_target(struct remote_work *w)
{
	struct candidate next;
	bool found;

	if (w->tries >= TRIES_MAX || put_off_by_enough(w)) {
		remote_give_up(w);
		return;
	}
	found = targets_next(&w->targets, &next);
	if (!found && w->next_host < w->route.count) {
		remote_next_host(w);
		return;
	}
	if (!found) {
		targets_begin_last(&w->targets);
		found = targets_next(&w->targets, &next);
	}
	if (!found) {
		remote_give_up(w);
		return;
	}
	w->target = next.target;
	w->host = next.host;
	session_begin(w);
}

static void
remote_on_session_end(struct remote_work *w, enum after_target after)
{
	if (after == AFTER_NEXT_HOST)
		targets_put_last(&w->targets);
	if (after == AFTER_END)
		remote_finish(w);
	else
		remote_next_target(w);
}

/* ---- Route ---- */
static void
remote_on_mx(void *arg, const struct dns_answer *answer, const struct err *err)
{
	struct remote_work *w = arg;
	struct job *job = w->job;
	uint16_t port = (uint16_t)work_settings(w)->port;
	const struct route_refusal *refusal;

	w->query = NULL;
	if (err != NULL && err->code == ERR_IO) {
		remote_postpone(w, err);
		return;
	}
	if (err != NULL)
		log_info(&job->log, "MX lookup failed temporarily", F_C("domain", job->msg->destination), F_ERR(err));
	refusal = route_from_mx(answer, str_c(job->msg->destination), str_c(job->worker->hostname), port, &job->arena,
				&w->route);
	if (refusal != NULL) {
		remote_refuse(w, refusal);
		return;
	}
	w->route.is_secure = answer->secure;
	sts_look_up(w);
}

static void
remote_on_policy(struct remote_work *w, const struct err *ours)
{
	if (ours != NULL)
		remote_postpone(w, ours);
	else
		remote_next_target(w);
}

static void
remote_find_route(struct remote_work *w)
{
	static const struct route_refusal bad_relay = {false, "4.3.5", "the setting smtp-out.relay_host is not a host"};
	const struct settings_smtp_out *s = work_settings(w);
	struct str destination = str_c(w->job->msg->destination);
	struct arena *arena = &w->job->arena;

	if (*s->relay_host != '\0') {
		if (!route_from_relay(str_c(s->relay_host), (uint16_t)s->port, arena, &w->route)) {
			remote_refuse(w, &bad_relay);
			return;
		}
		w->route.is_secure = true; /* the name comes from our settings, not from DNS */
		remote_next_target(w);
	} else if (route_from_literal(destination, (uint16_t)s->port, arena, &w->route)) {
		w->route.is_secure = true;
		remote_next_target(w);
	} else {
		w->query = dns_query_mx(w->job->worker->dns, destination, remote_on_mx, w);
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
	dane_init(w, remote_on_tlsa);
	sts_init(w, remote_on_policy);
	put_off_init(w);
	session_init(w, remote_on_session_end);
	remote_find_route(w);
}

void
remote_stop(struct job *job)
{
	struct remote_work *w = job->work;

	/* The server may have accepted the message: wait for its answer. */
	if (w->client != NULL && w->message.smtp.end_sent)
		return;
	if (w->query != NULL)
		dns_cancel(&w->query);
	dane_cancel(w);
	sts_stop(w);
	session_drop(w);
	remote_finish(w);
}
