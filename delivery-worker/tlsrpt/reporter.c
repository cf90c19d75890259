/* Looks for due reports every few seconds, for the two days before and for
 * today: one for today only if an operator requests it. */
#include "delivery-worker/tlsrpt/private.h"

#include <stdlib.h>
#include <utlist.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"

enum {
	LOOK_MS = 5000,
	AT_ONCE = 8,
	DAYS = 3,
};

static void
reporter_arm(struct tls_reporter *r)
{
	/* So that workers do not all ask at the same moment. */
	struct timeval tv = clock_timeval(LOOK_MS / 2 + (int64_t)arc4random_uniform(LOOK_MS));

	if (!r->stopped)
		evtimer_add(r->timer, &tv);
}

bool
tls_reporter_is_idle(const struct tls_reporter *r)
{
	return r->makings == NULL && r->asking == 0 && r->counts_are_stored;
}

static void
reporter_tell_if_idle(struct tls_reporter *r)
{
	void (*on_end)(void *arg) = r->on_end;

	if (on_end == NULL || !tls_reporter_is_idle(r))
		return;
	r->on_end = NULL;
	on_end(r->on_end_arg);
}

/* ---- What is due ---- */
struct asking {
	struct tls_reporter *reporter; /* borrowed */
	char day[TALLY_DAY_MAX];
};

static void
reporter_on_claimed(void *arg, const struct str *domains, unsigned count, const struct err *err)
{
	struct asking *a = arg;
	struct tls_reporter *r = a->reporter;

	r->asking--;
	if (err != NULL)
		log_debug(NULL, "due TLS reports cannot be looked up", F_ERR(err));
	for (unsigned i = 0; i < count; i++) {
		if (r->stopped)
			pending_put_off(r->worker->redis, a->day, domains[i], 0);
		else
			making_start(r, a->day, domains[i]);
	}
	mem_free(a);
	reporter_tell_if_idle(r);
}

static bool
reporter_is_wanted(const struct tls_reporter *r)
{
	return settings_smtp_out(settings_current(r->worker->settings), STR_NONE)->tls_reports;
}

static void
reporter_on_look(evutil_socket_t fd, short what, void *arg)
{
	struct tls_reporter *r = arg;
	int64_t now = clock_unix_ms();
	unsigned room = AT_ONCE > r->making_count ? AT_ONCE - r->making_count : 0;

	(void)fd;
	(void)what;
	reporter_arm(r);
	if (!reporter_is_wanted(r) || room < DAYS || r->asking > 0)
		return;
	for (int i = 0; i < DAYS; i++) {
		struct asking *a = mem_new(struct asking);

		a->reporter = r;
		tally_day(now - i * TALLY_DAY_MS, a->day);
		r->asking++;
		pending_claim(r->worker->redis, a->day, room / DAYS, reporter_on_claimed, a);
	}
}

static void
reporter_on_making_ended(struct making *m)
{
	struct tls_reporter *r = m->reporter;

	CHECK(m->query == NULL);
	DL_DELETE(r->makings, m);
	r->making_count--;
	buf_fini(&m->gzip);
	buf_fini(&m->message);
	dkim_stream_free(&m->dkim);
	arena_fini(&m->arena);
	mem_free(m);
	/* There may be more. */
	if (r->makings == NULL && !r->stopped)
		event_active(r->timer, EV_TIMEOUT, 0);
	reporter_tell_if_idle(r);
}

/* ---- Life ---- */
static void
reporter_on_settings(void *arg, const struct settings *s)
{
	struct tls_reporter *r = arg;
	const struct settings_smtp_out *o = settings_smtp_out(s, STR_NONE);
	struct tls_reporting who;

	r->unsigned_told = false;
	if (!tls_reporting_fill(&who, o->tls_report_from, o->tls_report_organization, o->tls_report_contact,
				r->worker->hostname)) {
		if (o->tls_reports)
			log_error(NULL,
				  "no TLS reports: tls_report_from (or postmaster@ the host name) is not an address");
		return;
	}
	tally_set_spread(r->tally, o->tls_report_spread, str_c(who.domain));
}

struct tls_reporter *
tls_reporter_new(struct worker *w)
{
	struct tls_reporter *r = mem_new(struct tls_reporter);

	r->worker = w;
	r->on_making_ended = reporter_on_making_ended;
	r->tally = w->tally = tally_new(w->base, w->redis);
	r->web = web_client_new(w->base);
	r->timer = evtimer_new(w->base, reporter_on_look, r);
	settings_live_watch(w->settings, reporter_on_settings, r);
	reporter_on_settings(r, settings_current(w->settings));
	reporter_arm(r);
	return r;
}

void
tls_reporter_free(struct tls_reporter **r)
{
	if (*r == NULL)
		return;
	CHECK((*r)->makings == NULL && (*r)->asking == 0);
	web_client_free(&(*r)->web);
	tally_free(&(*r)->tally);
	event_free((*r)->timer);
	mem_free(*r);
	*r = NULL;
}

void
tls_reporter_stop(struct tls_reporter *r)
{
	struct making *m, *tmp;

	r->stopped = true;
	evtimer_del(r->timer);
	DL_FOREACH_SAFE (r->makings, m, tmp)
		making_stop(m);
}

static void
reporter_on_counts_stored(void *arg)
{
	struct tls_reporter *r = arg;

	r->counts_are_stored = true;
	reporter_tell_if_idle(r);
}

void
tls_reporter_drain(struct tls_reporter *r, void (*on_end)(void *arg), void *arg)
{
	CHECK(r->stopped);
	r->on_end = on_end;
	r->on_end_arg = arg;
	tally_drain(r->tally, reporter_on_counts_stored, r);
}
