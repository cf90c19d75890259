/* A message on its way from a client to the spool, whichever protocol it arrives by.
 *
 * The protocol conducts the dialogue: who the client is, who may send where, the
 * texts of the answers. What is the same for all protocols is here: the checks that a
 * message must pass (size, hops, owner of the From: address), the lines added on top,
 * the transfer of its body into the blob store, its signatures, and the hand-over to
 * a broker.
 *
 *	s = submit_begin(f, &options);
 *	submit_add_recipient(s, &recipient);     at least one
 *	submit_begin_data(s, false);
 *	submit_data(s, piece, NULL);             ... until it is complete
 *	if (!submit_commit(s, on_done, arg))
 *		refused(submit_result(s));
 *	...
 *	submit_free(&s);                         at any time, also in on_done
 *
 * SUBMIT_OK is reported only when the body is synced and a broker has confirmed that
 * the envelope is durable. A refused message is not kept. */
#ifndef SP_FRONTEND_SUBMIT_SUBMIT_H
#define SP_FRONTEND_SUBMIT_SUBMIT_H

#include "frontend/core/frontend.h"
#include "lib/base/ip.h"
#include "lib/base/log.h"
#include "lib/base/str.h"

enum submit_result {
	SUBMIT_OK,		/* until the end: no objection so far */
	SUBMIT_TOO_BIG,		/* max_message_size */
	SUBMIT_TOO_MANY_HOPS,	/* max_hop_count */
	SUBMIT_FROM_NOT_YOURS,	/* require_auth_match: From: does not belong to the account */
	SUBMIT_MAILBOX_FULL,	/* no recipient's mailbox has room for it; try later */
	SUBMIT_OVER_QUOTA,	/* the same, but permanent */
	SUBMIT_STORE_FULL,	/* try later */
	SUBMIT_SPF_FAIL,	/* settings:mail-auth spf_fail_action */
	SUBMIT_DMARC_REJECT,	/* settings:mail-auth dmarc_enforcement */
	SUBMIT_MILTER_REJECT,	/* a milter refuses it */
	SUBMIT_MILTER_TEMPFAIL, /* a milter refuses it for now, or cannot be asked */
	SUBMIT_SPAM_REJECT,	/* a spam engine refuses it */
	SUBMIT_SPAM_TEMPFAIL,	/* a spam engine refuses it for now */
	SUBMIT_VIRUS,		/* a virus scanner found one */
	SUBMIT_UNAVAILABLE,	/* a store or the brokers; try later. It may be in the spool all the same */
};

/* What the protocol knows about the client, and has been told about the message.
 * Everything is copied except the log context. */
struct submit_options {
	const struct log_context *log; /* borrowed until submit_free(): its fields are in each line */
	const char *account;	       /* canonical address; NULL: not logged in */
	struct ip peer;
	uint16_t peer_port;
	const char *helo;     /* the name that the client gave in its greeting */
	const char *protocol; /* for "with" in Received: "ESMTPSA" (RFC 3848) */
	const char *tls;      /* "TLSv1.3 TLS_AES_256_GCM_SHA384"; empty: none */
	bool may_relay;	      /* the client is trusted like a user, by its address: signed too */
	bool verifies;	      /* from a stranger: SPF, DKIM, ARC and DMARC are verified before the answer */
	bool is_submission;   /* from a user, even if not logged in: Date and Message-ID are added */

	struct str reverse_path; /* normalised; empty: null */
	uint64_t size_bytes;	 /* as declared by the client; 0: not known */
	bool utf8;		 /* SMTPUTF8 */
	bool eight_bit;		 /* BODY=8BITMIME; what the body contains counts too */
	bool require_tls;	 /* REQUIRETLS (RFC 8689) */
	bool has_priority;	 /* a priority was requested (RFC 6710) */
	int8_t priority;	 /* the requested one, -9 to 9 */
	struct str dsn_ret;	 /* FULL or HDRS (RFC 3461); empty: not given */
	struct str dsn_envid;	 /* still xtext; empty: not given */
};

/* The room left in the mailboxes that an address leads to; of several, the largest. */
struct submit_room {
	bool is_limited;      /* false: there is room, or it is not known */
	bool is_final;	      /* setting when_full: what does not fit is refused permanently */
	uint64_t free_bytes;  /* 0: full */
	uint64_t quota_bytes; /* when empty */
};

struct submit_recipient {
	struct str address;	 /* normalised */
	bool local;		 /* of a domain of this cluster */
	unsigned notify;	 /* NOTIFY_...; 0: not given */
	struct str orcpt;	 /* "rfc822;..." still xtext; empty: not given */
	struct submit_room room; /* all zero: not known */
};

struct submit;

/* NULL: no broker owns a shard; try again later. */
struct submit *submit_begin(struct frontend *f, const struct submit_options *options);
/* Drops whatever was not handed over: nothing of it is kept. A hand-over in progress
 * continues, and the message may or may not reach the spool; on_done is not called.
 * Sets *s to NULL; *s may be NULL. */
void submit_free(struct submit **s);

/* Is there room for it, within max_recipients and the envelope's size limit? */
bool submit_has_room(const struct submit *s, const struct submit_recipient *r);
/* Fills in recipient->room, for a local address. True: done at once, on_room is not
 * called. False: on_room is called once, later, unless submit_free() is called first;
 * until then nothing else may be done with the submission. */
bool submit_ask_room(struct submit *s, struct submit_recipient *recipient, void (*on_room)(void *arg), void *arg);
/* Is there room for this many bytes (0: size not known)? SUBMIT_OK,
 * SUBMIT_MAILBOX_FULL, SUBMIT_OVER_QUOTA. */
enum submit_result submit_room_judge(const struct submit_room *room, uint64_t size_bytes);
/* Duplicates are skipped. Not allowed after the data. */
void submit_add_recipient(struct submit *s, const struct submit_recipient *r);

/* The data follows. dot_lines: in the form of SMTP's DATA, dot-stuffed and ended by a
 * single dot (RFC 5321, 4.5.2); otherwise unmodified. */
void submit_begin_data(struct submit *s, bool dot_lines);
/* This many more octets are announced: refuses at once what would be too big. */
void submit_announce(struct submit *s, uint64_t octets);
/* Accepts input of any size; line ends are repaired (lib/smtp/data.h). Returns the
 * number of octets used: all of them, but with dot_lines only those up to the end,
 * and *ended_out says that the end was reached. Once the message is refused, data is
 * read and dropped. */
size_t submit_data(struct submit *s, struct str input, bool *ended_out);
/* False: there is room for more data. True: do not read from the client until on_room
 * is called (once; not after submit_free()). */
bool submit_wait_room(struct submit *s, void (*on_room)(void *arg), void *arg);

/* The message is complete: syncs it, signs it, hands it over. False: it was refused
 * (submit_result), and nothing more happens. True: on_done is called once, later,
 * unless submit_free() is called first. */
typedef void submit_on_done(void *arg, enum submit_result result);
bool submit_commit(struct submit *s, submit_on_done *on_done, void *arg);

/* What is known of its outcome so far. */
enum submit_result submit_result(const struct submit *s);
/* With SUBMIT_SPF_FAIL and SUBMIT_DMARC_REJECT: whose domain, and why. With the results of
 * milters: the lines of the milter's own reply, with CRLF, if there is one. With those of spam
 * engines: what the client is told; the virus's name. Else empty. */
struct str submit_objection(const struct submit *s);
/* The id that it will have in the spool. */
const char *submit_id(const struct submit *s);
/* The copied options. */
const struct submit_options *submit_options(const struct submit *s);
/* -9 to 9; the priority granted to the client. */
int submit_priority(const struct submit *s);
/* The size limit for the data; 0: none, or no data yet. */
uint64_t submit_max_size_bytes(const struct submit *s);
/* A context for log lines about it; valid until submit_free(). */
const struct log_context *submit_log(const struct submit *s);

/* Does an address belong to the account, according to require_auth_match (which must
 * not be AUTH_MATCH_NONE)? account: canonical. */
bool submit_address_matches(struct frontend *f, struct str account, struct str address);

#endif
