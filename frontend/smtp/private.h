/* Shared by the files of the SMTP server; nobody else includes this.
 *
 *   session.c       reads lines from the input; beginning and end (the rest: core's session)
 *   state.c         the session's state, and its replies
 *   commands.c      the table of commands and its dispatcher
 *   cmd_*.c         the commands
 *   lookup.c        who an address belongs to (may have to wait)
 *   transaction.c   from MAIL to the answer after the data
 *   replies, params independent, with their own headers
 *
 * One command at a time: while an answer is awaited, the connection is paused and
 * pipelined bytes wait. A message on its way to the spool is a submission
 * (frontend/submit), which outlives the connection where necessary. */
#ifndef SP_FRONTEND_SMTP_PRIVATE_H
#define SP_FRONTEND_SMTP_PRIVATE_H

#include "frontend/core/session.h"
#include "frontend/policy/limits.h"
#include "frontend/smtp/params.h"
#include "frontend/smtp/replies.h"
#include "frontend/submit/submit.h"
#include "lib/base/arena.h"
#include "lib/base/log.h"
#include "lib/service/metrics.h"
#include "lib/smtp/address.h"

/* conn_role() */
enum smtp_role { SMTP_ROLE_MX, SMTP_ROLE_SUBMISSION };

/* Bits, because the command table has masks of them. */
enum smtp_state {
	SMTP_NEW = 1,	      /* no HELO or EHLO yet, or none since STARTTLS */
	SMTP_GREETED = 2,     /* no transaction */
	SMTP_MAIL = 4,	      /* a sender, no recipient */
	SMTP_RCPT = 8,	      /* at least one recipient */
	SMTP_CHUNKED = 16,    /* some BDATs have arrived, but not the last one */
	SMTP_SASL = 32,	      /* the next line is a response of AUTH */
	SMTP_DATA = 64,	      /* mail data, up to the final dot */
	SMTP_CHUNK = 128,     /* octets of a BDAT */
	SMTP_ACCEPTING = 256, /* the body is being synced and the message handed over */
	SMTP_ANY_COMMAND = SMTP_NEW | SMTP_GREETED | SMTP_MAIL | SMTP_RCPT | SMTP_CHUNKED
};

/* The result of a command's handler. */
enum smtp_status {
	SMTP_DONE,  /* answered, or its input continues in another state */
	SMTP_WAIT,  /* paused; a named on_...() continues, ending in session_resume() */
	SMTP_CLOSE, /* the connection is closing */
};

#define SMTP_LINE_MAX	   512	 /* RFC 5321, 4.5.3.1.4, with CRLF */
#define SMTP_LINE_LONG_MAX 2048	 /* MAIL and RCPT, with room for all their parameters */
#define SMTP_LINE_AUTH_MAX 12288 /* RFC 4954, section 4 */

struct smtp_lookup;

struct smtp_session {
	SESSION_BASE;
	enum smtp_state state;
	bool esmtp; /* EHLO, not HELO */
	uint16_t bad_recipients;
	uint32_t messages;	    /* accepted */
	char *helo;		    /* owner; NULL before HELO */
	struct smtp_lookup *lookup; /* in the command arena; NULL: no lookup is pending */
	struct limits_ask *limits;  /* owner; NULL: none is asked about */
	struct submit *submit;	    /* owner; in states MAIL to ACCEPTING */

	/* The current BDAT. */
	struct {
		uint64_t size, left; /* octets */
		bool last, discarded;
		enum smtp_reply_name refusal; /* when discarded */
		enum smtp_state back_to;      /* when discarded */
	} chunk;
};

/* ---- state.c ---- */
const struct settings_smtp_in *smtp_settings(const struct smtp_session *s);
const char *smtp_hostname(const struct frontend *f);
void smtp_set_state(struct smtp_session *s, enum smtp_state state);
/* Writes a reply, and counts and logs it as its flags require. */
void smtp_reply(struct smtp_session *s, enum smtp_reply_name name, struct str argument);
enum smtp_status smtp_close(struct smtp_session *s, enum smtp_reply_name name);
/* One more message or recipient of this client. True: it may, at once. False: on_judged comes later. */
bool smtp_take_limit(struct smtp_session *s, enum limits_of what, limits_on_judged *on_judged, void *arg);
/* The refusal, with the time after which it may be tried again. */
void smtp_reply_limit(struct smtp_session *s, enum smtp_reply_name name, int64_t wait_ms);
void smtp_forget_hello(struct smtp_session *s);
void smtp_set_text(char **field, struct str text); /* a copy on the heap */
bool smtp_is_submission(const struct smtp_session *s);

/* ---- commands.c ---- */
struct smtp_command {
	const char *verb;
	unsigned states;   /* in which it is allowed */
	const char *order; /* text of the refusal in other states */
	enum { ARG_NONE, ARG_OPTIONAL, ARG_REQUIRED } argument;
	const char *syntax; /* of the whole command, for HELP and 501; NULL: known but not served */
	unsigned line_max;  /* octets, with CRLF */
	enum smtp_status (*handler)(struct smtp_session *s, struct str argument);
};
extern const struct smtp_command smtp_commands[]; /* terminated by a NULL verb */
/* line: without CRLF, in the command's arena. */
enum smtp_status smtp_dispatch(struct smtp_session *s, struct str line);

/* ---- cmd_*.c ---- */
enum smtp_status smtp_cmd_helo(struct smtp_session *s, struct str argument);
enum smtp_status smtp_cmd_ehlo(struct smtp_session *s, struct str argument);
enum smtp_status smtp_cmd_starttls(struct smtp_session *s, struct str argument);
enum smtp_status smtp_cmd_auth(struct smtp_session *s, struct str argument);
enum smtp_status smtp_auth_line(struct smtp_session *s, struct str line);
void smtp_on_challenge(struct session *base, struct str challenge);
bool smtp_on_login(struct session *base, enum auth_result result);
enum smtp_status smtp_cmd_mail(struct smtp_session *s, struct str argument);
enum smtp_status smtp_cmd_rcpt(struct smtp_session *s, struct str argument);
enum smtp_status smtp_cmd_data(struct smtp_session *s, struct str argument);
enum smtp_status smtp_cmd_bdat(struct smtp_session *s, struct str argument);
enum smtp_status smtp_cmd_vrfy(struct smtp_session *s, struct str argument);
enum smtp_status smtp_cmd_expn(struct smtp_session *s, struct str argument);
/* The mechanisms offered, separated by spaces; empty: none. */
struct str smtp_auth_mechanisms(struct smtp_session *s);
/* More input in DATA and CHUNK. False: no more can be accepted for now. */
bool smtp_take_data(struct smtp_session *s);
bool smtp_take_chunk(struct smtp_session *s);

/* ---- lookup.c ---- */
/* The result of a lookup; result NULL: err says why the store cannot be queried. */
struct smtp_found {
	const struct directory_result *result; /* borrowed for the call */
	struct str address;		       /* that was looked up; in the command arena */
	const struct err *err;
};
typedef enum smtp_status smtp_on_found(struct smtp_session *s, const struct smtp_found *found, void *arg);
/* Looks up who an address belongs to. A local part alone, and an address literal of
 * ours, are looked up in the local domain nearest to the server's name. May call done
 * at once; the status is then done's return value, else SMTP_WAIT. */
enum smtp_status smtp_lookup(struct smtp_session *s, const struct smtp_path *path, smtp_on_found *done, void *arg);
/* The same for the transaction's reverse-path (not the null one). */
enum smtp_status smtp_lookup_sender(struct smtp_session *s, smtp_on_found *done, void *arg);
void smtp_lookup_cancel(struct smtp_session *s);
/* Skips "FROM:" or "TO:" in the argument of a MAIL or RCPT command; false: it is
 * missing. One blank after the colon is common and accepted. */
bool smtp_skip_keyword(struct str *argument, const char *keyword);

/* ---- transaction.c ---- */
/* MAIL. False: not possible now, nothing has begun. */
bool smtp_transaction_begin(struct smtp_session *s, struct str reverse_path, const struct smtp_mail_params *params);
void smtp_transaction_reset(struct smtp_session *s);
/* Waits (paused) while the store cannot keep up. */
void smtp_transaction_await_room(struct smtp_session *s);
/* The message has ended, or the rest of it is of no use: answers at once, or waits
 * (paused, in ACCEPTING) until it is in the spool. */
void smtp_transaction_end(struct smtp_session *s);

#endif
