/* RCPT (RFC 5321, 4.1.1.3): a recipient, and whether this client may send there. */
#include "frontend/smtp/private.h"

static enum smtp_status
rcpt_refuse(struct smtp_session *s, enum smtp_reply_name reply, struct str argument)
{
	if ((smtp_reply_get(reply)->flags & COUNTS_BAD_RECIPIENT) != 0)
		metrics_add(M_SMTP_REFUSED_RECIPIENTS, 1);
	smtp_reply(s, reply, argument);
	return SMTP_DONE;
}

struct rcpt {
	struct smtp_session *session; /* borrowed */
	struct submit_recipient recipient;
	bool has_room; /* an account without a quota */
};

static void
rcpt_add(struct smtp_session *s, const struct rcpt *rcpt)
{
	submit_add_recipient(s->submit, &rcpt->recipient);
	smtp_set_state(s, SMTP_RCPT);
	smtp_reply(s, REPLY_RECIPIENT_OK, STR_NONE);
}

static void
rcpt_on_limit(void *arg, int64_t wait_ms)
{
	struct rcpt *rcpt = arg;
	struct smtp_session *s = rcpt->session;

	s->limits = NULL;
	if (wait_ms > 0)
		smtp_reply_limit(s, REPLY_RECIPIENT_LIMIT, wait_ms);
	else
		rcpt_add(s, rcpt);
	session_resume(&s->base);
}

/* Nothing is wrong with it: does it fit into the client's limit? */
static enum smtp_status
rcpt_accept(struct smtp_session *s, struct rcpt *rcpt)
{
	if (!smtp_take_limit(s, LIMITS_RECIPIENTS, rcpt_on_limit, rcpt))
		return SMTP_WAIT;
	rcpt_add(s, rcpt);
	return SMTP_DONE;
}

/* ---- The last check: is there room? ---- */

static enum smtp_status
rcpt_judge_room(struct smtp_session *s, struct rcpt *rcpt)
{
	const struct submit_recipient *r = &rcpt->recipient;

	switch (submit_room_judge(&r->room, submit_options(s->submit)->size_bytes)) {
	case SUBMIT_MAILBOX_FULL: return rcpt_refuse(s, REPLY_MAILBOX_FULL, r->address);
	case SUBMIT_OVER_QUOTA: return rcpt_refuse(s, REPLY_OVER_QUOTA, r->address);
	default: return rcpt_accept(s, rcpt);
	}
}

static void
rcpt_on_room(void *arg)
{
	struct rcpt *rcpt = arg;
	struct smtp_session *s = rcpt->session;

	if (rcpt_judge_room(s, rcpt) != SMTP_WAIT)
		session_resume(&s->base);
}

static enum smtp_status
rcpt_accept_local(struct smtp_session *s, struct rcpt *rcpt)
{
	if (rcpt->has_room)
		return rcpt_accept(s, rcpt);
	if (!submit_ask_room(s->submit, &rcpt->recipient, rcpt_on_room, rcpt))
		return SMTP_WAIT;
	return rcpt_judge_room(s, rcpt);
}

/* ---- Where the sender's address decides ---- */

/* From a local domain to a local one, without authentication. */
static enum smtp_status
rcpt_on_local_sender(struct smtp_session *s, const struct smtp_found *found, void *arg)
{
	struct rcpt *rcpt = arg;

	if (found->err != NULL)
		return rcpt_refuse(s, REPLY_STORE_UNAVAILABLE, rcpt->recipient.address);
	if (found->result->kind != DIR_NOT_LOCAL)
		return rcpt_refuse(s, REPLY_LOCAL_AUTH_REQUIRED, rcpt->recipient.address);
	return rcpt_accept_local(s, rcpt);
}

/* To a remote domain, if it is enough that the sender is ours. */
static enum smtp_status
rcpt_on_relay_sender(struct smtp_session *s, const struct smtp_found *found, void *arg)
{
	struct rcpt *rcpt = arg;
	bool whole_domain = smtp_settings(s)->allow_relay == ALLOW_RELAY_LOCAL_DOMAINS;

	if (found->err != NULL)
		return rcpt_refuse(s, REPLY_STORE_UNAVAILABLE, rcpt->recipient.address);
	if (found->result->kind == DIR_USER || (whole_domain && found->result->kind != DIR_NOT_LOCAL))
		return rcpt_accept(s, rcpt);
	return rcpt_refuse(s, REPLY_RELAY_DENIED, rcpt->recipient.address);
}

static enum smtp_status
rcpt_decide_local(struct smtp_session *s, struct rcpt *rcpt, struct str domain)
{
	const struct settings *settings = frontend_settings(conn_frontend(s->conn));
	struct str sender = submit_options(s->submit)->reverse_path;

	/* Either domain may require it. */
	bool wants_auth = settings_smtp_in(settings, domain)->require_auth_for_local_delivery ||
			  settings_smtp_in(settings, directory_domain_of(sender))->require_auth_for_local_delivery;
	if (wants_auth && s->account == NULL && sender.len != 0)
		return smtp_lookup_sender(s, rcpt_on_local_sender, rcpt);
	return rcpt_accept_local(s, rcpt);
}

static enum smtp_status
rcpt_decide_relay(struct smtp_session *s, struct rcpt *rcpt)
{
	const struct settings_smtp_in *settings = smtp_settings(s);

	if ((s->account != NULL && settings->allow_relay_for_authenticated) ||
	    settings->allow_relay == ALLOW_RELAY_ANYONE ||
	    ip_blocks_have(&settings->relay_whitelist, conn_peer(s->conn)))
		return rcpt_accept(s, rcpt);
	if (settings->allow_relay == ALLOW_RELAY_NOBODY || submit_options(s->submit)->reverse_path.len == 0)
		return rcpt_refuse(s, REPLY_RELAY_DENIED, rcpt->recipient.address);
	return smtp_lookup_sender(s, rcpt_on_relay_sender, rcpt);
}

/* ---- The recipient's own address ---- */

static enum smtp_status
rcpt_on_found(struct smtp_session *s, const struct smtp_found *found, void *arg)
{
	struct rcpt *rcpt = arg;

	if (found->err != NULL)
		return rcpt_refuse(s, REPLY_STORE_UNAVAILABLE, rcpt->recipient.address);
	switch (found->result->kind) {
	case DIR_USER:
	case DIR_ALIAS:
	case DIR_CATCH_ALL:
	case DIR_UNCLAIMED:
		rcpt->recipient.local = true;
		rcpt->has_room = found->result->kind == DIR_USER && found->result->quota_bytes == 0;
		rcpt->recipient.address = found->address;
		return rcpt_decide_local(s, rcpt, directory_domain_of(found->address));
	case DIR_UNKNOWN: return rcpt_refuse(s, REPLY_UNKNOWN_USER, rcpt->recipient.address);
	case DIR_DISABLED:
		return rcpt_refuse(s, found->result->domain_disabled ? REPLY_DOMAIN_DISABLED : REPLY_USER_DISABLED,
				   rcpt->recipient.address);
	case DIR_NOT_LOCAL: break;
	}
	/* An address that was not found in any of our domains belongs to nobody. */
	if (!str_eq(found->address, rcpt->recipient.address) || str_index(rcpt->recipient.address, '@') < 0)
		return rcpt_refuse(s, REPLY_UNKNOWN_USER, rcpt->recipient.address);
	return rcpt_decide_relay(s, rcpt);
}

static enum smtp_reply_name
rcpt_parse_path(const struct smtp_session *s, struct str text, struct arena *arena, struct smtp_path *path_out,
		struct str *rest_out)
{
	switch (smtp_path_parse(text, submit_options(s->submit)->utf8, arena, path_out, rest_out)) {
	case SMTP_PATH_OK: return path_out->kind == SMTP_PATH_NULL ? REPLY_BAD_RECIPIENT : REPLY_OK;
	case SMTP_PATH_NEEDS_UTF8: return REPLY_RECIPIENT_NEEDS_UTF8;
	default: return REPLY_BAD_RECIPIENT;
	}
}

enum smtp_status
smtp_cmd_rcpt(struct smtp_session *s, struct str argument)
{
	struct rcpt *rcpt = arena_new(&s->command.arena, struct rcpt);
	struct smtp_rcpt_params params;
	struct smtp_path path;
	struct str rest, culprit;

	if (!smtp_skip_keyword(&argument, "TO:"))
		return rcpt_refuse(s, REPLY_SYNTAX, STR("RCPT TO:<forward-path> [parameters]"));
	enum smtp_reply_name reply = rcpt_parse_path(s, argument, &s->command.arena, &path, &rest);
	if (reply != REPLY_OK)
		return rcpt_refuse(s, reply, argument);
	enum smtp_params_error error = smtp_rcpt_params_parse(rest, &params, &culprit);
	if (error != PARAMS_OK)
		return rcpt_refuse(s, error == PARAMS_BAD ? REPLY_BAD_PARAMETER : REPLY_UNKNOWN_PARAMETER, culprit);
	rcpt->session = s;
	rcpt->recipient =
		(struct submit_recipient){.address = path.address, .notify = params.notify, .orcpt = params.orcpt};
	if (!submit_has_room(s->submit, &rcpt->recipient))
		return rcpt_refuse(s, REPLY_TOO_MANY_RECIPIENTS, path.address);
	return smtp_lookup(s, &path, rcpt_on_found, rcpt);
}
