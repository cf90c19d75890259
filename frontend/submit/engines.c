/* Virus scanners and spam engines are asked while the client waits, if settings:spam in_session
 * says so. What they do not answer in time is checked from the spool, as all mail is without it. */
#include "frontend/submit/private.h"

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/spam/ask.h"
#include "lib/spam/wanted.h"

struct submit_engines {
	struct submit *submit; /* borrowed */
	void (*on_end)(struct submit *s);
	const Stagepost__Envelope *envelope; /* in the submission's arena, as is the next */
	struct spam_ask *ask;		     /* the present one; NULL: none */
	struct event *timer;		     /* owner */
	int64_t begun_ms;		     /* monotonic */
};

static const struct settings_spam *
engines_settings(const struct submit *s)
{
	return settings_spam(frontend_settings(s->frontend), STR_NONE);
}

void
submit_engines_free(struct submit_engines **engines)
{
	struct submit_engines *e = *engines;

	if (e == NULL)
		return;
	*engines = NULL;
	if (e->ask != NULL)
		spam_ask_stop(e->ask);
	event_free(e->timer);
	e->submit->frontend->spam_asks--;
	mem_free(e);
}

static void
engines_end(struct submit_engines *e)
{
	struct submit *s = e->submit;
	void (*on_end)(struct submit * s) = e->on_end;

	submit_engines_free(&s->engines);
	on_end(s);
}

/* ---- Without a verdict ---- */

static void
engines_leave(struct submit_engines *e, const char *why)
{
	metrics_add(M_SPAM_LEFT, 1);
	log_info(&e->submit->log, "not checked in the session", F_C("reason", why));
	engines_end(e);
}

static void
engines_on_time(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	engines_leave(arg, "no answer within in_session_time_limit");
}

/* ---- The verdict ---- */

/* The engine's words if it has some. */
static void
engines_refuse(struct submit *s, enum submit_result why, enum metric counted, const char *words, const char *otherwise)
{
	char *text = arena_strdup(&s->op.arena, words[0] != '\0' ? words : otherwise);

	/* RFC 6531, 3.7.4.2 */
	for (char *c = text; *c != '\0' && !s->options.utf8; c++)
		if ((unsigned char)*c >= 0x80)
			*c = '?';
	s->result = why;
	s->objection = str_c(text);
	metrics_add(counted, 1);
}

static void
engines_take_verdict(struct submit *s, Stagepost__SpamVerdict *v)
{
	if (v->virus[0] != '\0' && engines_settings(s)->virus_action != VIRUS_ACTION_JUNK)
		engines_refuse(s, SUBMIT_VIRUS, M_SPAM_REFUSED_VIRUS, v->virus, "");
	else if (v->virus[0] == '\0' && strcmp(v->action, "reject") == 0)
		engines_refuse(s, SUBMIT_SPAM_REJECT, M_SPAM_REFUSED_SPAM, v->words, "Refused as spam");
	else if (strcmp(v->action, "soft reject") == 0)
		engines_refuse(s, SUBMIT_SPAM_TEMPFAIL, M_SPAM_REFUSED_LATER, v->words, "Try again later");
	else {
		v->words = (char *)(uintptr_t)protobuf_c_empty_string;
		s->verdict = v;
	}
}

static void
engines_end_with_verdict(struct submit_engines *e, Stagepost__SpamVerdict *v)
{
	struct submit *s = e->submit;

	v->time_ms = (uint64_t)clock_unix_ms();
	v->duration_ms = (uint32_t)(clock_monotonic_ms() - e->begun_ms);
	metrics_add(v->virus[0] != '\0' ? M_SPAM_VIRUS : v->is_spam ? M_SPAM_FOUND : M_SPAM_HAM, 1);
	engines_take_verdict(s, v);
	log_info(&s->log, s->result == SUBMIT_OK ? "message checked" : "message refused by a check",
		 F_C("engine", v->engine), F_C("verdict", v->is_spam ? "spam" : "ham"),
		 F_I64("score_percent", (int64_t)(v->score * 100)), F_C("action", v->action), F_C("virus", v->virus),
		 F_STR("from", s->options.reverse_path), F_I64("ms", v->duration_ms));
	engines_end(e);
}

/* ---- Asking ---- */

static void
engines_ask(struct submit_engines *e, const struct settings_list *engines, spam_on_asked *cb)
{
	struct submit *s = e->submit;
	struct frontend *f = s->frontend;
	/* One that hangs leaves time for the next one. */
	int64_t most_ms = engines_settings(s)->in_session_time_limit / 2;
	struct spam_ask_options options = {
		.base = f->service->base,
		.blobs = f->service->blobs,
		.dns = f->dns,
		.health = f->spam_health,
		.log = &s->log,
		.arena = &s->op.arena,
		.engines = engines,
		.envelope = e->envelope,
		.timeout_ms = engines_settings(s)->timeout < most_ms ? engines_settings(s)->timeout : most_ms,
	};

	e->ask = spam_ask_new(&options, cb, e);
	spam_ask_start(e->ask);
}

static void
engines_on_asked(void *arg, enum spam_asked how, Stagepost__SpamVerdict *verdict, struct err *err)
{
	struct submit_engines *e = arg;

	e->ask = NULL;
	if (how == SPAM_ASKED_VERDICT)
		engines_end_with_verdict(e, verdict);
	else
		engines_leave(e, err->text);
}

/* What has no virus may still be spam. */
static void
engines_on_scanned(void *arg, enum spam_asked how, Stagepost__SpamVerdict *verdict, struct err *err)
{
	struct submit_engines *e = arg;
	const struct settings_list *engines = &engines_settings(e->submit)->engine;

	if (how != SPAM_ASKED_VERDICT || verdict->is_spam || engines->count == 0)
		engines_on_asked(arg, how, verdict, err);
	else
		engines_ask(e, engines, engines_on_asked);
}

static bool
engines_are_wanted(const struct submit *s)
{
	return engines_settings(s)->in_session &&
	       spam_check_is_wanted(frontend_settings(s->frontend), s->options.account != NULL, s->blob.length);
}

static void
engines_begin(struct submit *s, void (*on_end)(struct submit *s))
{
	const struct settings_spam *settings = engines_settings(s);
	struct submit_engines *e = mem_new(struct submit_engines);
	struct timeval limit = {settings->in_session_time_limit / 1000, settings->in_session_time_limit % 1000 * 1000};

	s->engines = e;
	s->frontend->spam_asks++;
	e->submit = s;
	e->on_end = on_end;
	e->begun_ms = clock_monotonic_ms();
	e->envelope = submit_envelope(s);
	e->timer = evtimer_new(s->frontend->service->base, engines_on_time, e);
	evtimer_add(e->timer, &limit);
	if (settings->virus_scanner.count != 0)
		engines_ask(e, &settings->virus_scanner, engines_on_scanned);
	else
		engines_ask(e, &settings->engine, engines_on_asked);
}

void
submit_engines_ask(struct submit *s, void (*on_end)(struct submit *s))
{
	if (!engines_are_wanted(s))
		on_end(s);
	else if (s->frontend->spam_asks >= (unsigned)engines_settings(s)->in_session_checks) {
		metrics_add(M_SPAM_LEFT, 1);
		log_info(&s->log, "not checked in the session", F_C("reason", "in_session_checks are under way"));
		on_end(s);
	} else
		engines_begin(s, on_end);
}
