/* What the files of the SMTP server share; nobody else includes this.
 *
 *   session.c       lines out of bytes, beginning and end (the rest: core's session)
 *   state.c         the state that it is in, and what it says
 *   commands.c      the table of commands and its dispatcher
 *   cmd_*.c         what each command means
 *   lookup.c        whose is an address (it may have to be waited for)
 *   transaction.c   from MAIL to the answer behind the data
 *   replies, params    on their own, with headers of their own
 *
 * One command at a time: while an answer is awaited the connection is paused
 * and pipelined bytes wait. A message on its way to the spool is a submission
 * (frontend/submit), which outlives the connection where it must. */
#ifndef SP_FRONTEND_SMTP_PRIVATE_H
#define SP_FRONTEND_SMTP_PRIVATE_H

#include "frontend/core/session.h"
#include "frontend/smtp/params.h"
#include "frontend/smtp/replies.h"
#include "frontend/submit/submit.h"
#include "lib/base/arena.h"
#include "lib/base/log.h"
#include "lib/service/metrics.h"
#include "lib/smtp/address.h"

/* conn_role() */
enum smtp_role { SMTP_ROLE_MX, SMTP_ROLE_SUBMISSION };

/* Bits, because the table of commands has masks of them. */
enum smtp_state {
	SMTP_NEW = 1,	      /* no HELO or EHLO yet, or anew after STARTTLS */
	SMTP_GREETED = 2,     /* no transaction */
	SMTP_MAIL = 4,	      /* a sender, no recipient */
	SMTP_RCPT = 8,	      /* at least one recipient */
	SMTP_CHUNKED = 16,    /* some BDATs have come, the last has not */
	SMTP_SASL = 32,	      /* the next line is a response of AUTH */
	SMTP_DATA = 64,	      /* mail data, up to its dot */
	SMTP_CHUNK = 128,     /* octets of a BDAT */
	SMTP_ACCEPTING = 256, /* the body is being synced, the message handed over */
	SMTP_ANY_COMMAND = SMTP_NEW | SMTP_GREETED | SMTP_MAIL | SMTP_RCPT | SMTP_CHUNKED
};

/* How a handler left its command. */
enum smtp_status {
	SMTP_DONE,  /* answered, or its input goes on in another state */
	SMTP_WAIT,  /* paused; a named on_...() goes on, ending in session_resume() */
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
	struct smtp_lookup *lookup; /* in the command arena; NULL: none is awaited */
	struct submit *submit;	    /* owner, with state MAIL to ACCEPTING */

	/* The BDAT in hand. */
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
/* Writes a reply, counts and logs what it says of the client. */
void smtp_reply(struct smtp_session *s, enum smtp_reply_name name, struct str argument);
enum smtp_status smtp_close(struct smtp_session *s, enum smtp_reply_name name);
void smtp_forget_hello(struct smtp_session *s);
void smtp_set_text(char **field, struct str text); /* a copy on the heap */
bool smtp_is_submission(const struct smtp_session *s);

/* ---- commands.c ---- */
struct smtp_command {
	const char *verb;
	unsigned states;   /* in which it is allowed */
	const char *order; /* said where it is not */
	enum { ARG_NONE, ARG_OPTIONAL, ARG_REQUIRED } argument;
	const char *syntax; /* of the whole command, for HELP and 501; NULL: known, not served */
	unsigned line_max;  /* octets, with CRLF */
	enum smtp_status (*handler)(struct smtp_session *s, struct str argument);
};
extern const struct smtp_command smtp_commands[]; /* ended by a NULL verb */
/* line: without CRLF, lies in the command's arena. */
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
/* Mechanisms on offer, parted by spaces; empty: none. */
struct str smtp_auth_mechanisms(struct smtp_session *s);
/* More input in DATA and CHUNK. False: no more can be taken for now. */
bool smtp_take_data(struct smtp_session *s);
bool smtp_take_chunk(struct smtp_session *s);

/* ---- lookup.c ---- */
/* What was found; result NULL: err says why the store cannot be asked. */
struct smtp_found {
	const struct directory_result *result; /* borrowed for the call */
	struct str address;		       /* that was looked for; in the command arena */
	const struct err *err;
};
typedef enum smtp_status smtp_on_found(struct smtp_session *s, const struct smtp_found *found, void *arg);
/* Finds whose an address is. A local part alone, and an address literal of
 * ours, are looked for in the local domain nearest to the server's name. May
 * call done at once; the status is then what done returned, else SMTP_WAIT. */
enum smtp_status smtp_lookup(struct smtp_session *s, const struct smtp_path *path, smtp_on_found *done, void *arg);
/* The same for the transaction's reverse-path (not the null one). */
enum smtp_status smtp_lookup_sender(struct smtp_session *s, smtp_on_found *done, void *arg);
void smtp_lookup_cancel(struct smtp_session *s);
/* The piece of a MAIL or RCPT command behind "FROM:" or "TO:"; false: it is
 * not there. One blank behind the colon is common and forgiven. */
bool smtp_skip_keyword(struct str *argument, const char *keyword);

/* ---- transaction.c ---- */
/* MAIL. False: not now, nothing has begun. */
bool smtp_transaction_begin(struct smtp_session *s, struct str reverse_path, const struct smtp_mail_params *params);
void smtp_transaction_reset(struct smtp_session *s);
/* Waits (paused) while the store cannot keep up. */
void smtp_transaction_await_room(struct smtp_session *s);
/* The message has come to its end, or what is left of it is of no use: answers
 * at once, or waits (paused, in ACCEPTING) until it is in the spool. */
void smtp_transaction_end(struct smtp_session *s);

#endif
