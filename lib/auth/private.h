/* Inside of lib/auth. */
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
	VERIFY_THREADS = 8,	 /* at most: one a processor, but not below two */
	VERIFY_QUEUE_MAX = 1000, /* of some 25 a second and thread: clients wait for 20 s */
};

/* A password that was right not long ago. */
struct remembered {
	char address[AUTH_ADDRESS_MAX];
	unsigned char mac[KEY_BYTES]; /* HMAC-SHA-256 of address, NUL, verifier, NUL, password */
	int64_t until_ms;	      /* monotonic */
	UT_hash_handle hh;	      /* by address, the oldest first */
};

/* Slow work for a thread; done() on the loop (also of what was not run, when
 * the end came first). */
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
	unsigned char key[KEY_BYTES];		/* of the memory's MACs, random */
	unsigned char fake_salt_key[KEY_BYTES]; /* of salts for accounts that do not exist */
	char dummy[AUTH_VERIFIER_MAX];		/* verified where there is no account */
	struct remembered *memory;
	/* Threads. */
	pthread_t threads[VERIFY_THREADS];
	unsigned thread_count;
	bool started, stop;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct verify_task *first, *last, *done_first, *done_last;
	unsigned queued;
	struct event *done_event;
	struct auth_request *requests; /* all under way */
	void (*on_delayed)(void *arg); /* NULL: nobody wants to know */
	void *on_delayed_arg;	       /* borrowed */
};

/* An account as it is looked up and counted: canonical, so that all ways to
 * write one address are one; what is no address stays as it is, in lower case
 * and without NULs, and is found nowhere. */
void auth_account_name(struct str given, char out[AUTH_ADDRESS_MAX]);

/* ---- Right passwords, remembered (settings:auth cache_time) ---- */
/* That this password is right for this account, as its record is now. */
struct memory_claim {
	const char *address; /* canonical */
	const char *verifier;
	struct str password;
};
bool memory_has(struct auth *a, const struct memory_claim *claim);
/* cluster_too: others have not got it yet. */
void memory_note(struct auth *a, const struct memory_claim *claim, bool cluster_too);
void memory_forget(struct auth *a, struct str address);
void memory_free(struct auth *a);

/* What the cluster remembers: later, unless cancelled. NULL: it remembers nothing. */
struct memory_ask;
typedef void memory_on_known(void *arg, bool known);
struct memory_ask *memory_ask_cluster(struct auth *a, const struct memory_claim *claim, memory_on_known *cb, void *arg);
void memory_ask_cancel(struct memory_ask **ask);

/* False: the queue is full. */
bool verify_give(struct auth *a, struct verify_task *t);
void verify_start(struct auth *a);
void verify_stop(struct auth *a);

/* On a thread: does the password fit the argon2id verifier? */
bool password_fits(const char *verifier, struct str password);

/* ---- Failures, counted in Redis; account: auth_account_name() ---- */
/* Waits as long as earlier failures of the account or the address demand, then
 * calls go() (err: the store cannot be asked). */
struct throttle;
struct throttle *throttle_wait(struct auth *a, const char *account, const struct ip *peer,
			       void (*go)(void *arg, const struct err *err), void *arg);
void throttle_cancel(struct throttle **t);
void throttle_failed(struct auth *a, const char *account, const struct ip *peer);
void throttle_succeeded(struct auth *a, const char *account);
/* The delay after so many failures; pure. */
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
/* Does the proof (base64) fit? In constant time. */
bool scram_proof_fits(const struct scram_verifier *v, struct str auth_message, struct str proof);
/* What the server proves itself with. */
void scram_server_signature(const struct scram_verifier *v, struct str auth_message,
			    unsigned char out[SCRAM_KEY_BYTES]);

#endif
