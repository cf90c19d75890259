/* What ACME keeps in the store: the lease of the process that orders certificates,
 * its accounts, the state of each name, the answers to challenges, the certificates.
 *
 * One process at a time orders, under a lease with a fence: each of its writes
 * carries the number of its lease and is refused (ERR_FENCED) once another process
 * has taken it. So a process that slept past its lease changes nothing when it wakes.
 * Private keys are sealed (lib/secret/seal.h).
 *
 * Frontends read certificates and answers to challenges; the tool reads everything,
 * asks for renewals and removes certificates. */
#ifndef SP_ACME_STORE_H
#define SP_ACME_STORE_H

#include <cjson/cJSON.h>
#include <openssl/evp.h>

#include "lib/base/buf.h"
#include "lib/redis/keys.h"
#include "lib/redis/redis.h"
#include "lib/secret/seal.h"

enum {
	ACME_LEASE_MS = 15 * 1000,
	ACME_CHALLENGE_MS = 60 * 60 * 1000,
	ACME_TOKEN_MAX = 128,
	ACME_CHAIN_MAX = 64 * 1024,
};

/* Notices of these keys: the index of certificates; requests for renewal. */
#define ACME_WATCH_INDEX "acme:{acme}:index"
#define ACME_WATCH_RENEW "acme:{acme}:renew"

/* ---- The lease ---- */
/* The reply is the number of the lease, an integer. ERR_EXISTS: another process has it;
 * the text names it. */
void acme_lease_take(struct redis *r, const char *holder, redis_on_reply *cb, void *arg);
void acme_lease_keep(struct redis *r, int64_t fence, redis_on_reply *cb, void *arg);
void acme_lease_drop(struct redis *r, int64_t fence);

/* ---- Reading ---- */
/* Hashes as flat lists: directory -> account; name -> state; name -> entry of the
 * index; all as JSON. The set of names whose renewal is requested. */
void acme_read_accounts(struct redis *r, redis_on_reply *cb, void *arg);
void acme_read_names(struct redis *r, redis_on_reply *cb, void *arg);
void acme_read_index(struct redis *r, redis_on_reply *cb, void *arg);
void acme_read_renewals(struct redis *r, redis_on_reply *cb, void *arg);
/* The hash of the holder: holder, until_ms, fence, problem, rest_until_ms. */
void acme_read_work(struct redis *r, redis_on_reply *cb, void *arg);
/* [entry of the index, chain, sealed key]; nil: there is none. */
void acme_read_certificate(struct redis *r, struct str name, redis_on_reply *cb, void *arg);
/* The text for http-01; nil: none. token: acme_token_is_valid(). */
void acme_read_challenge(struct redis *r, struct str token, redis_on_reply *cb, void *arg);
/* 1 to ACME_TOKEN_MAX letters of base64url. */
bool acme_token_is_valid(struct str token);

/* ---- Writing, under the fence ---- */
/* What concerns all names: why nothing can be ordered (empty: all is well), and until
 * when the CA is left alone (unix; 0: no rest). */
void acme_write_trouble(struct redis *r, int64_t fence, const char *problem, int64_t rest_until_ms, redis_on_reply *cb,
			void *arg);
void acme_write_account(struct redis *r, int64_t fence, const char *directory, const cJSON *account, redis_on_reply *cb,
			void *arg);
/* state NULL: the name is forgotten. The request for its renewal ends. */
void acme_write_name(struct redis *r, int64_t fence, struct str name, const cJSON *state, redis_on_reply *cb,
		     void *arg);
void acme_write_challenge(struct redis *r, int64_t fence, struct str token, struct str text, redis_on_reply *cb,
			  void *arg);
/* Puts the certificate in force everywhere, with the name's new state. */
void acme_write_certificate(struct redis *r, int64_t fence, struct str name, const cJSON *entry, struct str chain,
			    struct str sealed_key, const cJSON *state, redis_on_reply *cb, void *arg);
/* A certificate that is not needed any more, with the name's state. */
void acme_write_gone(struct redis *r, int64_t fence, struct str name, redis_on_reply *cb, void *arg);

/* ---- For operators ---- */
void acme_ask_renewal(struct redis *r, struct str name, redis_on_reply *cb, void *arg);
/* Forgets the certificate and the state of a name. ERR_NOT_FOUND: there is neither. */
void acme_forget(struct redis *r, struct str name, redis_on_reply *cb, void *arg);

/* ---- Keys ---- */
/* What a sealed key belongs to: "certificate" and a name, or "account" and a directory.
 * Appends the context of secret_seal(). */
void acme_key_context(const char *kind, struct str owner, struct buf *out);
int acme_seal_key(const struct secret_keys *keys, const char *kind, struct str owner, EVP_PKEY *key,
		  struct buf *sealed_out, struct err *err);
/* NULL: err. */
EVP_PKEY *acme_open_key(const struct secret_keys *keys, const char *kind, struct str owner, struct str sealed,
			struct err *err);

/* ---- JSON of the store ---- */
/* Members; missing, or of another type: "" and 0. */
const char *acme_text_of(const cJSON *o, const char *name);
int64_t acme_number_of(const cJSON *o, const char *name);

#endif
