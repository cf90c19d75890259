/* What is due, the slots, the rounds in progress. */
#include "delivery-worker/retrieve/private.h"

#include <stdlib.h>
#include <utlist.h>

#include "delivery-worker/net/tls.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/service/metrics.h"

enum {
	RETRIEVER_LOOK_MS = 1000,
	RETRIEVER_CLAIMS_MAX = 32,
	RETRIEVER_WANTED_MS = 5000, /* who finds no slot comes back earlier */
};

/* ---- Slots ---- */
static int64_t
retriever_slots(const struct retriever *v, enum retrieve_protocol p)
{
	const struct settings *s = settings_current(v->worker->settings);

	return p == RETRIEVE_POP3 ? settings_pop(s, STR_NONE)->max_retrieval_threads
				  : settings_imap(s, STR_NONE)->max_retrieval_threads;
}

bool
retriever_take_slot(struct retriever *v, enum retrieve_protocol p)
{
	if (v->running[p] >= retriever_slots(v, p)) {
		v->wanted_ms[p] = clock_monotonic_ms();
		return false;
	}
	v->running[p]++;
	metrics_add(M_RETRIEVALS_RUNNING, 1);
	return true;
}

void
retriever_give_slot(struct retriever *v, enum retrieve_protocol p)
{
	CHECK(v->running[p] > 0);
	v->running[p]--;
	metrics_add(M_RETRIEVALS_RUNNING, -1);
	retriever_poke(v);
}

bool
retriever_is_wanted(const struct retriever *v, enum retrieve_protocol p)
{
	return v->wanted_ms[p] != 0 && clock_monotonic_ms() - v->wanted_ms[p] < RETRIEVER_WANTED_MS;
}

bool
retriever_may_idle(const struct retriever *v)
{
	return v->idling < settings_imap(settings_current(v->worker->settings), STR_NONE)->max_retrieval_idle;
}

static unsigned
retriever_room(const struct retriever *v)
{
	int64_t room = -(int64_t)v->starting, slots = 0;

	for (unsigned p = 0; p < RETRIEVE_PROTOCOLS; p++) {
		int64_t free = retriever_slots(v, (enum retrieve_protocol)p) - v->running[p];

		room += free > 0 ? free : 0;
		slots += retriever_slots(v, (enum retrieve_protocol)p);
	}
	/* Without room one is claimed too: so it shows whether anybody waits, and for which slots. */
	if (room <= 0)
		return slots > 0 && v->starting == 0;
	return room < RETRIEVER_CLAIMS_MAX ? (unsigned)room : RETRIEVER_CLAIMS_MAX;
}

/* ---- What is due ---- */
static void
retriever_arm(struct retriever *v, int64_t ms)
{
	struct timeval tv = clock_timeval(ms);

	if (!v->stopped)
		evtimer_add(v->timer, &tv);
}

void
retriever_poke(struct retriever *v)
{
	retriever_arm(v, (int64_t)arc4random_uniform(20));
}

static void
retriever_on_claimed(void *arg, const redisReply *reply, const struct err *err)
{
	struct retriever *v = arg;

	v->asking = false;
	if (v->freed) {
		mem_free(v);
		return;
	}
	if (err != NULL) {
		log_debug(NULL, "due retrievals cannot be looked up", F_ERR(err));
		return;
	}
	for (size_t i = 0; i + 1 < reply->elements; i += 2) {
		struct str member = redis_str(reply->element[i]), mark = redis_str(reply->element[i + 1]);

		if (v->stopped)
			claim_put_off(v->worker->redis, member, mark, 0, NULL, NULL);
		else
			round_start(v, member, mark);
	}
}

static void
retriever_on_look(evutil_socket_t fd, short what, void *arg)
{
	struct retriever *v = arg;
	unsigned room = gate_room(v, retriever_room(v));
	struct round *r;

	(void)fd, (void)what;
	retriever_arm(v, RETRIEVER_LOOK_MS / 2 + (int64_t)arc4random_uniform(RETRIEVER_LOOK_MS));
	DL_FOREACH (v->rounds, r)
		pace_look(r); /* ends none before the loop's next turn */
	if (room == 0 || v->asking || !redis_is_connected(v->worker->redis))
		return;
	v->asking = true;
	claim_due(v->worker->redis, room, retriever_on_claimed, v);
}

void
retriever_on_round_end(struct round *r)
{
	struct retriever *v = r->retriever;

	DL_DELETE(v->rounds, r);
	v->starting -= r->is_starting;
	if (r->has_protocol)
		retriever_give_slot(v, r->account.protocol);
	if (r->is_idle)
		v->idling--;
	round_cancel(r);
}

/* ---- Life ---- */
struct retriever *
retriever_new(struct worker *w, struct err *err)
{
	struct secret_keys *keys = secret_keys_new(str_c(getenv("STAGEPOST_SECRET_KEY")), err);
	SSL_CTX *tls = keys != NULL ? tls_context_new(w->ca_file, "", err) : NULL;
	struct retriever *v;

	if (tls == NULL) {
		secret_keys_free(&keys);
		return NULL;
	}
	v = mem_new(struct retriever);
	v->worker = w;
	v->keys = keys;
	v->tls = tls;
	v->web = web_client_new(w->base);
	v->timer = evtimer_new(w->base, retriever_on_look, v);
	retriever_arm(v, RETRIEVER_LOOK_MS);
	return v;
}

void
retriever_stop(struct retriever *v)
{
	v->stopped = true;
	evtimer_del(v->timer);
	while (v->rounds != NULL)
		round_stop(v->rounds);
}

void
retriever_free(struct retriever **vp)
{
	struct retriever *v = *vp;

	if (v == NULL)
		return;
	*vp = NULL;
	retriever_stop(v);
	event_free(v->timer);
	web_client_free(&v->web);
	SSL_CTX_free(v->tls);
	secret_keys_free(&v->keys);
	v->freed = true;
	if (!v->asking)
		mem_free(v);
}

void
retriever_add_status(const struct retriever *v, cJSON *status)
{
	cJSON *o = cJSON_AddObjectToObject(status, "retrieval");

	cJSON_AddNumberToObject(o, "pop", v->running[RETRIEVE_POP3]);
	cJSON_AddNumberToObject(o, "imap", v->running[RETRIEVE_IMAP]);
	cJSON_AddNumberToObject(o, "idle", v->idling);
}
