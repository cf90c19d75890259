#include "frontend/autodiscover/services.h"

struct discovering {
	struct http_request *request; /* borrowed, held */
	struct discovered found;
	discovered_on_found *cb;
};

static void
services_set(struct discovered_service *s, enum service_kind kind, struct http_request *r, const char *host,
	     int64_t port, bool tls)
{
	*s = (struct discovered_service){
		.kind = kind,
		.host = arena_strdup(http_arena(r), *host != '\0' ? host : http_frontend(r)->service->hostname),
		.port = (unsigned)port,
		.tls = tls,
	};
}

static void
services_fill(struct http_request *r, struct discovered *found)
{
	const struct settings *settings = frontend_settings(http_frontend(r));
	const struct settings_imap *imap = settings_imap(settings, found->domain);
	const struct settings_pop *pop = settings_pop(settings, found->domain);
	const struct settings_smtp_in *smtp = settings_smtp_in(settings, found->domain);

	services_set(&found->services[0], SERVICE_IMAP, r, imap->autodiscover_host, imap->autodiscover_port,
		     imap->autodiscover_ssl);
	services_set(&found->services[1], SERVICE_POP3, r, pop->autodiscover_host, pop->autodiscover_port,
		     pop->autodiscover_ssl);
	services_set(&found->services[2], SERVICE_SMTP, r, smtp->autodiscover_host, smtp->autodiscover_port,
		     smtp->autodiscover_ssl);
}

static void
services_on_local(void *arg, bool is, const struct err *err)
{
	struct discovering *d = arg;
	struct http_request *r = d->request;

	if (!http_back(r))
		return;
	if (err != NULL) {
		http_unavailable(r);
		return;
	}
	if (is)
		services_fill(r, &d->found);
	d->cb(r, is ? &d->found : NULL);
}

void
discover(struct http_request *r, struct str domain, struct str address, discovered_on_found *cb)
{
	struct discovering *d = arena_new(http_arena(r), struct discovering);
	char name[DIRECTORY_DOMAIN_MAX];
	bool is;

	if (!directory_canonical_domain(domain, name)) {
		cb(r, NULL);
		return;
	}
	*d = (struct discovering){.request = r, .cb = cb};
	d->found.domain = arena_str(http_arena(r), str_c(name));
	d->found.address = arena_str(http_arena(r), address);
	http_hold(r);
	if (directory_is_local_domain(http_frontend(r)->directory, d->found.domain, &is, services_on_local, d))
		services_on_local(d, is, NULL);
}

/* "emailaddress", as Thunderbird and Outlook write it, and "email". */
static bool
services_find_address(struct http_request *r, struct str *address_out)
{
	static const char *const names[] = {"emailaddress", "Email", "email", "EmailAddress"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (http_parameter(r, str_c(names[i]), address_out) && address_out->len != 0)
			return true;
	return false;
}

void
discover_by_request(struct http_request *r, struct str prefix, discovered_on_found *cb)
{
	struct str host = http_head(r)->host, address;
	char canonical[DIRECTORY_ADDRESS_MAX];

	if (!services_find_address(r, &address)) {
		if (str_starts_ci(host, prefix))
			host = str_from(host, prefix.len);
		discover(r, host, STR_NONE, cb);
	} else if (directory_canonical_address(address, canonical)) {
		discover(r, directory_domain_of(str_c(canonical)), str_c(canonical), cb);
	} else {
		cb(r, NULL);
	}
}
