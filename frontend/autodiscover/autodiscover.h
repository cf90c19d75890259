/* Autodiscover: mail clients ask where a domain's mail is served, each in its own
 * format. All formats contain the same data (services.h), from the settings pop, imap
 * and smtp-in autodiscover_host, autodiscover_port and autodiscover_ssl, and list
 * only what is served here.
 *
 * A format that needs no login describes a domain; it never tells whether an address
 * exists. */
#ifndef SP_FRONTEND_AUTODISCOVER_AUTODISCOVER_H
#define SP_FRONTEND_AUTODISCOVER_AUTODISCOVER_H

#include "frontend/http/http.h"

/* Mozilla's format: GET of an XML file, without login. */
extern const struct http_handler autodiscover_autoconfig;
/* Outlook's POX ("plain old XML"): POST, with login. */
extern const struct http_handler autodiscover_pox;
/* Outlook's and Exchange clients' SOAP: POST, with login. */
extern const struct http_handler autodiscover_soap;
/* Outlook's newer format: GET, JSON, without login. */
extern const struct http_handler autodiscover_json;
/* Apple's configuration profile: GET, without login. */
extern const struct http_handler autodiscover_mobileconfig;

#endif
