/* The course of a check: SPF, DKIM and ARC while the message comes, DMARC when their results
 * are there.
 *
 * Nothing is asked about before the first byte of the message: queries to DNS go on when
 * their check is gone (lib/dns/dns.c), so a client must not get them for MAIL and RSET alone. */
#include <event2/event.h>
#include <openssl/rand.h>

#include "frontend/verify/private.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/directory/directory.h"
#include "lib/mailauth/arc_trust.h"

#define SPF_LIMIT_MS 20000 /* RFC 7208, 4.6.4: no less. The check's own limit ends it earlier. */

static void check_go_on(struct verify_check *c);

/* ---- SPF ---- */
static struct str
check_copy(struct verify_check *c, struct str text)
{
	return text.len > 0 ? arena_str(&c->arena, text) : STR_NONE;
}

static void
check_on_spf(void *arg, const struct spf_answer *answer)
{
	struct verify_spf *spf = arg;
	struct verify_check *c = spf->check;

	spf->running = NULL;
	spf->answer = *answer;
	spf->answer.domain = check_copy(c, answer->domain);
	spf->answer.mechanism = check_copy(c, answer->mechanism);
	spf->answer.explanation = check_copy(c, answer->explanation);
	spf->answer.problem = answer->problem != NULL ? arena_strdup(&c->arena, answer->problem) : NULL;
	check_go_on(c);
}

static void
check_start_spf(struct verify_check *c, struct verify_spf *spf, struct str sender)
{
	struct service *service = c->frontend->service;
	const struct spf_question question = {
		.client = c->client,
		.helo = c->helo,
		.sender = sender,
		.receiver = str_c(service->hostname),
		.limit_ms = SPF_LIMIT_MS,
	};

	spf->check = c;
	spf->is_wanted = true;
	spf->running = spf_check_start(service->base, c->frontend->dns, &question, check_on_spf, spf);
}

static void
check_give_up_spf(struct verify_spf *spf)
{
	if (spf->running == NULL)
		return;
	spf_check_cancel(&spf->running);
	spf->answer = (struct spf_answer){.result = SPF_TEMPERROR, .problem = "no answer in time"};
}

/* ---- DMARC ---- */
static void
check_judged(struct verify_check *c)
{
	struct timeval now = {0, 0};

	c->is_judged = true;
	evtimer_add(c->timer, &now);
}

/* What would be asked for if it had failed? Whoever forges chooses signatures and a reverse-path
 * below the author's domain: a broken name server there must not save him from that. */
static bool
check_is_unproved(const struct dmarc_answer *answer, unsigned draw)
{
	struct dmarc_answer failed = *answer;

	failed.result = DMARC_RESULT_FAIL;
	return answer->result == DMARC_RESULT_TEMPERROR && answer->policy_domain.len > 0 &&
	       dmarc_disposition(&failed, draw) != DMARC_NONE;
}

/* A local policy that overrides the owner's (RFC 7489, 6.7): whoever changed the message is known here. */
static void
check_ask_sealers(struct verify_check *c)
{
	const struct settings_list *trusted =
		&settings_mail_auth(frontend_settings(c->frontend), STR_NONE)->arc_trusted;

	if (c->wanted == DMARC_NONE && !c->is_unproved)
		return;
	if (!arc_vouches(c->chain, trusted->items, trusted->count, c->policy.from))
		return;
	/* A seal that could not be checked now is no reason to let it in, nor to refuse it for good. */
	c->is_vouched_for = c->chain->result == ARC_PASS;
	c->is_unproved = c->chain->result == ARC_TEMPERROR;
	c->wanted = DMARC_NONE;
}

static void
check_on_dmarc(void *arg, const struct dmarc_answer *answer)
{
	struct verify_check *c = arg;
	unsigned char bytes[2];
	unsigned draw;

	c->dmarc = NULL;
	CHECK(RAND_bytes(bytes, sizeof(bytes)) == 1);
	draw = (unsigned)(bytes[0] << 8 | bytes[1]) % 100;
	c->wanted = dmarc_disposition(answer, draw);
	c->is_unproved = check_is_unproved(answer, draw);
	c->policy = *answer;
	c->policy.from = check_copy(c, answer->from);
	c->policy.policy_domain = check_copy(c, answer->policy_domain);
	c->policy.problem = answer->problem != NULL ? arena_strdup(&c->arena, answer->problem) : NULL;
	check_ask_sealers(c);
	check_judged(c);
}

/* What the reverse-path, or with a null one the HELO name, has proved. */
static unsigned
check_add_spf(const struct verify_check *c, struct dmarc_identifier *out)
{
	const struct verify_spf *spf = c->sender.is_wanted ? &c->sender : &c->hello;
	struct str domain = c->sender.is_wanted ? directory_domain_of(c->reverse_path) : c->helo;

	if ((spf->answer.result != SPF_PASS && spf->answer.result != SPF_TEMPERROR) || domain.len == 0)
		return 0;
	*out = (struct dmarc_identifier){
		.method = DMARC_BY_SPF, .domain = domain, .is_temporary = spf->answer.result == SPF_TEMPERROR};
	return 1;
}

static unsigned
check_add_dkim(const struct verify_check *c, struct dmarc_identifier *out)
{
	unsigned count = 0;

	for (unsigned i = 0; i < c->signature_count; i++) {
		const struct dkim_verdict *v = &c->signatures[i];

		if ((v->result == DKIM_RESULT_PASS || v->result == DKIM_RESULT_TEMPERROR) && v->domain.len > 0)
			out[count++] = (struct dmarc_identifier){.method = DMARC_BY_DKIM,
								 .domain = v->domain,
								 .is_temporary = v->result == DKIM_RESULT_TEMPERROR};
	}
	return count;
}

static enum author_kind
check_find_author(struct verify_check *c, struct str *domain_out)
{
	*domain_out = STR_NONE;
	if (dkim_verifier_header_is_too_large(c->dkim))
		return AUTHOR_BAD;
	return author_domain(dkim_verifier_header(c->dkim), &c->arena, domain_out);
}

static void
check_start_dmarc(struct verify_check *c)
{
	struct dmarc_identifier identifiers[DKIM_SIGNATURES_MAX + 1];
	struct dmarc_question question = {.identifiers = identifiers};

	c->author_kind = check_find_author(c, &question.from);
	c->policy.from = question.from;
	if (c->author_kind == AUTHOR_NONE) {
		check_judged(c);
	} else if (c->author_kind == AUTHOR_MISSING) {
		c->policy.problem = "it names no author";
		check_judged(c);
	} else if (c->author_kind != AUTHOR_ONE) {
		c->policy.result = DMARC_RESULT_PERMERROR;
		c->policy.problem = "the author's domain cannot be determined";
		check_judged(c);
	} else if (c->is_late) {
		c->policy.result = DMARC_RESULT_TEMPERROR;
		c->policy.problem = "no answer in time";
		check_judged(c);
	} else {
		question.count = check_add_spf(c, identifiers);
		question.count += check_add_dkim(c, identifiers + question.count);
		c->dmarc = dmarc_check_start(c->frontend->dns, c->frontend->org_domains, &question, check_on_dmarc, c);
	}
}

/* ---- Its course ---- */
static void
check_go_on(struct verify_check *c)
{
	bool is_waiting = c->sender.running != NULL || c->hello.running != NULL || !c->has_dkim || !c->has_arc;

	if (c->is_ended && !is_waiting && c->dmarc == NULL && !c->is_judged)
		check_start_dmarc(c);
}

static void
check_on_dkim(void *arg, const struct dkim_verdict *verdicts, unsigned count)
{
	struct verify_check *c = arg;

	c->has_dkim = true;
	c->signatures = verdicts;
	c->signature_count = count;
	check_go_on(c);
}

static void
check_on_arc(void *arg, const struct arc_verdict *verdict)
{
	struct verify_check *c = arg;

	c->has_arc = true;
	c->chain = verdict;
	check_go_on(c);
}

/* SPF, DKIM and ARC may take two thirds of the time, so that DMARC, which needs them, can
 * still be asked about. */
static int64_t
check_parts_limit_ms(const struct verify_check *c)
{
	return c->limit_ms - c->limit_ms / 3;
}

/* DKIM and ARC keep that limit themselves. */
static void
check_on_parts_late(struct verify_check *c)
{
	struct timeval rest = clock_timeval(c->limit_ms / 3);

	c->are_parts_late = true;
	evtimer_add(c->timer, &rest);
	check_give_up_spf(&c->sender);
	check_give_up_spf(&c->hello);
	check_go_on(c);
}

static void
check_on_late(struct verify_check *c)
{
	c->is_late = true;
	if (c->dmarc == NULL)
		return; /* a signature is being judged */
	dmarc_check_cancel(&c->dmarc);
	c->policy.result = DMARC_RESULT_TEMPERROR;
	c->policy.problem = "no answer in time";
	check_judged(c);
}

static void
check_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct verify_check *c = arg;
	struct verify_outcome outcome;

	(void)fd;
	(void)what;
	if (!c->is_judged) {
		if (c->are_parts_late)
			check_on_late(c);
		else
			check_on_parts_late(c);
		return;
	}
	verify_outcome_make(c, &outcome);
	c->cb(c->arg, &outcome);
}

/* ---- The message ---- */
static void
check_begin_data(struct verify_check *c)
{
	struct service *service = c->frontend->service;
	const struct dkim_verify_options options = {.limit_ms = check_parts_limit_ms(c)};

	check_start_spf(c, &c->hello, STR_NONE);
	if (c->reverse_path.len > 0)
		check_start_spf(c, &c->sender, c->reverse_path);
	c->dkim = dkim_verifier_new(service->base, c->frontend->dns, &options);
	c->arc = arc_verifier_new(service->base, c->frontend->dns, options.limit_ms);
}

void
verify_check_feed(struct verify_check *c, struct str piece)
{
	if (c->dkim == NULL)
		check_begin_data(c);
	dkim_verifier_feed(c->dkim, piece);
	arc_verifier_feed(c->arc, piece);
}

void
verify_check_end(struct verify_check *c, verify_on_end *cb, void *arg)
{
	struct timeval limit = clock_timeval(check_parts_limit_ms(c));

	if (c->dkim == NULL)
		check_begin_data(c);
	c->cb = cb;
	c->arg = arg;
	c->is_ended = true;
	evtimer_add(c->timer, &limit);
	dkim_verifier_end(c->dkim, check_on_dkim, c);
	arc_verifier_end(c->arc, check_on_arc, c);
}

/* ---- Its life ---- */
struct verify_check *
verify_check_begin(struct frontend *f, const struct verify_options *options)
{
	struct verify_check *c = mem_new(struct verify_check);

	c->frontend = f;
	arena_init(&c->arena);
	c->helo = check_copy(c, options->helo);
	c->reverse_path = check_copy(c, options->reverse_path);
	c->authserv_id = check_copy(c, options->authserv_id);
	c->client = options->client;
	c->limit_ms = settings_mail_auth(frontend_settings(f), STR_NONE)->time_limit;
	c->timer = evtimer_new(f->service->base, check_on_timer, c);
	return c;
}

void
verify_check_free(struct verify_check **check)
{
	struct verify_check *c = *check;

	if (c == NULL)
		return;
	*check = NULL;
	spf_check_cancel(&c->sender.running);
	spf_check_cancel(&c->hello.running);
	dmarc_check_cancel(&c->dmarc);
	dkim_verifier_free(&c->dkim);
	arc_verifier_free(&c->arc);
	event_free(c->timer);
	arena_fini(&c->arena);
	mem_free(c);
}
