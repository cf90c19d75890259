/* Shared by the files of the POP3 server; nobody else includes this.
 *
 *   session.c      reads lines from the input; states; the end (the rest: core's session)
 *   commands.c     the tables of commands and their dispatcher
 *   login.c        USER, PASS, AUTH, STLS
 *   cmd_*.c        the other commands
 *   send.c         RETR and TOP: sends a body to the client
 *   maildrop.c     INBOX under its lock, from login to UPDATE
 *   parse, replies independent, with their own headers
 *
 * One command at a time: while an answer is awaited, the connection is paused and
 * pipelined bytes wait. */
#ifndef SP_FRONTEND_POP3_PRIVATE_H
#define SP_FRONTEND_POP3_PRIVATE_H

#include "frontend/core/session.h"
#include "frontend/pop3/parse.h"
#include "frontend/pop3/replies.h"
#include "lib/base/arena.h"
#include "lib/service/metrics.h"
#include "lib/smtp/data.h"

/* Bits, because the command tables have masks of them. */
enum pop3_state {
	POP3_AUTHORIZATION = 1,
	POP3_NAMED = 2,	  /* AUTHORIZATION, after USER */
	POP3_SASL = 4,	  /* the next line is a response of AUTH */
	POP3_OPENING = 8, /* the password is being checked, or the maildrop opened */
	POP3_TRANSACTION = 16,
	POP3_UPDATE = 32,
	POP3_BEFORE_LOGIN = POP3_AUTHORIZATION | POP3_NAMED,
	POP3_ANY_COMMAND = POP3_BEFORE_LOGIN | POP3_TRANSACTION
};

/* The result of a command's handler. */
enum cmd_status {
	CMD_DONE,
	CMD_REFUSED, /* answered with -ERR */
	CMD_WAIT,    /* paused; a named on_...() continues, ending in session_resume() */
	CMD_CLOSE,   /* the connection is closing */
};

#define POP3_LINE_MAX	   255	 /* RFC 2449, section 4, with CRLF */
#define POP3_LINE_USER_MAX 512	 /* USER and PASS: an address alone may be 254 octets long */
#define POP3_LINE_SASL_MAX 12288 /* RFC 4954, section 4 */

/* 32 bytes, since a maildrop may have 100,000 of them. */
struct pop3_message {
	uint32_t uid;
	bool deleted;
	uint64_t size; /* octets */
	char body[BLOB_ID_PACKED];
};

struct pop3_session;

/* INBOX at the time of login, under the exclusive lock. Outlives its session while
 * answers of the store are pending. */
struct pop3_maildrop {
	struct pop3_session *session; /* borrowed; NULL once the session is gone (op is cancelled) */
	struct frontend *frontend;    /* borrowed */
	char *address;		      /* owner; canonical */
	char *token;		      /* owner; identifies the lock's holder */
	struct op op;		      /* calls of the store in progress; when it ends, everything is freed */
	bool locked;		      /* we hold the lock, or may hold it: to be unlocked */
	int64_t locked_until_ms;      /* monotonic */
	struct event *renew;	      /* owner; NULL until locked */
	uint32_t folder_id, uid_validity;
	uint64_t next_uid;	       /* while reading: of the current piece */
	uint64_t asked_uid;	       /* and of the one after it */
	uint32_t end, span;	       /* of the UIDs; of a piece */
	struct pop3_message *messages; /* owner; in order of UID */
	uint32_t count;		       /* including deleted ones */
	uint32_t deleted_count;
	uint64_t bytes, deleted_bytes;
	enum pop3_reply_name goodbye; /* sent once unlocked */
	uint64_t goodbye_number;
};

/* RETR or TOP in progress. */
struct pop3_sending {
	bool active, begun, is_top;
	struct blob_read *read; /* owner; NULL: no read is pending */
	struct blob_id body;
	uint64_t offset;
	struct smtp_data_writer writer;
	struct pop3_top top;
};

/* LIST or UIDL of all messages in progress. */
struct pop3_listing {
	/* NULL: none in progress. */
	void (*add)(const struct pop3_session *s, const struct pop3_message *m, struct buf *out);
	uint32_t at; /* the next message */
};

struct pop3_session {
	SESSION_BASE;
	enum pop3_state state;
	uint32_t retrieved;
	char *user;			/* owner; from USER */
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
/* Tables are terminated by a NULL verb. */
extern const struct pop3_command pop3_login_commands[];
extern const struct pop3_command pop3_capability_commands[];
extern const struct pop3_command pop3_transaction_commands[];
/* line: without its line end, in the command's arena. */
enum cmd_status pop3_dispatch(struct pop3_session *s, struct str line);

/* ---- login.c ---- */
/* The mechanisms offered, separated by spaces; empty: none. */
struct str pop3_mechanisms(const struct pop3_session *s);
/* A response of AUTH; p NULL: the line was too long. */
enum cmd_status pop3_sasl_line(struct pop3_session *s, struct str line);
void pop3_on_challenge(struct session *base, struct str challenge);
bool pop3_on_login(struct session *base, enum auth_result result);

/* ---- send.c ---- */
#define POP3_WHOLE UINT64_MAX
/* lines: number of body lines, for TOP; POP3_WHOLE: RETR. */
enum cmd_status pop3_send(struct pop3_session *s, const struct pop3_message *m, uint64_t lines);
void pop3_send_cancel(struct pop3_session *s);

/* ---- maildrop.c ---- */
/* In OPENING: leads to TRANSACTION, or back with an -ERR; then resumes. */
void pop3_maildrop_open(struct pop3_session *s, struct str address);
/* In UPDATE: removes the marked messages, answers, closes. */
void pop3_maildrop_update(struct pop3_session *s);
/* The session ends: releases the lock. Sets s->maildrop to NULL. */
void pop3_maildrop_leave(struct pop3_session *s);

#endif
