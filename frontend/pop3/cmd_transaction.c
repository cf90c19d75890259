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

/* By its number in this session; NULL: the refusal is written. */
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
write_size(struct pop3_session *s, const struct pop3_message *m)
{
	conn_printf(s->conn, "%u %llu\r\n", number_of(s, m), (unsigned long long)m->size);
}

static void
write_uid(struct pop3_session *s, const struct pop3_message *m)
{
	conn_printf(s->conn, "%u %u.%u\r\n", number_of(s, m), s->maildrop->uid_validity, m->uid);
}

/* LIST and UIDL: a line of one message, or of all that are not deleted. */
static enum cmd_status
list(struct pop3_session *s, const struct cmd_args *args, enum pop3_reply_name heading,
     void (*write)(struct pop3_session *s, const struct pop3_message *m))
{
	const struct pop3_maildrop *d = s->maildrop;

	if (args->count == 1) {
		const struct pop3_message *m = find_message(s, args->v[0]);
		if (m == NULL)
			return CMD_REFUSED;
		conn_write_c(s->conn, "+OK ");
		write(s, m);
		return CMD_DONE;
	}
	pop3_reply(s, heading, d->count - d->deleted_count, d->bytes - d->deleted_bytes);
	for (uint32_t i = 0; i < d->count; i++)
		if (!d->messages[i].deleted)
			write(s, &d->messages[i]);
	conn_write_c(s->conn, ".\r\n");
	return CMD_DONE;
}

static enum cmd_status
cmd_list(struct pop3_session *s, const struct cmd_args *args)
{
	return list(s, args, POP3_OK_LIST, write_size);
}

static enum cmd_status
cmd_uidl(struct pop3_session *s, const struct cmd_args *args)
{
	return list(s, args, POP3_OK_UIDL, write_uid);
}

/* Reading by POP3 does not set \Seen: a client that only fetches copies must
 * not mark mail as read for those who look at it by IMAP. */
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
cmd_rset(struct pop3_session *s, const struct cmd_args *args)
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
cmd_noop(struct pop3_session *s, const struct cmd_args *args)
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
	{"NOOP", POP3_TRANSACTION, 0, 0, POP3_LINE_MAX, cmd_noop},
	{"RSET", POP3_TRANSACTION, 0, 0, POP3_LINE_MAX, cmd_rset},
	{NULL, 0, 0, 0, 0, NULL},
};
