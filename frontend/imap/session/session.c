/* An IMAP session: its states, and waiting. */
#include "frontend/imap/private.h"
#include "lib/base/check.h"

/* ---- Small functions that every file needs ---- */

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

/* The states that each state may lead to. */
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
