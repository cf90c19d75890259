/* The callbacks that core needs from an IMAP session, from its greeting to its end. */
#include "frontend/imap/append/append.h"
#include "frontend/imap/imap.h"
#include "frontend/imap/session/input.h"
#include "frontend/imap/session/login.h"

/* RFC 9051, section 5.4: an idle session is not logged out earlier. */
enum { AUTOLOGOUT_MS = 31 * 60 * 1000 };

static void
imap_limits(const struct session *base, struct session_limits *out)
{
	const struct imap_session *s = (const struct imap_session *)base;
	const struct settings_imap *settings = imap_settings(s);
	bool logged_in = (s->state & IMAP_LOGGED_IN) != 0;
	int64_t limit = settings->command_timeout;

	*out = (struct session_limits){
		.command_ms = limit,
		.idle_ms = logged_in && limit < AUTOLOGOUT_MS ? AUTOLOGOUT_MS : limit,
		.bad_commands = settings->max_bad_commands,
		.insecure_auth = settings->allow_insecure_auth,
	};
}

static enum session_phase
imap_phase(const struct session *base)
{
	const struct imap_session *s = (const struct imap_session *)base;

	if (s->append != NULL)
		return SESSION_TAKING;
	if (s->input != NULL)
		return SESSION_BEGUN;
	if (s->row == NULL)
		return SESSION_BETWEEN;
	return s->on_line != NULL ? SESSION_ASKED : SESSION_WORKING;
}

static bool
imap_take_any_input(struct session *base)
{
	return imap_take_input((struct imap_session *)base);
}

static void
imap_on_open(struct session *base)
{
	struct imap_session *s = (struct imap_session *)base;
	struct buf capabilities = BUF_EMPTY;

	s->state = IMAP_NOT_AUTHENTICATED;
	imap_print_capabilities(s, &capabilities);
	imap_untagged(s, "OK [CAPABILITY %s] %s", capabilities.data,
		      frontend_banner(s->conn, &s->command.arena, imap_settings(s)->banner));
	buf_fini(&capabilities);
}

/* STARTTLS is allowed only before login: there is nothing to forget. */
static void
imap_on_tls(struct session *s)
{
	(void)s;
}

static void
imap_goodbye(struct session *base, enum session_end why)
{
	static const char *const texts[] = {
		[SESSION_TOO_MANY_BAD] = "too many bad commands",
		[SESSION_SHUTTING_DOWN] = "the server is shutting down, connect again",
		[SESSION_TIMED_OUT] = "no heartbeat for too long",
		[SESSION_DISABLED] = "the account is disabled",
	};

	imap_bye((struct imap_session *)base, texts[why]);
}

static void
imap_on_close(struct session *base)
{
	struct imap_session *s = (struct imap_session *)base;

	if (s->on_cancel != NULL)
		s->on_cancel(s);
	imap_append_free(&s->append);
	imap_input_free(&s->input);
	imap_forget_account(s);
}

static const struct session_protocol imap_session_protocol = {
	.limits = imap_limits,
	.phase = imap_phase,
	.on_open = imap_on_open,
	.take_input = imap_take_any_input,
	.goodbye = imap_goodbye,
	.on_tls = imap_on_tls,
	.on_close = imap_on_close,
	.on_challenge = imap_on_challenge,
	.on_login = imap_on_login,
};

static void
imap_refuse(struct conn *c)
{
	conn_write_c(c, "* BYE [UNAVAILABLE] too many connections, try later\r\n");
}

static int64_t
imap_max_connections(const struct settings *settings)
{
	return settings_imap(settings, STR_NONE)->max_connections;
}

static const struct ip_blocks *
imap_proxy_protocol_from(const struct settings *settings)
{
	return &settings_imap(settings, STR_NONE)->proxy_protocol_from;
}

static const struct protocol_listener imap_listeners[] = {
	{.name = "imap", .port = 143, .implicit_tls = false},
	{.name = "imaps", .port = 993, .implicit_tls = true},
	{.name = NULL},
};

const struct protocol protocol_imap = {
	.name = "imap",
	.session_size = sizeof(struct imap_session),
	.listeners = imap_listeners,
	.alpn = "imap",
	.metric_open = M_CONNECTIONS_IMAP,
	.metric_accepted = M_ACCEPTED_IMAP,
	.max_connections = imap_max_connections,
	.proxy_protocol_from = imap_proxy_protocol_from,
	.refuse = imap_refuse,
	.session = &imap_session_protocol,
	SESSION_EVENTS,
};
