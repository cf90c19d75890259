#include "frontend/core/session.h"

#include "frontend/core/login.h"
#include "lib/base/check.h"
#include "lib/base/mem.h"
#include "lib/service/metrics.h"

enum { COMMAND_WORK = 500 }; /* units of lib/base/slice.h, for the smallest command */

void
session_limits(const struct session *s, struct session_limits *out)
{
	s->protocol->limits(s, out);
}

void
session_later(struct session *s, op_run *run)
{
	metrics_add(M_SESSION_TURNS, 1);
	op_later(&s->command, conn_frontend(s->conn)->service->base, run);
}

/* ---- Time ---- */

static bool
session_is_idle(const struct session *s, enum session_phase phase)
{
	return phase == SESSION_ASKED || (phase == SESSION_BETWEEN && evbuffer_get_length(conn_input(s->conn)) == 0);
}

/* How long may the session wait when there is nothing to do until more input comes? */
static void
session_await_input(struct session *s)
{
	enum session_phase phase = s->protocol->phase(s);
	struct session_limits limits;

	session_limits(s, &limits);
	conn_set_timeout(s->conn, session_is_idle(s, phase) ? limits.idle_ms : limits.command_ms);
	if (phase == SESSION_BEGUN || phase == SESSION_TAKING)
		conn_acknowledge(s->conn);
	/* An idle session keeps no memory for commands. */
	if (phase == SESSION_BETWEEN && session_is_idle(s, phase) && !op_waits(&s->command))
		arena_fini(&s->command.arena);
}

/* ---- The end ---- */

void
session_end(struct session *s, enum session_end why)
{
	if (conn_is_closing(s->conn))
		return;
	s->protocol->goodbye(s, why);
	conn_close(s->conn);
}

/* No command is in progress: must the session end? */
static bool
session_must_close(struct session *s)
{
	struct session_limits limits;

	session_limits(s, &limits);
	if (s->bad_commands >= limits.bad_commands)
		session_end(s, SESSION_TOO_MANY_BAD);
	else if (s->disabled)
		session_end(s, SESSION_DISABLED);
	else if (s->shutting_down)
		session_end(s, SESSION_SHUTTING_DOWN);
	else if (s->protocol->judge != NULL)
		s->protocol->judge(s);
	return conn_is_closing(s->conn);
}

/* Work in progress is finished first; then session_must_close() takes effect. A
 * client that does not read its answers is not waited for. */
void
session_end_if_free(struct session *s)
{
	enum session_phase phase = s->protocol->phase(s);
	bool is_waiting = !conn_is_paused(s->conn) || s->on_drained == session_resume;

	if (is_waiting && !s->starting_tls && phase != SESSION_TAKING && phase != SESSION_WORKING)
		session_end(s, s->disabled ? SESSION_DISABLED : SESSION_SHUTTING_DOWN);
}

/* ---- A client that does not read ---- */

bool
session_may_write(struct session *s, void (*on_drained)(struct session *s))
{
	struct session_limits limits;

	if (conn_output_pending(s->conn) <= CONN_OUTPUT_HIGH)
		return true;
	session_limits(s, &limits);
	s->on_drained = on_drained;
	conn_set_timeout(s->conn, limits.command_ms);
	conn_want_drained(s->conn);
	return false;
}

/* The client sends commands but does not read the answers, so the session waits. */
static bool
session_must_drain(struct session *s)
{
	if (session_may_write(s, session_resume))
		return false;
	conn_pause(s->conn);
	return true;
}

/* ---- Input ---- */

static bool
session_is_between(const struct session *s)
{
	enum session_phase phase = s->protocol->phase(s);

	return phase == SESSION_BETWEEN || phase == SESSION_BEGUN;
}

void
session_resume(struct session *s)
{
	if (!conn_is_paused(s->conn))
		return;
	conn_resume(s->conn);
	if (conn_is_closing(s->conn) || (session_is_between(s) && session_must_close(s)))
		return;
	session_await_input(s);
}

void
session_settle(struct session *s)
{
	if (conn_is_paused(s->conn))
		session_resume(s);
	else if (!conn_is_closing(s->conn) && !(session_is_between(s) && session_must_close(s)))
		session_await_input(s);
}

/* A slice spans commands that arrived together: they are run, and their output is
 * sent to the client, without the loop getting a turn. */
static void
session_begin_slice(struct session *s)
{
	unsigned reads = conn_reads(s->conn);

	if (s->reads == reads)
		return;
	s->reads = reads;
	slice_begin(&s->command.slice);
}

static void
session_on_turn(struct op *command)
{
	session_resume(session_of(command));
}

/* Commands that wait for nothing, one after another, are long work too. */
static bool
session_must_rest(struct session *s)
{
	if (!session_spend(s, COMMAND_WORK))
		return false;
	conn_pause(s->conn);
	session_later(s, session_on_turn);
	return true;
}

void
session_on_input(struct conn *c)
{
	struct session *s = conn_session(c);

	login_clean(s);
	session_begin_slice(s);
	for (;;) {
		if (conn_is_closing(c) || conn_is_paused(c) || s->starting_tls)
			return;
		if (session_is_between(s) && (session_must_close(s) || session_must_drain(s) || session_must_rest(s)))
			return;
		if (!s->protocol->take_input(s))
			break;
	}
	if (!conn_is_closing(c) && !conn_is_paused(c))
		session_await_input(s);
}

/* ---- Events from the connection ---- */

/* Nobody waits for the session any more: its memory may be freed with the connection. */
static void
session_on_last_answer(struct op *command)
{
	struct conn *c = session_of(command)->conn;

	conn_unref(&c);
}

void
session_on_open(struct conn *c)
{
	struct session *s = conn_session(c);

	s->conn = conn_ref(c); /* until the last pending answer */
	s->protocol = conn_protocol(c)->session;
	op_init(&s->command, session_on_last_answer);
	s->protocol->on_open(s);
	session_await_input(s);
}

void
session_start_tls(struct session *s)
{
	struct session_limits limits;

	session_limits(s, &limits);
	s->starting_tls = true;
	conn_set_timeout(s->conn, limits.command_ms);
	conn_start_tls(s->conn);
}

void
session_on_tls(struct conn *c)
{
	struct session *s = conn_session(c);

	s->starting_tls = false;
	session_forget_account(s);
	s->protocol->on_tls(s);
	session_await_input(s);
}

void
session_on_drained(struct conn *c)
{
	struct session *s = conn_session(c);
	void (*go_on)(struct session *) = s->on_drained;

	s->on_drained = NULL;
	conn_set_timeout(c, 0);
	if (go_on != NULL)
		go_on(s);
}

void
session_on_timeout(struct conn *c)
{
	struct session *s = conn_session(c);

	log_info(conn_log(c), "timed out", F_I64("phase", s->protocol->phase(s)));
	if (conn_output_pending(c) != 0)
		conn_abort(c); /* it would not read the goodbye either */
	else
		session_end(s, SESSION_TIMED_OUT);
}

void
session_on_shutdown(struct conn *c)
{
	struct session *s = conn_session(c);

	s->shutting_down = true;
	session_end_if_free(s);
}

void
session_on_close(struct conn *c)
{
	struct session *s = conn_session(c);

	login_free(s);
	s->protocol->on_close(s);
	session_forget_account(s);
	op_cancel(&s->command);
}
