/* GETQUOTA, GETQUOTAROOT (RFC 9208), MYRIGHTS and related commands (RFC 4314) as far
 * as mailboxes with a single owner need them, COMPRESS (RFC 4978). */
#include "frontend/imap/private.h"

/* ---- Quota: one root for the whole account, named "" ---- */

static void
account_print_quota(const struct imap_session *s, const struct mailbox_quota *used, struct buf *out)
{
	buf_add_c(out, "* QUOTA \"\" (");
	/* In units of 1024 octets. */
	if (s->quota_bytes != 0)
		buf_printf(out, "STORAGE %llu %llu", (unsigned long long)((used->bytes + 1023) / 1024),
			   (unsigned long long)(s->quota_bytes / 1024));
	buf_add_c(out, ")\r\n");
}

static void
account_on_used(void *arg, const struct mailbox_quota *used, const struct err *err)
{
	struct imap_session *s = arg;
	struct buf out = BUF_EMPTY;

	if (!session_back(&s->base))
		return;
	if (err != NULL) {
		imap_failed(s, err);
		return;
	}
	account_print_quota(s, used, &out);
	imap_write(s, &out);
	buf_fini(&out);
	imap_ok(s);
}

static enum cmd_status
account_tell_quota(struct imap_session *s)
{
	session_hold(&s->base);
	mailbox_quota_used(imap_store(s), imap_address(s), account_on_used, s);
	return CMD_WAIT;
}

static enum cmd_status
cmd_getquota(struct imap_session *s, struct imap_lexer *lex)
{
	struct str root;

	if (!imap_lex_sp(lex) || !imap_lex_astring(lex, &root) || !imap_lex_end(lex))
		return imap_syntax(s, lex);
	if (root.len != 0)
		return imap_finish(s, IMAP_NO, "[NONEXISTENT] there is no such quota root");
	return account_tell_quota(s);
}

static void
account_on_root_folder(void *arg, const struct mailbox_folder *folder, const struct err *err)
{
	struct imap_session *s = arg;
	struct buf out = BUF_EMPTY;

	if (!session_back(&s->base))
		return;
	if (err != NULL) {
		imap_failed(s, err);
		return;
	}
	buf_add_c(&out, "* QUOTAROOT ");
	imap_print_mailbox(s, folder->name, &out);
	buf_add_c(&out, " \"\"\r\n");
	imap_write(s, &out);
	buf_fini(&out);
	account_tell_quota(s);
}

static enum cmd_status
cmd_getquotaroot(struct imap_session *s, struct imap_lexer *lex)
{
	struct str name;

	if (!imap_lex_sp(lex) || !imap_lex_mailbox(lex, &name) || !imap_lex_end(lex))
		return imap_syntax(s, lex);
	session_hold(&s->base);
	mailbox_open(imap_store(s), imap_address(s), name, account_on_root_folder, s);
	return CMD_WAIT;
}

/* ---- Rights: the owner has them all, nobody else has any ---- */

struct rights {
	const char *response; /* "MYRIGHTS" or "ACL" */
};

static void
account_on_rights_folder(void *arg, const struct mailbox_folder *folder, const struct err *err)
{
	struct imap_session *s = arg;
	const struct rights *w;
	struct buf out = BUF_EMPTY;

	if (!session_back(&s->base))
		return;
	if (err != NULL) {
		imap_failed(s, err);
		return;
	}
	w = s->work;
	buf_printf(&out, "* %s ", w->response);
	imap_print_mailbox(s, folder->name, &out);
	if (str_eq_ci(str_c(w->response), STR("ACL"))) {
		buf_add_byte(&out, ' ');
		imap_print_string(s, imap_address(s), &out);
	}
	buf_add_c(&out, " " IMAP_OWNER_RIGHTS "\r\n");
	imap_write(s, &out);
	buf_fini(&out);
	imap_ok(s);
}

static enum cmd_status
account_tell_rights(struct imap_session *s, struct imap_lexer *lex, const char *response)
{
	struct rights *w = arena_new(&s->command.arena, struct rights);
	struct str name;

	if (!imap_lex_sp(lex) || !imap_lex_mailbox(lex, &name) || !imap_lex_end(lex))
		return imap_syntax(s, lex);
	w->response = response;
	s->work = w;
	session_hold(&s->base);
	mailbox_open(imap_store(s), imap_address(s), name, account_on_rights_folder, s);
	return CMD_WAIT;
}

static enum cmd_status
cmd_myrights(struct imap_session *s, struct imap_lexer *lex)
{
	return account_tell_rights(s, lex, "MYRIGHTS");
}

static enum cmd_status
cmd_getacl(struct imap_session *s, struct imap_lexer *lex)
{
	return account_tell_rights(s, lex, "ACL");
}

/* ---- COMPRESS ---- */

static enum cmd_status
cmd_compress(struct imap_session *s, struct imap_lexer *lex)
{
	struct str mechanism;

	if (!imap_lex_sp(lex) || !imap_lex_atom(lex, &mechanism) || !imap_lex_end(lex))
		return imap_syntax(s, lex);
	if (!str_eq_ci(mechanism, STR("DEFLATE")))
		return imap_finish(s, IMAP_NO, "[CANNOT] unknown compression mechanism");
	if (conn_is_deflated(s->conn))
		return imap_finish(s, IMAP_NO, "[COMPRESSIONACTIVE] compression is already active");
	imap_finish(s, IMAP_OK, "compression begins");
	if (!conn_is_closing(s->conn))
		conn_start_deflate(s->conn);
	return CMD_DONE;
}

const struct imap_command imap_account_commands[] = {
	/* name, allowed in, flags, handler */
	{"GETQUOTA", IMAP_LOGGED_IN, 0, cmd_getquota},
	{"GETQUOTAROOT", IMAP_LOGGED_IN, 0, cmd_getquotaroot},
	{"MYRIGHTS", IMAP_LOGGED_IN, 0, cmd_myrights},
	{"GETACL", IMAP_LOGGED_IN, 0, cmd_getacl},
	{"COMPRESS", IMAP_LOGGED_IN, IMAP_NO_SYNC, cmd_compress},
	{NULL, 0, 0, NULL},
};
