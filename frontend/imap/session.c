/* An IMAP session: what the connection tells, time limits, and the end. */
#include <event2/event.h>

#include "frontend/imap/accounts.h"
#include "frontend/imap/append.h"
#include "frontend/imap/imap.h"
#include "frontend/imap/input.h"
#include "frontend/imap/login.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"

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
	return str_c(s->address);
}

/* Where each state may lead. */
static unsigned
next_states(enum imap_state state)
{
	switch (state) {
	case IMAP_NOT_AUTHENTICATED: return IMAP_AUTHENTICATED | IMAP_STARTING_TLS | IMAP_LOGGED_OUT;
	case IMAP_AUTHENTICATED: return IMAP_SELECTED | IMAP_NOT_AUTHENTICATED | IMAP_LOGGED_OUT;
	case IMAP_SELECTED: return IMAP_AUTHENTICATED | IMAP_NOT_AUTHENTICATED | IMAP_LOGGED_OUT;
	case IMAP_STARTING_TLS: return IMAP_NOT_AUTHENTICATED | IMAP_LOGGED_OUT;
	default: return 0;
	}
}

void
imap_set_state(struct imap_session *s, enum imap_state state)
{
	CHECKF((next_states(s->state) & state) != 0, "from state %d to %d", (int)s->state, (int)state);
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

/* ---- Holding ---- */

void
imap_hold(struct imap_session *s)
{
	s->holds++;
	conn_ref(s->conn);
}

bool
imap_back(struct imap_session *s)
{
	struct conn *c = s->conn;
	bool open = !s->closed;

	CHECK(s->holds != 0);
	if (--s->holds == 0 && s->closed)
		arena_fini(&s->command);
	conn_unref(&c);
	return open;
}

struct later {
	struct imap_session *session;
	void (*run)(struct imap_session *s);
};

static void
on_later(evutil_socket_t fd, short what, void *arg)
{
	struct later later = *(struct later *)arg;

	(void)fd, (void)what;
	mem_free(arg);
	if (imap_back(later.session))
		later.run(later.session);
}

void
imap_later(struct imap_session *s, void (*run)(struct imap_session *s))
{
	struct later *later = mem_new(struct later);
	struct timeval now = {0, 0};

	*later = (struct later){s, run};
	imap_hold(s);
	event_base_once(conn_frontend(s->conn)->service->base, -1, EV_TIMEOUT, on_later, later, &now);
}

bool
imap_may_write(struct imap_session *s, void (*on_drained)(struct imap_session *s))
{
	if (conn_output_pending(s->conn) <= CONN_OUTPUT_HIGH)
		return true;
	s->on_drained = on_drained;
	conn_set_timeout(s->conn, imap_settings(s)->command_timeout);
	conn_want_drained(s->conn);
	return false;
}

/* ---- Input ---- */

/* The session is between commands: must it end? */
static bool
must_close(struct imap_session *s)
{
	if (s->row != NULL)
		return false;
	if (s->bad_commands >= imap_settings(s)->max_bad_commands)
		imap_bye(s, "too many bad commands");
	else if (s->shutting_down)
		imap_bye(s, "the server is shutting down, connect again");
	return conn_is_closing(s->conn);
}

static void
on_output_short(struct imap_session *s)
{
	imap_resume(s);
}

/* A client that sends commands and does not read the answers waits. */
static bool
must_drain(struct imap_session *s)
{
	if (s->row != NULL || imap_may_write(s, on_output_short))
		return false;
	conn_pause(s->conn);
	return true;
}

static void
await_input(struct imap_session *s)
{
	int64_t limit = imap_settings(s)->command_timeout;
	bool idle = (s->state & IMAP_LOGGED_IN) != 0 && s->input == NULL && s->append == NULL;

	if (idle && limit < AUTOLOGOUT_MS)
		limit = AUTOLOGOUT_MS;
	conn_set_timeout(s->conn, limit);
	/* An idle session keeps no memory for commands. */
	if (s->row == NULL && s->holds == 0 && evbuffer_get_length(conn_input(s->conn)) == 0)
		arena_fini(&s->command);
}

void
imap_resume(struct imap_session *s)
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
	struct imap_session *s = conn_session(c);

	imap_login_clean(s);
	for (;;) {
		if (conn_is_closing(c) || conn_is_paused(c) || s->state == IMAP_STARTING_TLS)
			return;
		if (must_close(s) || must_drain(s))
			return;
		if (!imap_take_input(s))
			break;
	}
	await_input(s);
}

static void
on_drained(struct conn *c)
{
	struct imap_session *s = conn_session(c);
	void (*go_on)(struct imap_session *) = s->on_drained;

	s->on_drained = NULL;
	conn_set_timeout(c, 0);
	if (go_on != NULL)
		go_on(s);
}

/* ---- Beginning and end ---- */

static void
on_open(struct conn *c)
{
	struct imap_session *s = conn_session(c);
	struct buf capabilities = BUF_EMPTY;

	s->conn = c;
	s->state = IMAP_NOT_AUTHENTICATED;
	arena_init(&s->command);
	imap_print_capabilities(s, &capabilities);
	imap_untagged(s, "OK [CAPABILITY %s] %s", capabilities.data,
		      frontend_banner(c, &s->command, imap_settings(s)->banner));
	buf_fini(&capabilities);
	await_input(s);
}

static void
on_tls(struct conn *c)
{
	struct imap_session *s = conn_session(c);

	imap_set_state(s, IMAP_NOT_AUTHENTICATED);
	await_input(s);
}

static void
on_timeout(struct conn *c)
{
	struct imap_session *s = conn_session(c);

	log_info(conn_log(c), "timed out", F_C("command", s->row != NULL ? s->row->name : NULL));
	if (conn_output_pending(c) != 0)
		conn_abort(c); /* it does not read either */
	else
		imap_bye(s, "nothing was heard for too long");
}

/* The command in hand may come to its end. */
static void
on_shutdown(struct conn *c)
{
	struct imap_session *s = conn_session(c);

	s->shutting_down = true;
	if (!conn_is_paused(c) && s->state != IMAP_STARTING_TLS && s->append == NULL)
		imap_bye(s, "the server is shutting down, connect again");
}

/* What belongs to the account that was logged in. */
void
imap_forget_account(struct imap_session *s)
{
	imap_view_free(&s->view);
	if (s->address != NULL)
		imap_accounts_leave(s);
	mem_free(s->address);
	s->address = NULL;
	s->enabled = 0;
	s->condstore_told = false;
}

static void
on_close(struct conn *c)
{
	struct imap_session *s = conn_session(c);

	if (s->on_cancel != NULL)
		s->on_cancel(s);
	s->closed = true;
	imap_append_free(&s->append);
	imap_login_free(&s->login);
	imap_input_free(&s->input);
	imap_forget_account(s);
	if (s->holds == 0)
		arena_fini(&s->command);
}

static void
refuse(struct conn *c)
{
	conn_write_c(c, "* BYE [UNAVAILABLE] too many connections, try later\r\n");
}

static int64_t
max_connections(const struct settings *settings)
{
	return settings_imap(settings, STR_NONE)->max_connections;
}

static const struct ip_blocks *
proxy_protocol_from(const struct settings *settings)
{
	return &settings_imap(settings, STR_NONE)->proxy_protocol_from;
}

static const struct protocol_listener listeners[] = {
	{.name = "imap", .port = 143, .implicit_tls = false},
	{.name = "imaps", .port = 993, .implicit_tls = true},
	{.name = NULL},
};

const struct protocol protocol_imap = {
	.name = "imap",
	.session_size = sizeof(struct imap_session),
	.listeners = listeners,
	.alpn = "imap",
	.metric_open = M_CONNECTIONS_IMAP,
	.metric_accepted = M_ACCEPTED_IMAP,
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
	.init = imap_accounts_init,
};
