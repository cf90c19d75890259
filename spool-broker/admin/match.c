/* Which messages an operator means. */
#include "spool-broker/admin/match.h"

#include <string.h>

#include "lib/base/mem.h"
#include "spool-broker/queue/message.h"
#include "spool-broker/queue/part.h"
#include "spool-broker/queue/work.h"
#include "spool-broker/schedule/schedule.h"

/* ---- The filter ---- */
static void
match_init_address(struct match_address *a, const char *text)
{
	const char *at = strrchr(text, '@');

	*a = (struct match_address){.how = at == NULL ? MATCH_TEXT : at == text ? MATCH_DOMAIN : MATCH_ADDRESS};
	if (text[0] == '\0')
		a->how = MATCH_ANY;
	else
		a->text = mem_strdup(text);
}

static char *
match_text_or_null(const char *text, const char *prefix)
{
	size_t len = strlen(prefix);
	char *copy;

	if (text[0] == '\0')
		return NULL;
	copy = mem_alloc(len + strlen(text) + 1);
	memcpy(copy, prefix, len);
	strcpy(copy + len, text[0] == '@' ? text + len : text);
	return copy;
}

static bool
match_find_state(const char *name, int *state_out)
{
	*state_out = -1;
	for (int i = 0; i < QUEUE_STATES; i++)
		if (strcmp(name, queue_state_names[i]) == 0)
			*state_out = i;
	return name[0] == '\0' || *state_out >= 0;
}

bool
match_init(struct match *m, const Stagepost__QueueFilter *filter)
{
	static const Stagepost__QueueFilter none = STAGEPOST__QUEUE_FILTER__INIT;
	const Stagepost__QueueFilter *f = filter != NULL ? filter : &none;

	*m = (struct match){.before_ms = f->before_ms != 0 ? (int64_t)f->before_ms : INT64_MAX};
	match_init_address(&m->sender, f->sender);
	match_init_address(&m->recipient, f->recipient);
	m->domain = match_text_or_null(f->domain, "@");
	m->destination = match_text_or_null(f->destination, "");
	m->answer = match_text_or_null(f->answer, "");
	return match_find_state(f->state, &m->state);
}

void
match_fini(struct match *m)
{
	mem_free(m->sender.text);
	mem_free(m->recipient.text);
	mem_free(m->domain);
	mem_free(m->destination);
	mem_free(m->answer);
}

/* ---- Addresses ---- */
static bool
match_is_of_domain(const char *address, const char *at_domain)
{
	return str_ends_ci(str_c(address), str_c(at_domain));
}

static bool
match_fits(const struct match_address *a, const char *address)
{
	switch (a->how) {
	case MATCH_ADDRESS: return str_eq_ci(str_c(address), str_c(a->text));
	case MATCH_DOMAIN: return match_is_of_domain(address, a->text);
	case MATCH_TEXT: return strcasestr(address, a->text) != NULL;
	default: return true;
	}
}

/* What the kept addresses say about the recipients that still wait: if there
 * are several, some of them may be finished. */
static enum match_result
match_recipients(const struct match_address *a, const struct message *m)
{
	const char *address = m->addresses + strlen(m->addresses) + 1;
	bool more = (m->flags & MESSAGE_MORE_ADDRESSES) != 0;

	if (a->how == MATCH_ANY)
		return MATCH_YES;
	for (; *address != '\0'; address += strlen(address) + 1)
		if (match_fits(a, address))
			return m->recipients == 1 && !more ? MATCH_YES : MATCH_UNSURE;
	return more ? MATCH_UNSURE : MATCH_NO;
}

static enum match_result
match_domain(const struct match *match, const struct message *m)
{
	const struct match_address domain = {.how = MATCH_DOMAIN, .text = match->domain};

	if (match->domain == NULL || match_is_of_domain(m->addresses, match->domain))
		return MATCH_YES;
	return match_recipients(&domain, m);
}

/* ---- The rest ---- */
static bool
match_has_destination(const struct message *m, const char *destination)
{
	for (const struct part *p = m->parts; p != NULL; p = p->next)
		if (str_eq_ci(str_c(part_destination(p)), str_c(destination)))
			return true;
	return false;
}

static enum match_result
match_answer(const struct match *match, const struct message *m)
{
	if (match->answer == NULL)
		return MATCH_YES;
	if (m->answer != NULL && strcasestr(m->answer->text, match->answer) != NULL)
		return m->recipients == 1 ? MATCH_YES : MATCH_UNSURE;
	return (m->flags & MESSAGE_MORE_ANSWERS) != 0 ? MATCH_UNSURE : MATCH_NO;
}

enum match_result
match_message(const struct match *match, const struct message *m)
{
	enum match_result recipients, domain, answer;

	if ((m->flags & MESSAGE_FINISHING) != 0 || m->addresses == NULL || m->received_ms >= match->before_ms ||
	    (match->state >= 0 && message_queue_state(m) != (enum queue_state)match->state) ||
	    !match_fits(&match->sender, m->addresses) ||
	    (match->destination != NULL && !match_has_destination(m, match->destination)))
		return MATCH_NO;
	answer = match_answer(match, m);
	domain = match_domain(match, m);
	recipients = match_recipients(&match->recipient, m);
	if (answer == MATCH_NO || domain == MATCH_NO || recipients == MATCH_NO)
		return MATCH_NO;
	return answer == MATCH_YES && domain == MATCH_YES && recipients == MATCH_YES ? MATCH_YES : MATCH_UNSURE;
}

/* ---- What is in the spool ---- */
bool
match_entry(const struct match *match, const Stagepost__Envelope *e, const Stagepost__MessageState *state)
{
	size_t own = e->n_recipients, total = own + (state != NULL ? state->n_added : 0);
	bool recipient = match->recipient.how == MATCH_ANY, answer = match->answer == NULL;
	bool domain = match->domain == NULL || match_is_of_domain(e->reverse_path, match->domain);

	for (size_t i = 0; i < total; i++) {
		const Stagepost__Recipient *r = i < own ? e->recipients[i] : state->added[i - own];
		const Stagepost__RecipientStatus *s = state != NULL && i < state->n_status ? state->status[i] : NULL;
		if (r == NULL || (s != NULL && s->state != STAGEPOST__RECIPIENT_STATE__QUEUED))
			continue;
		recipient = recipient || match_fits(&match->recipient, r->address);
		domain = domain || match_is_of_domain(r->address, match->domain);
		answer = answer || (s != NULL && strcasestr(s->last_text, match->answer) != NULL);
	}
	if (!answer && state != NULL && check_last_trouble(state) != NULL)
		answer = strcasestr(check_last_trouble(state), match->answer) != NULL;
	return recipient && domain && answer;
}
