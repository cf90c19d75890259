/* The frontend: stateless; accepts connections and speaks the protocols. */
#include <stdio.h>
#include <stdlib.h>

#include "frontend/core/core.h"
#include "frontend/core/session.h"
#include "frontend/web/web.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/service/metrics.h"

static const char *protocol_names, *hostnames, *resolver;
static struct tls_options tls_options;

static const struct service_option options[] = {
	{"protocols", "STAGEPOST_PROTOCOLS", "LIST", NULL,
	 "Listeners to open, separated by commas; default: all of "
	 "smtp,submission,submissions,pop3,pop3s,imap,imaps,ldap,ldaps,http,https.",
	 &protocol_names},
	{"tls-cert", "STAGEPOST_TLS_CERT", "FILE", NULL, "Default certificate chain (PEM).", &tls_options.cert_path},
	{"tls-key", "STAGEPOST_TLS_KEY", "FILE", NULL, "Private key of --tls-cert (PEM).", &tls_options.key_path},
	{"tls-dir", "STAGEPOST_TLS_DIR", "FOLDER", NULL,
	 "Certificates for other names: FOLDER/<name>/cert.pem and key.pem. Without any certificate there is no TLS.",
	 &tls_options.dir},
	{"hostnames", "STAGEPOST_HOSTNAMES", "LIST", NULL,
	 "Names for #HostName# in banners by local address: 192.0.2.1=mx1.example.com,...", &hostnames},
	{"resolver", "STAGEPOST_RESOLVER", "ADDR[@PORT]", NULL, "Name server; default: those of resolv.conf.",
	 &resolver},
	{0},
};

static const struct service_description description = {
	.kind = "frontend",
	.summary = "accept connections of mail clients and servers for a Stagepost cluster",
	.options = options,
	.bodies = SERVICE_TAKES_BODIES,
};

static void
frontend_on_drain(void *arg)
{
	struct core *core = arg;

	listeners_close(core);
	conns_drain(core);
}

static void
frontend_on_status(void *arg, cJSON *status)
{
	const struct core *core = arg;
	cJSON *connections = cJSON_AddObjectToObject(status, "connections");

	for (unsigned i = 0; protocols[i] != NULL; i++)
		cJSON_AddNumberToObject(connections, protocols[i]->name, core->states[i].count);
	if (core->tls != NULL)
		tls_add_status(core->tls, status);
}

static const char *
frontend_why_not_ready(void *arg)
{
	const struct core *core = arg;

	if (!secret_is_known(core->frontend.secret))
		return "the cluster secret has not been read yet";
	return bus_client_is_ready(core->frontend.bus) ? NULL : "no broker owns the spool";
}

static void
on_settings(void *arg, const struct settings *settings)
{
	struct frontend *f = arg;

	mailbox_store_set_retention(f->mailboxes, settings_mailbox(settings, STR_NONE)->tombstone_retention);
}

static void
on_login_delayed(void *arg)
{
	(void)arg;
	metrics_add(M_AUTH_DELAYED, 1);
}

/* Without keys nobody can have a second factor, and certificates in the store are not
 * read. */
static int
open_seals(struct frontend *f, struct err *err)
{
	const char *keys = getenv("STAGEPOST_SECRET_KEY");

	if (keys == NULL || keys[0] == '\0')
		return 0;
	f->seals = secret_keys_new(str_c(keys), err);
	return f->seals != NULL ? 0 : -1;
}

static int
open_tls(struct core *core, struct err *err)
{
	const struct service *s = core->frontend.service;

	if ((tls_options.cert_path != NULL) != (tls_options.key_path != NULL))
		return err_set(err, ERR_INVALID, "--tls-cert and --tls-key must be given together");
	if (tls_options.cert_path == NULL && tls_options.dir == NULL && core->frontend.seals == NULL) {
		log_warning(NULL, "no certificate was given: TLS is not available");
		return 0;
	}
	tls_options.secret = core->frontend.secret;
	tls_options.hostname = s->hostname;
	tls_options.keys = core->frontend.seals;
	tls_options.redis = s->redis;
	tls_options.tracking = s->tracking;
	core->tls = tls_new(s->base, &tls_options, err);
	return core->tls != NULL ? 0 : -1;
}

static int
open_core(struct core *core, struct service *s, struct err *err)
{
	struct frontend *f = &core->frontend;
	unsigned count = 0;

	f->service = s;
	core->hostnames = hostnames;
	f->secret = secret_new(s->base, s->redis, str_c(getenv("STAGEPOST_CLUSTER_KEY")));
	f->directory = directory_new(s->base, s->redis, s->tracking, s->settings);
	directory_set_hostname(f->directory, str_c(s->hostname));
	f->auth = auth_new(s->base, s->redis, f->secret, s->settings, f->directory);
	auth_watch_delays(f->auth, on_login_delayed, NULL);
	if (open_seals(f, err) != 0)
		return -1;
	auth_set_seals(f->auth, f->seals);
	f->mailboxes = mailbox_store_new(s->redis, s->blobs);
	f->books = books_new(s->base, s->redis, s->tracking, f->directory);
	settings_live_watch(s->settings, on_settings, f);
	f->dkim_keys = dkim_keys_new(s->redis, s->tracking);
	f->dkim_signer = dkim_signer_new(s->base);
	f->dns = dns_new(s->base, resolver, NULL, err);
	if (f->dns == NULL)
		return -1;
	f->spam_health = spam_health_new();
	f->org_domains = org_domains_new(err);
	if (f->org_domains == NULL)
		return -1;
	f->bus = bus_client_new(s->base, s->redis, s->tracking, s->id, err);
	if (f->bus == NULL)
		return -1;
	session_accounts_init(f);
	f->web = web_new(f);
	if (open_tls(core, err) != 0)
		return -1;
	while (protocols[count] != NULL)
		count++;
	core->states = mem_zalloc(sizeof(*core->states) * (count + 1));
	for (unsigned i = 0; i < count; i++) {
		core->states[i].protocol = protocols[i];
		if (protocols[i]->init != NULL && protocols[i]->init(f, err) != 0)
			return -1;
	}
	return listeners_open(core, protocol_names, err);
}

static void
close_core(struct core *core)
{
	struct frontend *f = &core->frontend;

	listeners_close(core);
	conns_abort(core);
	web_free(&f->web);
	bus_client_free(&f->bus);
	dns_free(&f->dns);
	spam_health_free(&f->spam_health);
	org_domains_free(&f->org_domains);
	dkim_signer_free(&f->dkim_signer);
	dkim_keys_free(&f->dkim_keys);
	books_free(&f->books);
	mailbox_store_free(&f->mailboxes);
	auth_free(&f->auth);
	directory_free(&f->directory);
	tls_free(&core->tls);
	secret_keys_free(&f->seals);
	secret_free(&f->secret);
	mem_free(core->states);
}

int
main(int argc, char **argv)
{
	struct service service;
	struct core core = {0};
	struct err err;
	int status;

	service_init(&service, &description, argc, argv);
	if (open_core(&core, &service, &err) != 0) {
		fprintf(stderr, "frontend: %s\n", err.text);
		return 1;
	}
	service_on_drain(&service, frontend_on_drain, &core);
	service_on_status(&service, frontend_on_status, &core);
	service_on_ready_check(&service, frontend_why_not_ready, &core);
	status = service_run(&service);
	close_core(&core);
	service_fini(&service);
	return status;
}
