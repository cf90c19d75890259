#include <ifaddrs.h>
#include <openssl/err.h>

#include "delivery-worker/remote/remote_private.h"
#include "lib/base/mem.h"

/* Opportunistic TLS: whatever certificate, as the alternative is none at all
 * (RFC 7435). It is judged where a message requires TLS. */
static SSL_CTX *
make_tls(struct err *err)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (ctx == NULL) {
		err_set(err, ERR_UNAVAILABLE, "no TLS context");
		return NULL;
	}
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION);
	if (SSL_CTX_set_default_verify_paths(ctx) != 1)
		ERR_clear_error();
	return ctx;
}

static void
read_own_addresses(struct remote *r)
{
	struct ifaddrs *list, *i;
	unsigned count = 0;

	if (getifaddrs(&list) != 0)
		return;
	for (i = list; i != NULL; i = i->ifa_next)
		count++;
	r->own = mem_alloc(sizeof(*r->own) * (count + 1));
	for (i = list; i != NULL; i = i->ifa_next) {
		if (i->ifa_addr != NULL && ip_from_sockaddr(i->ifa_addr, &r->own[r->own_count], NULL))
			r->own_count++;
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

static void
on_settings(void *arg, const struct settings *s)
{
	struct remote *r = arg;

	dns_set_caching(r->worker->dns, settings_smtp_out(s, STR_NONE)->enable_dns_caching);
}

struct remote *
remote_new(struct worker *w, struct err *err)
{
	struct remote *r = mem_new(struct remote);

	r->worker = w;
	r->tls = make_tls(err);
	if (r->tls == NULL) {
		mem_free(r);
		return NULL;
	}
	r->pool = pool_new(w->base);
	read_own_addresses(r);
	settings_live_watch(w->settings, on_settings, r);
	on_settings(r, settings_current(w->settings));
	return r;
}

void
remote_free(struct remote **r)
{
	if (*r == NULL)
		return;
	pool_free(&(*r)->pool);
	SSL_CTX_free((*r)->tls);
	mem_free((*r)->own);
	mem_free(*r);
	*r = NULL;
}

unsigned
remote_idle_connections(const struct remote *r)
{
	return pool_idle(r->pool);
}
