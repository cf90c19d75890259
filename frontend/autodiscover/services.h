/* What is told of a domain, whatever the form. */
#ifndef SP_FRONTEND_AUTODISCOVER_SERVICES_H
#define SP_FRONTEND_AUTODISCOVER_SERVICES_H

#include "frontend/http/http.h"

enum service_kind { SERVICE_IMAP, SERVICE_POP3, SERVICE_SMTP, SERVICE_COUNT };

struct discovered_service {
	enum service_kind kind;
	const char *host; /* lies in the request's arena */
	unsigned port;
	bool tls; /* from the start; else by STARTTLS */
};

/* In order of preference. */
struct discovered {
	struct str domain;  /* canonical */
	struct str address; /* the user name to log in with, or empty: it was not told */
	struct discovered_service services[SERVICE_COUNT];
};

/* Is the domain served here? Then cb is called with what is told of it; else with
 * NULL. Nobody but the request waits for it: if the client goes, cb does not come.
 * The store away: it is answered (503), and cb does not come. */
typedef void discovered_on_found(struct http_request *r, const struct discovered *found);
void discover(struct http_request *r, struct str domain, struct str address, discovered_on_found *cb);

/* The same, by an address in a parameter (emailaddress, email; in any case), or else
 * by the host's name without the prefix. An address that is none: cb gets NULL. */
void discover_by_request(struct http_request *r, struct str prefix, discovered_on_found *cb);

#endif
