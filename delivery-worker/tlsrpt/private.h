/* The making of one report:
 *
 *   begun      its plan: id, tries, the result of each URI so far
 *   record     the TXT record says where it goes
 *   counts     make the report
 *   each URI   mailed (mail.c) or posted (post.c), and marked
 *   ended      finished, or postponed
 *
 * reporter.c finds what is due, making.c takes these steps. The file that serves
 * a URI reports to making.c with a callback, as making.c does to reporter.c. */
#ifndef SP_WORKER_TLSRPT_PRIVATE_H
#define SP_WORKER_TLSRPT_PRIVATE_H

#include "delivery-worker/tlsrpt/reporter.h"
#include "lib/base/arena.h"
#include "lib/base/log.h"
#include "lib/net/web.h"
#include "lib/tlspolicy/pending.h"
#include "lib/tlspolicy/report.h"
#include "lib/tlspolicy/rua.h"
#include "lib/tlspolicy/tally.h"

struct making;

struct tls_reporter {
	struct worker *worker; /* borrowed */
	struct tally *tally;   /* owner, like the next three */
	struct web_client *web;
	struct event *timer;
	void (*on_making_ended)(struct making *m); /* frees it; reporter.c's */
	struct making *makings;
	unsigned making_count;
	unsigned asking;	/* claims on their way */
	bool unsigned_told;	/* the absence of a key was logged */
	bool counts_are_stored; /* draining */
	bool stopped;
	void (*on_end)(void *arg);
	void *on_end_arg;
};

/* The result of a try to serve one URI. */
enum served { SERVED_DONE, SERVED_NEVER, SERVED_LATER };

struct making {
	struct tls_reporter *reporter; /* borrowed */
	struct arena arena;
	struct log_context log;
	char day[TALLY_DAY_MAX];
	int64_t start_ms; /* the day's */
	struct str domain;
	struct tls_reporting who; /* words borrowed from the arena */
	struct pending_plan plan;
	const char *id; /* of the report: "<plan's id>@<submitter>" */
	const struct str *settled;
	unsigned settled_count; /* URIs that need no more tries */

	struct rua_list rua;
	unsigned at;
	unsigned done, later; /* of the URIs; done: by any try */
	struct buf gzip;      /* owner: the report */

	/* The current URI. */
	/* Served or not; why: in words, for all but SERVED_DONE. Belongs to making.c. */
	void (*on_served)(struct making *m, enum served served, const char *why);
	struct dns_query *query;
	struct buf message; /* owner: Return-Path line and message */
	uint32_t return_path_length;
	struct dkim_stream *dkim; /* owner */
	struct dkim_signing signing;
	struct str signatures;
	struct blob_id body;
	struct str to; /* canonical address */
	bool is_local;
	struct making *prev, *next;
};

/* making.c */
void making_start(struct tls_reporter *r, const char *day, struct str domain);
/* The process ends: gives it back now if it waits for DNS, otherwise at its next step. */
void making_stop(struct making *m);

/* mail.c: then on_served. */
void mail_serve(struct making *m, struct str address);
/* Composes the message in m->message; pure. id: its spool id; to: an address. */
void mail_compose(struct making *m, const char *id, struct str to, int64_t now_ms);

/* post.c: then on_served. */
void post_serve(struct making *m, struct str url);

#endif
