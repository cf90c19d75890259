/* An IMAP session: its states, time limits, and the end. */
#include "frontend/imap/append/append.h"
#include "frontend/imap/imap.h"
#include "frontend/imap/session/input.h"
#include "frontend/imap/session/login.h"
#include "lib/base/check.h"

/* RFC 9051, section 5.4: an idle session is not logged out before. */
enum { AUTOLOGOUT_MS = 31 * 60 * 1000 };

/* ---- Small things that every file needs ---- */

const struct settings_imap *
imap_settings(const struct imap_session *s)
{
	return settings_imap(frontend_settings(conn_frontend(s->conn)), STR_NONE);
}

struct mailbox_store *
imap_store(const struct imap_session *s)
{
	return conn_frontend(s->conn)->mailboxes;
}

struct str
imap_address(const struct imap_session *s)
{
	return str_c(s->account);
}

/* Where each state may lead. */
static unsigned
imap_next_states(enum imap_state state)
{
	switch (state) {
	case IMAP_NOT_AUTHENTICATED: return IMAP_AUTHENTICATED | IMAP_LOGGED_OUT;
	case IMAP_AUTHENTICATED: return IMAP_SELECTED | IMAP_NOT_AUTHENTICATED | IMAP_LOGGED_OUT;
	case IMAP_SELECTED: return IMAP_AUTHENTICATED | IMAP_NOT_AUTHENTICATED | IMAP_LOGGED_OUT;
	default: return 0;
	}
}

void
imap_set_state(struct imap_session *s, enum imap_state state)
{
	CHECKF((imap_next_states(s->state) & state) != 0, "from state %d to %d", (int)s->state, (int)state);
	s->state = state;
}

void
imap_bye(struct imap_session *s, const char *text)
{
	if (s->state == IMAP_LOGGED_OUT || conn_is_closing(s->conn))
		return;
	imap_untagged(s, "BYE %s", text);
	imap_set_state(s, IMAP_LOGGED_OUT);
	conn_close(s->conn);
}

/* ---- Waiting ---- */

static void
imap_on_turn(struct op *command)
{
	struct imap_session *s = (struct imap_session *)session_of(command);
	void (*run)(struct imap_session *) = s->on_turn;

	s->on_turn = NULL;
	run(s);
}

void
imap_later(struct imap_session *s, void (*run)(struct imap_session *s))
{
	CHECK(s->on_turn == NULL);
	s->on_turn = run;
	session_later(&s->base, imap_on_turn);
}

static void
imap_on_drained(struct session *base)
{
	struct imap_session *s = (struct imap_session *)base;
	void (*go_on)(struct imap_session *) = s->on_room;

	s->on_room = NULL;
	go_on(s);
}

bool
imap_may_write(struct imap_session *s, void (*on_room)(struct imap_session *s))
{
	if (session_may_write(&s->base, imap_on_drained))
		return true;
	s->on_room = on_room;
	return false;
}

/* ---- What core asks of it ---- */

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

/* STARTTLS is allowed before the login only: there is nothing to be forgotten. */
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
		[SESSION_TIMED_OUT] = "nothing was heard for too long",
		[SESSION_DISABLED] = "the account is disabled",
	};

	imap_bye((struct imap_session *)base, texts[why]);
}

void
imap_forget_account(struct imap_session *s)
{
	imap_view_free(&s->view);
	session_forget_account(&s->base);
	s->enabled = 0;
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
