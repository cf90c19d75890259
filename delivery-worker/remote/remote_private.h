/* The work of one REMOTE job:
 *
 *   route     relay host, literal or MX records
 *   target    the next address: of the host in hand, then of the next host
 *   session   an idle connection, or a new one
 *   message   all recipients that have no result yet
 *
 * remote.c finds targets, dane.c and sts.c what is known of their certificates,
 * session.c connects to them, message.c sends, putoff.c keeps what a server put
 * off until another was asked, shared.c holds what all jobs have in common. */
#ifndef SP_WORKER_REMOTE_PRIVATE_H
#define SP_WORKER_REMOTE_PRIVATE_H

#include <openssl/ssl.h>

#include "delivery-worker/remote/client.h"
#include "delivery-worker/remote/pool.h"
#include "delivery-worker/remote/remote.h"
#include "delivery-worker/remote/route.h"
#include "lib/tlspolicy/sts.h"

#define TARGETS_MAX 24 /* addresses of all hosts */
#define TRIES_MAX   12 /* connections for one job */
#define VISITS_MAX  2  /* servers that may put recipients off before the job ends (RFC 5321, 5.1: at least two) */

struct remote {
	struct worker *worker;	  /* borrowed */
	SSL_CTX *tls;		  /* owner */
	char *client_certificate; /* file of that; owner */
	struct pool *pool;
	struct ip *own; /* addresses of this host; owner */
	unsigned own_count;
	bool has_ipv6;		 /* one that leads somewhere */
	struct web_client *http; /* owner */
	struct sts *sts;	 /* owner */
};

/* What a server put off for now (4yz): the result, unless another server has a
 * better one. All in the job's arena. */
struct soft_answer {
	unsigned at_try; /* remote_work.tries when it came; 0: there is none */
	int code;
	char enhanced[ENHANCED_CODE_MAX];
	struct str text;
	char *remote, *tls;
};

/* An address to be tried. */
struct candidate {
	struct smtp_target target;
	const struct route_host *host; /* borrowed from the route */
};

struct remote_work {
	struct job *job;       /* borrowed */
	struct remote *remote; /* borrowed */
	struct str sender_domain;

	struct route route;
	unsigned next_host;
	struct dns_query *query; /* under way */
	struct {
		const struct ip *ips; /* of the host in hand; in the arena */
		unsigned ip_count;
		struct str original, base; /* the host's name as it was, and at the end of its aliases */
		void (*on_end)(struct remote_work *w, bool known);
	} dane;
	struct {
		struct sts_lookup *lookup; /* under way */
		bool found;
		struct sts_policy policy; /* in the arena */
		enum tls_result problem;  /* with the one that the domain has now */
		const char *reason;
		void (*on_end)(struct remote_work *w);
	} sts;
	bool dns_trouble; /* a host's addresses could not be asked for */
	bool any_target;
	struct candidate targets[TARGETS_MAX];
	unsigned target_count, target_at;
	struct candidate postponed[TARGETS_MAX]; /* not reached a moment ago: tried last */
	unsigned postponed_count;
	unsigned tries;
	unsigned visits;	     /* servers that put recipients off */
	struct soft_answer *put_off; /* by place in the job's recipients; in the arena */

	/* The target in hand. */
	struct smtp_target target;
	const struct route_host *host;
	struct tls_wish wish;
	struct smtp_client *client; /* owner */
	struct pool_key key;
	bool reused;	 /* an idle connection */
	bool fresh_only; /* an idle one had gone */
	bool plain_only; /* TLS failed: once more without */
	bool no_source;	 /* the source address failed: once more without */

	struct smtp_message message;
	struct str authenticated_field; /* a whole line, or empty */
	struct str fields;		/* all that goes in front: that, and the signatures */
	uint32_t *indexes;		/* of the message's rcpts, in the job */
	struct blob_read *read;		/* looking into the message before it is sent */
	struct downgrade *downgrade;	/* owner; NULL: never wanted */
	uint64_t scan_at;		/* in the blob */
	bool is_scanned;		/* to its end */

	/* The last host that failed, for the report (work_note_trouble()). */
	const char *trouble;		      /* in the arena; NULL: none */
	char trouble_code[ENHANCED_CODE_MAX]; /* "5...": of every further try the same will be true */
	char trouble_remote[384];
	bool destination_ill; /* no connection, or sent away: not the message's fault */
};

/* remote.c */
void work_next_target(struct remote_work *w);
/* As that, but the other addresses of the host in hand, which are most likely
 * the same server, come last. */
void work_next_host(struct remote_work *w);
void work_refuse(struct remote_work *w, const struct route_refusal *why);
/* Why a host was not to be had. A final reason (a code "5...") counts only if
 * no host has another: that one may take the message later. is_ill: so will it be for
 * other messages; never so with a final one. */
void work_note_trouble(struct remote_work *w, const char *code, const char *text, const char *remote, bool is_ill);
/* Our own trouble (jobs.h): those that have no result yet go to another worker. */
void work_postpone(struct remote_work *w, const struct err *err);
void work_finish(struct remote_work *w);
const struct settings_smtp_out *work_settings(const struct remote_work *w);

/* dane.c */
/* The TLSA records of the host in hand, into the route; answer: its addresses.
 * on_end comes once, maybe from within. known false: the records cannot be
 * had, and nothing may be sent there now (RFC 7672, 2.1.3); the trouble is noted. */
void dane_look_up(struct remote_work *w, const struct dns_answer *answer,
		  void (*on_end)(struct remote_work *w, bool known));

/* sts.c */
/* The MTA-STS policy of the destination. on_end comes once, maybe from within;
 * not at all if it cannot be had: then the job is over, to be tried again. */
void sts_look_up(struct remote_work *w, void (*on_end)(struct remote_work *w));
/* May mail go to the host? The trouble is noted if not. */
bool sts_allows(struct remote_work *w, const struct route_host *h);
/* Is there a policy that must be kept to? */
bool sts_is_enforced(const struct remote_work *w);

/* session.c */
void session_try(struct remote_work *w); /* w->target */
void session_drop(struct remote_work *w);
/* "mx.example.org [192.0.2.1]:25" */
void session_name(const struct remote_work *w, char *out, size_t size);

/* tally.c: counts for TLS reports */
void tally_session(const struct remote_work *w); /* w->client, a new one, is ready */
void tally_failure(const struct remote_work *w, const struct smtp_failure *f);
/* Hosts that were passed over: without records that should be there, or not in
 * the MTA-STS policy. */
void tally_no_records(const struct remote_work *w, const struct route_host *h, const struct err *err);
void tally_not_named(const struct remote_work *w, const struct route_host *h);

/* message.c */
void message_fill(struct remote_work *w);  /* at the start of the job */
void message_begin(struct remote_work *w); /* w->client is ready */
void message_on_sent(void *arg);
/* The connection broke with the message on its way. True: the job is over. */
bool message_on_lost(struct remote_work *w, const struct smtp_failure *f);

/* putoff.c */
void put_off_begin(struct remote_work *w); /* at the start of the job */
/* The server in hand has put off a recipient of the job. False: it is one
 * server too many, so that this is the result. */
bool put_off_note(struct remote_work *w, uint32_t index, const struct smtp_answer *a);
/* By the server in hand? Then it is not asked again. */
bool put_off_is_here(const struct remote_work *w, uint32_t index);
/* Makes results of what was put off, where there are none yet. */
void put_off_settle(struct remote_work *w, bool only_here);

/* shared.c */
bool remote_is_own(const struct remote *r, const struct ip *ip);
/* False: an address of a family that this host has no way for. */
bool remote_may_reach(const struct remote *r, const struct ip *ip);

#endif
