/* What the files of the IMAP server share; nobody else includes this.
 *
 *   session/   a session and its states; commands out of bytes, their tables
 *              and dispatcher; replies; capabilities; logging in
 *   parse/     lexer, sets, names, fetch items, search keys: on their own for
 *              tests and fuzzing
 *   cmd/       what the commands mean that have no folder of their own
 *   view/      a session's sequence numbers, unsolicited changes, and what lies
 *              deeper than the index: cold records, digests
 *   fetch/     FETCH
 *   search/    SEARCH, SORT, THREAD
 *   append/    APPEND and REPLACE
 *
 * What a message says apart from IMAP (texts, previews, digests) is in
 * lib/message; a folder's live records, shared by sessions, in frontend/folder.
 *
 * One command at a time: while an answer is awaited the connection is paused
 * and pipelined bytes wait. A handler either ends its command with
 * imap_finish() and returns what that says, or returns CMD_WAIT and something that it
 * has started calls imap_finish() later. */
#ifndef SP_FRONTEND_IMAP_PRIVATE_H
#define SP_FRONTEND_IMAP_PRIVATE_H

#include "frontend/core/session.h"
#include "frontend/imap/parse/lexer.h"
#include "frontend/imap/view/view.h"
#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/service/metrics.h"

/* Bits, because the tables of commands have masks of them. */
enum imap_state {
	IMAP_NOT_AUTHENTICATED = 1,
	IMAP_AUTHENTICATED = 2,
	IMAP_SELECTED = 4,
	IMAP_LOGGED_OUT = 8, /* the connection is closing */
	IMAP_LOGGED_IN = IMAP_AUTHENTICATED | IMAP_SELECTED,
	IMAP_ANY = IMAP_NOT_AUTHENTICATED | IMAP_LOGGED_IN
};

/* What ENABLE and commands that imply it have switched on. */
enum imap_enabled {
	IMAP_REV2 = 1,
	IMAP_CONDSTORE = 2,
	IMAP_QRESYNC = 4, /* implies CONDSTORE */
	IMAP_UTF8_ACCEPT = 8,
};

enum cmd_status {
	CMD_DONE, /* imap_finish() was called, and all is told */
	CMD_WAIT, /* it will be */
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

	/* The command in hand. */
	const struct imap_command *row; /* NULL: none is in hand */
	struct str tag;			/* in its arena */
	bool by_uid;			/* its row says IMAP_BY_UID */
	struct imap_lexer lexer;
	void *work;				 /* in the arena: the handler's own state */
	void (*on_room)(struct imap_session *s); /* imap_may_write() */
	void (*on_turn)(struct imap_session *s); /* imap_later() */
	/* The connection is gone while the command is in hand: cancel what can be
	 * (blob reads). Then what is held may still come back. */
	void (*on_cancel)(struct imap_session *s);
	/* A line that is no command: a response of AUTHENTICATE, DONE of IDLE. */
	void (*on_line)(struct imap_session *s, struct str line);

	struct imap_input *input;   /* owner; NULL between commands */
	struct imap_append *append; /* owner; APPEND under way */
};

/* ---- session/session.c ---- */
const struct settings_imap *imap_settings(const struct imap_session *s);
struct mailbox_store *imap_store(const struct imap_session *s);
struct str imap_address(const struct imap_session *s);
void imap_set_state(struct imap_session *s, enum imap_state state);
/* Says BYE and closes. */
void imap_bye(struct imap_session *s, const char *text);

/* Runs at the loop's next turn, unless the client has gone (slices of long work). */
void imap_later(struct imap_session *s, void (*run)(struct imap_session *s));
/* on_room to be called when the output has become short. True: it is short
 * enough to go on at once, and on_room will not be called. */
bool imap_may_write(struct imap_session *s, void (*on_room)(struct imap_session *s));

/* ---- session/commands.c ---- */
enum imap_command_flags {
	IMAP_NEEDS_VIEW = 1, /* the view is attached before the handler is called */
	IMAP_BY_UID = 2,
	IMAP_NO_EXPUNGE = 4,	   /* EXPUNGE may not be told in its answer: FETCH, STORE, SEARCH by sequence number */
	IMAP_NO_SYNC = 8,	   /* nothing is told at its end */
	IMAP_SECRET = 16,	   /* its arguments are not for the log */
	IMAP_LITERALS_STREAM = 32, /* APPEND: see append.h */
	IMAP_REPLACES = 64,	   /* REPLACE */
};

struct imap_command {
	const char *name; /* "UID FETCH" */
	unsigned states;  /* in which it is allowed */
	unsigned flags;
	/* lex stands behind the name: imap_lex_sp() comes first where arguments
	 * are wanted, imap_lex_end() last. */
	enum cmd_status (*handler)(struct imap_session *s, struct imap_lexer *lex);
};

/* Tables ended by a NULL name. */
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
/* Of a text that begins with a tag; NULL: unknown. */
const struct imap_command *imap_command_of(struct str text, struct str *tag_out);
/* The command is in hand from now on; tag: in its arena. */
void imap_begin(struct imap_session *s, const struct imap_command *row, struct str tag);
/* text: the whole command without its last CRLF, in the command's arena; empty:
 * there is none. */
void imap_dispatch(struct imap_session *s, struct str text);
/* Ends the command in hand: unsolicited changes, then the tagged reply.
 * imap_finish(s, IMAP_OK, "[CODE] text"). The next command may come: at once
 * (CMD_DONE), or when all changes are told, if they are many (CMD_WAIT). */
__attribute__((format(printf, 3, 4))) enum cmd_status imap_finish(struct imap_session *s, enum imap_reply reply,
								  const char *format, ...);
/* The same with "<name> completed". */
enum cmd_status imap_ok(struct imap_session *s);
/* BAD, with the lexer's words. */
enum cmd_status imap_syntax(struct imap_session *s, const struct imap_lexer *lex);
/* NO or BAD for what the store said. */
enum cmd_status imap_failed(struct imap_session *s, const struct err *err);
/* CONDSTORE is implied by what the command uses: the first one that does is told
 * HIGHESTMODSEQ, whatever SELECT said (RFC 7162, 3.1). */
void imap_enable_condstore(struct imap_session *s);

/* What the owner of a mailbox may do (RFC 4314). */
#define IMAP_OWNER_RIGHTS "lrswipkxtea"

/* ---- session/capability.c ---- */
/* "IMAP4rev1 ..." as it is now. */
void imap_print_capabilities(const struct imap_session *s, struct buf *out);
/* A line of ENABLE: the bit, or 0. */
unsigned imap_enable_bit(struct str name);

/* ---- session/output.c ---- */
void imap_write(struct imap_session *s, const struct buf *b);
/* Between two pieces of a long answer that comes together in out: so much was done
 * for the last one (units of lib/base/slice.h). Writes what there is once it is
 * much, or the slice is over. False: go_on is called later, on a session that is
 * open. */
bool imap_may_go_on(struct imap_session *s, struct buf *out, uint32_t work, void (*go_on)(struct imap_session *s));
/* "* " and CRLF are put around. */
__attribute__((format(printf, 2, 3))) void imap_untagged(struct imap_session *s, const char *format, ...);
/* Digits, quicker than printf. */
void imap_print_u64(uint64_t value, struct buf *out);
/* "(\Seen $Forwarded)" */
void imap_print_flags(const struct folder_index *ix, uint16_t flags, uint64_t keywords, struct buf *out);
/* The same of a message as this session sees it: with \Recent. */
void imap_print_message_flags(const struct imap_view *v, const struct mailbox_hot *hot, struct buf *out);
/* "* FLAGS (...)" and PERMANENTFLAGS, as whole lines. */
void imap_print_folder_flags(const struct imap_view *v, struct buf *out);
/* A string as quoted or literal; astring may be an atom. */
void imap_print_string(const struct imap_session *s, struct str text, struct buf *out);
/* A mailbox name, in modified UTF-7 or UTF-8 as enabled. */
void imap_print_mailbox(const struct imap_session *s, struct str name, struct buf *out);
/* "M123" and "F1": EMAILID and MAILBOXID (RFC 8474). */
void imap_print_email_id(uint64_t email_id, struct buf *out);
void imap_print_mailbox_id(uint32_t folder_id, struct buf *out);

#endif
