/* The lease, and when a round is due. */
#include "delivery-worker/acme/private.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/service/metrics.h"

enum {
	LOOK_MS = 4000, /* well below the lease, which each look renews */
	ASIDE_MS = 4 * ACME_LEASE_MS,
	LEASE_MARGIN_MS = 2000, /* for a request that is on its way when the lease ends */
};

const struct settings_acme *
acme_settings(const struct acme *a)
{
	return settings_acme(settings_current(a->worker->settings), STR_NONE);
}

bool
acme_has_lease(const struct acme *a)
{
	return a->fence != 0 && clock_monotonic_ms() < a->lease_until_ms;
}

static bool
acme_is_wanted(const struct acme *a)
{
	const struct settings_acme *s = acme_settings(a);

	return s->directory_url[0] != '\0' && s->contact[0] != '\0';
}

static void
acme_arm(struct acme *a, int64_t ms)
{
	struct timeval tv = clock_timeval(ms);

	if (!a->stopped)
		evtimer_add(a->timer, &tv);
}

/* ---- Rounds ---- */

static void
acme_begin_round(struct acme *a)
{
	int64_t rest = a->rest_until_ms - clock_unix_ms();

	if (a->round != NULL || !acme_has_lease(a) || !a->work_known || a->stopped || rest > 0 ||
	    clock_monotonic_ms() < a->next_round_ms)
		return;
	a->round = acme_round_start(a);
}

void
acme_on_round_end(struct acme *a, int64_t next_ms)
{
	acme_round_cancel(&a->round);
	if (next_ms < 0)
		next_ms = ACME_ROUND_EVERY_MS;
	if (a->poked)
		next_ms = 0;
	a->poked = false;
	a->next_round_ms = clock_monotonic_ms() + next_ms;
	if (next_ms < LOOK_MS)
		acme_arm(a, next_ms);
}

/* Only the process that orders shows them. */
static void
acme_clear_figures(void)
{
	metrics_set(M_ACME_FAILING, 0);
	metrics_set(M_ACME_LEFT_OUT, 0);
	metrics_set(M_ACME_RESTING, 0);
}

void
acme_lose(struct acme *a)
{
	if (a->fence == 0)
		return;
	log_info(NULL, "another process orders certificates now");
	a->fence = 0;
	acme_round_cancel(&a->round);
	acme_clear_figures();
}

/* Something has changed: it is looked at now. */
static void
acme_poke(struct acme *a)
{
	a->next_round_ms = 0;
	a->poked = a->round != NULL;
	if (a->round == NULL)
		acme_arm(a, 0);
}

/* ---- The lease ---- */

static void
acme_destroy(struct acme *a)
{
	mem_free(a);
}

/* False: nobody waits for it. */
static bool
acme_back(struct acme *a)
{
	a->calls--;
	a->asking = false;
	if (a->freed && a->calls == 0)
		acme_destroy(a);
	else if (!a->freed)
		return true;
	return false;
}

struct acme_call {
	struct acme *acme;
	int64_t fence;
	int64_t sent_ms; /* monotonic: a lease counts from here */
};

static struct acme_call *
acme_call_new(struct acme *a)
{
	struct acme_call *c = mem_new(struct acme_call);

	*c = (struct acme_call){a, a->fence, clock_monotonic_ms()};
	a->calls++;
	a->asking = true;
	return c;
}

static void
acme_on_work_read(void *arg, const redisReply *reply, const struct err *err)
{
	struct acme_call call = *(struct acme_call *)arg;
	struct acme *a = call.acme;

	mem_free(arg);
	if (!acme_back(a) || err != NULL || a->fence == 0 || call.fence != a->fence)
		return;
	/* What the last holder has learned of the CA. */
	a->work_known = true;
	str_copy(redis_field(reply, "problem"), a->problem, sizeof(a->problem));
	a->rest_until_ms = 0;
	str_to_i64(redis_field(reply, "rest_until_ms"), &a->rest_until_ms);
	metrics_set(M_ACME_RESTING, a->problem[0] != '\0');
	acme_begin_round(a);
}

/* A request may be among the notices that were lost. */
static void
acme_on_renewals_read(void *arg, const redisReply *reply, const struct err *err)
{
	struct acme_call call = *(struct acme_call *)arg;
	struct acme *a = call.acme;

	mem_free(arg);
	if (!acme_back(a) || err != NULL)
		return;
	a->notices_lost = false;
	if (reply != NULL && reply->elements != 0)
		a->rest_until_ms = 0;
	acme_begin_round(a);
}

static void
acme_on_taken(void *arg, const redisReply *reply, const struct err *err)
{
	struct acme_call call = *(struct acme_call *)arg;
	struct acme *a = call.acme;

	mem_free(arg);
	if (!acme_back(a) || a->stopped)
		return;
	if (err != NULL) {
		if (err->code == ERR_EXISTS)
			acme_clear_figures();
		log_debug(NULL, "the lease for ordering certificates was not taken", F_ERR(err));
		return;
	}
	a->fence = redis_i64(reply, 0);
	a->lease_until_ms = call.sent_ms + ACME_LEASE_MS - LEASE_MARGIN_MS;
	a->next_round_ms = 0;
	a->ca_failures = 0;
	a->work_known = false;
	log_info(NULL, "this process orders certificates", F_I64("fence", a->fence));
	acme_read_work(a->worker->redis, acme_on_work_read, acme_call_new(a));
}

static void
acme_on_kept(void *arg, const redisReply *reply, const struct err *err)
{
	struct acme_call call = *(struct acme_call *)arg;
	struct acme *a = call.acme;

	(void)reply;
	mem_free(arg);
	if (!acme_back(a))
		return;
	if (err != NULL) {
		if (err->code == ERR_FENCED)
			acme_lose(a);
		return;
	}
	if (a->fence == 0 || call.fence != a->fence) /* dropped meanwhile */
		return;
	a->lease_until_ms = call.sent_ms + ACME_LEASE_MS - LEASE_MARGIN_MS;
	if (!a->work_known)
		acme_read_work(a->worker->redis, acme_on_work_read, acme_call_new(a));
	else if (a->notices_lost)
		acme_read_renewals(a->worker->redis, acme_on_renewals_read, acme_call_new(a));
	else
		acme_begin_round(a);
}

static void
acme_drop(struct acme *a)
{
	acme_round_cancel(&a->round);
	if (a->fence != 0)
		acme_lease_drop(a->worker->redis, a->fence);
	a->fence = 0;
	acme_clear_figures();
}

void
acme_step_back(struct acme *a)
{
	acme_drop(a);
	a->aside_until_ms = clock_monotonic_ms() + ASIDE_MS;
	metrics_set(M_ACME_RESTING, 1);
}

static void
acme_on_look(evutil_socket_t fd, short what, void *arg)
{
	struct acme *a = arg;

	(void)fd, (void)what;
	/* So that workers do not all ask at the same moment. */
	acme_arm(a, LOOK_MS / 2 + (int64_t)arc4random_uniform(LOOK_MS / 2));
	if (!acme_is_wanted(a))
		acme_drop(a);
	else if (a->asking || !redis_is_connected(a->worker->redis))
		return;
	else if (a->fence != 0)
		acme_lease_keep(a->worker->redis, a->fence, acme_on_kept, acme_call_new(a));
	else if (clock_monotonic_ms() >= a->aside_until_ms)
		acme_lease_take(a->worker->redis, a->worker->name, acme_on_taken, acme_call_new(a));
}

/* ---- Life ---- */

static void
acme_on_settings(void *arg, const struct settings *settings)
{
	struct acme *a = arg;
	const struct settings_acme *s = acme_settings(a);
	unsigned char asked_of[SHA256_DIGEST_LENGTH];
	struct buf text = BUF_EMPTY;

	(void)settings;
	buf_reserve(&text, strlen(s->directory_url) + strlen(s->contact) + strlen(s->eab_kid) +
				   strlen(s->eab_hmac_key) + 16); /* no copy of the key is left behind */
	buf_printf(&text, "%s %s %d %s %s", s->directory_url, s->contact, s->agree_terms, s->eab_kid, s->eab_hmac_key);
	SHA256((const unsigned char *)text.data, text.len, asked_of);
	acme_key_wipe(&text);
	if (memcmp(asked_of, a->asked_of, sizeof(asked_of)) != 0) {
		a->rest_until_ms = 0;
		memcpy(a->asked_of, asked_of, sizeof(asked_of));
	}
	acme_poke(a);
}

/* The operator may have mended what the CA did not like. */
static void
acme_on_asked(void *arg, struct str key)
{
	struct acme *a = arg;

	(void)key;
	a->rest_until_ms = 0;
	acme_poke(a);
}

static void
acme_on_notices_lost(void *arg)
{
	struct acme *a = arg;

	a->notices_lost = true;
}

struct acme *
acme_new(struct worker *w, struct err *err)
{
	const char *text = getenv("STAGEPOST_SECRET_KEY");
	struct secret_keys *keys = secret_keys_new(str_c(text), err);
	struct acme *a;

	if (keys == NULL)
		return NULL;
	a = mem_new(struct acme);
	a->worker = w;
	a->keys = keys;
	a->can_seal = text != NULL && *text != '\0';
	a->web = web_client_new(w->base);
	a->timer = evtimer_new(w->base, acme_on_look, a);
	settings_live_watch(w->settings, acme_on_settings, a);
	tracking_watch_prefix(w->tracking, ACME_WATCH_RENEW, acme_on_asked, acme_on_notices_lost, a);
	acme_arm(a, LOOK_MS);
	return a;
}

void
acme_stop(struct acme *a)
{
	a->stopped = true;
	event_del(a->timer);
	acme_drop(a);
}

void
acme_free(struct acme **ap)
{
	struct acme *a = *ap;

	if (a == NULL)
		return;
	*ap = NULL;
	acme_stop(a);
	settings_live_unwatch(a->worker->settings, acme_on_settings, a);
	event_free(a->timer);
	web_client_free(&a->web);
	secret_keys_free(&a->keys);
	a->freed = true;
	if (a->calls == 0)
		acme_destroy(a);
}

void
acme_add_status(const struct acme *a, cJSON *status)
{
	cJSON *o;

	if (a->fence == 0 && clock_monotonic_ms() >= a->aside_until_ms)
		return;
	o = cJSON_AddObjectToObject(status, "acme");
	if (a->fence == 0) { /* what this process lacks */
		cJSON_AddStringToObject(o, "problem", a->problem);
		return;
	}
	cJSON_AddNumberToObject(o, "names", a->wanted);
	cJSON_AddNumberToObject(o, "certified", a->certified);
	cJSON_AddNumberToObject(o, "failing", a->failing);
	if (a->left_out != 0)
		cJSON_AddNumberToObject(o, "left_out", a->left_out);
	if (a->problem[0] != '\0')
		cJSON_AddStringToObject(o, "problem", a->problem);
}
