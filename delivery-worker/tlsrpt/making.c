#include <utlist.h>

#include "delivery-worker/tlsrpt/private.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/redis/keys.h"
#include "lib/service/metrics.h"

enum {
	RETRY_FIRST_MS = 60000,
	RETRY_LONGEST_MS = 3600000,
	GIVE_UP_MS = 86400000, /* RFC 8460, 5.5 */
};

static void making_serve_next(struct making *m);

/* ---- The end ---- */
static void
making_on_finished(void *arg, const struct err *err)
{
	struct making *m = arg;

	/* Then it becomes due again, and finds that everything has been done. */
	if (err != NULL)
		log_warning(&m->log, "TLS report not noted as done", F_ERR(err));
	m->reporter->on_making_ended(m);
}

static void
making_finish(struct making *m, const char *outcome)
{
	log_info(&m->log, "TLS report done", F_C("outcome", outcome), F_I64("tries", m->plan.tries));
	pending_finish(m->reporter->worker->redis, m->day, m->domain, str_c(outcome), making_on_finished, m);
}

static void
making_put_off(struct making *m, const char *why)
{
	int64_t wait_ms = RETRY_FIRST_MS;

	if (m->plan.first_ms != 0 && clock_unix_ms() - m->plan.first_ms > GIVE_UP_MS) {
		making_finish(m, m->done > 0 ? "sent in part" : "given up");
		return;
	}
	for (unsigned i = 1; i < m->plan.tries && wait_ms < RETRY_LONGEST_MS; i++)
		wait_ms *= 2;
	if (wait_ms > RETRY_LONGEST_MS)
		wait_ms = RETRY_LONGEST_MS;
	log_info(&m->log, "TLS report postponed", F_C("why", why), F_I64("wait_ms", wait_ms));
	pending_put_off(m->reporter->worker->redis, m->day, m->domain, wait_ms);
	m->reporter->on_making_ended(m);
}

/* The process ends: another one continues at once. */
static bool
making_gives_back(struct making *m)
{
	if (!m->reporter->stopped)
		return false;
	pending_put_off(m->reporter->worker->redis, m->day, m->domain, 0);
	m->reporter->on_making_ended(m);
	return true;
}

void
making_stop(struct making *m)
{
	if (m->query == NULL)
		return;
	dns_cancel(&m->query);
	making_gives_back(m);
}

/* ---- Each URI ---- */
static void
making_on_marked(void *arg, const struct err *err)
{
	struct making *m = arg;

	if (err != NULL) {
		making_put_off(m, err->text);
		return;
	}
	m->at++;
	making_serve_next(m);
}

static void
making_on_served(struct making *m, enum served served, const char *why)
{
	struct str uri = m->rua.items[m->at].uri;

	if (served == SERVED_DONE) {
		log_info(&m->log, "TLS report handed over", F_STR("to", uri), F_C("report", m->id));
		metrics_add(M_TLS_REPORTS, 1);
		m->done++;
	} else {
		log_warning(&m->log, "TLS report not handed over", F_STR("to", uri), F_C("error", why));
	}
	if (served == SERVED_LATER) {
		m->later++;
		m->at++;
		making_serve_next(m);
		return;
	}
	pending_mark(m->reporter->worker->redis, m->day, m->domain, uri,
		     served == SERVED_DONE ? STR("done") : str_c(why), making_on_marked, m);
}

static bool
making_is_settled(const struct making *m, struct str uri)
{
	for (unsigned i = 0; i < m->settled_count; i++)
		if (str_eq(m->settled[i], uri))
			return true;
	return false;
}

static void
making_serve_next(struct making *m)
{
	while (m->at < m->rua.count && making_is_settled(m, m->rua.items[m->at].uri))
		m->at++;
	if (making_gives_back(m))
		return;
	if (m->at < m->rua.count) {
		const struct rua *rua = &m->rua.items[m->at];

		pending_put_off(m->reporter->worker->redis, m->day, m->domain, PENDING_LEASE_MS);
		if (rua->address.len > 0)
			mail_serve(m, rua->address);
		else
			post_serve(m, rua->uri);
	} else if (m->later > 0) {
		making_put_off(m, "not all orders could be carried out");
	} else {
		making_finish(m, m->done > 0 ? "sent" : "not sent");
	}
}

/* ---- The report ---- */
static void
making_on_counts(void *arg, const redisReply *reply, const struct err *err)
{
	struct making *m = arg;
	struct tls_report_head head = {m->who.organization, m->who.contact, m->id, m->start_ms};
	struct buf text = BUF_EMPTY;
	cJSON *report;
	bool empty;

	if (err != NULL) {
		making_put_off(m, err->text);
		return;
	}
	report = tls_report_new(&head);
	for (size_t i = 0; i + 1 < reply->elements; i += 2)
		tls_report_add(report, redis_str(reply->element[i]), (uint64_t)redis_i64(reply->element[i + 1], 0));
	empty = tls_report_is_empty(report);
	tls_report_print(report, &text);
	cJSON_Delete(report);
	tls_report_gzip(buf_str(&text), &m->gzip);
	buf_fini(&text);
	if (empty)
		making_finish(m, "nothing counted");
	else
		making_serve_next(m);
}

static void
making_on_record(void *arg, const struct dns_answer *answer, const struct err *err)
{
	struct making *m = arg;

	m->query = NULL;
	if (err != NULL) {
		making_put_off(m, err->text);
		return;
	}
	if (!rua_parse(answer->texts, answer->text_count, &m->arena, &m->rua)) {
		making_finish(m, "not asked for");
		return;
	}
	if (!making_gives_back(m))
		redis_call_key(m->reporter->worker->redis, making_on_counts, m, "HGETALL",
			       redis_key(&m->arena, KEY_TLSRPT_COUNTS, str_c(m->day), m->domain), 0, NULL);
}

/* URIs that an earlier try has handled. */
static void
making_read_settled(struct making *m, const redisReply *fields)
{
	struct str *uris = arena_array(&m->arena, struct str, fields->elements / 2 + 1);

	for (size_t i = 0; i + 1 < fields->elements; i += 2) {
		struct str name = redis_str(fields->element[i]);

		if (!str_starts(name, STR("uri ")))
			continue;
		uris[m->settled_count++] = arena_str(&m->arena, str_from(name, 4));
		m->done += str_eq(redis_str(fields->element[i + 1]), STR("done"));
	}
	m->settled = uris;
}

static void
making_on_plan(void *arg, const struct pending_plan *plan, const redisReply *fields, const struct err *err)
{
	struct making *m = arg;
	const char *name;

	if (err != NULL) {
		making_put_off(m, err->text);
		return;
	}
	m->plan = *plan;
	m->id = arena_printf(&m->arena, "%s@%s", plan->id, m->who.domain);
	making_read_settled(m, fields);
	if (making_gives_back(m))
		return;
	name = arena_printf(&m->arena, "_smtp._tls.%.*s", STR_ARG(m->domain));
	m->query = dns_query_txt(m->reporter->worker->dns, str_c(name), making_on_record, m);
}

static bool
making_fill_who(struct making *m)
{
	const struct worker *w = m->reporter->worker;
	const struct settings_smtp_out *s = settings_smtp_out(settings_current(w->settings), STR_NONE);

	return tls_reporting_fill(&m->who, s->tls_report_from, arena_strdup(&m->arena, s->tls_report_organization),
				  arena_strdup(&m->arena, s->tls_report_contact), w->hostname);
}

void
making_start(struct tls_reporter *r, const char *day, struct str domain)
{
	struct making *m = mem_new(struct making);
	int shard = bus_client_pick_shard(r->worker->bus);
	char id[SPOOL_ID_MAX];

	m->reporter = r;
	m->on_served = making_on_served;
	m->plan.tries = 1;
	arena_init(&m->arena);
	str_copy(str_c(day), m->day, sizeof(m->day));
	CHECK(tally_day_parse(str_c(m->day), &m->start_ms));
	m->domain = arena_str(&m->arena, domain);
	m->log = (struct log_context){.fields = {F_STR("domain", m->domain), F_C("day", m->day)}};
	DL_APPEND(r->makings, m);
	r->making_count++;
	if (shard < 0 || !making_fill_who(m)) {
		making_put_off(m, shard < 0 ? "no broker" : "tls_report_from is not an address");
		return;
	}
	spool_id_new((unsigned)shard, id);
	pending_begin(r->worker->redis, m->day, m->domain, id, making_on_plan, m);
}
