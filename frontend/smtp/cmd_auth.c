/* AUTH (RFC 4954): the dialogue around the SASL engine. */
#include "frontend/core/login.h"
#include "frontend/smtp/private.h"
#include "lib/base/check.h"

struct str
smtp_auth_mechanisms(struct smtp_session *s)
{
	return login_mechanisms(&s->base, !smtp_settings(s)->disable_auth_login);
}

void
smtp_on_challenge(struct session *s, struct str challenge)
{
	struct evbuffer *out = conn_output(s->conn);

	/* Not by smtp_reply(), because a challenge may be longer than a reply line. */
	evbuffer_add(out, "334 ", 4);
	evbuffer_add(out, challenge.p, challenge.len);
	evbuffer_add(out, "\r\n", 2);
}

static enum smtp_reply_name
auth_reply(enum auth_result result)
{
	switch (result) {
	case AUTH_OK: return REPLY_AUTHENTICATED;
	case AUTH_FAILED: return REPLY_AUTH_FAILED;
	case AUTH_DISABLED: return REPLY_AUTH_DISABLED;
	case AUTH_MALFORMED: return REPLY_AUTH_MALFORMED;
	case AUTH_ABORTED: return REPLY_AUTH_CANCELLED;
	case AUTH_UNAVAILABLE: return REPLY_AUTH_TRY_LATER;
	}
	CHECKF(false, "result %d", (int)result);
	return REPLY_AUTH_FAILED;
}

bool
smtp_on_login(struct session *base, enum auth_result result)
{
	struct smtp_session *s = (struct smtp_session *)base;

	smtp_set_state(s, SMTP_GREETED);
	smtp_reply(s, auth_reply(result), STR_NONE);
	return true;
}

enum smtp_status
smtp_cmd_auth(struct smtp_session *s, struct str argument)
{
	struct str mechanism, initial;
	bool has_initial = str_cut(argument, ' ', &mechanism, &initial);
	enum smtp_reply_name refusal = REPLY_OK;

	if (!s->esmtp || s->account != NULL) {
		smtp_reply(s, REPLY_BAD_SEQUENCE,
			   s->account != NULL ? STR("already authenticated") : STR("AUTH after EHLO"));
		return SMTP_DONE;
	}
	if (!login_is_allowed(&s->base))
		refusal = REPLY_TLS_REQUIRED;
	else if (!login_is_offered(smtp_auth_mechanisms(s), mechanism))
		refusal = REPLY_UNKNOWN_MECHANISM;
	if (refusal != REPLY_OK) {
		smtp_reply(s, refusal, STR_NONE);
		return SMTP_DONE;
	}
	smtp_set_state(s, SMTP_SASL);
	return login_begin(&s->base, mechanism, has_initial ? str_trim(initial) : STR_NONE) ? SMTP_DONE : SMTP_WAIT;
}

enum smtp_status
smtp_auth_line(struct smtp_session *s, struct str line)
{
	return login_respond(&s->base, line) ? SMTP_DONE : SMTP_WAIT;
}
