/* STATUS (RFC 9051, 6.3.11; SIZE: RFC 8438, HIGHESTMODSEQ: 7162, MAILBOXID:
 * 8474, APPENDLIMIT: 7889, DELETED-STORAGE: 9208). */
#include "frontend/imap/cmd/status.h"

enum {
	ITEM_MESSAGES = 1,
	ITEM_UIDNEXT = 2,
	ITEM_UIDVALIDITY = 4,
	ITEM_UNSEEN = 8,
	ITEM_DELETED = 16,
	ITEM_SIZE = 32,
	ITEM_RECENT = 64,
	ITEM_HIGHESTMODSEQ = 128,
	ITEM_MAILBOXID = 256,
	ITEM_APPENDLIMIT = 512,
	ITEM_DELETED_STORAGE = 1024,
};

static const struct {
	const char *name;
	unsigned bit;
} items[] = {
	{"MESSAGES", ITEM_MESSAGES},
	{"UIDNEXT", ITEM_UIDNEXT},
	{"UIDVALIDITY", ITEM_UIDVALIDITY},
	{"UNSEEN", ITEM_UNSEEN},
	{"DELETED", ITEM_DELETED},
	{"SIZE", ITEM_SIZE},
	{"RECENT", ITEM_RECENT},
	{"HIGHESTMODSEQ", ITEM_HIGHESTMODSEQ},
	{"MAILBOXID", ITEM_MAILBOXID},
	{"APPENDLIMIT", ITEM_APPENDLIMIT},
	{"DELETED-STORAGE", ITEM_DELETED_STORAGE},
};
enum { ITEMS = sizeof(items) / sizeof(items[0]) };

static unsigned
status_item_bit(struct str name)
{
	for (size_t i = 0; i < ITEMS; i++)
		if (str_eq_ci(name, str_c(items[i].name)))
			return items[i].bit;
	return 0;
}

bool
imap_take_status_items(struct imap_session *s, struct imap_lexer *lex, unsigned *items_out)
{
	struct str name;

	*items_out = 0;
	if (!imap_lex_open(lex))
		return false;
	do {
		unsigned bit;
		if (!imap_lex_atom(lex, &name))
			return false;
		bit = status_item_bit(name);
		if (bit == 0)
			return imap_lex_fail(lex, "unknown STATUS item");
		*items_out |= bit;
	} while (imap_lex_more(lex));
	if (lex->error == NULL && (*items_out & ITEM_HIGHESTMODSEQ) != 0)
		imap_enable_condstore(s);
	return lex->error == NULL;
}

static uint64_t
status_value_of(const struct mailbox_folder *f, unsigned bit)
{
	switch (bit) {
	case ITEM_MESSAGES: return f->messages;
	case ITEM_UIDNEXT: return f->uid_next;
	case ITEM_UIDVALIDITY: return f->uid_validity;
	case ITEM_UNSEEN: return f->unseen;
	case ITEM_DELETED: return f->deleted;
	case ITEM_SIZE: return f->bytes;
	case ITEM_RECENT: return f->recent;
	case ITEM_HIGHESTMODSEQ: return f->highest_modseq;
	case ITEM_DELETED_STORAGE: return (f->deleted_bytes + 1023) / 1024;
	default: return 0;
	}
}

void
imap_print_status(const struct imap_session *s, const struct mailbox_folder *folder, unsigned wanted, struct buf *out)
{
	const char *between = "";

	buf_add_c(out, "* STATUS ");
	imap_print_mailbox(s, folder->name, out);
	buf_add_c(out, " (");
	for (size_t i = 0; i < ITEMS; i++) {
		if ((wanted & items[i].bit) == 0)
			continue;
		buf_printf(out, "%s%s ", between, items[i].name);
		between = " ";
		if (items[i].bit == ITEM_MAILBOXID) {
			buf_add_byte(out, '(');
			imap_print_mailbox_id(folder->id, out);
			buf_add_byte(out, ')');
		} else if (items[i].bit == ITEM_APPENDLIMIT) {
			if (imap_settings(s)->max_message_size == 0)
				buf_add_c(out, "NIL");
			else
				imap_print_u64((uint64_t)imap_settings(s)->max_message_size, out);
		} else {
			imap_print_u64(status_value_of(folder, items[i].bit), out);
		}
	}
	buf_add_c(out, ")\r\n");
}

struct asking {
	unsigned items;
};

static void
status_on_folder(void *arg, const struct mailbox_folder *folder, const struct err *err)
{
	struct imap_session *s = arg;
	struct buf out = BUF_EMPTY;

	if (!session_back(&s->base))
		return;
	if (err != NULL) {
		imap_failed(s, err);
		return;
	}
	imap_print_status(s, folder, ((const struct asking *)s->work)->items, &out);
	imap_write(s, &out);
	buf_fini(&out);
	imap_ok(s);
}

static enum cmd_status
cmd_status(struct imap_session *s, struct imap_lexer *lex)
{
	struct asking *w = arena_new(&s->command.arena, struct asking);
	struct str name;

	if (!imap_lex_sp(lex) || !imap_lex_mailbox(lex, &name) || !imap_lex_sp(lex) ||
	    !imap_take_status_items(s, lex, &w->items) || !imap_lex_end(lex))
		return imap_syntax(s, lex);
	s->work = w;
	session_hold(&s->base);
	mailbox_open(imap_store(s), imap_address(s), name, status_on_folder, s);
	return CMD_WAIT;
}

const struct imap_command imap_status_commands[] = {
	/* name, allowed in, flags, handler */
	{"STATUS", IMAP_LOGGED_IN, 0, cmd_status},
	{NULL, 0, 0, NULL},
};
