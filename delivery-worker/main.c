/* The delivery worker: takes jobs from the spool brokers, files messages into
 * mailboxes, sends them to other servers and writes reports. */
#include <unistd.h>

#include "delivery-worker/acme/acme.h"
#include "delivery-worker/book/comparer.h"
#include "delivery-worker/jobs/jobs.h"
#include "delivery-worker/remote/remote.h"
#include "delivery-worker/retrieve/retriever.h"
#include "delivery-worker/sweep/sweeper.h"
#include "delivery-worker/tlsrpt/reporter.h"
#include "lib/service/service.h"
#include "lib/spam/ask.h"

static const char *resolver, *trust_anchor, *ca_file, *sts_port;

static const struct service_option options[] = {
	{"resolver", "STAGEPOST_RESOLVER", "ADDR[@PORT]", NULL, "Name server; default: those of resolv.conf.",
	 &resolver},
	{"trust-anchor", "STAGEPOST_TRUST_ANCHOR", "FILE", NULL,
	 "DS or DNSKEY records that are the DNSSEC trust anchor for DANE (the root's: /usr/share/dns/root.key); else "
	 "there is none.",
	 &trust_anchor},
	{"ca-file", "STAGEPOST_CA_FILE", "FILE", NULL,
	 "Certificate authorities (PEM) for the certificates of remote servers; default: those of the system.",
	 &ca_file},
	{"sts-port", "STAGEPOST_STS_PORT", "PORT", "443", "Port of the web servers with MTA-STS policies.", &sts_port},
	{NULL, NULL, NULL, NULL, NULL, NULL},
};

static const struct service_description description = {
	.kind = "delivery-worker",
	.summary = "take jobs from the spool brokers (local delivery, SMTP out, reports); sweep, order certificates, "
		   "retrieve",
	.options = options,
	.bodies = SERVICE_WRITES_BODIES,
};

struct program {
	struct service service;
	struct worker worker;
};

static void
on_idle(void *arg)
{
	struct program *p = arg;

	service_drained(&p->service);
}

/* Only from here on nothing is counted any more. */
static void
on_empty(void *arg)
{
	struct program *p = arg;

	tls_reporter_drain(p->worker.tls_reporter, on_idle, p);
}

static void
main_on_drain(void *arg)
{
	struct program *p = arg;

	acme_stop(p->worker.acme);
	retriever_stop(p->worker.retriever);
	sweeper_stop(p->worker.sweeper);
	comparer_stop(p->worker.comparer);
	tls_reporter_stop(p->worker.tls_reporter);
	jobs_drain(p->worker.jobs, on_empty, p);
}

static void
main_on_status(void *arg, cJSON *status)
{
	struct program *p = arg;
	cJSON *jobs = cJSON_AddObjectToObject(status, "jobs");

	for (const struct job_kind *k = job_kinds; k->name != NULL; k++) {
		struct jobs_count count;
		cJSON *kind = cJSON_AddObjectToObject(jobs, k->name);

		jobs_count(p->worker.jobs, k->kind, &count);
		cJSON_AddNumberToObject(kind, "running", count.running);
		cJSON_AddNumberToObject(kind, "slots", (double)count.slots);
		if (count.rests)
			cJSON_AddBoolToObject(kind, "rests", true);
		cJSON_AddNumberToObject(kind, "done", (double)count.done);
	}
	acme_add_status(p->worker.acme, status);
	retriever_add_status(p->worker.retriever, status);
	cJSON_AddNumberToObject(status, "idle_connections", remote_idle_connections(p->worker.remote));
}

static const char *
main_why_not_ready(void *arg)
{
	struct program *p = arg;

	return bus_client_is_ready(p->worker.bus) ? NULL : "no broker";
}

static void
main_on_settings(void *arg, const struct settings *settings)
{
	struct worker *w = arg;

	mailbox_store_set_retention(w->mailboxes, settings_mailbox(settings, STR_NONE)->tombstone_retention);
}

static int
worker_init(struct program *p, struct err *err)
{
	struct worker *w = &p->worker;
	struct service *s = &p->service;
	uint64_t port;

	w->name = s->id;
	w->hostname = s->hostname;
	w->ca_file = ca_file;
	if (!str_to_u64(str_c(sts_port), &port) || port < 1 || port > UINT16_MAX)
		return err_set(err, ERR_INVALID, "--sts-port must be 1 to 65535");
	w->sts_port = (uint16_t)port;
	w->base = s->base;
	w->redis = s->redis;
	w->tracking = s->tracking;
	w->settings = s->settings;
	w->blobs = s->blobs;
	w->dns = dns_new(s->base, resolver, trust_anchor, err);
	if (w->dns == NULL)
		return -1;
	w->directory = directory_new(s->base, s->redis, s->tracking, s->settings);
	directory_set_hostname(w->directory, str_c(s->hostname));
	w->mailboxes = mailbox_store_new(s->redis, s->blobs);
	settings_live_watch(s->settings, main_on_settings, w);
	w->dkim_keys = dkim_keys_new(s->redis, s->tracking);
	w->dkim_signer = dkim_signer_new(s->base);
	w->remote = remote_new(w, err);
	if (w->remote == NULL)
		return -1;
	w->spam_health = spam_health_new();
	w->bus = bus_client_new(s->base, s->redis, s->tracking, s->id, err);
	if (w->bus == NULL)
		return -1;
	w->tls_reporter = tls_reporter_new(w);
	w->sweeper = sweeper_new(w);
	w->comparer = comparer_new(w);
	w->acme = acme_new(w, err);
	if (w->acme == NULL)
		return -1;
	w->retriever = retriever_new(w, err);
	if (w->retriever == NULL)
		return -1;
	w->jobs = jobs_new(w);
	return 0;
}

/* In the order of their dependencies: jobs end first, and the directory and
 * mailboxes while everything that calls back into them still exists. */
static void
worker_fini(struct worker *w)
{
	jobs_free(&w->jobs);
	retriever_free(&w->retriever);
	acme_free(&w->acme);
	comparer_free(&w->comparer);
	sweeper_free(&w->sweeper);
	tls_reporter_free(&w->tls_reporter);
	bus_client_free(&w->bus);
	spam_health_free(&w->spam_health);
	remote_free(&w->remote);
	dkim_signer_free(&w->dkim_signer);
	dkim_keys_free(&w->dkim_keys);
	mailbox_store_free(&w->mailboxes);
	directory_free(&w->directory);
	dns_free(&w->dns);
}

int
main(int argc, char **argv)
{
	static struct program p;
	struct err err;
	int status;

	service_init(&p.service, &description, argc, argv);
	if (worker_init(&p, &err) != 0) {
		log_error(NULL, "delivery worker cannot start", F_ERR(&err));
		return 1;
	}
	service_on_drain(&p.service, main_on_drain, &p);
	service_on_status(&p.service, main_on_status, &p);
	service_on_ready_check(&p.service, main_why_not_ready, &p);
	status = service_run(&p.service);
	if (!jobs_are_none(p.worker.jobs) || !tls_reporter_is_idle(p.worker.tls_reporter)) {
		/* The grace time is over. Callbacks that these jobs wait for would
		 * reach freed memory; their leases expire by themselves. */
		log_warning(NULL, "stopping while jobs are in progress");
		_exit(status);
	}
	worker_fini(&p.worker);
	service_fini(&p.service);
	return status;
}
