/* POP3 commands of the TRANSACTION state (RFC 1939, section 5; UIDL and TOP:
 * section 7).
 *
 * The dispatcher has already checked state and argument count against the
 * table below; a handler judges only the meaning of its arguments. */
#include "frontend/pop3/private.h"
#include "lib/base/check.h"

static uint32_t
number_of(const struct pop3_session *s, const struct pop3_message *m)
{
	return (uint32_t)(m - s->maildrop->messages) + 1;
}

/* Finds a message by its number in this session; NULL: the refusal has been written. */
static struct pop3_message *
find_message(struct pop3_session *s, struct str text)
{
	struct pop3_maildrop *d = s->maildrop;
	struct pop3_message *m;
	uint64_t number;

	if (!str_to_u64(text, &number)) {
		pop3_reply(s, POP3_BAD_ARGUMENTS);
		return NULL;
	}
	if (number == 0 || number > d->count) {
		pop3_reply(s, POP3_NO_SUCH_MESSAGE, d->count);
		return NULL;
	}
	m = &d->messages[number - 1];
	if (m->deleted) {
		pop3_reply(s, POP3_IS_DELETED, number);
		return NULL;
	}
	return m;
}

static enum cmd_status
cmd_stat(struct pop3_session *s, const struct cmd_args *args)
{
	const struct pop3_maildrop *d = s->maildrop;

	(void)args;
	pop3_reply(s, POP3_OK_STAT, d->count - d->deleted_count, d->bytes - d->deleted_bytes);
	return CMD_DONE;
}

static void
list_add_size(const struct pop3_session *s, const struct pop3_message *m, struct buf *out)
{
	buf_add_decimal(out, number_of(s, m));
	buf_add_byte(out, ' ');
	buf_add_decimal(out, m->size);
	buf_add_c(out, "\r\n");
}

static void
list_add_uid(const struct pop3_session *s, const struct pop3_message *m, struct buf *out)
{
	buf_add_decimal(out, number_of(s, m));
	buf_add_byte(out, ' ');
	buf_add_decimal(out, s->maildrop->uid_validity);
	buf_add_byte(out, '.');
	buf_add_decimal(out, m->uid);
	buf_add_c(out, "\r\n");
}

enum { LINES = 64, LINE_WORK = 8 }; /* lines at a time; work of one, in units of lib/base/slice.h */

static void
list_write(struct pop3_session *s, struct buf *out)
{
	conn_write(s->conn, out->data, out->len);
	buf_fini(out);
}

/* Writes some lines. True: the list is complete. */
static bool
list_tell_some(struct pop3_session *s)
{
	const struct pop3_maildrop *d = s->maildrop;
	struct pop3_listing *l = &s->listing;
	struct buf out = BUF_EMPTY;

	for (unsigned n = 0; n < LINES && l->at < d->count; l->at++, n++)
		if (!d->messages[l->at].deleted)
			l->add(s, &d->messages[l->at], &out);
	if (l->at == d->count) {
		buf_add_c(&out, ".\r\n");
		l->add = NULL;
	}
	list_write(s, &out);
	return l->add == NULL;
}

static void list_go_on(struct session *base);

static void
list_on_turn(struct op *command)
{
	list_go_on(session_of(command));
}

/* True: the list is complete. */
static bool
cmd_transaction_list_run(struct pop3_session *s)
{
	while (!list_tell_some(s)) {
		bool over = session_spend(&s->base, LINES * LINE_WORK);
		if (!session_may_write(&s->base, list_go_on))
			return false;
		if (over) {
			session_later(&s->base, list_on_turn);
			return false;
		}
	}
	return true;
}

static void
list_go_on(struct session *base)
{
	struct pop3_session *s = (struct pop3_session *)base;

	if (cmd_transaction_list_run(s))
		session_resume(base);
}

/* LIST and UIDL: one message, or all that are not deleted. */
static enum cmd_status
cmd_transaction_list(struct pop3_session *s, const struct cmd_args *args, enum pop3_reply_name heading,
		     void (*add)(const struct pop3_session *s, const struct pop3_message *m, struct buf *out))
{
	const struct pop3_maildrop *d = s->maildrop;

	if (args->count == 1) {
		const struct pop3_message *m = find_message(s, args->v[0]);
		struct buf out = BUF_EMPTY;
		if (m == NULL)
			return CMD_REFUSED;
		buf_add_c(&out, "+OK ");
		add(s, m, &out);
		list_write(s, &out);
		return CMD_DONE;
	}
	pop3_reply(s, heading, d->count - d->deleted_count, d->bytes - d->deleted_bytes);
	s->listing = (struct pop3_listing){.add = add};
	return cmd_transaction_list_run(s) ? CMD_DONE : CMD_WAIT;
}

static enum cmd_status
cmd_list(struct pop3_session *s, const struct cmd_args *args)
{
	return cmd_transaction_list(s, args, POP3_OK_LIST, list_add_size);
}

static enum cmd_status
cmd_uidl(struct pop3_session *s, const struct cmd_args *args)
{
	return cmd_transaction_list(s, args, POP3_OK_UIDL, list_add_uid);
}

/* Reading by POP3 does not set \Seen: a client that only fetches copies must not mark
 * mail as read for users who read it by IMAP. */
static enum cmd_status
cmd_retr(struct pop3_session *s, const struct cmd_args *args)
{
	const struct pop3_message *m = find_message(s, args->v[0]);

	return m != NULL ? pop3_send(s, m, POP3_WHOLE) : CMD_REFUSED;
}

static enum cmd_status
cmd_top(struct pop3_session *s, const struct cmd_args *args)
{
	const struct pop3_message *m;
	uint64_t lines;

	if (!str_to_u64(args->v[1], &lines) || lines == POP3_WHOLE) {
		pop3_reply(s, POP3_BAD_ARGUMENTS);
		return CMD_REFUSED;
	}
	m = find_message(s, args->v[0]);
	return m != NULL ? pop3_send(s, m, lines) : CMD_REFUSED;
}

static enum cmd_status
cmd_dele(struct pop3_session *s, const struct cmd_args *args)
{
	struct pop3_message *m = find_message(s, args->v[0]);

	if (m == NULL)
		return CMD_REFUSED;

	/* Only marked: mail is removed in the UPDATE state, so a dropped
	 * connection must leave the maildrop as it was. */
	m->deleted = true;
	s->maildrop->deleted_count++;
	s->maildrop->deleted_bytes += m->size;
	CHECK(s->maildrop->deleted_count <= s->maildrop->count);
	pop3_reply(s, POP3_OK_DELETED, number_of(s, m));
	return CMD_DONE;
}

static enum cmd_status
cmd_transaction_rset(struct pop3_session *s, const struct cmd_args *args)
{
	struct pop3_maildrop *d = s->maildrop;

	(void)args;
	for (uint32_t i = 0; i < d->count; i++)
		d->messages[i].deleted = false;
	d->deleted_count = 0;
	d->deleted_bytes = 0;
	pop3_reply(s, POP3_OK_LIST, d->count, d->bytes);
	return CMD_DONE;
}

static enum cmd_status
cmd_transaction_noop(struct pop3_session *s, const struct cmd_args *args)
{
	(void)args;
	pop3_reply(s, POP3_OK);
	return CMD_DONE;
}

const struct pop3_command pop3_transaction_commands[] = {
	/* verb, allowed in, args, line, handler */
	{"RETR", POP3_TRANSACTION, 1, 1, POP3_LINE_MAX, cmd_retr},
	{"DELE", POP3_TRANSACTION, 1, 1, POP3_LINE_MAX, cmd_dele},
	{"TOP", POP3_TRANSACTION, 2, 2, POP3_LINE_MAX, cmd_top},
	{"UIDL", POP3_TRANSACTION, 0, 1, POP3_LINE_MAX, cmd_uidl},
	{"LIST", POP3_TRANSACTION, 0, 1, POP3_LINE_MAX, cmd_list},
	{"STAT", POP3_TRANSACTION, 0, 0, POP3_LINE_MAX, cmd_stat},
	{"NOOP", POP3_TRANSACTION, 0, 0, POP3_LINE_MAX, cmd_transaction_noop},
	{"RSET", POP3_TRANSACTION, 0, 0, POP3_LINE_MAX, cmd_transaction_rset},
	{NULL, 0, 0, 0, 0, NULL},
};
