/* What the files of the SMTP server share; nobody else includes this.
 *
 *   session.c       lines out of bytes, states, the end (the rest: core's session)
 *   commands.c      the table of commands and its dispatcher
 *   cmd_*.c         what each command means
 *   lookup.c        whose is an address (it may have to be waited for)
 *   transaction.c   from MAIL to the end of the data
 *   body.c          the data on its way into the blob store
 *   received.c      the lines put on top of it
 *   sign.c          its DKIM signatures
 *   accept.c        synced, handed over, answered
 *   replies, params, header_watch    on their own, with headers of their own
 *
 * One command at a time: while an answer is awaited the connection is paused
 * and pipelined bytes wait. Whatever may come back after the connection has
 * gone belongs to the transaction, which outlives the session then. */
#ifndef SP_FRONTEND_SMTP_PRIVATE_H
#define SP_FRONTEND_SMTP_PRIVATE_H

#include "frontend/core/session.h"
#include "frontend/smtp/params.h"
#include "frontend/smtp/replies.h"
#include "frontend/submit/header_watch.h"
#include "lib/base/arena.h"
#include "lib/base/log.h"
#include "lib/service/metrics.h"
#include "lib/smtp/address.h"
#include "lib/smtp/data.h"
#include "lib/spool/id.h"
#include "proto/stagepost.pb-c.h"

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

struct smtp_transaction;
struct smtp_lookup;

struct smtp_session {
	SESSION_BASE;
	enum smtp_state state;
	bool esmtp; /* EHLO, not HELO */
	uint16_t bad_recipients;
	uint32_t messages;		      /* accepted */
	char *helo;			      /* owner; NULL before HELO */
	struct smtp_lookup *lookup;	      /* in the command arena; NULL: none is awaited */
	struct smtp_transaction *transaction; /* owner, with state MAIL to ACCEPTING */

	/* The BDAT in hand. */
	struct {
		uint64_t size, left; /* octets */
		bool last, discarded;
		enum smtp_reply_name refusal; /* when discarded */
		enum smtp_state back_to;      /* when discarded */
	} chunk;
};

struct smtp_recipient {
	Stagepost__Recipient record; /* strings: in the transaction's arena */
	struct smtp_recipient *next;
	uint32_t hash;
};

struct smtp_transaction {
	struct smtp_session *session; /* borrowed; NULL once the connection is gone */
	struct frontend *frontend;    /* borrowed */
	struct arena arena;
	struct log_context log; /* field: id */
	char id[SPOOL_ID_MAX];
	int64_t begun_ms; /* wall clock */

	struct str reverse_path;	/* empty: null */
	struct str sender_domain;	/* empty: null, or postmaster */
	struct smtp_mail_params params; /* strings in the arena */
	int priority;			/* as far as the header does not say other */
	struct smtp_recipient *recipients, **recipients_end;
	unsigned recipient_count;
	size_t recipient_bytes; /* about what they take in the envelope */

	/* The body (body.c). */
	struct blob_append *append; /* owner; NULL before the data, and once refused or committed */
	struct smtp_data_reader reader;
	struct header_watch watch;
	bool is_header_checked;
	struct buf held;   /* first bytes, while it is not known what goes before them */
	bool streams;	   /* the lines on top are written, and what was held */
	bool checks_from;  /* From: must be the account's own */
	bool adds_missing; /* submitted: Date and Message-ID are added */
	bool is_refused;
	enum smtp_reply_name refusal; /* the answer at the end of the data */
	uint64_t size_bytes;	      /* of the message so far, as it will be stored, without our lines */
	int64_t max_size_bytes;	      /* 0: no limit */
	int64_t max_hops;
	/* Of the mbox lines in front: still to be left out of what comes. */
	uint32_t mbox_bytes;
	uint32_t return_path_length;
	struct blob_id blob;	/* once synced */
	bool is_blob_ours;	/* synced, and surely not the spool's */
	unsigned waits;		/* accepting: what must end before it is handed over */
	bool has_failed;	/* accepting: answered with `refusal` when that has ended */
	int64_t handed_over_us; /* monotonic */

	/* Its DKIM signatures (sign.c). */
	struct dkim_stream *dkim;    /* owner; NULL: not to be signed */
	struct dkim_signing signing; /* its domains lie in the arena */
	void (*on_signing_end)(struct smtp_transaction *t, const struct err *err);
	struct str signatures; /* whole lines; in the arena */
};

/* ---- session.c ---- */
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
/* Is an address the account's own, as require_auth_match has it? */
bool smtp_address_matches(const struct smtp_session *s, struct str address);
/* The piece of a MAIL or RCPT command behind "FROM:" or "TO:"; false: it is
 * not there. One blank behind the colon is common and forgiven. */
bool smtp_skip_keyword(struct str *argument, const char *keyword);

/* ---- transaction.c ---- */
/* NULL: no broker owns a shard. */
struct smtp_transaction *smtp_transaction_new(struct smtp_session *s);
/* Gives up what was not handed over. NULLs *t. */
void smtp_transaction_free(struct smtp_transaction **t);
void smtp_transaction_reset(struct smtp_session *s);
/* False: it is there already. */
/* Does the envelope stay below SPOOL_ENVELOPE_MAX with this one too? */
bool smtp_transaction_has_room(const struct smtp_transaction *t, struct str address,
			       const struct smtp_rcpt_params *params);
bool smtp_transaction_add(struct smtp_transaction *t, struct str address, bool local,
			  const struct smtp_rcpt_params *params);
/* The session ends while its message is being accepted. */
void smtp_transaction_detach(struct smtp_transaction *t);

/* ---- body.c ---- */
void smtp_body_begin(struct smtp_transaction *t, bool dot_lines);
/* Takes octets of the message (stored form). */
void smtp_body_add(struct smtp_transaction *t, struct str piece);
/* The message is whole. False: it is refused, see t->refusal. */
bool smtp_body_end(struct smtp_transaction *t);
void smtp_body_refuse(struct smtp_transaction *t, enum smtp_reply_name reply);
/* Waits (paused) while the store cannot keep up. */
void smtp_body_await_room(struct smtp_transaction *t);
enum smtp_reply_name smtp_reply_for_error(const struct err *err);

/* ---- received.c ---- */
/* RFC 3848 and 6531: "ESMTPSA". */
const char *smtp_protocol_word(const struct smtp_transaction *t);
/* priority.c: -9 to 9, of which three steps are told apart (RFC 6710). */
enum { SMTP_PRIORITY_LOW = -4, SMTP_PRIORITY_NORMAL = 0, SMTP_PRIORITY_HIGH = 4 };
/* What the client gets of what it asks for. */
int smtp_priority_allowed(const struct smtp_session *s, const struct smtp_mail_params *params);
/* Once the header is known. */
int smtp_priority(const struct smtp_transaction *t);

/* Return-Path (its length goes to t->return_path_length) and Received. */
void smtp_trace_lines(struct smtp_transaction *t, struct buf *out);
/* What a submission lacks: Date, Message-ID (RFC 6409, section 8). */
void smtp_missing_lines(struct smtp_transaction *t, struct buf *out);

/* ---- sign.c ---- */
/* At the start of the data. True: what the header says of From: is wanted. */
bool smtp_sign_begin(struct smtp_transaction *t);
/* All of the message but the trace lines. */
void smtp_sign_feed(struct smtp_transaction *t, struct str piece);
void smtp_sign_header_known(struct smtp_transaction *t);
/* on_end comes once, maybe from within; err: the store cannot be asked. */
void smtp_sign_end(struct smtp_transaction *t, void (*on_end)(struct smtp_transaction *t, const struct err *err));

/* ---- accept.c ---- */
/* Syncs, hands over, answers; the session waits, paused, in ACCEPTING. */
void smtp_accept(struct smtp_session *s);
/* The answer after the data, when the message is not taken. */
void smtp_refuse_message(struct smtp_session *s);

#endif
