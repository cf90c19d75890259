/* spool-broker: stores accepted messages durably and decides what is tried when. */
#include <stdlib.h>

#include "lib/base/log.h"
#include "lib/service/service.h"
#include "lib/spool/id.h"
#include "spool-broker/admin/status.h"
#include "spool-broker/queue/message.h"
#include "spool-broker/run.h"

static const char *option_listen, *option_announce, *option_shards, *resolver;

static const struct service_option options[] = {
	{"bus-listen", "STAGEPOST_BUS_LISTEN", "ENDPOINT", "tcp://127.0.0.1:*",
	 "where frontends and workers connect (tcp://*:5571: IPv4 and IPv6); other than loopback needs "
	 "STAGEPOST_CLUSTER_KEY",
	 &option_listen},
	{"bus-announce", "STAGEPOST_BUS_ANNOUNCE", "HOST", NULL,
	 "host to announce when --bus-listen is a wildcard address (default: the host name)", &option_announce},
	{"resolver", "STAGEPOST_RESOLVER", "ADDR[@PORT]", NULL,
	 "Name server for the lookup of shared mail servers; default: those of resolv.conf.", &resolver},
	{"shards", NULL, "N", "16", "number of spool shards, for a new cluster", &option_shards},
	{NULL, NULL, NULL, NULL, NULL, NULL},
};

static const struct service_description description = {
	.kind = "spool-broker",
	.summary = "keep the spool: store accepted messages durably and hand them to delivery workers",
	.options = options,
	.reports_settings_errors = true,
};

struct program {
	struct service service;
	struct dns *dns;       /* owner */
	struct broker *broker; /* owner */
};

static void
on_drained(void *arg)
{
	struct program *p = arg;
	service_drained(&p->service);
}

static void
broker_on_drain(void *arg)
{
	struct program *p = arg;
	broker_drain(p->broker, on_drained, p);
}

static void
broker_on_status(void *arg, cJSON *status)
{
	struct program *p = arg;
	status_describe(p->broker, status);
}

static const char *
broker_why_not_ready(void *arg)
{
	struct program *p = arg;
	return broker_is_ready(p->broker) ? NULL : "owns no shard yet";
}

static int
open_broker(struct program *p, struct err *err)
{
	struct service *s = &p->service;
	uint64_t shards = 0;

	if (!str_to_u64(str_c(option_shards), &shards) || shards < 1 || shards > SPOOL_SHARDS_MAX)
		return err_set(err, ERR_INVALID, "--shards must be 1 to %d", SPOOL_SHARDS_MAX);
	if (str_index(str_c(s->id), ' ') >= 0 || s->id[0] == '\0')
		return err_set(err, ERR_INVALID, "--id must be a word");
	p->dns = dns_new(s->base, resolver, NULL, err);
	if (p->dns == NULL)
		return -1;
	p->broker = broker_new(
		&(struct broker_config){.base = s->base,
					.redis = s->redis,
					.tracking = s->tracking,
					.settings = s->settings,
					.blobs = s->blobs,
					.dns = p->dns,
					.id = s->id,
					.listen = option_listen,
					.announce_host = option_announce != NULL ? option_announce : s->hostname,
					.shards = (unsigned)shards},
		err);
	return p->broker != NULL ? 0 : -1;
}

int
main(int argc, char **argv)
{
	static struct program program;
	struct err err;
	int status;

	service_init(&program.service, &description, argc, argv);
	if (open_broker(&program, &err) != 0) {
		log_error(NULL, "cannot start", F_ERR(&err));
		service_fini(&program.service);
		return EXIT_FAILURE;
	}
	service_on_drain(&program.service, broker_on_drain, &program);
	service_on_status(&program.service, broker_on_status, &program);
	service_on_ready_check(&program.service, broker_why_not_ready, &program);
	status = service_run(&program.service);
	broker_free(&program.broker);
	dns_free(&program.dns);
	service_fini(&program.service);
	return status;
}
