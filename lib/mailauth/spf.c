/* check_host() of RFC 7208, 4, as a machine that waits for one DNS answer at a time.
 *
 * frames[] is the stack of records in evaluation. spf_check_step() looks at the
 * current term of the top one; whatever the term finds comes back through
 * spf_check_matched(), and a record that is done through check_leave(). */
#include "lib/mailauth/spf.h"

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/mailauth/spf_check.h"

#define DOMAIN_MAX 253 /* bytes of a name without its last dot (RFC 1035, 2.3.4) */
#define LABEL_MAX  63

/* ---- Its end ---- */
static void
check_free(struct spf_check *c)
{
	dns_cancel(&c->query);
	event_free(c->timer);
	arena_fini(&c->arena);
	mem_free(c);
}

void
spf_check_end(struct spf_check *c, enum spf_result result, const char *problem)
{
	c->answer.result = result;
	c->answer.domain = c->domain;
	c->answer.problem = problem;
	c->cb(c->arg, &c->answer);
	check_free(c);
}

void
spf_check_cancel(struct spf_check **c)
{
	if (*c != NULL)
		check_free(*c);
	*c = NULL;
}

bool
spf_check_count_void(struct spf_check *c)
{
	if (++c->voids <= SPF_VOIDS_MAX)
		return true;
	spf_check_end(c, SPF_PERMERROR, "more than 2 queries found nothing");
	return false;
}

/* ---- Texts with macros ---- */
static struct spf_frame *
check_top(struct spf_check *c)
{
	return &c->frames[c->depth - 1];
}

static void
check_expand(struct spf_check *c, struct str text, struct buf *out)
{
	struct str domain = check_top(c)->domain;

	c->values.domain = domain;
	c->values.client_name = spf_lookup_client_name(c, domain);
	spf_macro_expand(text, &c->values, out);
}

/* Expands a domain. If it is too long, labels on the left are dropped (7.3). */
static struct str
check_expand_domain(struct spf_check *c, struct str text)
{
	struct buf out = BUF_EMPTY;
	struct str name;

	check_expand(c, text, &out);
	name = buf_str(&out);
	if (name.len > 0 && name.p[name.len - 1] == '.')
		name.len--;
	while (name.len > DOMAIN_MAX) {
		ptrdiff_t dot = str_index(name, '.');

		name = dot < 0 ? STR_NONE : str_from(name, (size_t)dot + 1);
	}
	name = arena_str(&c->arena, name);
	buf_fini(&out);
	return name;
}

/* ---- The explanation (6.2): nothing that goes wrong with it matters ---- */
static void
check_end_failed(struct spf_check *c)
{
	struct buf out = BUF_EMPTY;

	if (c->explanation.len > 0)
		check_expand(c, c->explanation, &out);
	if (str_is_printable_ascii(buf_str(&out)))
		c->answer.explanation = arena_str(&c->arena, str_first(buf_str(&out), SPF_EXPLANATION_MAX));
	buf_fini(&out);
	spf_check_end(c, SPF_FAIL, NULL);
}

static void
check_on_explanation(void *arg, const struct dns_answer *answer, const struct err *err)
{
	struct spf_check *c = arg;

	c->query = NULL;
	if (err == NULL && answer->text_count == 1 && answer->texts[0].len <= SPF_RECORD_MAX &&
	    spf_macro_is_valid(answer->texts[0], SPF_MACRO_IN_EXPLANATION))
		c->explanation = arena_str(&c->arena, answer->texts[0]);
	if (!c->is_named && spf_macro_uses_client_name(c->explanation))
		spf_lookup_client_names(c); /* comes back to check_explain() */
	else
		check_end_failed(c);
}

static void
check_explain(struct spf_check *c)
{
	struct str domain = check_top(c)->record.explanation;

	if (c->explanation.len > 0)
		check_end_failed(c);
	else if (!c->is_named && spf_macro_uses_client_name(domain))
		spf_lookup_client_names(c);
	else
		c->query = dns_query_txt(c->dns, check_expand_domain(c, domain), check_on_explanation, c);
}

/* ---- Records ---- */
static void
check_leave(struct spf_check *c, enum spf_result result, const char *problem)
{
	if (c->depth == 1) {
		c->is_failed = result == SPF_FAIL;
		if (c->is_failed && check_top(c)->record.explanation.len > 0)
			check_explain(c);
		else
			spf_check_end(c, result, problem);
		return;
	}
	/* 5.2: what the result of an included record means for the one that includes it. */
	switch (result) {
	case SPF_TEMPERROR:
	case SPF_PERMERROR: spf_check_end(c, result, problem); return;
	case SPF_NONE: spf_check_end(c, SPF_PERMERROR, "an included domain has no SPF record"); return;
	default: break;
	}
	c->depth--;
	spf_check_matched(c, result == SPF_PASS);
}

/* 4.5: exactly one of the TXT records is one of SPF. */
static const char *
check_select(const struct dns_answer *answer, struct str *record_out, enum spf_result *result_out)
{
	unsigned count = 0;

	for (unsigned i = 0; i < answer->text_count; i++) {
		if (!spf_record_is(answer->texts[i]))
			continue;
		*record_out = answer->texts[i];
		count++;
	}
	*result_out = count == 0 ? SPF_NONE : SPF_PERMERROR;
	if (count == 1)
		return NULL;
	return count == 0 ? "the domain has no SPF record" : "the domain has several SPF records";
}

static void
check_on_record(void *arg, const struct dns_answer *answer, const struct err *err)
{
	struct spf_check *c = arg;
	struct spf_frame *frame = check_top(c);
	enum spf_result result;
	struct str text = STR_NONE;
	const char *problem;
	struct err bad;

	c->query = NULL;
	if (err != NULL) {
		spf_check_end(c, SPF_TEMPERROR, arena_strdup(&c->arena, err->text));
		return;
	}
	problem = check_select(answer, &text, &result);
	if (problem != NULL && c->is_redirected && result == SPF_NONE) {
		/* 6.1 */
		spf_check_end(c, SPF_PERMERROR, "the domain of a redirect has no SPF record");
	} else if (problem != NULL) {
		check_leave(c, result, problem);
	} else if (spf_record_parse(arena_str(&c->arena, text), &c->arena, &frame->record, &bad) != 0) {
		spf_check_end(c, SPF_PERMERROR, arena_strdup(&c->arena, bad.text));
	} else {
		frame->at = 0;
		c->is_counted = false;
		spf_check_step(c);
	}
}

static void
check_ask_record(struct spf_check *c, struct str domain, bool is_redirect)
{
	struct spf_frame *frame = check_top(c);

	*frame = (struct spf_frame){.domain = domain};
	c->is_redirected = is_redirect;
	c->query = dns_query_txt(c->dns, domain, check_on_record, c);
}

/* ---- Terms ---- */
/* Counts the lookup of the current term, once. False: the check has ended. */
static bool
check_count_lookup(struct spf_check *c)
{
	if (!c->is_counted && ++c->lookups > SPF_LOOKUPS_MAX) {
		spf_check_end(c, SPF_PERMERROR, "more than 10 terms that ask DNS");
		return false;
	}
	c->is_counted = true;
	return true;
}

static void
check_at_end(struct spf_check *c)
{
	struct str redirect = check_top(c)->record.redirect;

	if (redirect.len == 0) {
		check_leave(c, SPF_NEUTRAL, NULL);
		return;
	}
	if (!check_count_lookup(c))
		return;
	if (!c->is_named && spf_macro_uses_client_name(redirect))
		spf_lookup_client_names(c);
	else
		check_ask_record(c, check_expand_domain(c, redirect), true);
}

static void
check_ask_term(struct spf_check *c, const struct spf_term *term)
{
	switch (term->kind) {
	case SPF_INCLUDE:
		CHECK(c->depth <= SPF_LOOKUPS_MAX);
		c->depth++;
		check_ask_record(c, c->target, false);
		break;
	case SPF_A: spf_lookup_a(c); break;
	case SPF_MX: spf_lookup_mx(c); break;
	case SPF_PTR: spf_lookup_ptr(c); break;
	case SPF_EXISTS: spf_lookup_exists(c); break;
	default: CHECK(false);
	}
}

static bool
check_has_address(const struct spf_check *c, const struct spf_term *term)
{
	struct ip_block block = {.ip = {.family = term->kind == SPF_IP4 ? 4 : 6}};

	memcpy(block.ip.bytes, term->address_bytes, sizeof(block.ip.bytes));
	block.prefix = block.ip.family == 4 ? term->prefix4 : term->prefix6;
	return ip_block_has(&block, &c->values.client);
}

/* Terms that need no DNS are judged here, in a loop: a record may have thousands of them. */
static const struct spf_term *
check_next_term(struct spf_check *c, bool *matches_out)
{
	struct spf_frame *frame = check_top(c);

	*matches_out = false;
	for (; frame->at < frame->record.count; frame->at++) {
		const struct spf_term *term = &frame->record.terms[frame->at];
		bool is_local = term->kind == SPF_ALL || term->kind == SPF_IP4 || term->kind == SPF_IP6;

		*matches_out = is_local && (term->kind == SPF_ALL || check_has_address(c, term));
		if (!is_local || *matches_out)
			return term;
	}
	return NULL;
}

void
spf_check_step(struct spf_check *c)
{
	const struct spf_term *term;
	bool matches;

	if (c->is_failed) {
		check_explain(c);
		return;
	}
	term = check_next_term(c, &matches);
	if (term == NULL) {
		check_at_end(c);
	} else if (matches) {
		spf_check_matched(c, true);
	} else if (check_count_lookup(c)) {
		if (!c->is_named && (term->kind == SPF_PTR || spf_macro_uses_client_name(term->domain))) {
			spf_lookup_client_names(c);
			return;
		}
		c->target = term->domain.len > 0 ? check_expand_domain(c, term->domain) : check_top(c)->domain;
		check_ask_term(c, term);
	}
}

void
spf_check_matched(struct spf_check *c, bool matches)
{
	struct spf_frame *frame = check_top(c);
	const struct spf_term *term = &frame->record.terms[frame->at];

	if (matches) {
		if (c->depth == 1)
			c->answer.mechanism = term->text;
		check_leave(c, term->result, NULL);
		return;
	}
	frame->at++;
	c->is_counted = false;
	spf_check_step(c);
}

/* ---- Its start ---- */
/* 4.3: a domain name of two labels at least. */
static bool
check_is_domain(struct str name)
{
	struct str label;
	unsigned labels = 0;
	bool more = true;

	if (name.len == 0 || name.len > DOMAIN_MAX || name.p[0] == '[')
		return false;
	while (more) {
		more = str_cut(name, '.', &label, &name);
		if (label.len == 0 || label.len > LABEL_MAX)
			return false;
		labels++;
	}
	return labels > 1;
}

static void
check_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct spf_check *c = arg;

	(void)fd;
	(void)what;
	if (c->is_started) {
		spf_check_end(c, c->is_failed ? SPF_FAIL : SPF_TEMPERROR, c->is_failed ? NULL : "it took too long");
		return;
	}
	c->is_started = true;
	if (!check_is_domain(c->domain)) {
		spf_check_end(c, SPF_NONE, "not a domain name");
		return;
	}
	evtimer_add(c->timer, &c->limit);
	c->depth = 1;
	check_ask_record(c, c->domain, false);
}

/* Local part and domain of the identity; 4.3: without a local part it is postmaster. */
static void
check_set_identity(struct spf_check *c, struct str sender)
{
	ptrdiff_t at = str_rindex(sender, '@');

	c->values.local = arena_str(&c->arena, str_first(sender, at > 0 ? (size_t)at : 0));
	if (c->values.local.len == 0)
		c->values.local = STR("postmaster");
	c->values.sender_host = c->values.helo;
	if (sender.len > 0)
		c->values.sender_host = arena_str(&c->arena, str_from(sender, (size_t)(at + 1)));
	c->domain = c->values.sender_host;
	if (c->domain.len > 0 && c->domain.p[c->domain.len - 1] == '.')
		c->domain.len--;
}

struct spf_check *
spf_check_start(struct event_base *base, struct dns *dns, const struct spf_question *question, spf_on_answer *cb,
		void *arg)
{
	struct spf_check *c = mem_new(struct spf_check);
	struct timeval now = {0, 0};

	c->dns = dns;
	c->cb = cb;
	c->arg = arg;
	c->limit = clock_timeval(question->limit_ms);
	arena_init(&c->arena);
	c->values.client = question->client;
	c->values.helo = arena_str(&c->arena, question->helo);
	c->values.receiver = arena_str(&c->arena, question->receiver);
	c->values.now_ms = clock_unix_ms();
	check_set_identity(c, question->sender);
	c->timer = evtimer_new(base, check_on_timer, c);
	evtimer_add(c->timer, &now);
	return c;
}
