/* The data about a domain, common to all formats. */
#ifndef SP_FRONTEND_AUTODISCOVER_SERVICES_H
#define SP_FRONTEND_AUTODISCOVER_SERVICES_H

#include "frontend/http/http.h"

enum service_kind { SERVICE_IMAP, SERVICE_POP3, SERVICE_SMTP, SERVICE_COUNT };

struct discovered_service {
	enum service_kind kind;
	const char *host; /* in the request's arena */
	unsigned port;
	bool tls; /* from the start; otherwise STARTTLS */
};

/* In order of preference. */
struct discovered {
	struct str domain;  /* canonical */
	struct str address; /* the user name to log in with, or empty: not given */
	struct discovered_service services[SERVICE_COUNT];
};

/* If the domain is served here, cb is called with its data; otherwise with NULL. The
 * lookup belongs to the request: if the client leaves, cb is not called. If the store
 * is unavailable, the request is answered (503), and cb is not called. */
typedef void discovered_on_found(struct http_request *r, const struct discovered *found);
void discover(struct http_request *r, struct str domain, struct str address, discovered_on_found *cb);

/* The same, for an address in a parameter (emailaddress, email; in any case), or
 * otherwise for the host's name without the prefix. If the address is invalid, cb
 * gets NULL. */
void discover_by_request(struct http_request *r, struct str prefix, discovered_on_found *cb);

#endif
