/* AUTH (RFC 4954): the dialogue of lines around the SASL engine. */
#include "frontend/smtp/private.h"
#include "lib/auth/auth.h"
#include "lib/base/base64.h"
#include "lib/base/check.h"
#include "lib/base/mem.h"

struct str
smtp_auth_mechanisms(struct smtp_session *s)
{
	unsigned char exporter[32];
	bool plain = !smtp_settings(s)->disable_auth_login;

	if (conn_tls_exporter(s->conn, exporter))
		return plain ? STR("PLAIN LOGIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS")
			     : STR("SCRAM-SHA-256 SCRAM-SHA-256-PLUS");
	return plain ? STR("PLAIN LOGIN SCRAM-SHA-256") : STR("SCRAM-SHA-256");
}

static bool
is_offered(struct smtp_session *s, struct str mechanism)
{
	struct str word, rest = smtp_auth_mechanisms(s);

	while (str_next_word(&rest, " ", &word))
		if (str_eq_ci(word, mechanism))
			return sasl_is_known(mechanism);
	return false;
}

/* ---- What the engine says; may come from within our own calls ---- */

static void
on_challenge(void *arg, struct str challenge)
{
	struct smtp_session *s = arg;
	struct evbuffer *out = conn_output(s->conn);
	struct buf text = BUF_EMPTY;

	/* Not by smtp_reply(): a challenge may be longer than a reply line. */
	base64_encode(challenge, &text);
	evbuffer_add(out, "334 ", 4);
	evbuffer_add(out, text.data, text.len);
	evbuffer_add(out, "\r\n", 2);
	buf_fini(&text);
	s->sasl_answered = true;
	if (conn_is_paused(s->conn))
		smtp_resume(s);
}

static enum smtp_reply_name
reply_for(enum auth_result result)
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

static void
on_done(void *arg, enum auth_result result, const struct auth_identity *identity, struct str final_data)
{
	struct smtp_session *s = arg;
	const struct smtp_reply *reply = smtp_reply_get(reply_for(result));

	(void)final_data; /* sent as a challenge before, since SMTP's success carries none */
	if (result == AUTH_OK)
		smtp_set_text(&s->account, str_c(identity->address));
	log_info(conn_log(s->conn), result == AUTH_OK ? "authenticated" : "authentication failed",
		 F_C("account", identity != NULL ? identity->address : ""), F_I64("code", reply->code),
		 F_C("reason", reply->text));
	metrics_add(result == AUTH_OK ? M_AUTH_OK : M_AUTH_FAILED, 1);
	smtp_set_state(s, SMTP_GREETED);
	smtp_reply(s, reply_for(result), STR_NONE);
	s->sasl_over = s->sasl_answered = true;
	if (conn_is_paused(s->conn))
		smtp_resume(s);
}

static const struct sasl_events events = {.on_challenge = on_challenge, .on_done = on_done};

/* ---- Lines ---- */

static enum smtp_status
refuse_auth(struct smtp_session *s, enum auth_result result)
{
	sasl_free(&s->sasl);
	on_done(s, result, NULL, STR_NONE);
	return SMTP_DONE;
}

static enum smtp_status
start(struct smtp_session *s, struct str mechanism, const struct str *initial)
{
	unsigned char exporter[32];
	bool has_exporter = conn_tls_exporter(s->conn, exporter);
	struct sasl_options options = {
		.peer = conn_peer(s->conn), .success_data = false, .exporter = has_exporter ? exporter : NULL};

	smtp_set_state(s, SMTP_SASL);
	s->sasl_answered = false;
	s->sasl = sasl_start(conn_frontend(s->conn)->auth, mechanism, initial, &options, &events, s);
	CHECKF(s->sasl != NULL, "mechanism %.*s", STR_ARG(mechanism));
	return s->sasl_answered ? SMTP_DONE : SMTP_WAIT;
}

enum smtp_status
smtp_cmd_auth(struct smtp_session *s, struct str argument)
{
	struct str mechanism, text, initial = STR_NONE;
	bool has_initial = str_cut(argument, ' ', &mechanism, &text), aborted = false;
	enum smtp_reply_name refusal = REPLY_OK;

	if (!s->esmtp || s->account != NULL) {
		smtp_reply(s, REPLY_BAD_SEQUENCE,
			   s->account != NULL ? STR("authenticated already") : STR("AUTH after EHLO"));
		return SMTP_DONE;
	}
	if (!smtp_may_auth(s))
		refusal = REPLY_TLS_REQUIRED;
	else if (!is_offered(s, mechanism))
		refusal = REPLY_UNKNOWN_MECHANISM;
	else if (has_initial && (!sasl_decode(&s->command, str_trim(text), &initial, &aborted) || aborted))
		refusal = REPLY_AUTH_MALFORMED;
	if (refusal != REPLY_OK) {
		smtp_reply(s, refusal, STR_NONE);
		return SMTP_DONE;
	}
	return start(s, mechanism, has_initial ? &initial : NULL);
}

enum smtp_status
smtp_auth_line(struct smtp_session *s, struct str line)
{
	struct str response;
	bool aborted = false;

	if (!sasl_decode(&s->command, line, &response, &aborted))
		return refuse_auth(s, AUTH_MALFORMED);
	if (aborted)
		return refuse_auth(s, AUTH_ABORTED);
	s->sasl_answered = false;
	sasl_respond(s->sasl, response);
	return s->sasl_answered ? SMTP_DONE : SMTP_WAIT;
}
