#include "lib/spam/ask.h"

#include <string.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/crashpoint.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/base/service_url.h"
#include "lib/spam/exchange.h"

enum {
	ENGINES_MAX = 8,	   /* as in the table of settings */
	ILL_MAX = 2 * ENGINES_MAX, /* of two such lists */
	ADDRESSES_MAX = 8,
	ILL_MS = 10000, /* an engine that was not reached is asked last for this long */
	URL_MAX = 300,
};

struct spam_health {
	struct ill {
		char url[URL_MAX];
		int64_t until_ms; /* monotonic */
	} ills[ILL_MAX];
};

struct spam_ask {
	struct spam_ask_options options;
	spam_on_asked *cb;
	void *arg;
	struct str engines[ENGINES_MAX]; /* URLs, in the arena; in the order in which they are asked */
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

struct spam_health *
spam_health_new(void)
{
	return mem_new(struct spam_health);
}

void
spam_health_free(struct spam_health **h)
{
	mem_free(*h);
	*h = NULL;
}

/* ---- Engines that could not be reached ---- */
static bool
ask_is_ill(const struct spam_health *h, struct str url)
{
	for (unsigned i = 0; i < ILL_MAX; i++)
		if (h->ills[i].until_ms > clock_monotonic_ms() && str_eq(str_c(h->ills[i].url), url))
			return true;
	return false;
}

/* In the slot that it has, or in the one that has been free for longest. */
static void
ask_note_health(struct spam_health *h, struct str url, bool ill)
{
	struct ill *place = &h->ills[0];

	for (unsigned i = 0; i < ILL_MAX; i++) {
		if (str_eq(str_c(h->ills[i].url), url)) {
			place = &h->ills[i];
			break;
		}
		if (h->ills[i].until_ms < place->until_ms)
			place = &h->ills[i];
	}
	if (!ill && !str_eq(str_c(place->url), url))
		return;
	place->until_ms = ill ? clock_monotonic_ms() + ILL_MS : 0;
	if (!str_copy(url, place->url, sizeof(place->url)))
		place->until_ms = 0;
}

/* ---- Asking ---- */
static void ask_next_engine(struct spam_ask *a);
static void ask_next_address(struct spam_ask *a);

static struct str
ask_url_of(const struct spam_ask *a)
{
	return a->engines[a->engine_next - 1];
}

static void
ask_engine_failed(struct spam_ask *a)
{
	struct str url = ask_url_of(a);

	ask_note_health(a->options.health, url, !a->reached);
	err_prefix(&a->err, "%.*s", (int)(url.len < 80 ? url.len : 80), url.p);
	log_info(a->options.log, "spam engine did not answer", F_ERR(&a->err));
	ask_next_engine(a);
}

static void
ask_on_answer(void *arg, enum spam_end how, struct str answer, const struct err *err)
{
	struct spam_ask *a = arg;
	struct arena *arena = a->options.arena;
	Stagepost__SpamVerdict *verdict;

	a->exchange = NULL;
	if (err != NULL)
		a->err = *err;
	if (how == SPAM_NOT_REACHED) {
		ask_next_address(a);
		return;
	}
	a->reached = a->any_reached = true;
	if (how == SPAM_NO_BODY) { /* which no other engine would get either */
		a->cb(a->arg, SPAM_ASKED_NO_BODY, NULL, &a->err);
		return;
	}
	verdict = arena_new(arena, Stagepost__SpamVerdict);
	stagepost__spam_verdict__init(verdict);
	if (how != SPAM_ANSWERED || a->engine->read_answer(answer, arena, verdict, &a->err) != 0) {
		ask_engine_failed(a);
		return;
	}
	ask_note_health(a->options.health, ask_url_of(a), false);
	verdict->engine = arena_dup(arena, ask_url_of(a).p, ask_url_of(a).len);
	a->cb(a->arg, SPAM_ASKED_VERDICT, verdict, NULL);
}

static void
ask_next_address(struct spam_ask *a)
{
	const Stagepost__Envelope *e = a->options.envelope;
	struct spam_exchange_options options = {
		.base = a->options.base,
		.blobs = a->options.blobs,
		.port = a->url.port != 0 ? a->url.port : a->engine->port,
		.body = {e->body->pack, e->body->offset, e->body->length},
		.in_chunks = a->engine->in_chunks,
		.offset = a->engine->with_return_path ? 0 : e->return_path_length,
		.timeout_ms = a->options.timeout_ms,
	};
	struct buf head = BUF_EMPTY;

	if (a->ip_next == a->ip_count) {
		ask_engine_failed(a);
		return;
	}
	if (options.offset > options.body.length)
		options.offset = options.body.length;
	a->engine->write_head(e, options.body.length - options.offset, &head);
	options.ip = a->ips[a->ip_next++];
	options.head = buf_str(&head);
	CRASHPOINT("checking");
	a->exchange = spam_exchange_new(&options, ask_on_answer, a);
	buf_fini(&head);
}

static void
ask_on_ips(void *arg, const struct dns_answer *answer, const struct err *err)
{
	struct spam_ask *a = arg;

	a->query = NULL;
	for (unsigned i = 0; err == NULL && i < answer->ip_count && a->ip_count < ADDRESSES_MAX; i++)
		a->ips[a->ip_count++] = answer->ips[i];
	if (a->ip_count == 0)
		err_set(&a->err, ERR_IO, "%s", err != NULL ? err->text : "the host has no address");
	ask_next_address(a);
}

static void
ask_next_engine(struct spam_ask *a)
{
	if (a->engine_next == a->engine_count) {
		a->cb(a->arg, a->any_reached ? SPAM_ASKED_NONE_ANSWERED : SPAM_ASKED_NONE_REACHED, NULL, &a->err);
		return;
	}
	a->reached = false;
	a->ip_count = a->ip_next = 0;
	a->engine_next++;
	CHECK(service_url_parse(ask_url_of(a), &a->url)); /* the settings accept no other */
	a->engine = spam_engine_find(a->url.scheme);
	CHECK(a->engine != NULL);
	if (ip_parse(a->url.host, &a->ips[0])) {
		a->ip_count = 1;
		ask_next_address(a);
	} else
		a->query = dns_query_ips(a->options.dns, a->url.host, true, true, ask_on_ips, a);
}

/* Engines that were not reached a moment ago come last. */
static void
ask_list_engines(struct spam_ask *a, const struct settings_list *list)
{
	const struct spam_health *h = a->options.health;

	for (int ill = 0; ill <= 1; ill++)
		for (unsigned i = 0; i < list->count && i < ENGINES_MAX; i++)
			if (ask_is_ill(h, list->items[i]) == (ill == 1))
				a->engines[a->engine_count++] = arena_str(a->options.arena, list->items[i]);
}

struct spam_ask *
spam_ask_new(const struct spam_ask_options *options, spam_on_asked *cb, void *arg)
{
	struct spam_ask *a = arena_new(options->arena, struct spam_ask);

	a->options = *options;
	a->cb = cb;
	a->arg = arg;
	ask_list_engines(a, options->engines);
	err_set(&a->err, ERR_INVALID, "no engine is set");
	return a;
}

void
spam_ask_start(struct spam_ask *a)
{
	ask_next_engine(a);
}

void
spam_ask_stop(struct spam_ask *a)
{
	if (a->query != NULL)
		dns_cancel(&a->query);
	spam_exchange_cancel(&a->exchange);
}
