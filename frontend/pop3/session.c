/* A POP3 session: its states, reading lines from the input, and the end. */
#include <string.h>

#include "frontend/pop3/pop3.h"
#include "frontend/pop3/private.h"
#include "lib/base/check.h"
#include "lib/base/mem.h"

/* ---- Small functions that every file needs ---- */

const struct settings_pop *
pop3_settings(const struct pop3_session *s)
{
	return settings_pop(frontend_settings(conn_frontend(s->conn)), STR_NONE);
}

/* The states that each state may lead to. */
static unsigned
pop3_next_states(enum pop3_state state)
{
	switch (state) {
	case POP3_AUTHORIZATION:
	case POP3_NAMED: return POP3_BEFORE_LOGIN | POP3_SASL | POP3_OPENING;
	case POP3_SASL: return POP3_AUTHORIZATION | POP3_OPENING;
	case POP3_OPENING: return POP3_AUTHORIZATION | POP3_TRANSACTION;
	case POP3_TRANSACTION: return POP3_UPDATE;
	default: return 0;
	}
}

void
pop3_set_state(struct pop3_session *s, enum pop3_state state)
{
	CHECKF((pop3_next_states(s->state) & state) != 0, "from state %d to %d", (int)s->state, (int)state);
	s->state = state;
}

void
pop3_reply_numbers(struct pop3_session *s, enum pop3_reply_name name, const uint64_t numbers[2])
{
	const struct pop3_reply *reply = pop3_reply_get(name);
	struct evbuffer *out;

	if (conn_is_closing(s->conn))
		return;
	out = conn_output(s->conn);
	evbuffer_add_printf(out, reply->text, (unsigned long long)numbers[0], (unsigned long long)numbers[1]);
	evbuffer_add(out, "\r\n", 2);
	if ((reply->flags & IS_BAD_COMMAND) != 0)
		s->bad_commands++;
	if ((reply->flags & IS_LOGGED) != 0)
		log_info(conn_log(s->conn), "refused", F_C("reply", reply->text),
			 F_C("account", s->maildrop != NULL ? s->maildrop->address : s->user));
}

enum cmd_status
pop3_close(struct pop3_session *s, enum pop3_reply_name name)
{
	pop3_reply(s, name);
	/* The lock need not wait until the client hangs up. */
	pop3_maildrop_leave(s);
	conn_close(s->conn);
	return CMD_CLOSE;
}

void
pop3_forget_user(struct pop3_session *s)
{
	mem_free(s->user);
	s->user = NULL;
}

/* ---- Input ---- */

static void
pop3_take_line(struct pop3_session *s, struct str line)
{
	enum cmd_status status;

	/* The client's time limits do not apply while we wait for something else. */
	conn_set_timeout(s->conn, 0);
	status = s->state == POP3_SASL ? pop3_sasl_line(s, line) : pop3_dispatch(s, line);
	if (status == CMD_WAIT)
		conn_pause(s->conn);
}

static void
pop3_refuse_long_line(struct pop3_session *s)
{
	s->skips_line = true;
	if (s->state == POP3_SASL)
		pop3_sasl_line(s, STR_NONE);
	else
		pop3_reply(s, POP3_LINE_TOO_LONG);
}

/* The next line; a bare LF ends it too, because people at terminals send that. False:
 * it is not complete yet. */
static bool
pop3_take_input(struct session *base)
{
	struct pop3_session *s = (struct pop3_session *)base;
	struct evbuffer *in = conn_input(s->conn);
	size_t len = evbuffer_get_length(in), eol_len = 0;
	size_t max = s->state == POP3_SASL ? POP3_LINE_SASL_MAX : POP3_LINE_USER_MAX;
	struct evbuffer_ptr end;
	char *line;

	if (len == 0)
		return false;
	end = evbuffer_search_eol(in, NULL, &eol_len, EVBUFFER_EOL_CRLF);
	if (s->skips_line) {
		s->skips_line = end.pos < 0;
		evbuffer_drain(in, end.pos < 0 ? len : (size_t)end.pos + eol_len);
		return end.pos >= 0;
	}
	if (end.pos < 0 ? len > max : (size_t)end.pos + eol_len > max) {
		pop3_refuse_long_line(s);
		return true;
	}
	if (end.pos < 0)
		return false;
	arena_reset(&s->command.arena);
	line = arena_alloc(&s->command.arena, (size_t)end.pos + 1);
	evbuffer_remove(in, line, (size_t)end.pos);
	evbuffer_drain(in, eol_len);
	pop3_take_line(s, str_of(line, (size_t)end.pos));
	return true;
}

/* The autologout timer follows the setting, although RFC 1939 (section 3) requires at
 * least ten minutes: the operator's choice takes precedence. */
static void
pop3_limits(const struct session *s, struct session_limits *out)
{
	const struct settings_pop *settings = pop3_settings((const struct pop3_session *)s);

	*out = (struct session_limits){
		.command_ms = settings->command_timeout,
		.idle_ms = settings->command_timeout,
		.bad_commands = settings->max_bad_commands,
		.insecure_auth = settings->allow_insecure_auth,
	};
}

static enum session_phase
pop3_phase(const struct session *base)
{
	const struct pop3_session *s = (const struct pop3_session *)base;

	if ((s->state & POP3_ANY_COMMAND) != 0 && !s->sending.active && s->listing.add == NULL)
		return SESSION_BETWEEN;
	return s->state == POP3_SASL ? SESSION_BEGUN : SESSION_WORKING;
}

/* ---- Beginning and end ---- */

static void
pop3_on_open(struct session *base)
{
	struct pop3_session *s = (struct pop3_session *)base;
	struct str banner;

	s->state = POP3_AUTHORIZATION;
	banner = str_c(frontend_banner(s->conn, &s->command.arena, pop3_settings(s)->banner));
	banner = str_first(banner, POP3_REPLY_MAX - 6);
	conn_printf(s->conn, "%s%.*s\r\n", pop3_banner_has_ok(banner) ? "" : "+OK ", STR_ARG(banner));
}

/* What was said before no longer counts (RFC 2595, section 4). */
static void
pop3_on_tls(struct session *base)
{
	struct pop3_session *s = (struct pop3_session *)base;

	pop3_forget_user(s);
	pop3_set_state(s, POP3_AUTHORIZATION);
}

/* On timeout: closes without a reply (RFC 1939, section 3). Nothing is removed in any
 * case, and the lock need not wait until the client hangs up. */
static void
pop3_goodbye(struct session *base, enum session_end why)
{
	struct pop3_session *s = (struct pop3_session *)base;

	switch (why) {
	case SESSION_TOO_MANY_BAD: pop3_reply(s, POP3_TOO_MANY_BAD); break;
	case SESSION_SHUTTING_DOWN: pop3_reply(s, POP3_SHUTTING_DOWN); break;
	case SESSION_DISABLED: pop3_reply(s, POP3_AUTH_DISABLED); break;
	case SESSION_TIMED_OUT: break;
	}
	pop3_maildrop_leave(s);
}

static void
pop3_on_close(struct session *base)
{
	struct pop3_session *s = (struct pop3_session *)base;

	pop3_send_cancel(s);
	pop3_maildrop_leave(s);
	pop3_forget_user(s);
}

static const struct session_protocol pop3_session_protocol = {
	.limits = pop3_limits,
	.phase = pop3_phase,
	.on_open = pop3_on_open,
	.take_input = pop3_take_input,
	.goodbye = pop3_goodbye,
	.on_tls = pop3_on_tls,
	.on_close = pop3_on_close,
	.on_challenge = pop3_on_challenge,
	.on_login = pop3_on_login,
};

static void
pop3_refuse(struct conn *c)
{
	conn_printf(c, "%s\r\n", pop3_reply_get(POP3_TOO_MANY_CONNECTIONS)->text);
}

static int64_t
pop3_max_connections(const struct settings *settings)
{
	return settings_pop(settings, STR_NONE)->max_connections;
}

static const struct ip_blocks *
pop3_proxy_protocol_from(const struct settings *settings)
{
	return &settings_pop(settings, STR_NONE)->proxy_protocol_from;
}

static const struct protocol_listener pop3_listeners[] = {
	{.name = "pop3", .port = 110, .implicit_tls = false},
	{.name = "pop3s", .port = 995, .implicit_tls = true},
	{.name = NULL},
};

const struct protocol protocol_pop3 = {
	.name = "pop3",
	.session_size = sizeof(struct pop3_session),
	.listeners = pop3_listeners,
	.alpn = "pop3",
	.metric_open = M_CONNECTIONS_POP3,
	.metric_accepted = M_ACCEPTED_POP3,
	.max_connections = pop3_max_connections,
	.proxy_protocol_from = pop3_proxy_protocol_from,
	.refuse = pop3_refuse,
	.session = &pop3_session_protocol,
	SESSION_EVENTS,
};
