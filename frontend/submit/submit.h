/* A message on its way from a client to the spool, whichever protocol it comes by.
 *
 * The protocol keeps the dialogue: who the client is, who may send where, the
 * words of its answers. What is the same for all is here: the checks that a
 * message must pass (size, hops, whose From: it is), the lines on top of it, its
 * body's way into the blob store, its signatures, and the hand-over to a broker.
 *
 *	s = submit_begin(f, &options);
 *	submit_add_recipient(s, &recipient);     at least one
 *	submit_begin_data(s, false);
 *	submit_data(s, piece, NULL);             ... until it is whole
 *	if (!submit_commit(s, on_done, arg))
 *		refused(submit_result(s));
 *	...
 *	submit_free(&s);                         at any time, in on_done too
 *
 * SUBMIT_OK is said only when the body is synced and a broker has said that the
 * envelope is durable. What was refused is not kept. */
#ifndef SP_FRONTEND_SUBMIT_SUBMIT_H
#define SP_FRONTEND_SUBMIT_SUBMIT_H

#include "frontend/core/frontend.h"
#include "lib/base/ip.h"
#include "lib/base/log.h"
#include "lib/base/str.h"

enum submit_result {
	SUBMIT_OK,	       /* until the end: nothing speaks against it */
	SUBMIT_TOO_BIG,	       /* max_message_size */
	SUBMIT_TOO_MANY_HOPS,  /* max_hop_count */
	SUBMIT_FROM_NOT_YOURS, /* require_auth_match: From: is not the account's */
	SUBMIT_MAILBOX_FULL,   /* no recipient's mailbox has room for it; later, perhaps */
	SUBMIT_OVER_QUOTA,     /* the same, for good */
	SUBMIT_STORE_FULL,     /* later, perhaps */
	SUBMIT_UNAVAILABLE,    /* a store or the brokers; later. It may be in the spool all the same */
};

/* What the protocol knows of the client, and was told of the message. All is
 * copied but the log's context. */
struct submit_options {
	const struct log_context *log; /* borrowed until submit_free(): what it says is in each line */
	const char *account;	       /* canonical address; NULL: not logged in */
	struct ip peer;
	const char *helo;     /* what the client calls itself */
	const char *protocol; /* for "with" in Received: "ESMTPSA" (RFC 3848) */
	const char *tls;      /* "TLSv1.3 TLS_AES_256_GCM_SHA384"; empty: none */
	bool may_relay;	      /* the client is trusted as a user is, by its address: signed too */
	bool is_submission;   /* from a user, even if not logged in: Date and Message-ID are added */

	struct str reverse_path; /* normalised; empty: null */
	uint64_t size_bytes;	 /* as the client declares it; 0: not known */
	bool utf8;		 /* SMTPUTF8 */
	bool eight_bit;		 /* BODY=8BITMIME; what is seen in the body counts too */
	bool require_tls;	 /* REQUIRETLS (RFC 8689) */
	bool has_priority;	 /* a priority was asked for (RFC 6710) */
	int8_t priority;	 /* that one, -9 to 9 */
	struct str dsn_ret;	 /* FULL or HDRS (RFC 3461); empty: not given */
	struct str dsn_envid;	 /* still xtext; empty: not given */
};

/* What the mailboxes that an address leads to have left; of several, the most. */
struct submit_room {
	bool is_limited;      /* false: there is room, or it is not known */
	bool is_final;	      /* setting when_full: what does not fit is refused for good */
	uint64_t free_bytes;  /* 0: full */
	uint64_t quota_bytes; /* when empty */
};

struct submit_recipient {
	struct str address;	 /* normalised */
	bool local;		 /* of a domain of this cluster */
	unsigned notify;	 /* NOTIFY_...; 0: not given */
	struct str orcpt;	 /* "rfc822;..." still xtext; empty: not given */
	struct submit_room room; /* all zero: nothing is known */
};

struct submit;

/* NULL: no broker owns a shard; try later. */
struct submit *submit_begin(struct frontend *f, const struct submit_options *options);
/* Gives up what was not handed over: nothing of it is kept. What is being
 * handed over goes on, and comes into the spool or does not; on_done is not
 * called. NULLs *s, and may be given NULL. */
void submit_free(struct submit **s);

/* Is there room for it, as max_recipients and the envelope's size go? */
bool submit_has_room(const struct submit *s, const struct submit_recipient *r);
/* Fills recipient->room, of a local address. True: at once, on_room will not come.
 * False: on_room comes once, later, unless submit_free() comes before; until then
 * nothing else is done with the submission. */
bool submit_ask_room(struct submit *s, struct submit_recipient *recipient, void (*on_room)(void *arg), void *arg);
/* Has it room for so much (0: not known how much)? SUBMIT_OK, SUBMIT_MAILBOX_FULL,
 * SUBMIT_OVER_QUOTA. */
enum submit_result submit_room_judge(const struct submit_room *room, uint64_t size_bytes);
/* One that is there already is passed over. Not after the data. */
void submit_add_recipient(struct submit *s, const struct submit_recipient *r);

/* The data comes now. dot_lines: as SMTP's DATA has it, with dots stuffed and the
 * end marked by one (RFC 5321, 4.5.2); else as it is. */
void submit_begin_data(struct submit *s, bool dot_lines);
/* So many octets more are announced: refuses at once what would be too big. */
void submit_announce(struct submit *s, uint64_t octets);
/* Takes input of any size; line ends are mended (lib/smtp/data.h). Returns the
 * octets used: all, but with dot_lines those up to the end, and *ended_out says
 * that it was met. Once the message is refused, data is read and dropped. */
size_t submit_data(struct submit *s, struct str input, bool *ended_out);
/* False: there is room for more data. True: the client should not be read until
 * on_room is called (once; not after submit_free()). */
bool submit_wait_room(struct submit *s, void (*on_room)(void *arg), void *arg);

/* The message is whole: syncs it, signs it, hands it over. False: it was refused
 * (submit_result), nothing more happens. True: on_done comes once, later, unless
 * submit_free() comes before. */
typedef void submit_on_done(void *arg, enum submit_result result);
bool submit_commit(struct submit *s, submit_on_done *on_done, void *arg);

/* What is known of its fate by now. */
enum submit_result submit_result(const struct submit *s);
/* Under which it will be in the spool. */
const char *submit_id(const struct submit *s);
/* As they were copied. */
const struct submit_options *submit_options(const struct submit *s);
/* -9 to 9; what the client gets of what it asked for. */
int submit_priority(const struct submit *s);
/* The limit that the data is measured by; 0: none, or no data yet. */
uint64_t submit_max_size_bytes(const struct submit *s);
/* A context for log lines about it; valid until submit_free(). */
const struct log_context *submit_log(const struct submit *s);

/* Is an address the account's own, as require_auth_match has it (which is not
 * AUTH_MATCH_NONE)? account: canonical. */
bool submit_address_matches(struct frontend *f, struct str account, struct str address);

#endif
