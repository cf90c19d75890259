/* A session of a protocol that works by commands and answers: SMTP, POP3, IMAP.
 *
 * What these have in common is here: reading while there is input, waiting for the
 * store and for clients that do not read, time limits, bad commands, login (login.h),
 * accounts that are disabled during a session, and the end of the process. A protocol
 * adds its commands and its texts (struct session_protocol), and embeds a struct
 * session as the first member of its own:
 *
 *	struct pop3_session {
 *		SESSION_BASE;
 *		...
 *	};
 *
 * One command at a time: while an answer is awaited, the connection is paused and
 * pipelined bytes wait. Whatever calls back later holds the session (session_hold),
 * so that its memory stays until the answer has come. */
#ifndef SP_FRONTEND_CORE_SESSION_H
#define SP_FRONTEND_CORE_SESSION_H

#include "frontend/core/conn.h"
#include "frontend/core/frontend.h"
#include "frontend/core/protocol.h"
#include "lib/auth/auth.h"
#include "lib/base/op.h"

struct session;
struct login;

/* What the session is doing, as far as time limits and its end are concerned. */
enum session_phase {
	SESSION_BETWEEN, /* between commands: nothing has begun */
	SESSION_BEGUN,	 /* the client has yet to send the rest of a line that it began, or a response of AUTH */
	SESSION_ASKED,	 /* the current command waits for the client, for as long as the client likes (IDLE) */
	SESSION_TAKING,	 /* receiving a message; it may be completed */
	SESSION_WORKING, /* working on a command; it may be completed */
};

enum session_end {
	SESSION_TOO_MANY_BAD,
	SESSION_SHUTTING_DOWN,
	SESSION_TIMED_OUT,
	SESSION_DISABLED, /* the account is disabled or gone */
};

/* According to the current settings. Times in ms, 0: no limit. */
struct session_limits {
	int64_t command_ms; /* to finish what the client has begun, and to read what was sent to it */
	int64_t idle_ms;    /* in BETWEEN and ASKED */
	int64_t bad_commands;
	bool insecure_auth; /* passwords are accepted without TLS too */
};

/* What a protocol provides. No member may be NULL unless stated. */
struct session_protocol {
	void (*limits)(const struct session *s, struct session_limits *out);
	enum session_phase (*phase)(const struct session *s);
	/* Sends the greeting. */
	void (*on_open)(struct session *s);
	/* One step: processes a line, or a piece of data. False: more input is needed first. */
	bool (*take_input)(struct session *s);
	/* Between commands: closes the session for reasons specific to the protocol. May be
	 * NULL. */
	void (*judge)(struct session *s);
	/* Writes the last words, if any, and releases what need not wait for the connection's
	 * end. The session is closed afterwards. */
	void (*goodbye)(struct session *s, enum session_end why);
	/* TLS begins: whatever was said before no longer counts. */
	void (*on_tls)(struct session *s);
	/* The connection is gone: cancel what can be cancelled, free the protocol's own memory. */
	void (*on_close)(struct session *s);

	/* Login: sends a challenge in base64, framed as the protocol requires. */
	void (*on_challenge)(struct session *s, struct str challenge);
	/* What the mechanism says with its success, before on_login; empty: nothing. NULL: the
	 * protocol's success has no room for it, and it is sent as a last challenge. */
	void (*on_final)(struct session *s, struct str final);
	/* The login has ended, from within the call that began it or later; with AUTH_OK
	 * s->account is set. False: the session is still working (paused) and will call
	 * session_resume() itself. */
	bool (*on_login)(struct session *s, enum auth_result result);
};

struct session {
	struct conn *conn;			 /* borrowed: the session is part of it */
	const struct session_protocol *protocol; /* borrowed */
	struct op command;			 /* the current command: its arena, the answers it waits for */
	void (*on_drained)(struct session *s);	 /* once the client has read; NULL: nothing waits for that */
	char *account;				 /* owner; canonical address; NULL: not logged in */
	uint64_t quota_bytes;			 /* of the account; 0: no limit */
	struct login *login;			 /* owner; NULL: none in progress (login.c) */
	struct session *prev, *next;		 /* list of the sessions that are logged in (session_account.c) */
	unsigned reads;				 /* conn_reads() when a slice began */
	uint16_t bad_commands;
	bool starting_tls, shutting_down, disabled, skips_line;
};

/* The protocol's own session has these members too. */
#define SESSION_BASE \
	union { \
		struct session base; \
		struct session; \
	}

/* ---- For the protocols ---- */
/* Holds the session for an answer that is due, and releases that hold. False: the
 * client is gone; do nothing, and do not touch s. */
static inline void
session_hold(struct session *s)
{
	op_hold(&s->command);
}
static inline bool
session_back(struct session *s)
{
	return op_back(&s->command);
}
static inline struct session *
session_of(struct op *command)
{
	return OP_OWNER(command, struct session, command);
}
/* Counts work done by the command, in units of lib/base/slice.h. True: its slice is
 * over, and it must continue through session_later(). */
static inline bool
session_spend(struct session *s, uint32_t work)
{
	return slice_spend(&s->command.slice, work);
}
/* Runs at the loop's next turn, unless the client has gone (for slices of long work). */
void session_later(struct session *s, op_run *run);

/* What was awaited has been handled: the next command may come, if the session is
 * paused. (Not needed for what completes within a command's handler.) */
void session_resume(struct session *s);
/* Work that went on beside the reading of commands has ended: the session may end, or
 * waits for the client; it is resumed if it is paused. */
void session_settle(struct session *s);
/* on_drained is called when little output is left. True: little enough is left to
 * continue at once, and on_drained will not be called. */
bool session_may_write(struct session *s, void (*on_drained)(struct session *s));
/* Call it after the go-ahead was written. */
void session_start_tls(struct session *s);
/* Says goodbye and closes. */
void session_end(struct session *s, enum session_end why);
/* The same, for a session that should end as soon as it can: now, or when the work in
 * progress is finished. */
void session_end_if_free(struct session *s);
/* For UNAUTHENTICATE and STARTTLS. */
void session_forget_account(struct session *s);
void session_limits(const struct session *s, struct session_limits *out);

/* ---- For the table of protocols: events of their connections ---- */
void session_on_open(struct conn *c);
void session_on_input(struct conn *c);
void session_on_tls(struct conn *c);
void session_on_drained(struct conn *c);
void session_on_timeout(struct conn *c);
void session_on_shutdown(struct conn *c);
void session_on_close(struct conn *c);
#define SESSION_EVENTS \
	.on_open = session_on_open, .on_input = session_on_input, .on_tls = session_on_tls, \
	.on_drained = session_on_drained, .on_timeout = session_on_timeout, .on_shutdown = session_on_shutdown, \
	.on_close = session_on_close

/* ---- session_account.c ---- */
/* Once per process: from now on, sessions whose account is disabled are ended. */
void session_accounts_init(struct frontend *f);
void session_set_account(struct session *s, const struct auth_identity *identity);

#endif
