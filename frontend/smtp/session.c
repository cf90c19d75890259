/* An SMTP session: reading lines from the input, its beginning and its end. */
#include <string.h>

#include "frontend/core/login.h"
#include "frontend/smtp/private.h"
#include "frontend/smtp/smtp.h"

/* ---- Input ---- */

/* Discards what has arrived of a line that is too long. */
static bool
smtp_skip_line(struct smtp_session *s, struct evbuffer *in, ssize_t end)
{
	size_t len = evbuffer_get_length(in);
	char last;

	if (end >= 0) {
		evbuffer_drain(in, (size_t)end + 2);
		s->skips_line = false;
		return true;
	}
	/* A CR at the very end may be half of the line end. */
	struct evbuffer_ptr at;
	evbuffer_ptr_set(in, &at, len - 1, EVBUFFER_PTR_SET);
	evbuffer_copyout_from(in, &at, &last, 1);
	evbuffer_drain(in, last == '\r' ? len - 1 : len);
	return false;
}

static void
smtp_refuse_long_line(struct smtp_session *s)
{
	s->skips_line = true;
	if (s->state == SMTP_SASL) {
		login_free(&s->base);
		smtp_set_state(s, SMTP_GREETED);
	}
	smtp_reply(s, REPLY_LINE_TOO_LONG, STR_NONE);
}

static void
smtp_take_line(struct smtp_session *s, struct str line)
{
	enum smtp_status status;

	if (s->state == SMTP_SASL)
		status = smtp_auth_line(s, line);
	else
		status = smtp_dispatch(s, line);
	if (status == SMTP_WAIT) {
		conn_set_timeout(s->conn, 0);
		conn_pause(s->conn);
	}
}

/* The next line, which only CRLF ends. False: it is not complete yet. */
static bool
smtp_take_command(struct smtp_session *s)
{
	struct evbuffer *in = conn_input(s->conn);
	size_t len = evbuffer_get_length(in);
	struct evbuffer_ptr end;
	char *line;

	if (len == 0)
		return false;
	end = evbuffer_search(in, "\r\n", 2, NULL);
	if (s->skips_line)
		return smtp_skip_line(s, in, end.pos);
	if (end.pos < 0 ? len > SMTP_LINE_AUTH_MAX : end.pos + 2 > SMTP_LINE_AUTH_MAX) {
		smtp_refuse_long_line(s);
		return true;
	}
	if (end.pos < 0)
		return false;
	arena_reset(&s->command.arena);
	line = arena_alloc(&s->command.arena, (size_t)end.pos + 1);
	evbuffer_remove(in, line, (size_t)end.pos);
	evbuffer_drain(in, 2);
	smtp_take_line(s, str_of(line, (size_t)end.pos));
	return true;
}

static bool
smtp_take_input(struct session *base)
{
	struct smtp_session *s = (struct smtp_session *)base;

	switch (s->state) {
	case SMTP_DATA: return smtp_take_data(s);
	case SMTP_CHUNK: return smtp_take_chunk(s);
	default: return smtp_take_command(s);
	}
}

static void
smtp_limits(const struct session *s, struct session_limits *out)
{
	const struct settings_smtp_in *settings = smtp_settings((const struct smtp_session *)s);

	*out = (struct session_limits){
		.command_ms = settings->command_timeout,
		.idle_ms = settings->session_timeout_enabled ? settings->session_timeout : 0,
		.bad_commands = settings->max_bad_commands,
		.insecure_auth = settings->allow_insecure_auth,
	};
}

static enum session_phase
smtp_phase(const struct session *base)
{
	const struct smtp_session *s = (const struct smtp_session *)base;

	switch (s->state) {
	case SMTP_SASL: return SESSION_BEGUN;
	case SMTP_DATA:
	case SMTP_CHUNK: return SESSION_TAKING;
	case SMTP_ACCEPTING: return SESSION_WORKING;
	default: return SESSION_BETWEEN;
	}
}

static void
smtp_judge(struct session *base)
{
	struct smtp_session *s = (struct smtp_session *)base;

	if (s->bad_recipients >= smtp_settings(s)->max_bad_recipients)
		smtp_close(s, REPLY_TOO_MANY_BAD_RECIPIENTS);
}

/* ---- Beginning and end ---- */

static void
smtp_on_open(struct session *base)
{
	struct smtp_session *s = (struct smtp_session *)base;

	s->state = SMTP_NEW;
	smtp_reply(s, REPLY_GREETING, str_c(frontend_banner(s->conn, &s->command.arena, smtp_settings(s)->banner)));
}

/* The client must repeat everything said before (RFC 3207, 4.2). */
static void
smtp_on_tls(struct session *base)
{
	struct smtp_session *s = (struct smtp_session *)base;

	smtp_forget_hello(s);
	smtp_set_state(s, SMTP_NEW);
}

static void
smtp_goodbye(struct session *base, enum session_end why)
{
	static const enum smtp_reply_name replies[] = {
		[SESSION_TOO_MANY_BAD] = REPLY_TOO_MANY_BAD_COMMANDS,
		[SESSION_SHUTTING_DOWN] = REPLY_SHUTTING_DOWN,
		[SESSION_TIMED_OUT] = REPLY_TIMED_OUT,
		[SESSION_DISABLED] = REPLY_ACCOUNT_GONE,
	};

	smtp_reply((struct smtp_session *)base, replies[why], STR_NONE);
}

static void
smtp_on_close(struct session *base)
{
	struct smtp_session *s = (struct smtp_session *)base;

	smtp_lookup_cancel(s);
	limits_cancel(&s->limits);
	submit_free(&s->submit); /* a hand-over in progress continues */
	smtp_forget_hello(s);
}

static const struct session_protocol smtp_session_protocol = {
	.limits = smtp_limits,
	.phase = smtp_phase,
	.on_open = smtp_on_open,
	.take_input = smtp_take_input,
	.judge = smtp_judge,
	.goodbye = smtp_goodbye,
	.on_tls = smtp_on_tls,
	.on_close = smtp_on_close,
	.on_challenge = smtp_on_challenge,
	.on_login = smtp_on_login,
};

static void
smtp_refuse(struct conn *c)
{
	smtp_reply_write(REPLY_TOO_MANY_CONNECTIONS, STR_NONE, conn_output(c));
}

static int64_t
smtp_max_connections(const struct settings *settings)
{
	return settings_smtp_in(settings, STR_NONE)->max_connections;
}

static int64_t
smtp_max_per_address(const struct settings *settings, const struct ip *client)
{
	const struct settings_smtp_in *smtp = settings_smtp_in(settings, STR_NONE);

	/* A proxy on this host that does not tell its clients would be taken for one. */
	return ip_is_loopback(client) || ip_blocks_have(&smtp->relay_whitelist, client) ? 0 : smtp->max_per_address;
}

static const struct ip_blocks *
smtp_proxy_protocol_from(const struct settings *settings)
{
	return &settings_smtp_in(settings, STR_NONE)->proxy_protocol_from;
}

/* An operator may want an open relay, and should be told that it is one. */
static void
smtp_on_settings(void *arg, const struct settings *settings)
{
	static int last = ALLOW_RELAY_NOBODY;
	int now = settings_smtp_in(settings, STR_NONE)->allow_relay;

	(void)arg;
	if (now == ALLOW_RELAY_ANYONE && last != ALLOW_RELAY_ANYONE)
		log_warning(NULL, "settings:smtp-in allow_relay is anyone: this is an open relay");
	last = now;
}

static int
smtp_init(struct frontend *f, struct err *err)
{
	(void)err;
	settings_live_watch(f->service->settings, smtp_on_settings, NULL);
	smtp_on_settings(NULL, frontend_settings(f));
	return 0;
}

static const struct protocol_listener smtp_listeners[] = {
	{.name = "smtp", .port = 25, .implicit_tls = false, .role = SMTP_ROLE_MX},
	{.name = "submission", .port = 587, .implicit_tls = false, .role = SMTP_ROLE_SUBMISSION},
	{.name = "submissions", .port = 465, .implicit_tls = true, .role = SMTP_ROLE_SUBMISSION},
	{.name = NULL},
};

const struct protocol protocol_smtp = {
	.name = "smtp",
	.session_size = sizeof(struct smtp_session),
	.listeners = smtp_listeners,
	.metric_open = M_CONNECTIONS_SMTP,
	.metric_accepted = M_ACCEPTED_SMTP,
	.max_connections = smtp_max_connections,
	.max_per_address = smtp_max_per_address,
	.proxy_protocol_from = smtp_proxy_protocol_from,
	.refuse = smtp_refuse,
	.session = &smtp_session_protocol,
	SESSION_EVENTS,
	.init = smtp_init,
};
