/* A POP3 session: what the connection tells, lines out of bytes, time limits,
 * and the end. */
#include <string.h>

#include "frontend/pop3/pop3.h"
#include "frontend/pop3/private.h"
#include "lib/base/check.h"
#include "lib/base/mem.h"

/* ---- Small things that every file needs ---- */

const struct settings_pop *
pop3_settings(const struct pop3_session *s)
{
	return settings_pop(frontend_settings(conn_frontend(s->conn)), STR_NONE);
}

/* Where each state may lead. */
static unsigned
next_states(enum pop3_state state)
{
	switch (state) {
	case POP3_AUTHORIZATION:
	case POP3_NAMED: return POP3_BEFORE_LOGIN | POP3_SASL | POP3_OPENING | POP3_STARTING_TLS;
	case POP3_SASL: return POP3_AUTHORIZATION | POP3_OPENING;
	case POP3_OPENING: return POP3_AUTHORIZATION | POP3_TRANSACTION;
	case POP3_TRANSACTION: return POP3_UPDATE;
	case POP3_STARTING_TLS: return POP3_AUTHORIZATION;
	default: return 0;
	}
}

void
pop3_set_state(struct pop3_session *s, enum pop3_state state)
{
	CHECKF((next_states(s->state) & state) != 0, "from state %d to %d", (int)s->state, (int)state);
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
	/* The lock need not wait for the client to hang up. */
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

/* The session is between commands: must it end? */
static bool
must_close(struct pop3_session *s)
{
	if (s->bad_commands >= pop3_settings(s)->max_bad_commands)
		pop3_close(s, POP3_TOO_MANY_BAD);
	else if (s->shutting_down)
		pop3_close(s, POP3_SHUTTING_DOWN);
	return conn_is_closing(s->conn);
}

/* A client that sends commands and does not read the answers waits. */
static bool
must_drain(struct pop3_session *s)
{
	if (conn_output_pending(s->conn) <= CONN_OUTPUT_HIGH)
		return false;
	s->awaits_drain = true;
	conn_set_timeout(s->conn, pop3_settings(s)->command_timeout);
	conn_pause(s->conn);
	conn_want_drained(s->conn);
	return true;
}

static void
take_line(struct pop3_session *s, struct str line)
{
	enum cmd_status status;

	/* The time limits of what is waited for are not the client's. */
	conn_set_timeout(s->conn, 0);
	status = s->state == POP3_SASL ? pop3_sasl_line(s, line) : pop3_dispatch(s, line);
	if (status == CMD_WAIT)
		conn_pause(s->conn);
}

static void
refuse_long_line(struct pop3_session *s)
{
	s->skips_line = true;
	if (s->state == POP3_SASL)
		pop3_sasl_refuse(s);
	else
		pop3_reply(s, POP3_LINE_TOO_LONG);
}

/* The next line; a bare LF ends it too, as people at terminals send it. False:
 * it has not come yet. */
static bool
take_input(struct pop3_session *s)
{
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
		refuse_long_line(s);
		return true;
	}
	if (end.pos < 0)
		return false;
	arena_reset(&s->command);
	line = arena_alloc(&s->command, (size_t)end.pos + 1);
	evbuffer_remove(in, line, (size_t)end.pos);
	evbuffer_drain(in, eol_len);
	take_line(s, str_of(line, (size_t)end.pos));
	return true;
}

/* The autologout timer is the setting, though RFC 1939 (section 3) asks for
 * ten minutes at least: the operator's word goes before. */
static void
await_input(struct pop3_session *s)
{
	conn_set_timeout(s->conn, pop3_settings(s)->command_timeout);
	/* An idle session keeps no memory for commands. */
	if (evbuffer_get_length(conn_input(s->conn)) == 0)
		arena_fini(&s->command);
}

/* on_input() comes later, and only if the client has sent more. */
void
pop3_resume(struct pop3_session *s)
{
	if (!conn_is_paused(s->conn))
		return; /* still within the command, which ends by itself */
	conn_resume(s->conn);
	if (!conn_is_closing(s->conn) && !must_close(s))
		await_input(s);
}

static void
on_input(struct conn *c)
{
	struct pop3_session *s = conn_session(c);

	if (s->sasl_over) {
		s->sasl_over = false;
		sasl_free(&s->sasl);
	}
	for (;;) {
		if (conn_is_closing(c) || conn_is_paused(c) || s->state == POP3_STARTING_TLS)
			return;
		if (must_close(s) || must_drain(s))
			return;
		if (!take_input(s))
			break;
	}
	await_input(s);
}

static void
on_drained(struct conn *c)
{
	struct pop3_session *s = conn_session(c);

	if (s->sending.active) {
		pop3_send_more(s);
	} else if (s->awaits_drain) {
		s->awaits_drain = false;
		pop3_resume(s);
	}
}

/* ---- Beginning and end ---- */

static void
on_open(struct conn *c)
{
	struct pop3_session *s = conn_session(c);
	struct str banner;

	s->conn = c;
	s->state = POP3_AUTHORIZATION;
	arena_init(&s->command);
	banner = str_c(frontend_banner(c, &s->command, pop3_settings(s)->banner));
	banner = str_first(banner, POP3_REPLY_MAX - 6);
	conn_printf(c, "%s%.*s\r\n", pop3_banner_has_ok(banner) ? "" : "+OK ", STR_ARG(banner));
	await_input(s);
}

/* What was said before counts no more (RFC 2595, section 4). */
static void
on_tls(struct conn *c)
{
	struct pop3_session *s = conn_session(c);

	pop3_forget_user(s);
	pop3_set_state(s, POP3_AUTHORIZATION);
	await_input(s);
}

/* Without a word, and without removing anything (RFC 1939, section 3). */
static void
on_timeout(struct conn *c)
{
	struct pop3_session *s = conn_session(c);

	log_info(conn_log(c), "timed out", F_I64("state", s->state));
	if (s->sending.active || s->awaits_drain) {
		conn_abort(c); /* it does not read either */
		return;
	}
	pop3_maildrop_leave(s);
	conn_close(c);
}

/* The command in hand may come to its end. */
static void
on_shutdown(struct conn *c)
{
	struct pop3_session *s = conn_session(c);

	s->shutting_down = true;
	if (!conn_is_paused(c) && s->state != POP3_STARTING_TLS && !conn_is_closing(c))
		pop3_close(s, POP3_SHUTTING_DOWN);
}

static void
on_close(struct conn *c)
{
	struct pop3_session *s = conn_session(c);

	pop3_send_cancel(s);
	auth_cancel(&s->check);
	sasl_free(&s->sasl);
	pop3_maildrop_leave(s);
	pop3_forget_user(s);
	arena_fini(&s->command);
}

static void
refuse(struct conn *c)
{
	conn_printf(c, "%s\r\n", pop3_reply_get(POP3_TOO_MANY_CONNECTIONS)->text);
}

static int64_t
max_connections(const struct settings *settings)
{
	return settings_pop(settings, STR_NONE)->max_connections;
}

static const struct ip_blocks *
proxy_protocol_from(const struct settings *settings)
{
	return &settings_pop(settings, STR_NONE)->proxy_protocol_from;
}

static const struct protocol_listener listeners[] = {
	{.name = "pop3", .port = 110, .implicit_tls = false},
	{.name = "pop3s", .port = 995, .implicit_tls = true},
	{.name = NULL},
};

const struct protocol protocol_pop3 = {
	.name = "pop3",
	.session_size = sizeof(struct pop3_session),
	.listeners = listeners,
	.alpn = "pop3",
	.metric_open = M_CONNECTIONS_POP3,
	.metric_accepted = M_ACCEPTED_POP3,
	.max_connections = max_connections,
	.proxy_protocol_from = proxy_protocol_from,
	.refuse = refuse,
	.on_open = on_open,
	.on_input = on_input,
	.on_tls = on_tls,
	.on_drained = on_drained,
	.on_timeout = on_timeout,
	.on_shutdown = on_shutdown,
	.on_close = on_close,
};
