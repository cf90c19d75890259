/* The arguments of APPEND after the mailbox (RFC 9051, RFC 3502, RFC 4466, RFC 4469,
 * RFC 6855). */
#include <string.h>

#include "frontend/imap/append/append_private.h"

enum { MESSAGES_MAX = 1000, URLS_MAX = 100 };

bool
append_is_announced(const struct imap_lexer *lex)
{
	struct str rest = str_from(lex->text, lex->at);

	return rest.len != 0 && (rest.p[0] == '{' || (rest.p[0] == '~' && rest.len > 1 && rest.p[1] == '{')) &&
	       memchr(rest.p, '\n', rest.len) == NULL;
}

static struct append_step *
append_parse_add_step(struct imap_session *s, enum append_step_kind kind)
{
	struct append_reading *in = &s->append->in;
	struct append_step *step = arena_new(&s->command.arena, struct append_step);

	step->kind = kind;
	if (in->last_step != NULL)
		in->last_step->next = step;
	else
		in->steps = step;
	in->last_step = step;
	return step;
}

static struct imap_append_message *
append_parse_add_message(struct imap_session *s)
{
	struct append_reading *in = &s->append->in;
	struct imap_append_message *m = arena_new(&s->command.arena, struct imap_append_message);

	m->session = s;
	m->append = s->append;
	m->blobs = conn_frontend(s->conn)->service->blobs;
	if (in->last != NULL)
		in->last->next = m;
	else
		in->first = m;
	in->last = m;
	in->count++;
	return m;
}

static enum append_parsed
append_parse_take_literal(struct imap_session *s, struct imap_lexer *lex, bool announced)
{
	if (!announced || !append_is_announced(lex)) {
		imap_lex_fail(lex, "the message's literal is missing");
		return APPEND_MALFORMED;
	}
	lex->at = lex->text.len;
	append_parse_add_step(s, APPEND_LITERAL);
	return APPEND_PARSED;
}

/* "TEXT {12}" or "URL "/Drafts/;UID=1"", in the list of CATENATE. */
static enum append_parsed
append_parse_take_part(struct imap_session *s, struct imap_lexer *lex, bool announced)
{
	struct str url;

	if (imap_lex_try_word(lex, "TEXT"))
		return imap_lex_sp(lex) ? append_parse_take_literal(s, lex, announced) : APPEND_MALFORMED;
	if (!imap_lex_try_word(lex, "URL")) {
		imap_lex_fail(lex, "unknown part in CATENATE");
		return APPEND_MALFORMED;
	}
	if (!imap_lex_sp(lex))
		return APPEND_MALFORMED;
	if (announced && append_is_announced(lex))
		return APPEND_INLINE;
	if (!imap_lex_astring(lex, &url))
		return APPEND_MALFORMED;
	if (++s->append->in.urls > URLS_MAX) {
		imap_lex_fail(lex, "too many URLs");
		return APPEND_MALFORMED;
	}
	append_parse_add_step(s, APPEND_URL)->url = url;
	return APPEND_PARSED;
}

static bool
append_parse_take_flags_and_date(struct imap_lexer *lex, struct imap_append_message *m)
{
	if (imap_lex_peek(lex) == '(' && (!imap_lex_flag_list(lex, &m->flags) || !imap_lex_sp(lex)))
		return false;
	if (imap_lex_peek(lex) != '"')
		return true;
	m->has_date = true;
	return imap_lex_date_time(lex, &m->date, &m->zone_minutes) && imap_lex_sp(lex);
}

/* After the space: "(\Seen) "date" " and the message itself. */
static enum append_parsed
append_parse_take_message(struct imap_session *s, struct imap_lexer *lex, bool announced)
{
	struct append_reading *in = &s->append->in;

	if (in->one_only && in->count != 0) {
		imap_lex_fail(lex, "REPLACE accepts only one message");
		return APPEND_MALFORMED;
	}
	if (in->count == MESSAGES_MAX) {
		imap_lex_fail(lex, "too many messages in one APPEND");
		return APPEND_MALFORMED;
	}
	if (!append_parse_take_flags_and_date(lex, append_parse_add_message(s)))
		return APPEND_MALFORMED;
	append_parse_add_step(s, APPEND_BEGIN);
	if (imap_lex_try_word(lex, "CATENATE")) {
		in->place = APPEND_IN_CATENATE;
		return imap_lex_sp(lex) && imap_lex_char(lex, '(') ? append_parse_take_part(s, lex, announced)
								   : APPEND_MALFORMED;
	}
	in->place = APPEND_AFTER_MESSAGE;
	if (imap_lex_try_word(lex, "UTF8")) {
		in->place = APPEND_AFTER_UTF8;
		if (!imap_lex_sp(lex) || !imap_lex_char(lex, '('))
			return APPEND_MALFORMED;
		if (imap_lex_peek(lex) != '~') {
			imap_lex_fail(lex, "UTF8 needs a literal8");
			return APPEND_MALFORMED;
		}
	}
	return append_parse_take_literal(s, lex, announced);
}

static enum append_parsed
append_parse_take_next(struct imap_session *s, struct imap_lexer *lex, bool announced)
{
	struct append_reading *in = &s->append->in;

	if (in->place != APPEND_AFTER_MESSAGE && imap_lex_try(lex, ')')) {
		if (in->place == APPEND_IN_CATENATE)
			append_parse_add_step(s, APPEND_END);
		in->place = APPEND_AFTER_MESSAGE;
		return APPEND_PARSED;
	}
	if (in->place == APPEND_AFTER_UTF8) {
		imap_lex_fail(lex, "\")\" is missing");
		return APPEND_MALFORMED;
	}
	if (!imap_lex_sp(lex))
		return APPEND_MALFORMED;
	return in->place == APPEND_IN_CATENATE ? append_parse_take_part(s, lex, announced)
					       : append_parse_take_message(s, lex, announced);
}

enum append_parsed
append_parse(struct imap_session *s, struct imap_lexer *lex, bool announced)
{
	struct append_reading before = s->append->in;
	enum append_parsed parsed = APPEND_PARSED;

	while (parsed == APPEND_PARSED && !imap_lex_at_end(lex))
		parsed = append_parse_take_next(s, lex, announced);
	if (parsed == APPEND_PARSED && !announced &&
	    (s->append->in.place != APPEND_AFTER_MESSAGE || s->append->in.count == 0)) {
		imap_lex_fail(lex, s->append->in.count == 0 ? "the message's literal is missing" : "\")\" is missing");
		parsed = APPEND_MALFORMED;
	}
	if (parsed == APPEND_INLINE) {
		/* It is parsed again once the literal has arrived. */
		s->append->in = before;
		if (before.last != NULL)
			before.last->next = NULL;
		if (before.last_step != NULL)
			before.last_step->next = NULL;
	}
	return parsed;
}
