/* What a milter answers. */
#include "frontend/milter/private.h"

static bool
answer_is_wrong(struct milter_session *s, const char *what)
{
	milter_session_end(s, MILTER_FAILED, str_c(what));
	return false;
}

static bool
answer_ends(struct milter_session *s, enum milter_verdict verdict)
{
	milter_session_end(s, verdict, STR_NONE);
	return false;
}

/* The milter's part of the negotiation. */
static bool
answer_options(struct milter_session *s, const struct milter_packet *packet)
{
	struct str data = packet->data;
	uint32_t actions;

	if (packet->kind != 'O' || !milter_wire_take_number(&data, &s->version) ||
	    !milter_wire_take_number(&data, &actions) || !milter_wire_take_number(&data, &s->dialogue))
		return answer_is_wrong(s, "it does not negotiate");
	if (s->version < 2 || s->version > MILTER_VERSION || (s->dialogue & ~(uint32_t)MILTER_DIALOGUE_ALL) != 0)
		return answer_is_wrong(s, "it wants what was not offered");
	s->step++;
	return true;
}

/* No objection to the step, or at the end to the message. */
static bool
answer_continue(struct milter_session *s)
{
	if (s->step != MILTER_STEP_EOM) {
		if (s->step != MILTER_STEP_RCPT && s->step != MILTER_STEP_HEADER && s->step != MILTER_STEP_BODY)
			s->step++;
		return true;
	}
	if (!milter_changes_apply(s))
		return answer_is_wrong(s, "malformed change, or too large");
	return answer_ends(s, MILTER_ACCEPT);
}

static bool
answer_accept(struct milter_session *s)
{
	/* Before the end of the message there are no changes. */
	return s->step == MILTER_STEP_EOM ? answer_continue(s) : answer_ends(s, MILTER_ACCEPT);
}

static bool
answer_reply(struct milter_session *s, const struct milter_packet *packet)
{
	struct str data = packet->data, text;
	struct buf lines = BUF_EMPTY;

	if (!milter_wire_take_text(&data, &text) || !milter_wire_reply(text, &lines)) {
		buf_fini(&lines);
		return answer_is_wrong(s, "malformed reply");
	}
	milter_session_end(s, MILTER_REPLY, buf_str(&lines));
	buf_fini(&lines);
	return false;
}

static bool
answer_skip(struct milter_session *s)
{
	if (s->step != MILTER_STEP_BODY)
		return answer_is_wrong(s, "unexpected answer");
	s->step++;
	return true;
}

bool
milter_answer_take(struct milter_session *s, const struct milter_packet *packet)
{
	if (packet->kind == 'p' || (s->step == MILTER_STEP_EOM && milter_changes_is_one(packet->kind))) {
		if (packet->kind != 'p' && !milter_changes_keep(s, packet))
			return answer_is_wrong(s, "too many changes");
		milter_session_set_timer(s, s->step == MILTER_STEP_EOM ? s->asked.content_timeout_ms
								       : s->asked.command_timeout_ms);
		return true;
	}
	s->awaits_answer = false;
	if (s->step == MILTER_STEP_OPTIONS)
		return answer_options(s, packet);
	switch (packet->kind) {
	case 'c': return answer_continue(s);
	case 'a': return answer_accept(s);
	case 'r': return answer_ends(s, MILTER_REJECT);
	case 't':
	case '4':
	case 'f': return answer_ends(s, MILTER_TEMPFAIL);
	case 'd': return answer_ends(s, MILTER_DISCARD);
	case 'y': return answer_reply(s, packet);
	case 's': return answer_skip(s);
	default: return answer_is_wrong(s, "unexpected answer");
	}
}
