/* What all jobs of a worker process share. */
#ifndef SP_WORKER_WORKER_H
#define SP_WORKER_WORKER_H

#include <event2/event.h>

#include "lib/blob/blob.h"
#include "lib/bus/client.h"
#include "lib/directory/directory.h"
#include "lib/dkim/signing.h"
#include "lib/dns/dns.h"
#include "lib/mailbox/mailbox.h"
#include "lib/redis/redis.h"
#include "lib/settings/settings.h"

struct acme;
struct spam_health;
struct comparer;
struct jobs;
struct sweeper;
struct tally;
struct tls_reporter;
struct remote;
struct retriever;

struct worker {
	const char *name;	 /* borrowed: this process in the cluster */
	const char *hostname;	 /* borrowed */
	const char *ca_file;	 /* borrowed; authorities for remote certificates; NULL: the system's */
	uint16_t sts_port;	 /* of web servers with MTA-STS policies */
	struct event_base *base; /* borrowed, like the next four */
	struct redis *redis;
	struct tracking *tracking;
	struct settings_live *settings;
	struct blob_store *blobs;
	struct bus_client *bus; /* owner, like all that follow */
	struct directory *directory;
	struct mailbox_store *mailboxes;
	struct dns *dns;
	struct dkim_keys *dkim_keys;
	struct dkim_signer *dkim_signer;
	struct tls_reporter *tls_reporter; /* delivery-worker/tlsrpt/reporter.h */
	struct tally *tally;		   /* borrowed from it */
	struct remote *remote;		   /* delivery-worker/remote/remote.h */
	struct spam_health *spam_health;   /* lib/spam/ask.h */
	struct sweeper *sweeper;	   /* delivery-worker/sweep/sweeper.h */
	struct comparer *comparer;	   /* delivery-worker/book/comparer.h */
	struct acme *acme;		   /* delivery-worker/acme/acme.h */
	struct retriever *retriever;	   /* delivery-worker/retrieve/retriever.h */
	struct jobs *jobs;		   /* delivery-worker/jobs/jobs.h */
};

#endif
