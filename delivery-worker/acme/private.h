/* What the files about ACME share. Private to delivery-worker/acme.
 *
 *	acme.c     the lease, the clock, the figures
 *	round.c    a round: what is due, one name after the other
 *	round_name.c  the name in hand; round_rest.c  when the CA is left alone
 *	round_read.c  what is there; a round's life
 *	account.c  the CA's directory, the account
 *	order.c    one name's order, step by step; challenge.c  its challenge
 *	client.c   signed requests: nonces, problem documents
 *
 * A round is one operation (lib/base/op.h): callbacks of the store get the round.
 * Requests, queries and timers are cancelled with it. Whatever must survive the death
 * of the process is written before the CA is told of the next step. */
#ifndef SP_WORKER_ACME_PRIVATE_H
#define SP_WORKER_ACME_PRIVATE_H

#include "delivery-worker/acme/acme.h"
#include "delivery-worker/worker.h"
#include "lib/acme/key.h"
#include "lib/acme/names.h"
#include "lib/acme/store.h"
#include "lib/base/log.h"
#include "lib/base/op.h"
#include "lib/base/check.h"
#include "lib/net/web.h"

#include <openssl/sha.h>

#define uthash_fatal(message) CHECKF(false, "%s", message)
#include <uthash.h>

enum { ACME_OWN_IPS_MAX = 64, ACME_ROUND_EVERY_MS = 30 * 1000 };

struct acme_round;

struct acme {
	struct worker *worker;	  /* borrowed */
	struct secret_keys *keys; /* owner */
	bool can_seal;
	/* What the CA has last been asked with (SHA-256); with other settings it need not rest. */
	unsigned char asked_of[SHA256_DIGEST_LENGTH];
	struct web_client *web;	       /* owner */
	struct event *timer;	       /* owner: the next look */
	int64_t fence;		       /* 0: another process has the lease, or nobody */
	int64_t lease_until_ms;	       /* monotonic; afterwards nothing is sent or written */
	int64_t next_round_ms;	       /* monotonic */
	struct acme_round *round;      /* owner; NULL: none is in progress */
	bool asking;		       /* a request for the lease is under way */
	bool poked;		       /* something has changed during the round */
	bool work_known;	       /* what the last holder has learned is read: rounds may begin */
	bool notices_lost;	       /* an operator may have asked for a renewal */
	int64_t aside_until_ms;	       /* monotonic: the lease is left to others, which may have the right key */
	char last_name[ACME_NAME_MAX]; /* at which the last round was; the next one begins behind it */
	bool stopped;
	unsigned calls; /* answers of the store due, to requests about the lease */
	bool freed;	/* with the last of them the structure goes */
	/* Of the last round: */
	unsigned wanted, certified, failing, left_out;
	unsigned ca_failures;	    /* one after the other */
	char problem[ERR_TEXT_MAX]; /* concerns all names; empty: none */
	int64_t rest_until_ms;	    /* unix: the CA is left alone */
};

/* Whom a failure concerns. */
enum acme_blame {
	ACME_BLAME_NAME,  /* this name alone: the CA refuses it, or cannot reach us */
	ACME_BLAME_LIMIT, /* the CA's limits: this name waits; if there are several, all do */
	ACME_BLAME_CA,	  /* it is away, or wants something of the operator: all names wait */
	ACME_BLAME_US,	  /* the store, the lease: the round ends */
};

struct acme_trouble {
	enum acme_blame blame;
	char type[64]; /* of the CA's problem document, without its prefix; may be empty */
	char text[ERR_TEXT_MAX];
	int64_t retry_after_ms; /* as the CA says; 0: it does not */
	bool wrong_key;		/* STAGEPOST_SECRET_KEY: another process may have the right one */
	bool undecided;		/* the CA has not decided yet: no failure */
};

/* ---- acme.c ---- */
const struct settings_acme *acme_settings(const struct acme *a);
bool acme_has_lease(const struct acme *a);
/* Another process has the lease: what is under way ends. */
void acme_lose(struct acme *a);
/* This process has not the right key: the round ends, and others may take the lease. */
void acme_step_back(struct acme *a);
/* The round has ended; the next one is due after this long. */
void acme_on_round_end(struct acme *a, int64_t next_ms);

/* ---- client.c ---- */
/* At most one request at a time. */
struct acme_answer {
	const cJSON *json; /* NULL: the body is none */
	struct str body;
	const char *location;	/* empty: none, or too long */
	int64_t retry_after_ms; /* 0: not given */
};
/* trouble NULL: a good answer (2xx). Both are borrowed for the call. */
typedef void acme_on_answer(struct acme_round *round, const struct acme_answer *answer,
			    const struct acme_trouble *trouble);

struct acme_client {
	struct acme_round *round; /* borrowed */
	/* Of the directory; owner of each: */
	char *new_nonce, *new_account, *new_order, *terms;
	bool needs_binding;
	EVP_PKEY *key;	   /* owner; the account's */
	char *account_url; /* owner; NULL: not registered yet */
	/* Private: */
	char *nonce;	    /* owner; NULL: none left */
	char *url;	    /* owner: of the request */
	struct buf payload; /* empty: POST-as-GET */
	enum { CLIENT_IDLE, CLIENT_PLAIN, CLIENT_NONCE, CLIENT_SIGNED } phase;
	unsigned nonces_refused;
	acme_on_answer *cb;
	struct dns_query *query;
	struct web_request *request;
	struct event *later; /* owner: a failure before anything was sent */
	struct acme_trouble failure;
};

void acme_client_init(struct acme_client *c, struct acme_round *round);
void acme_client_fini(struct acme_client *c);
/* A GET without signature: the directory. */
void acme_client_get(struct acme_client *c, const char *url, acme_on_answer *cb);
/* payload empty: POST-as-GET. */
void acme_client_post(struct acme_client *c, const char *url, struct str payload, acme_on_answer *cb);
__attribute__((format(printf, 3, 4))) void acme_trouble_set(struct acme_trouble *t, enum acme_blame blame,
							    const char *format, ...);
/* "type: detail" of a problem document; appends nothing if there is none. */
void acme_problem_text(const cJSON *problem, char *type_out, size_t type_size, char *text_out, size_t text_size);

/* ---- account.c ---- */
/* Reads the directory, and registers the account unless that is done. trouble NULL: orders can be made. */
typedef void acme_on_account(struct acme_round *round, const struct acme_trouble *trouble);
void acme_account_open(struct acme_round *round, acme_on_account *cb);
/* The CA does not know it any more. */
void acme_account_forget(struct acme_round *round);

/* ---- order.c ---- */
/* trouble NULL: the certificate is stored. */
typedef void acme_on_ordered(struct acme_round *round, const struct acme_trouble *trouble);

struct acme_order {
	struct str name;
	cJSON *state; /* borrowed: the name's, in the round; changed as the order proceeds */
	acme_on_ordered *cb;
	struct event *timer; /* owner: the next poll */
	int64_t until_ms;    /* monotonic; later polls are left to another round */
	unsigned polls;
	bool resumed;	 /* begun by an earlier round */
	bool authorized; /* the CA has said so */
	bool finalized;	 /* the request was sent */
	/* Of the order and the authorization in hand; owner of each, or NULL: */
	char *authorization, *finalize, *certificate, *challenge;
	EVP_PKEY *key; /* owner */
	void (*next)(struct acme_round *round);
};

void acme_order_start(struct acme_round *round, struct str name, cJSON *state, acme_on_ordered *cb);
/* Frees what it holds. */
void acme_order_clear(struct acme_order *o);

/* ---- round.c, round_read.c ---- */
/* A name's row in a round. The texts are read when it is the row's turn. */
struct acme_row {
	struct str name;		   /* lower case */
	struct str state_text, entry_text; /* as stored; empty: none */
	bool asked;			   /* an operator wants it renewed */
	UT_hash_handle hh;
};

/* Renewals go first: nothing may keep a served name from its next certificate. */
enum acme_pass { PASS_CERTIFIED, PASS_OWN, PASS_OTHERS, PASS_COUNT };

struct acme_round {
	struct op op;	       /* holds all answers of the store */
	struct acme *acme;     /* borrowed */
	const char *directory; /* URL, in the arena */
	int64_t until_ms;      /* monotonic: what is left then is done by the next round */
	cJSON *account;	       /* owner; an object */
	struct acme_client client;
	struct acme_order order;
	acme_on_account *on_account;
	struct acme_names names;
	struct acme_row *rows; /* hash, in the arena */
	unsigned parts;	       /* reads due */
	struct err failure;    /* of a read */
	/* The walk: */
	enum acme_pass pass;
	struct acme_row *first;		/* where each pass begins; then the hash's order, around its end */
	struct acme_row *row;		/* in hand, or the next one; NULL: the pass has ended */
	const struct acme_name *wanted; /* row's; NULL: not any more */
	cJSON *state, *entry;		/* owner: row's; entry NULL: there is no certificate */
	unsigned certified, failing;
	unsigned limits;    /* names that the CA's limits have stopped, one after the other */
	unsigned kept_back; /* names that wait because the CA failed */
	bool is_open;	    /* the account is ready */
	bool has_wrong_key;
	int64_t soonest_ms; /* unix: a name that waits is tried then; 0: none does */
	/* Where the server is: */
	struct ip own_ips[ACME_OWN_IPS_MAX];
	unsigned own_ip_count;
	unsigned own_at; /* the names up to here have been asked for */
	struct dns_query *query;
};

/* Starts one. It calls acme_on_round_end() as its last act, never from within. */
struct acme_round *acme_round_start(struct acme *a);
/* It does not call back. Sets *round to NULL. */
void acme_round_cancel(struct acme_round **round);
/* Writes the name's state; then cb, unless the write fails: then the round ends. */
void acme_round_save(struct acme_round *round, struct str name, const cJSON *state, redis_on_reply *cb);
/* For a reply of the store: false if the round is over (or ends now, because of err). */
bool acme_round_back(struct acme_round *round, const struct err *err);
void acme_round_on_written(void *round, const redisReply *reply, const struct err *err); /* nothing waits for it */
/* Everything is read: the walk begins. */
void acme_round_begin(struct acme_round *round);
/* NULL: not an object. */
cJSON *acme_parse(struct str text);
void acme_set_text(cJSON *object, const char *name, const char *value);
void acme_set_number(cJSON *object, const char *name, int64_t value);

#endif
