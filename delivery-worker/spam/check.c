#include "delivery-worker/spam/check.h"

#include <string.h>

#include "delivery-worker/spam/engine.h"
#include "delivery-worker/spam/exchange.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/crashpoint.h"
#include "lib/base/mem.h"
#include "lib/base/service_url.h"
#include "lib/service/metrics.h"

enum {
	ENGINES_MAX = 8, /* as in the table of settings */
	ADDRESSES_MAX = 8,
	ILL_MS = 10000, /* an engine that was not reached is asked last for this long */
	URL_MAX = 300,
};

struct checker {
	struct ill {
		char url[URL_MAX];
		int64_t until_ms; /* monotonic */
	} ills[ENGINES_MAX];
};

struct check_work {
	struct job *job;		 /* borrowed */
	struct str engines[ENGINES_MAX]; /* URLs, in the job's arena; in the order in which they are asked */
	unsigned engine_count, engine_next;
	bool any_reached;

	/* the one being asked */
	struct service_url url;
	const struct spam_engine *engine;
	struct ip ips[ADDRESSES_MAX];
	unsigned ip_count, ip_next;
	bool reached;
	struct dns_query *query;	/* in progress; NULL: none */
	struct spam_exchange *exchange; /* the same */
	struct err err;			/* the last trouble */
};

struct checker *
checker_new(void)
{
	return mem_new(struct checker);
}

void
checker_free(struct checker **c)
{
	mem_free(*c);
	*c = NULL;
}

/* ---- Engines that could not be reached ---- */
static bool
check_is_ill(const struct checker *c, struct str url)
{
	for (unsigned i = 0; i < ENGINES_MAX; i++)
		if (c->ills[i].until_ms > clock_monotonic_ms() && str_eq(str_c(c->ills[i].url), url))
			return true;
	return false;
}

/* In the slot that it has, or in the one that has been free for longest. */
static void
check_note_health(struct checker *c, struct str url, bool ill)
{
	struct ill *place = &c->ills[0];

	for (unsigned i = 0; i < ENGINES_MAX; i++) {
		if (str_eq(str_c(c->ills[i].url), url)) {
			place = &c->ills[i];
			break;
		}
		if (c->ills[i].until_ms < place->until_ms)
			place = &c->ills[i];
	}
	if (!ill && !str_eq(str_c(place->url), url))
		return;
	place->until_ms = ill ? clock_monotonic_ms() + ILL_MS : 0;
	if (!str_copy(url, place->url, sizeof(place->url)))
		place->until_ms = 0;
}

/* ---- The end ---- */
static void
check_end_with_verdict(struct check_work *w, Stagepost__SpamVerdict *verdict)
{
	struct job *job = w->job;

	verdict->time_ms = (uint64_t)clock_unix_ms();
	verdict->duration_ms = (uint32_t)(clock_monotonic_ms() - job->started_ms);
	metrics_add(verdict->is_spam ? M_SPAM_FOUND : M_SPAM_HAM, 1);
	log_info(&job->log, "message checked", F_C("engine", verdict->engine),
		 F_C("verdict", verdict->is_spam ? "spam" : "ham"),
		 F_I64("score_percent", (int64_t)(verdict->score * 100)), F_C("action", verdict->action),
		 F_I64("ms", verdict->duration_ms));
	CRASHPOINT("checked");
	job_set_verdict(job, verdict);
	job_result_rest(job, STAGEPOST__RECIPIENT_RESULT__OUTCOME__DELIVERED, "2.0.0", STR("checked"));
	job_finish(job);
}

static void
check_end_without(struct check_work *w)
{
	struct job *job = w->job;
	struct str text = str_c(arena_printf(&job->arena, "spam check: %s", w->err.text));

	metrics_add(M_SPAM_FAILED, 1);
	log_warning(&job->log, "message not checked", F_C("reason", w->err.text));
	/* No engine can be reached: other jobs need not try, until one finds that this has changed. */
	if (!w->any_reached)
		job_set_trouble(job, text);
	job_result_rest(job, STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED, "4.3.0", text);
	job_finish(job);
}

/* ---- Asking ---- */
static void check_next_engine(struct check_work *w);
static void check_next_address(struct check_work *w);

static struct str
check_url_of(const struct check_work *w)
{
	return w->engines[w->engine_next - 1];
}

static void
check_engine_failed(struct check_work *w)
{
	struct str url = check_url_of(w);

	check_note_health(w->job->worker->checker, url, !w->reached);
	err_prefix(&w->err, "%.*s", (int)(url.len < 80 ? url.len : 80), url.p);
	log_info(&w->job->log, "spam engine did not answer", F_ERR(&w->err));
	check_next_engine(w);
}

static void
check_on_answer(void *arg, enum spam_end how, struct str answer, const struct err *err)
{
	struct check_work *w = arg;
	struct arena *arena = &w->job->arena;
	Stagepost__SpamVerdict *verdict;

	w->exchange = NULL;
	if (err != NULL)
		w->err = *err;
	if (how == SPAM_NOT_REACHED) {
		check_next_address(w);
		return;
	}
	w->reached = w->any_reached = true;
	if (how == SPAM_NO_BODY) { /* which no other engine would get either */
		err_prefix(&w->err, "spam check");
		job_postpone_unread(w->job, &w->err);
		job_finish(w->job);
		return;
	}
	verdict = arena_new(arena, Stagepost__SpamVerdict);
	stagepost__spam_verdict__init(verdict);
	if (how != SPAM_ANSWERED || w->engine->read_answer(answer, arena, verdict, &w->err) != 0) {
		check_engine_failed(w);
		return;
	}
	check_note_health(w->job->worker->checker, check_url_of(w), false);
	verdict->engine = arena_dup(arena, check_url_of(w).p, check_url_of(w).len);
	check_end_with_verdict(w, verdict);
}

static void
check_next_address(struct check_work *w)
{
	const struct worker *worker = w->job->worker;
	const Stagepost__Envelope *e = w->job->msg->envelope;
	struct spam_exchange_options options = {
		.base = worker->base,
		.blobs = worker->blobs,
		.port = w->url.port != 0 ? w->url.port : w->engine->port,
		.body = {e->body->pack, e->body->offset, e->body->length},
		.offset = w->engine->with_return_path ? 0 : e->return_path_length,
		.timeout_ms = settings_spam(settings_current(worker->settings), STR_NONE)->timeout,
	};
	struct buf head = BUF_EMPTY;

	if (w->ip_next == w->ip_count) {
		check_engine_failed(w);
		return;
	}
	if (options.offset > options.body.length)
		options.offset = options.body.length;
	w->engine->write_head(e, options.body.length - options.offset, &head);
	options.ip = w->ips[w->ip_next++];
	options.head = buf_str(&head);
	CRASHPOINT("checking");
	w->exchange = spam_exchange_new(&options, check_on_answer, w);
	buf_fini(&head);
}

static void
check_on_ips(void *arg, const struct dns_answer *answer, const struct err *err)
{
	struct check_work *w = arg;

	w->query = NULL;
	for (unsigned i = 0; err == NULL && i < answer->ip_count && w->ip_count < ADDRESSES_MAX; i++)
		w->ips[w->ip_count++] = answer->ips[i];
	if (w->ip_count == 0)
		err_set(&w->err, ERR_IO, "%s", err != NULL ? err->text : "the host has no address");
	check_next_address(w);
}

static void
check_next_engine(struct check_work *w)
{
	if (w->engine_next == w->engine_count) {
		check_end_without(w);
		return;
	}
	w->reached = false;
	w->ip_count = w->ip_next = 0;
	w->engine_next++;
	CHECK(service_url_parse(check_url_of(w), &w->url)); /* the settings accept no other */
	w->engine = spam_engine_find(w->url.scheme);
	CHECK(w->engine != NULL);
	if (ip_parse(w->url.host, &w->ips[0])) {
		w->ip_count = 1;
		check_next_address(w);
	} else
		w->query = dns_query_ips(w->job->worker->dns, w->url.host, true, true, check_on_ips, w);
}

/* Engines that were not reached a moment ago come last. */
static void
check_list_engines(struct check_work *w, const struct settings_list *list)
{
	const struct checker *c = w->job->worker->checker;

	for (int ill = 0; ill <= 1; ill++)
		for (unsigned i = 0; i < list->count && i < ENGINES_MAX; i++)
			if (check_is_ill(c, list->items[i]) == (ill == 1))
				w->engines[w->engine_count++] = arena_str(&w->job->arena, list->items[i]);
}

void
check_start(struct job *job)
{
	struct check_work *w = arena_new(&job->arena, struct check_work);

	job->work = w;
	w->job = job;
	check_list_engines(w, &settings_spam(settings_current(job->worker->settings), STR_NONE)->engine);
	err_set(&w->err, ERR_INVALID, "no engine is set");
	check_next_engine(w);
}

void
check_stop(struct job *job)
{
	struct check_work *w = job->work;

	if (w->query != NULL)
		dns_cancel(&w->query);
	spam_exchange_cancel(&w->exchange);
	job_finish(job);
}
