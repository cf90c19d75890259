/* The work of one REMOTE job, and what the files that do it have in common.
 *
 *   remote.c    the route, the targets in turn, the end of the job
 *   session.c   a connection to the current target: an idle one, or a new one
 *   message.c   the message over it: all recipients that have no result yet
 *   seal.c      its ARC set, if it is forwarded
 *   putoff.c    recipients that a server deferred, until another was asked
 *   dane.c      what DNS knows of the certificates of a host
 *   sts.c       what the domain's MTA-STS policy says of them
 *   tally.c     counts of TLS sessions, for reports
 *   targets.c   addresses, in the order in which they are tried
 *   work.c      what all of these need
 *
 * Each calls only those below it. It reports to the one above with the callback
 * that it was given at the start of the job. Only the file of the same name
 * writes to one of the structs here; the rest belongs to remote.c, except the
 * connection. */
#ifndef SP_WORKER_REMOTE_WORK_H
#define SP_WORKER_REMOTE_WORK_H

#include "delivery-worker/remote/client.h"
#include "delivery-worker/remote/dane.h"
#include "delivery-worker/remote/message.h"
#include "delivery-worker/remote/putoff.h"
#include "delivery-worker/remote/route.h"
#include "delivery-worker/remote/session.h"
#include "delivery-worker/remote/shared.h"
#include "delivery-worker/remote/sts.h"
#include "delivery-worker/remote/targets.h"

#define SERVER_NAME_MAX 384

/* Of the last host that failed, for the report (work_note_trouble()). */
struct trouble {
	const char *text;	      /* in the arena; NULL: none */
	char code[ENHANCED_CODE_MAX]; /* "5...": every further try will end the same way */
	char remote[SERVER_NAME_MAX];
	bool is_ill; /* no connection, or turned away: not the message's fault */
};

struct remote_work {
	struct job *job;       /* borrowed */
	struct remote *remote; /* borrowed */
	struct str sender_domain;

	struct route route;
	unsigned next_host;
	struct dns_query *query; /* for the route or a host, in progress */
	bool dns_trouble;	 /* a host's addresses could not be looked up */
	bool any_target;	 /* there was one, or a reason for its absence that must be reported */
	struct targets targets;

	/* The current target. */
	struct smtp_target target;
	const struct route_host *host;
	struct smtp_client *client; /* owner; session.c's; NULL: none */
	unsigned tries;		    /* session.c's: connections so far */

	struct dane dane;
	struct sts_check sts;
	struct session session;
	struct message message;
	struct put_off put_off;
	struct trouble trouble;
};

const struct settings_smtp_out *work_settings(const struct remote_work *w);
/* "mx.example.org [192.0.2.1]:25": the current server. */
void work_server_name(const struct remote_work *w, char out[SERVER_NAME_MAX]);
/* Why a host could not be used. A permanent reason (a code "5...") counts only
 * if no host has a temporary one: that host may accept the message later.
 * is_ill: the same holds for other messages; never set with a permanent
 * reason. */
void work_note_trouble(struct remote_work *w, const char *code, const char *text, const char *remote, bool is_ill);

#endif
