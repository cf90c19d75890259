/* IDLE (RFC 2177), and notifying sessions of changes as they happen. */
#include "frontend/imap/private.h"
#include "frontend/imap/cmd/push.h"
#include "lib/base/check.h"

static void idle_on_line(struct imap_session *s, struct str line);

static bool
idle_is_idling(const struct imap_session *s)
{
	return s->row != NULL && s->on_line == idle_on_line;
}

static const char idle_bad[] = "DONE was expected";

/* The client has sent its line after "+ idling", and nothing is in progress. */
static void
idle_end(struct imap_session *s)
{
	if (s->work == idle_bad)
		imap_finish(s, IMAP_BAD, "%s", idle_bad);
	else
		imap_ok(s);
}

static void
idle_on_told(struct imap_session *s)
{
	struct session_limits limits;

	if (!idle_is_idling(s)) {
		idle_end(s);
		return;
	}
	session_limits(&s->base, &limits);
	conn_set_timeout(s->conn, limits.idle_ms); /* a client that was not reading had a different one */
	if (s->view->index->folder.highest_modseq > s->view->modseq)
		imap_push(&s->view->watcher);
}

/* DONE arrived while the view was being read: the command ends when that is finished. */
static void
idle_on_ready(struct imap_session *s, const struct err *err)
{
	if (!idle_is_idling(s))
		idle_end(s);
	else if (err == NULL)
		imap_view_sync(s, true, idle_on_told);
}

static void
idle_on_line(struct imap_session *s, struct str line)
{
	if (!str_eq_ci(line, STR("DONE")))
		s->work = (void *)(uintptr_t)idle_bad;
	s->on_line = NULL;
	if (s->view != NULL && (s->view->on_ready != NULL || s->view->sync != NULL))
		conn_pause(s->conn);
	else
		idle_end(s);
}

static enum cmd_status
cmd_idle(struct imap_session *s, struct imap_lexer *lex)
{
	if (!imap_lex_end(lex))
		return imap_syntax(s, lex);
	if (!imap_settings(s)->enable_idle)
		return imap_finish(s, IMAP_BAD, "IDLE is disabled");
	conn_write_c(s->conn, "+ idling\r\n");
	s->on_line = idle_on_line;
	/* What has happened so far; from here on, notices wake us. */
	if (s->view != NULL)
		imap_view_refresh(s, idle_on_ready);
	return CMD_WAIT;
}

void
imap_push(struct folder_watcher *watcher)
{
	struct imap_view *v = (struct imap_view *)(void *)((char *)watcher - offsetof(struct imap_view, watcher));
	struct imap_session *s = v->session;

	if (v->index->gone) {
		imap_bye(s, "the selected mailbox was deleted");
		return;
	}
	/* A client that is not reading is told later, including everything that happens until
	 * then. */
	if (!idle_is_idling(s) || v->on_ready != NULL || v->sync != NULL ||
	    conn_output_pending(s->conn) > CONN_OUTPUT_HIGH)
		return;
	slice_begin(&s->command.slice);
	if (v->uids != NULL)
		imap_view_sync(s, true, idle_on_told);
	else
		imap_view_refresh(s, idle_on_ready);
}

const struct imap_command imap_idle_commands[] = {
	/* name, allowed in, flags, handler */
	{"IDLE", IMAP_LOGGED_IN, 0, cmd_idle},
	{NULL, 0, 0, NULL},
};
