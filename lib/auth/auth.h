/* Authentication: passwords, SCRAM, and cluster-wide delays after failed attempts.
 *
 * Passwords are hashed with argon2id (libargon2) and checked on separate threads, never on the loop. A
 * success is remembered for settings:auth cache_time under a keyed hash, as long as the account's record does
 * not change: in memory (with a random key per process) and, if the cluster's secret was given to its
 * processes, for all frontends in the store (auth:ok:{address}). Failures are counted in Redis by account and
 * by address (auth:fail:{...}, expiring): each one further delays the answer to the next attempt, on every
 * frontend. */
#ifndef SP_AUTH_AUTH_H
#define SP_AUTH_AUTH_H

#include <stdbool.h>

#include "lib/auth/credential.h"
#include "lib/base/err.h"
#include "lib/base/ip.h"
#include "lib/base/str.h"
#include "lib/directory/directory.h"
#include "lib/redis/redis.h"
#include "lib/secret/seal.h"
#include "lib/secret/secret.h"
#include "lib/settings/settings.h"

struct auth;

/* secret: may be NULL; then frontends share nothing. */
struct auth *auth_new(struct event_base *base, struct redis *r, const struct secret *secret,
		      struct settings_live *settings, struct directory *directory);
void auth_free(struct auth **a);
/* The keys that seal the secrets of second factors; borrowed. Without them no code is right. */
void auth_set_seals(struct auth *a, const struct secret_keys *seals);
/* The context of seal.h for the secret of this account's second factor. */
#define AUTH_TOTP_CONTEXT_MAX 362
void auth_totp_context(struct str address, char *out);
/* Called at each login that has to wait for earlier failures. */
void auth_watch_delays(struct auth *a, void (*on_delayed)(void *arg), void *arg);

enum auth_result {
	AUTH_OK,
	AUTH_FAILED,	  /* unknown account or wrong password: never told apart */
	AUTH_DISABLED,	  /* the password is correct, but the account may not log in */
	AUTH_MALFORMED,	  /* the client's message is malformed */
	AUTH_ABORTED,	  /* the client sent "*" */
	AUTH_UNAVAILABLE, /* the store cannot be reached; try later */
};

#define AUTH_ADDRESS_MAX 330

struct auth_identity {
	char address[AUTH_ADDRESS_MAX];	    /* canonical */
	uint64_t quota_bytes;		    /* 0: no limit */
	char credential[CREDENTIAL_ID_MAX]; /* of the app password or token; empty: the main password */
};

/* ---- A plain password (POP3 USER/PASS, IMAP LOGIN) ---- */
/* An app password, or the main password; not the latter if the account has a second
 * factor, unless settings:auth totp_mail_password allows it. The callback comes
 * once, later, even if the result comes from memory. The delay for earlier failures is
 * already over. */
typedef void auth_on_result(void *arg, enum auth_result result, const struct auth_identity *identity);
struct auth_request; /* handle to cancel: the callback will not come. Invalid once it has come. */
struct auth_request *auth_check_password(struct auth *a, struct str address, struct str password, const struct ip *peer,
					 auth_on_result *cb, void *arg);
void auth_cancel(struct auth_request **req);
/* For the page, which asks for the second factor itself: the main password only. */
struct auth_request *auth_check_main_password(struct auth *a, struct str address, struct str password,
					      const struct ip *peer, auth_on_result *cb, void *arg);
/* The code of the account's second factor, or a recovery code, each good for once. The
 * delays are those of a password; many wrong codes end all tries for a while. AUTH_FAILED
 * too if it has none. identity is as for a password. */
struct auth_request *auth_check_code(struct auth *a, struct str address, struct str code, const struct ip *peer,
				     auth_on_result *cb, void *arg);
/* A token of the API. A correct one is never delayed; wrong ones count as failed logins. */
struct auth_request *auth_check_token(struct auth *a, struct str token, const struct ip *peer, auth_on_result *cb,
				      void *arg);

/* ---- SASL (RFC 4422): PLAIN, LOGIN, SCRAM-SHA-256, SCRAM-SHA-256-PLUS ---- */
struct sasl;

/* Protocol-neutral: challenges and responses are raw bytes; the protocol does
 * base64 and its own framing (sasl_decode() below). */
struct sasl_events {
	/* Send this challenge, then pass the answer to sasl_respond(). */
	void (*on_challenge)(void *arg, struct str challenge);
	/* The exchange has ended. final_data (SCRAM server-final) is sent with
	 * the success reply if the protocol supports that, else as a last
	 * challenge with an empty answer: the engine does the latter by itself
	 * unless success_data is true. */
	void (*on_done)(void *arg, enum auth_result result, const struct auth_identity *identity,
			struct str final_data);
};

struct sasl_options {
	const struct ip *peer;
	bool success_data;	       /* the success reply carries data (IMAP no, SMTP no, POP3 no, XMPP yes) */
	const unsigned char *exporter; /* 32 bytes of tls-exporter, or NULL: no -PLUS */
};

/* Is the mechanism offered on this connection? ("PLAIN" ...; in any case of letters) */
bool sasl_is_known(struct str mechanism);
/* Events may come from within this and sasl_respond(). initial: NULL if the
 * client sent none. Returns NULL for an unknown mechanism. */
struct sasl *sasl_start(struct auth *a, struct str mechanism, const struct str *initial,
			const struct sasl_options *options, const struct sasl_events *events, void *arg);
void sasl_respond(struct sasl *s, struct str response);
/* Also cancels an exchange in progress. Sets *s to NULL. Must also be called after on_done. */
void sasl_free(struct sasl **s);

/* Decodes one line of base64: "=" is the empty string, "*" sets *aborted_out.
 * The result is in the arena. False: malformed. */
struct arena;
bool sasl_decode(struct arena *arena, struct str line, struct str *data_out, bool *aborted_out);

/* ---- Making verifiers (for the tool; synchronous, takes some 50 ms each) ---- */
#define AUTH_VERIFIER_MAX 300
int auth_make_argon2id(struct str password, char out[AUTH_VERIFIER_MAX], struct err *err);
int auth_make_scram_sha256(struct str password, char out[AUTH_VERIFIER_MAX], struct err *err);
/* Does the password match the verifier? Takes as long. One that costs too much fits nothing. */
bool auth_password_fits(const char *verifier, struct str password);

/* ---- Hashes that come from another system ---- */
/* A hash as it is written elsewhere → the verifier to store. Read are argon2id ("$argon2id$...", also behind
 * {ARGON2}), {CRYPT} with DES, $1$, $2a$ to $2y$, $5$, $6$, $y$ or $gy$ (also without the word, as in /etc/shadow),
 * {SHA}, {SHA256}, {SHA512}, {MD5}, and these with salt: {SSHA}, {SSHA256}, {SSHA512}, {SMD5}. False: it is none of
 * them, or it would take too long to check. There is no SCRAM with these until the first login with the password. At
 * that login, a hash in braces is replaced by one of ours; existing sessions continue. */
bool auth_read_hash(struct str text, char out[AUTH_VERIFIER_MAX]);
/* Is it a verifier that auth_make_scram_sha256() could have made? */
bool auth_is_scram_sha256(struct str text);

#endif
