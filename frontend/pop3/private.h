/* What the files of the POP3 server share; nobody else includes this.
 *
 *   session.c      lines out of bytes, states, the end (the rest: core's session)
 *   commands.c     the tables of commands and their dispatcher
 *   login.c        USER, PASS, AUTH, STLS
 *   cmd_*.c        what each other command means
 *   send.c         RETR and TOP: a body on its way to the client
 *   maildrop.c     INBOX under its lock, from login to UPDATE
 *   parse, replies on their own, with headers of their own
 *
 * One command at a time: while an answer is awaited the connection is paused
 * and pipelined bytes wait. */
#ifndef SP_FRONTEND_POP3_PRIVATE_H
#define SP_FRONTEND_POP3_PRIVATE_H

#include "frontend/core/session.h"
#include "frontend/pop3/parse.h"
#include "frontend/pop3/replies.h"
#include "lib/base/arena.h"
#include "lib/service/metrics.h"
#include "lib/smtp/data.h"

/* Bits, because the tables of commands have masks of them. */
enum pop3_state {
	POP3_AUTHORIZATION = 1,
	POP3_NAMED = 2,	  /* AUTHORIZATION, a USER is given */
	POP3_SASL = 4,	  /* the next line is a response of AUTH */
	POP3_OPENING = 8, /* the password is being checked, the maildrop opened */
	POP3_TRANSACTION = 16,
	POP3_UPDATE = 32,
	POP3_BEFORE_LOGIN = POP3_AUTHORIZATION | POP3_NAMED,
	POP3_ANY_COMMAND = POP3_BEFORE_LOGIN | POP3_TRANSACTION
};

/* How a handler left its command. */
enum cmd_status {
	CMD_DONE,
	CMD_REFUSED, /* answered -ERR */
	CMD_WAIT,    /* to be paused; a named on_...() goes on, ending in session_resume() */
	CMD_CLOSE,   /* the connection is closing */
};

#define POP3_LINE_MAX	   255	 /* RFC 2449, section 4, with CRLF */
#define POP3_LINE_USER_MAX 512	 /* USER and PASS: an address alone may have 254 octets */
#define POP3_LINE_SASL_MAX 12288 /* RFC 4954, section 4 */

/* 32 bytes, since a maildrop may have 100,000 of them. */
struct pop3_message {
	uint32_t uid;
	bool deleted;
	uint64_t size; /* octets */
	char body[BLOB_ID_PACKED];
};

struct pop3_session;

/* INBOX at the time of the login, under the exclusive lock. Outlives its
 * session while the store has to answer. */
struct pop3_maildrop {
	struct pop3_session *session; /* borrowed; NULL once the session is gone (op is cancelled) */
	struct frontend *frontend;    /* borrowed */
	char *address;		      /* owner; canonical */
	char *token;		      /* owner; names the lock's holder */
	struct op op;		      /* calls of the store under way; its end frees all */
	bool locked;		      /* ours, or it may be: to be unlocked */
	int64_t locked_until_ms;      /* monotonic */
	struct event *renew;	      /* owner; NULL before the lock */
	uint32_t folder_id, uid_validity;
	uint64_t next_uid;	       /* while it is read: of the piece in hand */
	uint64_t asked_uid;	       /* and of the one behind it */
	uint32_t end, span;	       /* of the UIDs; of a piece */
	struct pop3_message *messages; /* owner; in order of UID */
	uint32_t count;		       /* deleted ones too */
	uint32_t deleted_count;
	uint64_t bytes, deleted_bytes;
	enum pop3_reply_name goodbye; /* said once it is unlocked */
	uint64_t goodbye_number;
};

/* RETR or TOP under way. */
struct pop3_sending {
	bool active, begun, is_top;
	struct blob_read *read; /* owner; NULL: none is awaited */
	struct blob_id body;
	uint64_t offset;
	struct smtp_data_writer writer;
	struct pop3_top top;
};

/* LIST or UIDL of all messages under way. */
struct pop3_listing {
	/* NULL: none is. */
	void (*add)(const struct pop3_session *s, const struct pop3_message *m, struct buf *out);
	uint32_t at; /* the next message */
};

struct pop3_session {
	SESSION_BASE;
	enum pop3_state state;
	uint32_t retrieved;
	char *user;			/* owner; of USER */
	struct pop3_maildrop *maildrop; /* owner; from OPENING on */
	struct pop3_sending sending;
	struct pop3_listing listing;
};

/* ---- session.c ---- */
const struct settings_pop *pop3_settings(const struct pop3_session *s);
void pop3_set_state(struct pop3_session *s, enum pop3_state state);
/* pop3_reply(s, POP3_OK_STAT, count, bytes): at most two numbers. */
#define pop3_reply(s, name, ...) pop3_reply_numbers((s), (name), (const uint64_t[2]){__VA_ARGS__})
void pop3_reply_numbers(struct pop3_session *s, enum pop3_reply_name name, const uint64_t numbers[2]);
enum cmd_status pop3_close(struct pop3_session *s, enum pop3_reply_name name);
void pop3_forget_user(struct pop3_session *s);

/* ---- commands.c ---- */
struct pop3_command {
	const char *verb;
	unsigned states; /* in which it is allowed */
	unsigned args_min, args_max;
	unsigned line_max; /* octets, with the line end */
	enum cmd_status (*handler)(struct pop3_session *s, const struct cmd_args *args);
};
/* Tables ended by a NULL verb. */
extern const struct pop3_command pop3_login_commands[];
extern const struct pop3_command pop3_capability_commands[];
extern const struct pop3_command pop3_transaction_commands[];
/* line: without its end, lies in the command's arena. */
enum cmd_status pop3_dispatch(struct pop3_session *s, struct str line);

/* ---- login.c ---- */
/* Mechanisms on offer, parted by spaces; empty: none. */
struct str pop3_mechanisms(const struct pop3_session *s);
/* A response of AUTH; p NULL: one that is too long. */
enum cmd_status pop3_sasl_line(struct pop3_session *s, struct str line);
void pop3_on_challenge(struct session *base, struct str challenge);
bool pop3_on_login(struct session *base, enum auth_result result);

/* ---- send.c ---- */
#define POP3_WHOLE UINT64_MAX
/* lines: of the body, for TOP; POP3_WHOLE: RETR. */
enum cmd_status pop3_send(struct pop3_session *s, const struct pop3_message *m, uint64_t lines);
void pop3_send_cancel(struct pop3_session *s);

/* ---- maildrop.c ---- */
/* In OPENING: leads to TRANSACTION, or back with a -ERR; then resumes. */
void pop3_maildrop_open(struct pop3_session *s, struct str address);
/* In UPDATE: removes what is marked, answers, closes. */
void pop3_maildrop_update(struct pop3_session *s);
/* The session ends: the lock is given back. NULLs s->maildrop. */
void pop3_maildrop_leave(struct pop3_session *s);

#endif
