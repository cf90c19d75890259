/* An SMTP session: what the connection tells, lines out of bytes, time
 * limits, and the orderly end. */
#include <string.h>

#include "frontend/smtp/private.h"
#include "frontend/smtp/smtp.h"
#include "lib/base/check.h"
#include "lib/base/mem.h"

/* ---- Small things that every file needs ---- */

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

/* Passwords are not asked for where others may listen. */
bool
smtp_may_auth(const struct smtp_session *s)
{
	return conn_is_secure(s->conn) || smtp_settings(s)->allow_insecure_auth;
}

void
smtp_set_text(char **field, struct str text)
{
	mem_free(*field);
	*field = str_dup(text);
}

/* Where each state may lead. */
static unsigned
next_states(enum smtp_state state)
{
	switch (state) {
	case SMTP_NEW: return SMTP_GREETED | SMTP_CHUNK;
	case SMTP_GREETED: return SMTP_GREETED | SMTP_MAIL | SMTP_SASL | SMTP_CHUNK | SMTP_STARTING_TLS;
	case SMTP_MAIL: return SMTP_GREETED | SMTP_RCPT | SMTP_CHUNK;
	case SMTP_RCPT: return SMTP_GREETED | SMTP_RCPT | SMTP_DATA | SMTP_CHUNK;
	case SMTP_CHUNKED: return SMTP_GREETED | SMTP_CHUNK;
	case SMTP_SASL: return SMTP_GREETED;
	case SMTP_DATA: return SMTP_GREETED | SMTP_ACCEPTING;
	case SMTP_CHUNK: return SMTP_ANY_COMMAND | SMTP_ACCEPTING;
	case SMTP_ACCEPTING: return SMTP_GREETED;
	case SMTP_STARTING_TLS: return SMTP_NEW;
	default: return 0;
	}
}

void
smtp_set_state(struct smtp_session *s, enum smtp_state state)
{
	CHECKF((next_states(s->state) & state) != 0, "from state %d to %d", (int)s->state, (int)state);
	s->state = state;
}

static void
log_refusal(const struct smtp_session *s, const struct smtp_reply *reply, struct str argument)
{
	const struct smtp_transaction *t = s->transaction;

	log_info(t != NULL ? &t->log : conn_log(s->conn), "refused", F_I64("code", reply->code),
		 F_C("status", reply->enhanced), F_C("reason", reply->text), F_STR("argument", argument),
		 F_STR("from", t != NULL ? t->reverse_path : STR_NONE));
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
		log_refusal(s, reply, argument);
}

enum smtp_status
smtp_close(struct smtp_session *s, enum smtp_reply_name name)
{
	smtp_reply(s, name, name == REPLY_GOODBYE ? str_c(smtp_hostname(conn_frontend(s->conn))) : STR_NONE);
	conn_close(s->conn);
	return SMTP_CLOSE;
}

/* ---- Input ---- */

/* The session is between commands: has it worn out its welcome? */
static bool
must_close(struct smtp_session *s)
{
	const struct settings_smtp_in *settings = smtp_settings(s);

	if (s->bad_commands >= settings->max_bad_commands)
		smtp_close(s, REPLY_TOO_MANY_BAD_COMMANDS);
	else if (s->bad_recipients >= settings->max_bad_recipients)
		smtp_close(s, REPLY_TOO_MANY_BAD_RECIPIENTS);
	else if (s->shutting_down)
		smtp_close(s, REPLY_SHUTTING_DOWN);
	return conn_is_closing(s->conn);
}

/* A client that sends commands and does not read the answers waits. */
static bool
must_drain(struct smtp_session *s)
{
	if (conn_output_pending(s->conn) <= CONN_OUTPUT_HIGH)
		return false;
	s->awaits_drain = true;
	conn_set_timeout(s->conn, smtp_settings(s)->command_timeout);
	conn_pause(s->conn);
	conn_want_drained(s->conn);
	return true;
}

/* Throws away what has come of a line that is too long. */
static bool
skip_line(struct smtp_session *s, struct evbuffer *in, ssize_t end)
{
	size_t len = evbuffer_get_length(in);
	char last;

	if (end >= 0) {
		evbuffer_drain(in, (size_t)end + 2);
		s->skips_line = false;
		return true;
	}
	/* A CR at the very end may be half of the line's. */
	struct evbuffer_ptr at;
	evbuffer_ptr_set(in, &at, len - 1, EVBUFFER_PTR_SET);
	evbuffer_copyout_from(in, &at, &last, 1);
	evbuffer_drain(in, last == '\r' ? len - 1 : len);
	return false;
}

static void
refuse_long_line(struct smtp_session *s)
{
	s->skips_line = true;
	if (s->state == SMTP_SASL) {
		sasl_free(&s->sasl);
		smtp_set_state(s, SMTP_GREETED);
	}
	smtp_reply(s, REPLY_LINE_TOO_LONG, STR_NONE);
}

static void
take_line(struct smtp_session *s, struct str line)
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

/* The next line, which only CRLF ends. False: it has not come yet. */
static bool
take_input(struct smtp_session *s)
{
	struct evbuffer *in = conn_input(s->conn);
	size_t len = evbuffer_get_length(in);
	struct evbuffer_ptr end;
	char *line;

	if (len == 0)
		return false;
	end = evbuffer_search(in, "\r\n", 2, NULL);
	if (s->skips_line)
		return skip_line(s, in, end.pos);
	if (end.pos < 0 ? len > SMTP_LINE_AUTH_MAX : end.pos + 2 > SMTP_LINE_AUTH_MAX) {
		refuse_long_line(s);
		return true;
	}
	if (end.pos < 0)
		return false;
	arena_reset(&s->command);
	line = arena_alloc(&s->command, (size_t)end.pos + 1);
	evbuffer_remove(in, line, (size_t)end.pos);
	evbuffer_drain(in, 2);
	take_line(s, str_of(line, (size_t)end.pos));
	return true;
}

/* Nothing more to do until more comes: for how long? */
static void
await_input(struct smtp_session *s)
{
	const struct settings_smtp_in *settings = smtp_settings(s);
	bool in_command = (s->state & SMTP_ANY_COMMAND) == 0 || evbuffer_get_length(conn_input(s->conn)) != 0;

	if (in_command)
		conn_set_timeout(s->conn, settings->command_timeout);
	else
		conn_set_timeout(s->conn, settings->session_timeout_enabled ? settings->session_timeout : 0);
	/* An idle session keeps no memory for commands. */
	if (!in_command)
		arena_fini(&s->command);
}

/* on_input() comes later, and only if the client has sent more. */
void
smtp_resume(struct smtp_session *s)
{
	conn_resume(s->conn);
	if (conn_is_closing(s->conn) || ((s->state & SMTP_ANY_COMMAND) != 0 && must_close(s)))
		return;
	await_input(s);
}

static void
on_input(struct conn *c)
{
	struct smtp_session *s = conn_session(c);
	bool more = true;

	if (s->sasl_over) {
		s->sasl_over = false;
		sasl_free(&s->sasl);
	}
	while (more) {
		if (conn_is_closing(c) || conn_is_paused(c))
			return;
		if ((s->state & SMTP_ANY_COMMAND) != 0 && (must_close(s) || must_drain(s)))
			return;
		switch (s->state) {
		case SMTP_DATA: more = smtp_take_data(s); break;
		case SMTP_CHUNK: more = smtp_take_chunk(s); break;
		case SMTP_STARTING_TLS: return;
		default: more = take_input(s); break;
		}
	}
	if (!conn_is_closing(c) && !conn_is_paused(c))
		await_input(s);
}

/* ---- Beginning and end ---- */

static void
on_open(struct conn *c)
{
	struct smtp_session *s = conn_session(c);

	s->conn = c;
	s->state = SMTP_NEW;
	arena_init(&s->command);
	smtp_reply(s, REPLY_GREETING, str_c(frontend_banner(c, &s->command, smtp_settings(s)->banner)));
	await_input(s);
}

void
smtp_forget_hello(struct smtp_session *s)
{
	mem_free(s->helo);
	s->helo = NULL;
}

/* All that was said before must be said again (RFC 3207, 4.2). */
static void
on_tls(struct conn *c)
{
	struct smtp_session *s = conn_session(c);

	smtp_forget_hello(s);
	mem_free(s->account);
	s->account = NULL;
	smtp_set_state(s, SMTP_NEW);
	await_input(s);
}

static void
on_drained(struct conn *c)
{
	struct smtp_session *s = conn_session(c);

	if (!s->awaits_drain)
		return;
	s->awaits_drain = false;
	smtp_resume(s);
}

static void
on_timeout(struct conn *c)
{
	struct smtp_session *s = conn_session(c);

	log_info(s->transaction != NULL ? &s->transaction->log : conn_log(c), "timed out", F_I64("state", s->state));
	if (s->awaits_drain) {
		conn_abort(c); /* it would not read the goodbye either */
		return;
	}
	smtp_close(s, REPLY_TIMED_OUT);
}

/* The command in hand may come to its end, data with its reply; who is between
 * two commands hears it now, also within a transaction. */
static void
on_shutdown(struct conn *c)
{
	struct smtp_session *s = conn_session(c);
	bool is_between = (s->state & (SMTP_ANY_COMMAND | SMTP_SASL)) != 0 && (!conn_is_paused(c) || s->awaits_drain);

	s->shutting_down = true;
	if (is_between && !conn_is_closing(c))
		smtp_close(s, REPLY_SHUTTING_DOWN);
}

static void
on_close(struct conn *c)
{
	struct smtp_session *s = conn_session(c);

	if (s->conn == NULL)
		return; /* never opened */
	smtp_lookup_cancel(s);
	sasl_free(&s->sasl);
	if (s->state == SMTP_ACCEPTING)
		smtp_transaction_detach(s->transaction);
	else
		smtp_transaction_free(&s->transaction);
	s->transaction = NULL;
	arena_fini(&s->command);
	smtp_forget_hello(s);
	mem_free(s->account);
	s->account = NULL;
}

static void
refuse(struct conn *c)
{
	smtp_reply_write(REPLY_TOO_MANY_CONNECTIONS, STR_NONE, conn_output(c));
}

static int64_t
max_connections(const struct settings *settings)
{
	return settings_smtp_in(settings, STR_NONE)->max_connections;
}

static const struct ip_blocks *
proxy_protocol_from(const struct settings *settings)
{
	return &settings_smtp_in(settings, STR_NONE)->proxy_protocol_from;
}

/* An operator may want an open relay, and should know that it is one. */
static void
on_settings(void *arg, const struct settings *settings)
{
	static int last = ALLOW_RELAY_NOBODY;
	int now = settings_smtp_in(settings, STR_NONE)->allow_relay;

	(void)arg;
	if (now == ALLOW_RELAY_ANYONE && last != ALLOW_RELAY_ANYONE)
		log_warning(NULL, "settings:smtp-in allow_relay is anyone: this is an open relay");
	last = now;
}

static int
init(struct frontend *f, struct err *err)
{
	(void)err;
	settings_live_watch(f->service->settings, on_settings, NULL);
	on_settings(NULL, frontend_settings(f));
	return 0;
}

static const struct protocol_listener listeners[] = {
	{.name = "smtp", .port = 25, .implicit_tls = false, .role = SMTP_ROLE_MX},
	{.name = "submission", .port = 587, .implicit_tls = false, .role = SMTP_ROLE_SUBMISSION},
	{.name = "submissions", .port = 465, .implicit_tls = true, .role = SMTP_ROLE_SUBMISSION},
	{.name = NULL},
};

const struct protocol protocol_smtp = {
	.name = "smtp",
	.session_size = sizeof(struct smtp_session),
	.listeners = listeners,
	.metric_open = M_CONNECTIONS_SMTP,
	.metric_accepted = M_ACCEPTED_SMTP,
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
	.init = init,
};
