/* MAIL (RFC 5321, 4.1.1.2): begins a transaction. */
#include <stdio.h>

#include "frontend/smtp/private.h"

bool
smtp_skip_keyword(struct str *argument, const char *keyword)
{
	if (!str_starts_ci(*argument, str_c(keyword)))
		return false;
	*argument = str_trim(str_from(*argument, strlen(keyword)));
	return true;
}

/* May this session begin a transaction at all? REPLY_OK, or the reason why not. */
static enum smtp_reply_name
mail_check_session(const struct smtp_session *s)
{
	const struct settings_smtp_in *settings = smtp_settings(s);

	if (smtp_is_submission(s) && s->account == NULL)
		return REPLY_AUTH_REQUIRED;
	if (settings->max_messages_per_session != 0 && s->messages >= settings->max_messages_per_session)
		return REPLY_TOO_MANY_MESSAGES;
	return REPLY_OK;
}

/* May this client use this sender, and may the message be accepted? */
static enum smtp_reply_name
mail_check_sender(const struct smtp_session *s, const struct smtp_path *path, const struct smtp_mail_params *params)
{
	const struct settings_smtp_in *settings = smtp_settings(s);

	if (settings->max_message_size != 0 && params->size_bytes > (uint64_t)settings->max_message_size)
		return REPLY_TOO_BIG;
	if (blob_store_is_full(conn_frontend(s->conn)->service->blobs, params->size_bytes))
		return REPLY_STORE_FULL;
	if (s->account != NULL && settings->require_auth_match != AUTH_MATCH_NONE && path->kind != SMTP_PATH_NULL &&
	    !submit_address_matches(conn_frontend(s->conn), str_c(s->account), path->address))
		return REPLY_SENDER_NOT_YOURS;
	return REPLY_OK;
}

static void
mail_refuse_sender(struct smtp_session *s, enum smtp_reply_name reply)
{
	char number[24];

	snprintf(number, sizeof(number), "%lld", (long long)smtp_settings(s)->max_message_size);
	smtp_reply(s, reply, str_c(reply == REPLY_TOO_BIG ? number : s->account));
}

static enum smtp_status
mail_begin(struct smtp_session *s, const struct smtp_path *path, const struct smtp_mail_params *params)
{
	char priority[8];

	if (!smtp_transaction_begin(s, path->address, params)) {
		smtp_reply(s, REPLY_STORE_UNAVAILABLE, STR("no broker"));
		return SMTP_DONE;
	}
	/* The text begins with the priority granted (RFC 6710, section 8: X.3.6). */
	snprintf(priority, sizeof(priority), "%d", submit_priority(s->submit));
	if (params->has_priority && params->priority != submit_priority(s->submit))
		smtp_reply(s, REPLY_PRIORITY_CHANGED, str_c(priority));
	else
		smtp_reply(s, REPLY_SENDER_OK, STR_NONE);
	return SMTP_DONE;
}

/* A sender that waits for its client's limit; in the command arena. */
struct mail {
	struct smtp_session *session; /* borrowed */
	struct smtp_path path;
	struct smtp_mail_params params;
};

static void
mail_on_limit(void *arg, int64_t wait_ms)
{
	struct mail *mail = arg;
	struct smtp_session *s = mail->session;

	s->limits = NULL;
	if (wait_ms > 0)
		smtp_reply_limit(s, REPLY_MESSAGE_LIMIT, wait_ms);
	else
		mail_begin(s, &mail->path, &mail->params);
	session_resume(&s->base);
}

enum smtp_status
smtp_cmd_mail(struct smtp_session *s, struct str argument)
{
	struct smtp_mail_params params;
	struct smtp_path path;
	struct mail *mail;
	struct str rest, culprit;
	enum smtp_reply_name refusal = mail_check_session(s);

	if (refusal == REPLY_TOO_MANY_MESSAGES)
		return smtp_close(s, refusal);
	if (refusal != REPLY_OK) {
		smtp_reply(s, refusal, STR_NONE);
		return SMTP_DONE;
	}
	if (!smtp_skip_keyword(&argument, "FROM:")) {
		smtp_reply(s, REPLY_SYNTAX, STR("MAIL FROM:<reverse-path> [parameters]"));
		return SMTP_DONE;
	}
	/* SMTPUTF8 comes after the path that it permits. */
	if (smtp_path_parse(argument, true, &s->command.arena, &path, &rest) != SMTP_PATH_OK) {
		smtp_reply(s, REPLY_BAD_SENDER, STR_NONE);
		return SMTP_DONE;
	}
	enum smtp_params_error error = smtp_mail_params_parse(rest, &params, &culprit);
	if (error != PARAMS_OK) {
		smtp_reply(s, error == PARAMS_BAD ? REPLY_BAD_PARAMETER : REPLY_UNKNOWN_PARAMETER, culprit);
		return SMTP_DONE;
	}
	if (params.require_tls && !conn_is_tls(s->conn)) {
		smtp_reply(s, REPLY_UNKNOWN_PARAMETER, STR("REQUIRETLS"));
		return SMTP_DONE;
	}
	if (!params.utf8 && str_has_eight_bit(str_first(argument, argument.len - rest.len))) {
		smtp_reply(s, REPLY_SENDER_NEEDS_UTF8, STR_NONE);
		return SMTP_DONE;
	}
	refusal = mail_check_sender(s, &path, &params);
	if (refusal != REPLY_OK) {
		mail_refuse_sender(s, refusal);
		return SMTP_DONE;
	}
	mail = arena_new(&s->command.arena, struct mail);
	*mail = (struct mail){.session = s, .path = path, .params = params};
	if (!smtp_take_limit(s, LIMITS_MESSAGES, mail_on_limit, mail))
		return SMTP_WAIT;
	return mail_begin(s, &path, &params);
}
