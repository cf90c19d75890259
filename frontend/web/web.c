/* What all requests of the API share. */
#include "frontend/web/live.h"
#include "frontend/web/private.h"
#include "lib/base/mem.h"
#include "lib/dns/dns.h"

struct web *
web_new(struct frontend *f)
{
	struct web *web = mem_new(struct web);
	struct service *s = f->service;

	web->frontend = f;
	web->admin = (struct admin){
		.base = s->base,
		.redis = s->redis,
		.tracking = s->tracking,
		.directory = f->directory,
		.settings = s->settings,
		.mailboxes = f->mailboxes,
		.dkim = f->dkim_keys,
		.hostname = s->hostname,
		.redis_url = s->redis_url,
		.blobs_url = s->blobs_url,
	};
	web->live = live_new(web);
	return web;
}

void
web_free(struct web **web)
{
	if (*web == NULL)
		return;
	live_free(&(*web)->live);
	web_removals_fini(*web);
	admin_brokers_free(&(*web)->brokers);
	dns_free(&(*web)->dns);
	mem_free(*web);
	*web = NULL;
}

struct admin_brokers *
web_brokers(struct web *web, struct err *err)
{
	char name[SERVICE_ID_MAX + 8];

	if (web->brokers == NULL) {
		snprintf(name, sizeof(name), "%s-web", web->frontend->service->id);
		web->brokers = admin_brokers_new(&web->admin, name, err);
	}
	return web->brokers;
}
