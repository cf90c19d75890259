/* One refresh at a time per domain: the store, the TXT record and, if that has
 * changed, the policy by https. Requests that arrive meanwhile wait for its
 * end. */
#include <stdio.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/tlspolicy/sts_private.h"

enum {
	FETCH_AGAIN_MS = 300000, /* after a failed fetch (RFC 8461, 3.3) */
	FETCH_TIMEOUT_MS = 20000,
	RENEW_MS = 24 * 3600000, /* an unchanged policy is fetched again after this, or half its lifetime */
};

static void
refresh_end(struct sts_entry *e)
{
	e->busy = false;
	sts_answer_all(e);
}

/* ---- The policy, by https ---- */
static void
refresh_set_problem(struct sts_entry *e, enum tls_result problem, const char *what, const struct err *err)
{
	e->problem = problem;
	snprintf(e->reason, sizeof(e->reason), "%s%s%.150s", what, err != NULL ? ": " : "",
		 err != NULL ? err->text : "");
	e->fetch_after_ms = clock_monotonic_ms() + FETCH_AGAIN_MS;
	log_info(NULL, "MTA-STS policy not fetched", F_C("domain", e->name), F_C("reason", e->reason));
	refresh_end(e);
}

static bool
refresh_is_plain_text(struct str type)
{
	struct str name, rest;

	str_cut(type, ';', &name, &rest);
	return str_eq_ci(str_trim(name), STR("text/plain"));
}

static void
refresh_take_fetched(struct sts_entry *e, struct str body)
{
	int64_t now_ms = clock_unix_ms(), max_age_ms;
	enum sts_mode mode;
	struct err err;

	if (sts_judge(body, &mode, &max_age_ms, &err) != 0) {
		refresh_set_problem(e, TLS_RESULT_STS_POLICY_INVALID, "the policy is not valid", &err);
		return;
	}
	sts_keep(e, e->new_id, now_ms, now_ms + max_age_ms, body);
	log_info(NULL, "MTA-STS policy fetched", F_C("domain", e->name), F_C("id", e->id),
		 F_C("mode", sts_mode_name(mode)));
	e->problem = TLS_RESULT_OK;
	e->reason[0] = '\0';
	sts_store(e);
	refresh_end(e);
}

static void
refresh_on_fetched(void *arg, const struct web_answer *answer, const struct err *err)
{
	struct sts_entry *e = arg;
	char status[60];

	e->request = NULL;
	if (err != NULL)
		refresh_set_problem(
			e, err->code == ERR_DENIED ? TLS_RESULT_STS_WEBPKI_INVALID : TLS_RESULT_STS_POLICY_FETCH_ERROR,
			"the policy cannot be fetched", err);
	else if (answer->status != 200) {
		snprintf(status, sizeof(status), "the policy cannot be fetched: HTTP status %d", answer->status);
		refresh_set_problem(e, TLS_RESULT_STS_POLICY_FETCH_ERROR, status, NULL);
	} else if (!refresh_is_plain_text(answer->content_type))
		refresh_set_problem(e, TLS_RESULT_STS_POLICY_FETCH_ERROR, "the policy is not plain text", NULL);
	else
		refresh_take_fetched(e, answer->body);
}

static void
refresh_on_addresses(void *arg, const struct dns_answer *answer, const struct err *err)
{
	struct sts_entry *e = arg;
	const struct sts_options *o = &e->sts->options;
	char url[400];
	struct web_options request = {.method = "GET",
				      .url = url,
				      .ca_file = o->ca_file,
				      .max_bytes = STS_POLICY_BYTES,
				      .timeout_ms = FETCH_TIMEOUT_MS};

	e->query = NULL;
	if (err != NULL || answer->ip_count == 0) {
		refresh_set_problem(e, TLS_RESULT_STS_POLICY_FETCH_ERROR, "the policy's host has no address", err);
		return;
	}
	snprintf(url, sizeof(url), "https://mta-sts.%s:%u/.well-known/mta-sts.txt", e->name, (unsigned)o->https_port);
	request.ips = answer->ips;
	request.ip_count = answer->ip_count;
	e->request = web_start(o->http, &request, refresh_on_fetched, e);
}

static void
refresh_fetch(struct sts_entry *e)
{
	char host[300];

	snprintf(host, sizeof(host), "mta-sts.%s", e->name);
	e->query = dns_query_ips(e->sts->options.dns, str_c(host), true, true, refresh_on_addresses, e);
}

/* ---- The record ---- */
static bool
refresh_is_due(const struct sts_entry *e)
{
	int64_t life_ms = (e->expires_ms - e->fetched_ms) / 2;
	return clock_unix_ms() - e->fetched_ms > (life_ms < RENEW_MS ? life_ms : RENEW_MS);
}

static void
refresh_on_record(void *arg, const struct dns_answer *answer, const struct err *err)
{
	struct sts_entry *e = arg;
	bool may_fetch = clock_monotonic_ms() >= e->fetch_after_ms;

	e->query = NULL;
	if (err != NULL || !sts_record_parse(answer->texts, answer->text_count, e->new_id)) {
		/* Nothing new; the known policy stays (5.1). */
		if (!sts_has_policy(e) && e->store_told)
			e->problem = TLS_RESULT_OK;
		refresh_end(e);
	} else if (!sts_has_policy(e) || strcmp(e->id, e->new_id) != 0) {
		may_fetch ? refresh_fetch(e) : refresh_end(e);
	} else if (refresh_is_due(e) && may_fetch) {
		sts_answer_all(e);
		refresh_fetch(e);
	} else
		refresh_end(e);
}

static void
refresh_on_stored(void *arg, const redisReply *reply, const struct err *err)
{
	struct sts_entry *e = sts_call_end(arg);
	struct err damage;
	char name[300];

	if (e == NULL)
		return;
	e->call = NULL;
	if (err == NULL && reply->type == REDIS_REPLY_STRING && sts_take_stored(e, redis_str(reply), &damage) != 0) {
		err = &damage;
		e->in_store = false;
	}
	e->store_told = err == NULL;
	if (err != NULL)
		snprintf(e->reason, sizeof(e->reason), "the store cannot be queried for the policy: %.100s", err->text);
	else if (reply->type != REDIS_REPLY_STRING && e->in_store)
		sts_forget(e);
	if (sts_has_policy(e) && !e->in_store)
		sts_store(e);
	snprintf(name, sizeof(name), "_mta-sts.%s", e->name);
	e->query = dns_query_txt(e->sts->options.dns, str_c(name), refresh_on_record, e);
}

void
sts_refresh(struct sts_entry *e)
{
	char key[STS_KEY_MAX];

	e->busy = true;
	e->call = sts_call_new(e);
	redis_call_key(e->sts->options.redis, refresh_on_stored, e->call, "GET", sts_store_key(e, key), 0, NULL);
}
