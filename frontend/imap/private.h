/* Shared by the files of the IMAP server; nobody else includes this.
 *
 *   session/   a session and its states; commands read from the input, their tables
 *              and dispatcher; replies; capabilities; login
 *   parse/     lexer, sets, names, fetch items, search keys: independent, for
 *              tests and fuzzing
 *   cmd/       the commands that have no folder of their own
 *   view/      a session's sequence numbers, unsolicited changes, and data
 *              beyond the index: cold records, digests
 *   fetch/     FETCH
 *   search/    SEARCH, SORT, THREAD
 *   append/    APPEND and REPLACE
 *
 * Message contents without regard to IMAP (texts, previews, digests) are in
 * lib/message; a folder's live records, shared by sessions, are in frontend/folder.
 *
 * One command at a time: while an answer is awaited, the connection is paused and
 * pipelined bytes wait. A handler either ends its command with imap_finish() and
 * returns the value that imap_finish() returned, or it returns CMD_WAIT and something
 * that it has started calls imap_finish() later. */
#ifndef SP_FRONTEND_IMAP_PRIVATE_H
#define SP_FRONTEND_IMAP_PRIVATE_H

#include "frontend/core/session.h"
#include "frontend/imap/parse/lexer.h"
#include "frontend/imap/view/view.h"
#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/service/metrics.h"

/* Bits, because the command tables have masks of them. */
enum imap_state {
	IMAP_NOT_AUTHENTICATED = 1,
	IMAP_AUTHENTICATED = 2,
	IMAP_SELECTED = 4,
	IMAP_LOGGED_OUT = 8, /* the connection is closing */
	IMAP_LOGGED_IN = IMAP_AUTHENTICATED | IMAP_SELECTED,
	IMAP_ANY = IMAP_NOT_AUTHENTICATED | IMAP_LOGGED_IN
};

/* What has been enabled by ENABLE and by commands that imply it. */
enum imap_enabled {
	IMAP_REV2 = 1,
	IMAP_CONDSTORE = 2,
	IMAP_QRESYNC = 4, /* implies CONDSTORE */
	IMAP_UTF8_ACCEPT = 8,
};

enum cmd_status {
	CMD_DONE, /* imap_finish() was called, and everything is written */
	CMD_WAIT, /* it will be called later */
};

enum imap_reply { IMAP_OK, IMAP_NO, IMAP_BAD };

struct imap_session;
struct imap_command;
struct imap_input;
struct imap_append;

struct imap_session {
	SESSION_BASE;
	enum imap_state state;
	unsigned enabled; /* enum imap_enabled */

	struct imap_view *view; /* owner; IMAP_SELECTED */

	/* The current command. */
	const struct imap_command *row; /* NULL: no command */
	struct str tag;			/* in the command's arena */
	bool by_uid;			/* its row says IMAP_BY_UID */
	struct imap_lexer lexer;
	void *work;				 /* in the arena: the handler's own state */
	void (*on_room)(struct imap_session *s); /* imap_may_write() */
	void (*on_turn)(struct imap_session *s); /* imap_later() */
	/* The connection is gone while a command is in progress: cancel what can be cancelled
	 * (blob reads). Held operations may still call back afterwards. */
	void (*on_cancel)(struct imap_session *s);
	/* A line that is not a command: a response of AUTHENTICATE, DONE of IDLE. */
	void (*on_line)(struct imap_session *s, struct str line);

	struct imap_input *input;   /* owner; NULL between commands */
	struct imap_append *append; /* owner; APPEND in progress */
};

/* ---- session/session.c ---- */
const struct settings_imap *imap_settings(const struct imap_session *s);
struct mailbox_store *imap_store(const struct imap_session *s);
struct str imap_address(const struct imap_session *s);
void imap_set_state(struct imap_session *s, enum imap_state state);
/* Sends BYE and closes. */
void imap_bye(struct imap_session *s, const char *text);

/* Runs at the loop's next turn, unless the client has gone (for slices of long work). */
void imap_later(struct imap_session *s, void (*run)(struct imap_session *s));
/* Calls on_room when little output is left. True: little enough is left to continue
 * at once, and on_room will not be called. */
bool imap_may_write(struct imap_session *s, void (*on_room)(struct imap_session *s));

/* ---- session/commands.c ---- */
enum imap_command_flags {
	IMAP_NEEDS_VIEW = 1, /* the view is attached before the handler is called */
	IMAP_BY_UID = 2,
	IMAP_NO_EXPUNGE = 4,	   /* its answer must not have EXPUNGE: FETCH, STORE, SEARCH by sequence number */
	IMAP_NO_SYNC = 8,	   /* no changes are reported at its end */
	IMAP_SECRET = 16,	   /* its arguments must not be logged */
	IMAP_LITERALS_STREAM = 32, /* APPEND: see append.h */
	IMAP_REPLACES = 64,	   /* REPLACE */
};

struct imap_command {
	const char *name; /* "UID FETCH" */
	unsigned states;  /* in which it is allowed */
	unsigned flags;
	/* lex is positioned after the name: imap_lex_sp() comes first if arguments are
	 * expected, imap_lex_end() last. */
	enum cmd_status (*handler)(struct imap_session *s, struct imap_lexer *lex);
};

/* Tables are terminated by a NULL name. */
extern const struct imap_command imap_session_commands[];
extern const struct imap_command imap_login_commands[];
extern const struct imap_command imap_select_commands[];
extern const struct imap_command imap_status_commands[];
extern const struct imap_command imap_list_commands[];
extern const struct imap_command imap_folder_commands[];
extern const struct imap_command imap_idle_commands[];
extern const struct imap_command imap_store_commands[];
extern const struct imap_command imap_expunge_commands[];
extern const struct imap_command imap_copy_commands[];
extern const struct imap_command imap_append_commands[];
extern const struct imap_command imap_account_commands[];
extern const struct imap_command imap_metadata_commands[];
extern const struct imap_command imap_data_commands[]; /* cmd/data.c */

/* The handlers of FETCH, SEARCH, SORT and THREAD, for imap_data_commands. */
enum cmd_status imap_cmd_fetch(struct imap_session *s, struct imap_lexer *lex);
enum cmd_status imap_cmd_search(struct imap_session *s, struct imap_lexer *lex);
enum cmd_status imap_cmd_sort(struct imap_session *s, struct imap_lexer *lex);
enum cmd_status imap_cmd_thread(struct imap_session *s, struct imap_lexer *lex);

const struct imap_command *imap_command_find(struct str name);
/* The command of a text that begins with a tag; NULL: unknown. */
const struct imap_command *imap_command_of(struct str text, struct str *tag_out);
/* Makes this the current command; tag: in its arena. */
void imap_begin(struct imap_session *s, const struct imap_command *row, struct str tag);
/* text: the whole command without its last CRLF, in the command's arena; empty: there
 * is none. */
void imap_dispatch(struct imap_session *s, struct str text);
/* Ends the current command: unsolicited changes, then the tagged reply.
 * imap_finish(s, IMAP_OK, "[CODE] text"). The next command may come at once
 * (CMD_DONE), or when all changes are written, if there are many (CMD_WAIT). */
__attribute__((format(printf, 3, 4))) enum cmd_status imap_finish(struct imap_session *s, enum imap_reply reply,
								  const char *format, ...);
/* The same with "<name> completed". */
enum cmd_status imap_ok(struct imap_session *s);
/* BAD, with the lexer's error. */
enum cmd_status imap_syntax(struct imap_session *s, const struct imap_lexer *lex);
/* NO or BAD, depending on the store's error. */
enum cmd_status imap_failed(struct imap_session *s, const struct err *err);
/* The command implies CONDSTORE: the first such command reports HIGHESTMODSEQ,
 * whatever SELECT reported (RFC 7162, 3.1). */
void imap_enable_condstore(struct imap_session *s);

/* The rights of a mailbox's owner (RFC 4314). */
#define IMAP_OWNER_RIGHTS "lrswipkxtea"

/* ---- session/capability.c ---- */
/* "IMAP4rev1 ..." in the session's present state. */
void imap_print_capabilities(const struct imap_session *s, struct buf *out);
/* A capability named by ENABLE: its bit, or 0. */
unsigned imap_enable_bit(struct str name);

/* ---- session/output.c ---- */
void imap_write(struct imap_session *s, const struct buf *b);
/* Between two pieces of a long answer that is collected in out: counts the work done
 * for the last piece (units of lib/base/slice.h). Writes out once it is large, or the
 * slice is over. False: go_on is called later, on a session that is open. */
bool imap_may_go_on(struct imap_session *s, struct buf *out, uint32_t work, void (*go_on)(struct imap_session *s));
/* Adds "* " and CRLF. */
__attribute__((format(printf, 2, 3))) void imap_untagged(struct imap_session *s, const char *format, ...);
/* Decimal digits, faster than printf. */
void imap_print_u64(uint64_t value, struct buf *out);
/* "(\Seen $Forwarded)" */
void imap_print_flags(const struct folder_index *ix, uint16_t flags, uint64_t keywords, struct buf *out);
/* The same for a message as this session sees it: with \Recent. */
void imap_print_message_flags(const struct imap_view *v, const struct mailbox_hot *hot, struct buf *out);
/* "* FLAGS (...)" and PERMANENTFLAGS, as complete lines. */
void imap_print_folder_flags(const struct imap_view *v, struct buf *out);
/* A string, quoted or as a literal; an astring may be an atom. */
void imap_print_string(const struct imap_session *s, struct str text, struct buf *out);
/* A mailbox name, in modified UTF-7 or UTF-8 as enabled. */
void imap_print_mailbox(const struct imap_session *s, struct str name, struct buf *out);
/* "M123" and "F1": EMAILID and MAILBOXID (RFC 8474). */
void imap_print_email_id(uint64_t email_id, struct buf *out);
void imap_print_mailbox_id(uint32_t folder_id, struct buf *out);

#endif
