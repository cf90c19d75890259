/* Whether what SPF and DMARC say about a message's sender lets it in.
 *
 * All recipients get one answer. So a message is refused only if the domains of all of them
 * want that; otherwise it is accepted, and the worker files it as spam where its recipient's
 * domain wants it (delivery-worker/local/expand.c). A temperror is never a reason to refuse;
 * but mail that may be forged because of one, and whose author's domain has a policy, is spam. */
#include "frontend/submit/private.h"

/* Do all recipients' domains refuse what fails DMARC, or SPF? */
static bool
judge_all_refuse(const struct submit *s, enum submit_result why)
{
	const struct settings *settings = frontend_settings(s->frontend);

	for (const struct submit_entry *e = s->recipients; e != NULL; e = e->next) {
		const struct settings_mail_auth *m =
			settings_mail_auth(settings, directory_domain_of(str_c(e->record.address)));

		if (why == SUBMIT_DMARC_REJECT ? !m->dmarc_enforcement : m->spf_fail_action != SPF_FAIL_REFUSE)
			return false;
	}
	return true;
}

static struct str
judge_spf_words(struct submit *s, const struct verify_outcome *o)
{
	char client[IP_TEXT_MAX];

	ip_text(&s->options.peer, client);
	return str_c(arena_printf(&s->op.arena, "%s may not send mail for %.*s%s%.*s", client, STR_ARG(o->spf_domain),
				  o->explanation.len > 0 ? ": " : "", STR_ARG(o->explanation)));
}

enum submit_result
submit_judge(struct submit *s, const struct verify_outcome *o)
{
	struct arena *arena = &s->op.arena;

	s->results = arena_str(arena, o->results);
	s->mail_auth = arena_strdup(arena, o->summary);
	s->spf_failed = o->spf == SPF_FAIL;
	s->dmarc_failed = o->wanted != DMARC_NONE || o->is_author_unclear || o->is_unproved;
	if (s->spf_failed && judge_all_refuse(s, SUBMIT_SPF_FAIL)) {
		s->objection = judge_spf_words(s, o);
		return SUBMIT_SPF_FAIL;
	}
	if (o->wanted == DMARC_REJECT && judge_all_refuse(s, SUBMIT_DMARC_REJECT)) {
		s->objection = arena_str(arena, o->author);
		return SUBMIT_DMARC_REJECT;
	}
	return SUBMIT_OK;
}
