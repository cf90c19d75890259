/* Who logs in: passwords, SCRAM, failed tries slowed down cluster-wide.
 *
 * Passwords are argon2id (libargon2), checked on threads of their own, never
 * on the loop; a success is remembered for settings:auth cache_time under a
 * keyed hash, as long as the account's record stays the same: in memory (a
 * random key a process), and for all frontends in the store (auth:ok:{address})
 * if the cluster's secret was given to its processes. Failures are counted in Redis by account and by address
 * (auth:fail:{...}, expiring): each further one delays the answer to the next
 * try, on every frontend. */
#ifndef SP_AUTH_AUTH_H
#define SP_AUTH_AUTH_H

#include <stdbool.h>

#include "lib/base/err.h"
#include "lib/base/ip.h"
#include "lib/base/str.h"
#include "lib/directory/directory.h"
#include "lib/redis/redis.h"
#include "lib/secret/secret.h"
#include "lib/settings/settings.h"

struct auth;

/* secret: may be NULL, then frontends share nothing. */
struct auth *auth_new(struct event_base *base, struct redis *r, const struct secret *secret,
		      struct settings_live *settings, struct directory *directory);
void auth_free(struct auth **a);
/* Called at each login that has to wait for earlier failures. */
void auth_watch_delays(struct auth *a, void (*on_delayed)(void *arg), void *arg);

enum auth_result {
	AUTH_OK,
	AUTH_FAILED,	  /* unknown account or wrong password: never told apart */
	AUTH_DISABLED,	  /* the password was right, the account may not log in */
	AUTH_MALFORMED,	  /* the client's message is malformed for the mechanism */
	AUTH_ABORTED,	  /* the client sent "*" */
	AUTH_UNAVAILABLE, /* the store cannot be asked; try later */
};

#define AUTH_ADDRESS_MAX 330

struct auth_identity {
	char address[AUTH_ADDRESS_MAX]; /* canonical */
	uint64_t quota_bytes;		/* 0: no limit */
};

/* ---- A password in hand (POP3 USER/PASS, IMAP LOGIN) ---- */
/* Called once, later, also for what is answered from memory. The delay for
 * earlier failures is already over. */
typedef void auth_on_result(void *arg, enum auth_result result, const struct auth_identity *identity);
struct auth_request; /* to cancel: the callback will not come. NULL once it has come. */
struct auth_request *auth_check_password(struct auth *a, struct str address, struct str password, const struct ip *peer,
					 auth_on_result *cb, void *arg);
void auth_cancel(struct auth_request **req);

/* ---- SASL (RFC 4422): PLAIN, LOGIN, SCRAM-SHA-256, SCRAM-SHA-256-PLUS ---- */
struct sasl;

/* Protocol-neutral: challenges and responses are raw bytes; the protocol does
 * base64 and its own framing (sasl_decode() below). */
struct sasl_events {
	/* Send this challenge, then give the answer to sasl_respond(). */
	void (*on_challenge)(void *arg, struct str challenge);
	/* The end. final_data (SCRAM server-final) is to be sent with the success
	 * where the protocol can, else as a last challenge with an empty answer:
	 * the engine asks for that by itself unless success_data is true. */
	void (*on_done)(void *arg, enum auth_result result, const struct auth_identity *identity,
			struct str final_data);
};

struct sasl_options {
	const struct ip *peer;
	bool success_data;	       /* the protocol's success carries data (IMAP no, SMTP no, POP3 no, XMPP yes) */
	const unsigned char *exporter; /* 32 bytes of tls-exporter, or NULL: no -PLUS */
};

/* A mechanism offered on this connection? ("PLAIN" ...; case does not matter) */
bool sasl_is_known(struct str mechanism);
/* Events may come from within this and sasl_respond(). initial: NULL when the
 * client sent none. Returns NULL for an unknown mechanism. */
struct sasl *sasl_start(struct auth *a, struct str mechanism, const struct str *initial,
			const struct sasl_options *options, const struct sasl_events *events, void *arg);
void sasl_respond(struct sasl *s, struct str response);
/* Also cancels what is under way. NULLs *s. Must be called after on_done too. */
void sasl_free(struct sasl **s);

/* base64 of one line: "=" is the empty string, "*" sets *aborted_out. The
 * result lies in arena. False: malformed. */
struct arena;
bool sasl_decode(struct arena *arena, struct str line, struct str *data_out, bool *aborted_out);

/* ---- Making verifiers (tool; synchronous, costs some 50 ms each) ---- */
#define AUTH_VERIFIER_MAX 300
int auth_make_argon2id(struct str password, char out[AUTH_VERIFIER_MAX], struct err *err);
int auth_make_scram_sha256(struct str password, char out[AUTH_VERIFIER_MAX], struct err *err);

#endif
