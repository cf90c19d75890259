/* Internals of lib/auth. */
#ifndef SP_AUTH_PRIVATE_H
#define SP_AUTH_PRIVATE_H

#include <event2/event.h>
#include <pthread.h>

#include "lib/auth/auth.h"
#include "lib/base/check.h"

#define uthash_fatal(message) CHECKF(false, "%s", message)
#include <uthash.h>

enum {
	KEY_BYTES = 32,
	CACHE_MAX = 100000,
	VERIFY_THREADS = 8,	 /* at most: one per processor, but at least two */
	VERIFY_QUEUE_MAX = 1000, /* at some 25 per second and thread: clients wait for 20 s */
};

/* A password that was correct not long ago. */
struct remembered {
	char address[AUTH_ADDRESS_MAX];
	unsigned char mac[KEY_BYTES]; /* HMAC-SHA-256 of address, NUL, verifier, NUL, password */
	int64_t until_ms;	      /* monotonic */
	UT_hash_handle hh;	      /* by address, oldest first */
};

/* Slow work for a thread. done() is called on the loop, even for work that was
 * not run because of a shutdown. */
struct verify_task {
	void (*run)(struct verify_task *t);
	void (*done)(struct verify_task *t);
	struct verify_task *next;
};

struct auth {
	struct event_base *base;
	struct redis *redis;
	struct settings_live *settings;
	struct directory *directory;
	const struct secret *secret;		/* borrowed; may be NULL */
	const struct secret_keys *seals;	/* borrowed; may be NULL */
	unsigned char key[KEY_BYTES];		/* for the MACs in memory, random */
	unsigned char fake_salt_key[KEY_BYTES]; /* for salts of accounts that do not exist */
	int64_t unsupported_ms;			/* log_is_due(): a stored hash that is not supported */
	char dummy[AUTH_VERIFIER_MAX];		/* verified if the account does not exist */
	struct remembered *memory;
	struct used_credential *used;
	/* Threads. */
	pthread_t threads[VERIFY_THREADS];
	unsigned thread_count;
	bool started, stop;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct verify_task *first, *last, *done_first, *done_last;
	unsigned queued;
	struct event *done_event;
	struct auth_request *requests; /* all in progress */
	void (*on_delayed)(void *arg); /* NULL: no watcher */
	void *on_delayed_arg;	       /* borrowed */
};

/* The name under which an account is looked up and counted. It is canonical, so
 * that all spellings of an address give the same name. What is not an address
 * is only lower-cased and stripped of NULs, and is never found. */
void auth_account_name(struct str given, char out[AUTH_ADDRESS_MAX]);

/* ---- Remembered correct passwords (settings:auth cache_time) ---- */
/* States that this password is correct for this account, given its current record. */
struct memory_claim {
	const char *address; /* canonical */
	const char *verifier;
	struct str password;
};
bool memory_has(struct auth *a, const struct memory_claim *claim);
/* cluster_too: also store it for the other frontends. */
void memory_note(struct auth *a, const struct memory_claim *claim, bool cluster_too);
void memory_forget(struct auth *a, struct str address);
void memory_free(struct auth *a);

/* Asks what the cluster remembers; answered later, unless cancelled. NULL: it remembers nothing. */
struct memory_ask;
typedef void memory_on_known(void *arg, bool known);
struct memory_ask *memory_ask_cluster(struct auth *a, const struct memory_claim *claim, memory_on_known *cb, void *arg);
void memory_ask_cancel(struct memory_ask **ask);

/* ---- When credentials were last used (auth:used:{address}) ---- */
/* A process writes it for each at most once a minute, and only while the account has it. */
void used_note(struct auth *a, const char *address, const struct credential *c);
void used_free(struct auth *a);

/* ---- Tries at the second factor ---- */
struct code_try;
typedef void code_on_tried(void *arg, enum auth_result result);
/* NULL: the account's secret cannot be read. */
struct code_try *code_try_begin(struct auth *a, const struct directory_user *user, struct str code, code_on_tried *cb,
				void *arg);
void code_try_cancel(struct code_try **t);

/* May mail clients log in with the main password? */
bool auth_takes_main_password(const struct auth *a, const struct directory_user *user);

/* False: the queue is full. */
bool verify_give(struct auth *a, struct verify_task *t);
void verify_start(struct auth *a);
void verify_stop(struct auth *a);

/* ---- Better hashes of passwords ---- lib/auth/upgrade.c
 *
 * A hash that came from another system is replaced by our own once its password is known:
 * after a login. */
struct upgrade {
	char password[AUTH_VERIFIER_MAX]; /* empty: none was made */
	char scram_sha256[AUTH_VERIFIER_MAX];
};
/* Shall the account's hash be replaced after a good login? */
bool upgrade_is_due(const struct directory_user *user, bool begins_session);
/* On a thread. */
void upgrade_make(struct upgrade *u, struct str password);
/* Stores it if `old` is still the account's hash; else, or without the store, all stays as it is. */
void upgrade_store(struct auth *a, const char *address, const char *old, const struct upgrade *u);

/* ---- Hashes of other systems ---- lib/auth/scheme.c */
/* On a thread: "{SCHEME}data". A hash that costs too much fits nothing. */
bool scheme_fits(struct str hash, struct str password);
/* An argon2id hash whose costs are within limits. */
bool scheme_argon2_is_readable(const char *text);
/* Is a stored hash of a kind that is checked, at a cost that is allowed? */
bool scheme_is_supported(const char *verifier);

/* ---- Failures, counted in Redis; account: auth_account_name() ---- */
/* Waits as long as earlier failures of the account or the address require, then
 * calls go() (err: the store cannot be reached). */
struct throttle;
struct throttle *throttle_wait(struct auth *a, const char *account, const struct ip *peer,
			       void (*go)(void *arg, const struct err *err), void *arg);
void throttle_cancel(struct throttle **t);
void throttle_failed(struct auth *a, const char *account, const struct ip *peer);
void throttle_succeeded(struct auth *a, const char *account);
/* The delay after so many failures; a pure function. */
int64_t throttle_delay_ms(uint64_t failures, int64_t first_ms, int64_t longest_ms);

/* ---- SCRAM (RFC 5802) ---- */
enum { SCRAM_KEY_BYTES = 32, SCRAM_SALT_MAX = 64 };
struct scram_verifier {
	unsigned iterations;
	unsigned char salt[SCRAM_SALT_MAX];
	size_t salt_len;
	unsigned char stored_key[SCRAM_KEY_BYTES];
	unsigned char server_key[SCRAM_KEY_BYTES];
};
/* "SCRAM-SHA-256$<iterations>:<salt>$<stored>:<server>" */
bool scram_verifier_parse(struct str text, struct scram_verifier *out);
void scram_verifier_make(struct str password, const unsigned char *salt, size_t salt_len, unsigned iterations,
			 struct scram_verifier *out);
void scram_verifier_text(const struct scram_verifier *v, char out[AUTH_VERIFIER_MAX]);
/* Is the proof (base64) correct? Takes constant time. */
bool scram_proof_fits(const struct scram_verifier *v, struct str auth_message, struct str proof);
/* The signature by which the server proves itself. */
void scram_server_signature(const struct scram_verifier *v, struct str auth_message,
			    unsigned char out[SCRAM_KEY_BYTES]);

#endif
