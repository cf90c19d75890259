#include "delivery-worker/remote/shared.h"

#include <ifaddrs.h>
#include <string.h>

#include "lib/base/mem.h"

static void
shared_read_own_addresses(struct remote *r)
{
	struct ifaddrs *list, *i;
	unsigned count = 0;

	if (getifaddrs(&list) != 0)
		return;
	for (i = list; i != NULL; i = i->ifa_next)
		count++;
	r->own = mem_alloc(sizeof(*r->own) * (count + 1));
	for (i = list; i != NULL; i = i->ifa_next) {
		struct ip *ip = &r->own[r->own_count];

		if (i->ifa_addr == NULL || !ip_from_sockaddr(i->ifa_addr, ip, NULL))
			continue;
		r->own_count++;
		/* fe80::/10 leads nowhere. */
		if (ip->family == 6 && !ip_is_loopback(ip) && (ip->bytes[0] != 0xfe || (ip->bytes[1] & 0xc0) != 0x80))
			r->has_ipv6 = true;
	}
	freeifaddrs(list);
}

bool
remote_is_own(const struct remote *r, const struct ip *ip)
{
	for (unsigned i = 0; i < r->own_count; i++) {
		if (ip_eq(&r->own[i], ip))
			return true;
	}
	return ip_is_loopback(ip);
}

bool
remote_may_reach(const struct remote *r, const struct ip *ip)
{
	return ip->family == 4 || r->has_ipv6 || ip_is_loopback(ip);
}

/* If a client certificate cannot be read, the previous one stays in use. */
static int
shared_make_tls(struct remote *r, const char *client_certificate, struct err *err)
{
	SSL_CTX *ctx;

	if (r->tls != NULL && strcmp(r->client_certificate, client_certificate) == 0)
		return 0;
	ctx = tls_context_new(r->worker->ca_file, client_certificate, err);
	if (ctx == NULL)
		return -1;
	SSL_CTX_free(r->tls);
	mem_free(r->client_certificate);
	r->tls = ctx;
	r->client_certificate = mem_strdup(client_certificate);
	return 0;
}

static void
shared_on_settings(void *arg, const struct settings *s)
{
	struct remote *r = arg;
	struct err err;

	if (shared_make_tls(r, settings_smtp_out(s, STR_NONE)->client_certificate, &err) != 0)
		log_error(NULL, "client certificate not in use", F_ERR(&err));
	dns_set_caching(r->worker->dns, settings_smtp_out(s, STR_NONE)->enable_dns_caching);
}

struct remote *
remote_new(struct worker *w, struct err *err)
{
	struct remote *r = mem_new(struct remote);

	r->worker = w;
	if (shared_make_tls(r, "", err) != 0) {
		mem_free(r);
		return NULL;
	}
	r->pool = pool_new(w->base);
	r->http = web_client_new(w->base);
	r->sts = sts_new(&(struct sts_options){.base = w->base,
					       .dns = w->dns,
					       .http = r->http,
					       .redis = w->redis,
					       .ca_file = w->ca_file,
					       .https_port = w->sts_port});
	shared_read_own_addresses(r);
	settings_live_watch(w->settings, shared_on_settings, r);
	shared_on_settings(r, settings_current(w->settings));
	return r;
}

void
remote_free(struct remote **r)
{
	if (*r == NULL)
		return;
	pool_free(&(*r)->pool);
	sts_free(&(*r)->sts);
	web_client_free(&(*r)->http);
	SSL_CTX_free((*r)->tls);
	mem_free((*r)->client_certificate);
	mem_free((*r)->own);
	mem_free(*r);
	*r = NULL;
}

unsigned
remote_idle_connections(const struct remote *r)
{
	return pool_idle(r->pool);
}
