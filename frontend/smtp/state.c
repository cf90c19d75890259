/* What all files of the SMTP server need from a session: its settings, its state, its
 * replies. */
#include <stdio.h>

#include "frontend/smtp/private.h"
#include "lib/base/check.h"
#include "lib/base/mem.h"

const struct settings_smtp_in *
smtp_settings(const struct smtp_session *s)
{
	return settings_smtp_in(frontend_settings(conn_frontend(s->conn)), STR_NONE);
}

const char *
smtp_hostname(const struct frontend *f)
{
	return f->service->hostname;
}

bool
smtp_is_submission(const struct smtp_session *s)
{
	return conn_role(s->conn) == SMTP_ROLE_SUBMISSION;
}

void
smtp_set_text(char **field, struct str text)
{
	mem_free(*field);
	*field = str_dup(text);
}

void
smtp_forget_hello(struct smtp_session *s)
{
	mem_free(s->helo);
	s->helo = NULL;
}

/* ---- State ---- */

/* The states that each state may lead to. */
static unsigned
state_may_become(enum smtp_state state)
{
	switch (state) {
	case SMTP_NEW: return SMTP_GREETED | SMTP_CHUNK;
	case SMTP_GREETED: return SMTP_NEW | SMTP_GREETED | SMTP_MAIL | SMTP_SASL | SMTP_CHUNK;
	case SMTP_MAIL: return SMTP_GREETED | SMTP_RCPT | SMTP_CHUNK;
	case SMTP_RCPT: return SMTP_GREETED | SMTP_RCPT | SMTP_DATA | SMTP_CHUNK;
	case SMTP_CHUNKED: return SMTP_GREETED | SMTP_CHUNK;
	case SMTP_SASL: return SMTP_GREETED;
	case SMTP_DATA: return SMTP_GREETED | SMTP_ACCEPTING;
	case SMTP_CHUNK: return SMTP_ANY_COMMAND | SMTP_ACCEPTING;
	case SMTP_ACCEPTING: return SMTP_GREETED;
	default: return 0;
	}
}

void
smtp_set_state(struct smtp_session *s, enum smtp_state state)
{
	CHECKF((state_may_become(s->state) & state) != 0, "from state %d to %d", (int)s->state, (int)state);
	s->state = state;
}

/* ---- Replies ---- */

static void
state_log_refusal(const struct smtp_session *s, const struct smtp_reply *reply, struct str argument)
{
	const struct submit *message = s->submit;

	log_info(message != NULL ? submit_log(message) : conn_log(s->conn), "refused", F_I64("code", reply->code),
		 F_C("status", reply->enhanced), F_C("reason", reply->text), F_STR("argument", argument),
		 F_STR("from", message != NULL ? submit_options(message)->reverse_path : STR_NONE));
}

void
smtp_reply(struct smtp_session *s, enum smtp_reply_name name, struct str argument)
{
	const struct smtp_reply *reply = smtp_reply_get(name);

	smtp_reply_write(name, argument, conn_output(s->conn));
	if ((reply->flags & COUNTS_BAD_COMMAND) != 0)
		s->bad_commands++;
	if ((reply->flags & COUNTS_BAD_RECIPIENT) != 0)
		s->bad_recipients++;
	if ((reply->flags & IS_REFUSAL) != 0)
		state_log_refusal(s, reply, argument);
}

enum smtp_status
smtp_close(struct smtp_session *s, enum smtp_reply_name name)
{
	smtp_reply(s, name, name == REPLY_GOODBYE ? str_c(smtp_hostname(conn_frontend(s->conn))) : STR_NONE);
	conn_close(s->conn);
	return SMTP_CLOSE;
}

bool
smtp_take_limit(struct smtp_session *s, enum limits_of what, limits_on_judged *on_judged, void *arg)
{
	struct frontend *f = conn_frontend(s->conn);
	const struct limits_client client = {.account = s->account, .ip = conn_peer(s->conn)};

	s->limits = limits_take(f->service->redis, frontend_settings(f), &client, what, on_judged, arg);
	return s->limits == NULL;
}

void
smtp_reply_limit(struct smtp_session *s, enum smtp_reply_name name, int64_t wait_ms)
{
	char seconds[24];

	snprintf(seconds, sizeof(seconds), "%lld", (long long)(wait_ms + 999) / 1000);
	smtp_reply(s, name, str_c(seconds));
}
